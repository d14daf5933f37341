//! `x-amazon-apigateway-integration`: who serves an operation, and how it is asked.

use std::time::Duration;

use super::Reader;
use super::operation::Operation;
use super::view::View;
use crate::config::decode::quoted;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Table};
use crate::config::model::Flavour;
use crate::config::units::DurationText;
use crate::config::{raw, regex::Regex};

impl<'a> Reader<'a> {
    pub(super) fn integration(
        &mut self,
        view: View<'a>,
        operation: Operation<'a>,
    ) -> Option<raw::Integration> {
        let view = self.resolve(view)?;
        let kind = view.get("type").and_then(View::text).unwrap_or_default();
        match kind.to_ascii_lowercase().as_str() {
            "http_proxy" => self.proxied(view, operation),
            "aws_proxy" => {
                let made = self.proxied(view, operation)?;
                let help = "the target group gets the request itself";
                self.left_out(view.key, "the event that a function would get", help);
                Some(made)
            }
            "mock" => self.mocked(view),
            _ => {
                let what = format!("an integration of the type {}", quoted(kind));
                self.cannot(view.key, &what, "`http_proxy` or `mock`, or write this route");
                None
            }
        }
    }

    fn proxied(&mut self, view: View<'a>, operation: Operation<'a>) -> Option<raw::Integration> {
        self.judge_keys(view);
        if let Some(method) = view.get("httpMethod") {
            let text = self.text(method)?;
            let is_same = text.eq_ignore_ascii_case(operation.method)
                || text.eq_ignore_ascii_case("ANY")
                || view.get("type").and_then(View::text) == Some("aws_proxy");
            if !is_same {
                let what = format!("another method for the target ({})", quoted(text));
                self.cannot(method.span(), &what, "targets are asked with the request's own");
            }
        }
        let Some(uri) = view.get("uri") else {
            let message = "the integration has no `uri`";
            self.report(Diagnostic::error("missing-key", view.key, message));
            return None;
        };
        let text = self.text(uri)?;
        let target_group = self.backend(text, uri)?;
        let mut made = raw::Integration { target_group, ..raw::Integration::default() };
        let parameters = view.get("requestParameters");
        if let Some(path) = path_of(text) {
            let path = self.path(path, uri, parameters)?;
            made.path = uri.field(path);
        }
        if let Some(parameters) = parameters {
            let table = match self.flavour {
                Flavour::Http => self.texts(parameters),
                Flavour::Rest => self.request_parameters(parameters),
            };
            made.request_parameters = parameters.field(table);
        }
        if let Some(by_status) = view.get("responseParameters") {
            let entries = by_status.entries();
            let entries = entries.map(|(status, map)| (map.name(status), Some(self.texts(map))));
            made.response_parameters = by_status.field(Table { entries: entries.collect() });
        }
        if let Some(timeout) = view.get("timeoutInMillis") {
            match timeout.number() {
                Some(millis) => {
                    made.timeout = timeout.field(DurationText(Duration::from_millis(millis)));
                }
                None => self.misfit(timeout, "a number of milliseconds"),
            }
        }
        Some(made)
    }

    /// Keys that say nothing here are known; what says something is carried over or told.
    fn judge_keys(&mut self, view: View<'a>) {
        for (name, value) in view.entries() {
            match name {
                "type" | "uri" | "httpMethod" | "requestParameters" | "responseParameters"
                | "timeoutInMillis" | "payloadFormatVersion"
                // Which way it goes to the target, the target group says.
                | "connectionType" | "connectionId"
                // Proxy integrations do not look at these.
                | "responses" | "passthroughBehavior" | "cacheNamespace" => {}
                "cacheKeyParameters" if value.items().next().is_none() => {}
                "cacheKeyParameters" => {
                    self.left_out(value.key, "`cacheKeyParameters`", "nothing is cached here");
                }
                "tlsConfig" => {
                    let help = "say it as `tls` of the target group";
                    self.left_out(value.key, "`tlsConfig`", help);
                }
                "credentials" => {
                    let help = "targets are asked without a role of AWS";
                    self.left_out(value.key, "`credentials`", help);
                }
                "requestTemplates" if value.entries().next().is_none() => {}
                name if name.starts_with("x-") && !name.starts_with("x-amazon-") => {}
                name => {
                    let what = format!("{} of an integration", quoted(name));
                    self.cannot(value.key, &what, "remove it, or write this route");
                }
            }
        }
    }

    /// The target group that `integrations:` names for a URI.
    fn backend(&mut self, uri: &str, view: View<'a>) -> Option<Field<String>> {
        let wanted = with_path(uri);
        let mut best: Option<(usize, usize)> = None;
        for (position, (pattern, _)) in self.backends.iter().enumerate() {
            let text = with_path(&pattern.value);
            let fits = match text.strip_suffix('*') {
                Some(start) => wanted.starts_with(start),
                None => wanted == text,
            };
            if fits && best.is_none_or(|(_, length)| text.len() > length) {
                best = Some((position, text.len()));
            }
        }
        let Some((position, _)) = best else {
            let message = format!("nothing says who serves {}", quoted(uri));
            let help = "name it in `routes.yaml`: `openapi: { file, integrations: { \
                        \"https://HOST/*\": { target_group: NAME } } }`";
            let finding = Diagnostic::error("unmapped-integration", view.span(), message);
            self.report(finding.help(help));
            return None;
        };
        self.used.insert(position);
        let (pattern, backend) = self.backends.get(position)?;
        let backend = backend.as_ref()?;
        match &backend.target_group {
            Field::Given(name) => Some(Field::Given(name.clone())),
            // It is missed at its own place.
            Field::Absent => {
                let message = "`target_group` is missing here";
                self.report(Diagnostic::error("missing-key", pattern.span, message));
                None
            }
            Field::Wrong(_) => None,
        }
    }

    /// The path of a URI, with the route's variables.
    fn path(&mut self, path: &str, view: View<'a>, parameters: Option<View<'a>>) -> Option<String> {
        if path.contains(['?', '#']) {
            let help = "map parameters by `requestParameters`";
            self.cannot(view.span(), "a query in `uri`", help);
            return None;
        }
        if path.contains("${") {
            self.cannot(view.span(), "a stage variable in the path of `uri`", "write it out");
            return None;
        }
        let segments: Vec<&str> = path.split('/').collect();
        let mut made = Vec::with_capacity(segments.len());
        for segment in segments {
            let variable = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let Some(variable) = variable.filter(|_| self.flavour == Flavour::Rest) else {
                made.push(segment.to_owned());
                continue;
            };
            let name = format!("integration.request.path.{variable}");
            let value = parameters.and_then(|parameters| parameters.get(&name));
            let source = value
                .and_then(View::text)
                .and_then(|text| text.strip_prefix("method.request.path."));
            let Some(source) = source else {
                let place = value.unwrap_or(view).span();
                let what = format!("the variable {} of `uri`", quoted(variable));
                let help = format!("map it: `{name}: method.request.path.NAME`");
                self.cannot(place, &what, &help);
                return None;
            };
            made.push(format!("{{{source}}}"));
        }
        Some(made.join("/"))
    }

    /// `requestParameters` of a REST API, in the words of an HTTP API.
    fn request_parameters(&mut self, view: View<'a>) -> Table<String> {
        let mut entries = Vec::new();
        for (name, value) in view.entries() {
            let Some(text) = self.text(value) else { continue };
            let place = name.strip_prefix("integration.request.").and_then(|p| p.split_once('.'));
            match place {
                Some(("path", _)) => {}
                Some((place @ ("header" | "querystring"), target)) => {
                    let key = format!("overwrite:{place}.{target}");
                    entries.push((value.name(key), Some(text.to_owned())));
                }
                _ => self.cannot(value.key, &quoted(name), "map headers, parameters or the path"),
            }
        }
        Table { entries }
    }

    /// A mock, where its templates are plain texts.
    fn mocked(&mut self, view: View<'a>) -> Option<raw::Integration> {
        let code = self.mock_status(view)?;
        let responses = view.get("responses");
        let mut chosen = None;
        for (pattern, response) in responses.into_iter().flat_map(View::entries) {
            if pattern != "default" && selects(pattern, &code) {
                chosen = Some(response);
                break;
            }
        }
        let default = responses.and_then(|responses| responses.get("default"));
        let Some(response) = chosen.or(default) else {
            let message = format!("no response of the mock is for the status {code}");
            self.report(Diagnostic::error("missing-key", view.key, message));
            return None;
        };
        let mut mock = raw::Mock::default();
        let status = response.get("statusCode").unwrap_or(response);
        let number = response.get("statusCode").map_or_else(|| code.parse().ok(), View::number);
        match number {
            Some(number) => mock.status_code = status.field(number),
            None => self.misfit(status, "a status"),
        }
        if let Some(parameters) = response.get("responseParameters") {
            let table = self.mock_headers(parameters);
            mock.headers = parameters.field(table);
        }
        if let Some((kind, template)) =
            response.get("responseTemplates").and_then(|all| all.entries().next())
        {
            let text = self.text(template)?;
            if text.contains(['$', '#']) {
                let help = "a mock says a fixed text: write this route, or drop `$` and `#`";
                self.cannot(template.span(), "a template of the Velocity language", help);
                return None;
            }
            mock.content_type = Field::Given(template.name(kind));
            mock.body = template.field(text.to_owned());
        }
        let mock = view.field(Box::new(mock));
        Some(raw::Integration { mock, ..raw::Integration::default() })
    }

    /// The status that the request's template chooses.
    fn mock_status(&mut self, view: View<'a>) -> Option<String> {
        let template = view.get("requestTemplates").and_then(|all| all.entries().next());
        let Some((_, template)) = template else {
            let help = "write `requestTemplates: { application/json: '{\"statusCode\": 200}' }`";
            self.cannot(view.key, "a mock without a template for its status", help);
            return None;
        };
        let text = self.text(template)?;
        let code = text
            .trim()
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .and_then(|inner| inner.split_once(':'))
            .filter(|(key, _)| key.trim().trim_matches(['"', '\'']) == "statusCode")
            .map(|(_, code)| code.trim().trim_matches(['"', '\'']))
            .filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()));
        if code.is_none() {
            let help = "it may say `{\"statusCode\": 200}` and no more";
            self.cannot(template.span(), "this template", help);
        }
        code.map(str::to_owned)
    }

    fn mock_headers(&mut self, view: View<'a>) -> Table<String> {
        let mut entries = Vec::new();
        for (name, value) in view.entries() {
            let Some(text) = self.text(value) else { continue };
            let header = name.strip_prefix("method.response.header.");
            let literal = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            match (header, literal) {
                (Some(header), Some(literal)) => {
                    entries.push((value.name(header), Some(literal.to_owned())));
                }
                _ => self.cannot(value.span(), "this value", "a header with `'text'` in quotes"),
            }
        }
        Table { entries }
    }
}

/// Whether a pattern of `responses` is for this status.
fn selects(pattern: &str, code: &str) -> bool {
    let regex = Regex::new(&format!("^(?:{pattern})$"), false);
    regex.is_ok_and(|regex| regex.is_match(code.as_bytes()))
}

/// A URI without a path asks for `/`.
fn with_path(uri: &str) -> String {
    match uri.split_once("://") {
        Some((_, rest)) if !rest.contains(['/', '*']) => format!("{uri}/"),
        _ => uri.to_owned(),
    }
}

/// The path of a URL; `None` for a name of AWS, whose targets get the request's own.
fn path_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    // The host may hold `${stageVariables.NAME}`, which has no slash.
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}
