//! API keys of REST APIs, and the plans that they are of. Their values are secrets: they are never
//! copied, and the file names where they will be found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::name::{slug, unique};
use super::super::yaml::Writer;
use super::super::{Kind, Object};
use super::Import;
use super::documents::Topic;
use super::draft::{Draft, text, throttle};

/// A key as the file will have it.
struct Key {
    name: String,
    is_enabled: bool,
}

impl Import<'_> {
    /// Writes the plans that open one of these APIs, and their keys.
    pub(super) fn write_usage(&mut self, file: &mut Writer, drafts: &[Draft]) {
        let documents = self.documents;
        let keys = self.keys();
        let plans: Vec<&Value> = documents.all(Topic::UsagePlans).map(|(_, plan)| plan).collect();
        let mut taken = BTreeSet::new();
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let mut written = Writer::default();
        for plan in &plans {
            let Some(plan) = Object::new(plan, "usage plan") else { continue };
            let id = plan.text("id").unwrap_or_default();
            let name = unique(&slug(plan.text("name").unwrap_or(id)), &mut taken);
            let place = format!("usage plan {name}");
            let plan = plan.at(&*place);
            let own: Vec<&str> = self.keys_of(id, plans.len() == 1, &keys);
            let apis = self.stages(&plan, &place, drafts);
            if apis.is_empty() {
                let text = "no API of this import is of it, so it is left out";
                self.note(Kind::Dropped, &place, text);
                continue;
            }
            if own.is_empty() {
                let text = "no key of it was given: get its keys with `get-usage-plan-keys`, and \
                            name the file after the plan's id. It is left out";
                self.note(Kind::ToDo, &place, text);
                continue;
            }
            used.extend(&own);
            written.under(&name, |file| {
                file.list("api_keys", own.iter().copied());
                file.under("apis", |file| {
                    apis.iter().for_each(|api| file.item(|file| api.write(file)));
                });
                if let Some(limit) = limit_of(&plan) {
                    file.raw("throttle", &limit);
                }
                if let Some(quota) = quota_of(&plan) {
                    file.raw("quota", &quota);
                }
            });
            plan.ignore(&["id", "name", "description", "tags", "productCode"]);
            plan.finish(&mut self.notes);
        }
        let written = written.into_text();
        if !written.is_empty() {
            self.write_keys(file, keys.values().filter(|key| used.contains(key.name.as_str())));
            file.blank();
            file.under("usage_plans", |file| file.block(&written));
        }
        self.tell_closed(drafts, !written.is_empty());
    }

    fn write_keys<'k>(&mut self, file: &mut Writer, keys: impl Iterator<Item = &'k Key>) {
        file.blank();
        file.under("api_keys", |file| {
            for key in keys {
                let variable = format!("API_KEY_{}", key.name.to_uppercase().replace('-', "_"));
                let value = format!("value: \"${{env:{variable}}}\"");
                let enabled = if key.is_enabled { "" } else { ", enabled: false" };
                file.raw(&key.name, &format!("{{ {value}{enabled} }}"));
                let text = format!("put its value into the environment variable `{variable}`");
                self.note(Kind::ToDo, &format!("API key {}", key.name), text);
            }
        });
    }

    /// A route that asks for a key which no plan opens turns everybody away.
    fn tell_closed(&mut self, drafts: &[Draft], has_plans: bool) {
        for draft in drafts {
            let asks = draft.routes.iter().any(|route| route.needs_api_key);
            if asks && !has_plans {
                self.note(
                    Kind::ToDo,
                    &format!("API {}", draft.name),
                    "its routes ask for API keys, and no usage plan was given: they answer 403 \
                     until `api_keys` and `usage_plans` say which keys open them",
                );
            }
        }
    }

    /// All keys by their id.
    fn keys(&self) -> BTreeMap<String, Key> {
        let mut keys = BTreeMap::new();
        let mut taken = BTreeSet::new();
        let documents = self.documents;
        let all = documents.all(Topic::ApiKeys).chain(documents.all(Topic::PlanKeys));
        for (_, value) in all {
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            let Some(id) = text("id") else { continue };
            if keys.contains_key(id) {
                continue;
            }
            let name = unique(&slug(text("name").unwrap_or(id)), &mut taken);
            let is_enabled = value.get("enabled").and_then(Value::as_bool).unwrap_or(true);
            keys.insert(id.to_owned(), Key { name, is_enabled });
        }
        keys
    }

    /// The names of the keys of a plan.
    fn keys_of<'k>(
        &self,
        plan: &str,
        is_only: bool,
        keys: &'k BTreeMap<String, Key>,
    ) -> Vec<&'k str> {
        let of_plan = |(file, value): (&str, &Value)| {
            let is_its = is_only || !plan.is_empty() && file.contains(plan);
            let id = value.get("id").and_then(Value::as_str)?;
            is_its.then(|| keys.get(id).map(|key| key.name.as_str())).flatten()
        };
        self.documents.all(Topic::PlanKeys).filter_map(of_plan).collect()
    }

    /// The stages that a plan opens, as far as they are in this import.
    fn stages(&mut self, plan: &Object<'_>, place: &str, drafts: &[Draft]) -> Vec<Opened> {
        let mut opened = Vec::new();
        for stage in plan.list("apiStages") {
            let text = |key: &str| stage.get(key).and_then(Value::as_str).unwrap_or_default();
            let (id, name) = (text("apiId"), text("stage"));
            let found = drafts.iter().find(|draft| draft.id == id && draft.stage_name() == name);
            let Some(draft) = found else {
                let text = format!("the stage {name} of the API {id}, which is not in this import");
                self.note(Kind::Dropped, place, text);
                continue;
            };
            let limits = stage.get("throttle").and_then(Value::as_object).into_iter().flatten();
            let mut throttles = Vec::new();
            for (key, limit) in limits {
                // `/orders/GET`, and `/*/*` or `*/*` for all.
                let (path, method) = key.rsplit_once('/').unwrap_or(("", key));
                let key = format!("{method} {}", if path.is_empty() { "/" } else { path });
                let limit = throttle(
                    limit.get("rateLimit").and_then(Value::as_f64),
                    limit.get("burstLimit").and_then(Value::as_u64),
                );
                match limit {
                    Some(limit) if draft.routes.iter().any(|route| route.key == key) => {
                        throttles.push((key, limit));
                    }
                    Some(limit) => {
                        let text = format!("its limit `{limit}` of `{key}`, which is no route");
                        self.note(Kind::Dropped, place, text);
                    }
                    None => {}
                }
            }
            opened.push(Opened { api: draft.name.clone(), throttles });
        }
        opened
    }
}

/// An API of a plan.
struct Opened {
    api: String,
    throttles: Vec<(String, String)>,
}

impl Opened {
    fn write(&self, file: &mut Writer) {
        file.line("api", &self.api);
        if !self.throttles.is_empty() {
            file.under("throttle", |file| {
                self.throttles.iter().for_each(|(key, limit)| file.raw(key, limit));
            });
        }
    }
}

fn limit_of(plan: &Object<'_>) -> Option<String> {
    let limit = plan.object("throttle")?;
    throttle(limit.fraction("rateLimit"), limit.number("burstLimit"))
}

fn quota_of(plan: &Object<'_>) -> Option<String> {
    let quota = plan.object("quota")?;
    let limit = quota.number("limit").filter(|limit| *limit > 0)?;
    let period = quota.text("period")?.to_ascii_lowercase();
    let offset = quota.number("offset").filter(|offset| *offset > 0);
    let offset = offset.map_or_else(String::new, |offset| format!(", offset: {offset}"));
    Some(format!("{{ limit: {limit}{offset}, period: {} }}", text(&period)))
}
