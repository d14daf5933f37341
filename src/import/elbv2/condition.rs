//! The conditions of a rule.

use super::super::yaml::{Writer, flow, scalar};
use super::super::{Kind, Note, Object};
use super::Import;

/// What `conditions` holds.
#[derive(Default)]
pub(super) struct Conditions {
    single: Vec<(&'static str, String)>,
    headers: Vec<String>,
    queries: Vec<String>,
}

impl Import<'_> {
    /// Reads them. A rule without one of its conditions would match more than it did, so there is
    /// none where one is not known.
    pub(super) fn conditions(
        &mut self,
        conditions: Vec<Object<'_>>,
        place: &str,
    ) -> Option<Conditions> {
        let mut read = Conditions::default();
        for condition in conditions {
            let field = condition.text("Field").unwrap_or_default();
            let (key, config) = match field {
                "host-header" => ("host_header", "HostHeaderConfig"),
                "path-pattern" => ("path_pattern", "PathPatternConfig"),
                "http-request-method" => ("http_request_method", "HttpRequestMethodConfig"),
                "source-ip" => ("source_ip", "SourceIpConfig"),
                "http-header" => ("http_header", "HttpHeaderConfig"),
                "query-string" => ("query_string", "QueryStringConfig"),
                other => {
                    let text = format!("the whole rule: its condition on `{other}` is not known");
                    self.note(Kind::Dropped, place, text);
                    return None;
                }
            };
            let config = condition.object(config);
            let old = condition.texts("Values");
            match (key, config) {
                ("http_header", Some(config)) => {
                    read.headers.push(header(config, &mut self.notes));
                }
                ("query_string", Some(config)) => {
                    read.queries.push(query(config, &mut self.notes));
                }
                (key, config) => read.single.push((key, texts(config, &old, &mut self.notes))),
            }
            condition.finish(&mut self.notes);
        }
        Some(read)
    }
}

impl Conditions {
    pub(super) fn write(&self, file: &mut Writer) {
        file.under("conditions", |file| {
            for (key, values) in &self.single {
                file.raw(key, values);
            }
            for (key, all) in [("http_header", &self.headers), ("query_string", &self.queries)] {
                if !all.is_empty() {
                    file.raw(key, &format!("[{}]", all.join(", ")));
                }
            }
        });
    }
}

/// A list of values, or regular expressions in a mapping. `old` is the form that AWS still takes
/// beside the field's name.
fn texts(config: Option<Object<'_>>, old: &[&str], notes: &mut Vec<Note>) -> String {
    let Some(config) = config else { return flow(old.iter().copied()) };
    let (values, regexes) = (config.texts("Values"), config.texts("RegexValues"));
    config.finish(notes);
    match (values.is_empty(), regexes.is_empty()) {
        (_, false) => format!("{{ regex_values: {} }}", flow(regexes)),
        (false, true) => flow(values),
        (true, true) => flow(old.iter().copied()),
    }
}

fn header(config: Object<'_>, notes: &mut Vec<Note>) -> String {
    let name = scalar(config.text("HttpHeaderName").unwrap_or_default());
    let (values, regexes) = (config.texts("Values"), config.texts("RegexValues"));
    config.finish(notes);
    if regexes.is_empty() {
        return format!("{{ name: {name}, values: {} }}", flow(values));
    }
    format!("{{ name: {name}, regex_values: {} }}", flow(regexes))
}

fn query(config: Object<'_>, notes: &mut Vec<Note>) -> String {
    let mut pairs = Vec::new();
    for pair in config.list("Values").iter().filter_map(|value| Object::new(value, config.place()))
    {
        let value = scalar(pair.text("Value").unwrap_or_default());
        pairs.push(match pair.text("Key") {
            Some(key) => format!("{{ key: {}, value: {value} }}", scalar(key)),
            None => format!("{{ value: {value} }}"),
        });
        pair.finish(notes);
    }
    config.finish(notes);
    match pairs.as_slice() {
        [only] => only.clone(),
        several => format!("{{ any_of: [{}] }}", several.join(", ")),
    }
}
