//! Routing actions: exactly one of `forward`, `redirect`, `fixed_response`, `sign_out` and `api`.

use std::collections::HashSet;

use super::pattern::Refusal;
use super::rule::Place;
use super::{Judge, Scene};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned};
use crate::config::model::{Action, ApiIndex, FixedResponse, Forward, Redirect, WeightedGroup};
use crate::config::raw;
use crate::config::suggest;

/// Longest part of a redirect, and longest body of a fixed response; AWS's quotas are smaller.
const LONGEST_PART: usize = 1024;
const LONGEST_BODY: usize = 64 * 1024;
const ACTIONS: [&str; 5] = ["forward", "redirect", "fixed_response", "sign_out", "api"];
const KEYWORDS: [&str; 5] = ["protocol", "host", "port", "path", "query"];

impl Judge<'_> {
    pub(super) fn action(
        &mut self,
        (span, mapping): (Span, Span),
        raw: &raw::Rule,
        place: Place,
        scene: &mut Scene<'_>,
    ) -> Option<Action> {
        let forward = raw.forward.given().and_then(|forward| self.forward(forward, scene));
        let redirect = raw.redirect.given().and_then(|redirect| self.redirect(redirect, place));
        let fixed = raw.fixed_response.given().and_then(|fixed| self.fixed_response(fixed));
        let sign_out = raw.sign_out.given().and_then(|sign_out| self.sign_out(sign_out, scene));
        let api = raw.api.given().and_then(|api| scene.apis.resolve(self, api)).map(ApiIndex);
        let mut keys: Vec<(&str, Span)> = [
            ("forward", raw.forward.key()),
            ("redirect", raw.redirect.key()),
            ("fixed_response", raw.fixed_response.key()),
            ("sign_out", raw.sign_out.key()),
            ("api", raw.api.key()),
        ]
        .into_iter()
        .filter_map(|(name, key)| Some((name, key?)))
        .collect();
        keys.sort_by_key(|(_, key)| key.start);
        match keys.as_slice() {
            [_] => {}
            [] if self.misspelt.has_any(mapping, &ACTIONS) => {}
            [] => {
                let message = "this rule does nothing with what it matches";
                self.report(
                    Diagnostic::error("missing-action", span, message)
                        .help("add `forward`, `redirect`, `fixed_response`, `sign_out` or `api`"),
                );
            }
            [(first, place), rest @ ..] => {
                for (name, key) in rest {
                    let message =
                        format!("`{name}` stands beside `{first}`; a rule has one routing action");
                    self.report(
                        Diagnostic::error("several-actions", *key, message)
                            .related(*place, "the first one"),
                    );
                }
            }
        }
        forward
            .map(Action::Forward)
            .or_else(|| redirect.map(Action::Redirect))
            .or_else(|| fixed.map(Action::FixedResponse))
            .or_else(|| sign_out.map(Action::SignOut))
            .or_else(|| api.map(Action::Api))
    }

    fn forward(&mut self, raw: &Spanned<raw::Forward>, scene: &mut Scene<'_>) -> Option<Forward> {
        const MOST_WEIGHT: u64 = 999;
        let object = match &raw.value {
            raw::Forward::Group(name) => {
                let group = scene.groups.group(self, &raw.at(name.clone()))?;
                let groups = vec![WeightedGroup { group, weight: 1 }];
                return Some(Forward { groups, stickiness: None });
            }
            raw::Forward::Object(object) => object,
        };
        let list = self.demand(&object.target_groups, raw.key, "target_groups")?;
        if list.value.is_empty {
            let message = "`target_groups` may not be an empty list";
            self.report(Diagnostic::error("empty-list", list.key, message));
            return None;
        }
        let mut groups: Vec<WeightedGroup> = Vec::with_capacity(list.value.items.len());
        let mut places = Vec::with_capacity(list.value.items.len());
        let mut seen = HashSet::new();
        for item in &list.value.items {
            let (name, weight) = match &item.value {
                raw::WeightedGroup::Name(name) => (item.at(name.clone()), 1),
                raw::WeightedGroup::Object(object) => {
                    let weight = self.number(&object.weight, 1, 0..=MOST_WEIGHT);
                    let Some(name) = self.demand(&object.name, item.span, "name") else { continue };
                    (name.clone(), weight)
                }
            };
            let Some(group) = scene.groups.group(self, &name) else { continue };
            if !seen.insert(group) {
                let message = format!("`{}` is listed twice", name.value);
                self.report(
                    Diagnostic::error("duplicate-value", name.span, message)
                        .help("add the weights and list it once"),
                );
                continue;
            }
            groups.push(WeightedGroup { group, weight });
            places.push((group, name.span));
        }
        let complete = groups.len() == list.value.items.len();
        if complete && !groups.is_empty() && groups.iter().all(|group| group.weight == 0) {
            let message = "every weight is 0, so nothing would ever be forwarded";
            self.report(Diagnostic::error("no-weight", list.key, message));
        }
        let stickiness = self.group_stickiness(object, &places, scene);
        Some(Forward { groups, stickiness })
    }

    fn redirect(&mut self, raw: &Spanned<Box<raw::Redirect>>, place: Place) -> Option<Redirect> {
        let (key, raw) = (raw.key, &raw.value);
        let protocol = self.part(&raw.protocol, "#{protocol}", protocol);
        let host = self.part(&raw.host, "#{host}", host);
        let port = self.part(&raw.port, "#{port}", port);
        let path = self.part(&raw.path, "/#{path}", path);
        let query = self.part(&raw.query, "#{query}", query);
        let status = self.demand(&raw.status_code, key, "status_code");
        let status_code = status.and_then(|status| {
            let code = match status.value.as_str() {
                "301" | "HTTP_301" => Ok(301),
                "302" | "HTTP_302" => Ok(302),
                other => Err(Refusal {
                    message: format!(
                        "{} is not the status of a redirect",
                        crate::config::decode::quoted(other)
                    ),
                    help: Some("301 (for good) or 302 (for now)".to_owned()),
                }),
            };
            self.accept("invalid-status", status.span, code)
        });
        let (protocol, host, port, path, query) = (protocol?, host?, port?, path?, query?);
        let scheme = if place.tls { "HTTPS" } else { "HTTP" };
        let same_protocol = protocol == "#{protocol}" || protocol == scheme;
        if same_protocol && host == "#{host}" && port == "#{port}" && path == "/#{path}" {
            let message = "this redirect leads back to where it came from";
            self.report(
                Diagnostic::error("redirect-loop", key, message)
                    .help("at least one of `protocol`, `host`, `port` and `path` must differ"),
            );
        }
        let at = |field: &Field<String>| field.given().map_or(key, |field| field.span);
        if place.tls && protocol == "HTTP" {
            let message = "a redirect from HTTPS to HTTP would send the client into the clear";
            self.report(Diagnostic::error("redirect-to-plaintext", at(&raw.protocol), message));
        }
        if !place.tls && protocol == "HTTPS" && port == "#{port}" && host == "#{host}" {
            let message = "this redirect keeps the port, which speaks plain HTTP";
            self.report(
                Diagnostic::warning("redirect-keeps-port", at(&raw.protocol), message)
                    .help("add `port: 443`"),
            );
        }
        Some(Redirect { protocol, host, port, path, query, status_code: status_code? })
    }

    /// One part of a redirect; `None` when it is given and wrong.
    fn part(
        &mut self,
        field: &Field<String>,
        default: &str,
        judge: impl Fn(&str) -> Result<String, Refusal>,
    ) -> Option<String> {
        match field {
            Field::Absent => Some(default.to_owned()),
            Field::Wrong(_) => None,
            Field::Given(text) => self.accept("invalid-redirect", text.span, judge(&text.value)),
        }
    }

    fn fixed_response(&mut self, raw: &Spanned<Box<raw::FixedResponse>>) -> Option<FixedResponse> {
        let (key, raw) = (raw.key, &raw.value);
        let status = self.demand(&raw.status_code, key, "status_code");
        if let Some(status) = status.filter(|status| !matches!(status.value, 200..=299 | 400..=599))
        {
            let message = format!("`{}` is not the status of a fixed response", status.value);
            let help = if (300..=399).contains(&status.value) {
                "use `redirect` for 301 and 302"
            } else {
                "200 to 299, or 400 to 599"
            };
            self.report(Diagnostic::error("invalid-status", status.span, message).help(help));
        }
        if let Some(body) = raw.message_body.given().filter(|body| body.value.len() > LONGEST_BODY)
        {
            let message = format!("the body is longer than {} KiB", LONGEST_BODY / 1024);
            self.report(Diagnostic::error("out-of-range", body.span, message));
        }
        let content_type = match raw.content_type.value() {
            None | Some(raw::ContentType::Plain) => "text/plain",
            Some(raw::ContentType::Css) => "text/css",
            Some(raw::ContentType::Html) => "text/html",
            Some(raw::ContentType::JavaScript) => "application/javascript",
            Some(raw::ContentType::Json) => "application/json",
        };
        Some(FixedResponse {
            status_code: u16::try_from(status?.value).ok()?,
            content_type: content_type.to_owned(),
            message_body: raw.message_body.value().cloned().unwrap_or_default(),
        })
    }
}

fn refuse<T>(message: impl Into<String>, help: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help })
}

fn protocol(text: &str) -> Result<String, Refusal> {
    match text {
        "HTTP" | "HTTPS" | "#{protocol}" => Ok(text.to_owned()),
        _ => {
            let upper = text.to_ascii_uppercase();
            let known = matches!(upper.as_str(), "HTTP" | "HTTPS");
            let help = if known {
                format!("write `{upper}`")
            } else {
                "`HTTP`, `HTTPS` or \"#{protocol}\"".to_owned()
            };
            refuse("this is not a protocol", Some(help))
        }
    }
}

fn host(text: &str) -> Result<String, Refusal> {
    let plain = keywords(text, &["host"])?;
    if text.contains("://") || text.contains('/') {
        return refuse(
            "`host` is only a host name",
            Some("`protocol`, `port` and `path` have keys of their own".to_owned()),
        );
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || text.len() > LONGEST_PART || !plain.chars().all(allowed) {
        return refuse("this is not a host name", None);
    }
    Ok(text.to_owned())
}

fn port(text: &str) -> Result<String, Refusal> {
    let number = text.parse::<u16>().is_ok_and(|port| port > 0) && !text.starts_with(['0', '+']);
    if number || text == "#{port}" {
        return Ok(text.to_owned());
    }
    refuse("this is not a port", Some("1 to 65535, or \"#{port}\"".to_owned()))
}

fn path(text: &str) -> Result<String, Refusal> {
    let plain = keywords(text, &["host", "port", "path"])?;
    if !text.starts_with('/') {
        return refuse("a path begins with `/`", Some(format!("write \"/{text}\"")));
    }
    if plain.contains('?') {
        return refuse("a path holds no `?`", Some("what follows it goes into `query`".to_owned()));
    }
    if text.len() > LONGEST_PART || !plain.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return refuse("spaces, `#` and other than ASCII must be percent-encoded in a path", None);
    }
    Ok(text.to_owned())
}

fn query(text: &str) -> Result<String, Refusal> {
    let plain = keywords(text, &KEYWORDS)?;
    if text.starts_with('?') {
        return refuse(
            "the query is written without `?`",
            text.get(1..).map(|rest| format!("write \"{rest}\"")),
        );
    }
    if text.len() > LONGEST_PART || plain.contains('#') || plain.chars().any(char::is_control) {
        return refuse("this is not a query", None);
    }
    Ok(text.to_owned())
}

/// The text without its `#{...}`, each of which must be known and allowed here.
fn keywords(text: &str, allowed: &[&str]) -> Result<String, Refusal> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("#{") {
        plain.push_str(before);
        let Some((word, after)) = after.split_once('}') else {
            return refuse("`#{` is not closed by `}`", None);
        };
        if !KEYWORDS.contains(&word) {
            let help =
                suggest::closest(word, KEYWORDS).map(|word| format!("did you mean `#{{{word}}}`?"));
            let help = help.or_else(|| {
                Some("known: #{protocol}, #{host}, #{port}, #{path}, #{query}".to_owned())
            });
            return refuse(format!("unknown keyword `#{{{word}}}`"), help);
        }
        if !allowed.contains(&word) {
            let here: Vec<_> = allowed.iter().map(|word| format!("#{{{word}}}")).collect();
            return refuse(
                format!("`#{{{word}}}` may not stand here"),
                Some(format!("allowed here: {}", here.join(", "))),
            );
        }
        rest = after;
    }
    plain.push_str(rest);
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_known_and_in_their_place() {
        assert!(path("/#{host}/#{path}").is_ok());
        assert!(query("from=#{protocol}://#{host}:#{port}/#{path}&#{query}").is_ok());
        assert!(path("/#{query}").is_err());
        assert!(host("#{path}.example.com").is_err());
        let refusal = host("www.#{hots}").unwrap_err();
        assert_eq!(refusal.help.as_deref(), Some("did you mean `#{host}`?"));
        assert!(path("/#{path").is_err());
    }

    #[test]
    fn ports_hosts_and_paths_are_what_they_say() {
        for bad in ["0", "65536", "080", "+80", "", "#{host}"] {
            assert!(port(bad).is_err(), "{bad}");
        }
        for bad in ["", "https://a", "a/b", "a b", "a:80"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        for bad in ["", "x", "/a b", "/a?b", "/a#b", "/é", "/a\r\nb"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        assert!(query("?a=b").is_err());
        assert!(query("a\r\nb").is_err());
    }
}
