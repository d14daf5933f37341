//! Resources of a state or a plan, with their references followed.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::{Kind, Note};

/// How deep modules and blocks are followed.
const DEEPEST: usize = 64;

/// What the importers read, whatever its prefix.
const KNOWN: &[&str] = &[
    "lb",
    "lb_listener",
    "lb_listener_rule",
    "lb_listener_certificate",
    "lb_target_group",
    "lb_target_group_attachment",
    "apigatewayv2_api",
    "apigatewayv2_route",
    "apigatewayv2_authorizer",
    "apigatewayv2_integration",
    "apigatewayv2_stage",
    "apigatewayv2_api_mapping",
    "apigatewayv2_domain_name",
    "apigatewayv2_deployment",
    "apigatewayv2_vpc_link",
    "api_gateway_rest_api",
    "api_gateway_resource",
    "api_gateway_method",
    "api_gateway_integration",
    "api_gateway_authorizer",
    "api_gateway_stage",
    "api_gateway_deployment",
    "api_gateway_base_path_mapping",
    "api_gateway_domain_name",
    "api_gateway_vpc_link",
    "api_gateway_account",
];

/// One resource.
#[derive(Debug)]
pub(super) struct Resource {
    /// `module.edge.aws_lb.this[0]`
    pub(super) address: String,
    /// Without `aws_`; `alb` is `lb`.
    pub(super) kind: String,
    /// Its name in the file that describes it.
    pub(super) name: String,
    pub(super) values: Map<String, Value>,
    /// `module.edge.`, or nothing.
    module: String,
}

impl Resource {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// What AWS calls it, or else what the file does.
    pub(super) fn own_name(&self) -> &str {
        self.text("name").unwrap_or(&self.name)
    }
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(super) struct Resources {
    all: Vec<Resource>,
    /// Expressions by the address of what they describe, without keys of instances.
    expressions: BTreeMap<String, Value>,
}

impl Resources {
    pub(super) fn take(&mut self, file: &Value) {
        let values = file.get("planned_values").or_else(|| file.get("values"));
        if let Some(root) = values.and_then(|values| values.get("root_module")) {
            self.module(root, 0);
        }
        if let Some(root) = file.get("configuration").and_then(|file| file.get("root_module")) {
            self.configuration(root, "", 0);
        }
    }

    fn module(&mut self, module: &Value, depth: usize) {
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let prefix = match text(module, "address") {
            address if address.is_empty() => address,
            address => address + ".",
        };
        for resource in list(module, "resources") {
            if text(resource, "mode") == "data" {
                continue;
            }
            let kind = text(resource, "type");
            let Some(kind) = kind.strip_prefix("aws_") else { continue };
            let kind = kind
                .strip_prefix("alb")
                .map_or_else(|| kind.to_owned(), |rest| format!("lb{rest}"));
            let Some(Value::Object(values)) = resource.get("values").cloned() else { continue };
            self.all.push(Resource {
                address: text(resource, "address"),
                kind,
                name: text(resource, "name"),
                values,
                module: prefix.clone(),
            });
        }
        if depth < DEEPEST {
            for child in list(module, "child_modules") {
                self.module(child, depth + 1);
            }
        }
    }

    fn configuration(&mut self, module: &Value, prefix: &str, depth: usize) {
        for resource in list(module, "resources") {
            let address = resource.get("address").and_then(Value::as_str);
            let (Some(address), Some(expressions)) = (address, resource.get("expressions")) else {
                continue;
            };
            self.expressions.insert(format!("{prefix}{address}"), expressions.clone());
        }
        let calls = module.get("module_calls").and_then(Value::as_object);
        for (name, call) in calls.into_iter().flatten() {
            if let Some(module) = call.get("module").filter(|_| depth < DEEPEST) {
                self.configuration(module, &format!("{prefix}module.{name}."), depth + 1);
            }
        }
    }

    /// Gives an identity to what has none before it is made, and fills in what refers to it.
    pub(super) fn link(&mut self, notes: &mut Vec<Note>) {
        for resource in &mut self.all {
            for key in ["arn", "id"] {
                let value = resource.values.entry(key).or_insert(Value::Null);
                if value.is_null() {
                    *value = identity(&resource.kind, &resource.address).into();
                }
            }
        }
        let mut filled = Vec::new();
        for (position, resource) in self.all.iter().enumerate() {
            let Some(expressions) = self.expressions.get(&without_keys(&resource.address)) else {
                continue;
            };
            let mut values = Value::Object(resource.values.clone());
            self.fill(&mut values, expressions, resource, "", 0, notes);
            filled.push((position, values));
        }
        for (position, values) in filled {
            if let (Some(resource), Value::Object(values)) = (self.all.get_mut(position), values) {
                resource.values = values;
            }
        }
    }

    fn fill(
        &self,
        values: &mut Value,
        expressions: &Value,
        of: &Resource,
        path: &str,
        depth: usize,
        notes: &mut Vec<Note>,
    ) {
        let (Value::Object(values), Value::Object(expressions)) = (values, expressions) else {
            return;
        };
        for (key, expression) in expressions {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if let (Value::Array(blocks), Some(Value::Array(of_blocks))) =
                (expression, values.get_mut(key))
            {
                for (block, expression) in of_blocks.iter_mut().zip(blocks) {
                    if depth < DEEPEST {
                        self.fill(block, expression, of, &path, depth + 1, notes);
                    }
                }
                continue;
            }
            let is_known = values.get(key).is_some_and(|value| !value.is_null());
            let references: Vec<&str> =
                list(expression, "references").iter().filter_map(Value::as_str).collect();
            if is_known || references.is_empty() {
                continue;
            }
            match references.iter().find_map(|reference| self.follow(reference, of, key)) {
                Some(value) => {
                    values.insert(key.clone(), value);
                }
                None if matters(&of.kind) => notes.push(Note {
                    kind: Kind::ToDo,
                    place: of.address.clone(),
                    text: format!(
                        "`{path}` is not known before it is applied (`{}`)",
                        references.first().unwrap_or(&"")
                    ),
                }),
                None => {}
            }
        }
    }

    /// `aws_lb.edge["a"].arn`, as a resource of the same module means it; `key` is what it is for.
    fn follow(&self, reference: &str, from: &Resource, key: &str) -> Option<Value> {
        let (front, said) = match reference.split_once('[') {
            Some((front, rest)) => (front, rest.rfind(']').and_then(|at| rest.get(..=at))),
            None => (reference, None),
        };
        let mut parts = front.split('.');
        let (kind, name) = (parts.next()?, parts.next()?);
        let after = reference.rsplit_once(']').map_or(front, |(_, after)| after);
        let attribute = match said {
            Some(_) => after.strip_prefix('.'),
            None => parts.next(),
        };
        // An instance that is chosen by an expression comes without the attribute.
        let usual = if key.ends_with("arn") { "arn" } else { "id" };
        let attribute = attribute.unwrap_or(usual);
        let address = format!("{}{kind}.{name}", from.module);
        let said = said.map(|said| format!("[{said}"));
        let key = said.as_deref().or_else(|| key_of(&from.address));
        let candidates = || self.all.iter().filter(|one| is_instance(&one.address, &address));
        let found = candidates().find(|one| key_of(&one.address) == key);
        // Of several, only the one that is meant will do.
        let found = found.or_else(|| candidates().next().filter(|_| candidates().count() == 1))?;
        found.values.get(attribute).filter(|value| !value.is_null()).cloned()
    }

    pub(super) fn of<'r>(&'r self, kind: &'static str) -> impl Iterator<Item = &'r Resource> {
        self.all.iter().filter(move |resource| resource.kind == kind)
    }

    /// What belongs to load balancers or APIs and is not read.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &Resource> {
        self.all.iter().filter(|one| matters(&one.kind) && !KNOWN.contains(&&*one.kind))
    }
}

fn matters(kind: &str) -> bool {
    ["lb", "apigatewayv2_", "api_gateway_"].iter().any(|front| kind.starts_with(front))
}

/// An ARN's shape, as far as the other importers look at it.
fn identity(kind: &str, address: &str) -> String {
    match kind {
        "lb" => format!("terraform:loadbalancer/app/{address}/0"),
        "lb_listener" => format!("terraform:listener/app/unnamed/0/{address}"),
        "lb_target_group" => format!("terraform:targetgroup/{address}/0"),
        _ => address.to_owned(),
    }
}

pub(super) fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `["a"]` of `aws_lb.this["a"]`.
fn key_of(address: &str) -> Option<&str> {
    address.ends_with(']').then(|| address.rfind('[').and_then(|at| address.get(at..))).flatten()
}

fn is_instance(address: &str, of: &str) -> bool {
    address
        .strip_prefix(of)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('[') && rest.ends_with(']'))
}

/// `module.a["x.y"].aws_lb.b[0]` as `module.a.aws_lb.b`.
fn without_keys(address: &str) -> String {
    let (mut text, mut in_key, mut in_quotes) = (String::new(), false, false);
    for character in address.chars() {
        match character {
            '"' if in_key => in_quotes = !in_quotes,
            '[' if !in_key => in_key = true,
            ']' if in_key && !in_quotes => in_key = false,
            other if !in_key => text.push(other),
            _ => {}
        }
    }
    text
}
