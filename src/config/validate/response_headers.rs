//! `response_headers:` of a listener (alb.md 2.4).

use super::Judge;
use super::pattern::Refusal;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned};
use crate::config::model::{AddedHeader, ResponseHeaders, ServerHeader};
use crate::config::raw;

/// Longest value.
const LONGEST: usize = 1024;
/// What a value may hold beside letters and digits.
const ALLOWED: &[u8] = b"_ :;.,\\/'?!(){}[]@<>=-+*#&`|~^%";

impl Judge<'_> {
    pub(super) fn response_headers(
        &mut self,
        raw: &Field<raw::ResponseHeaders>,
    ) -> ResponseHeaders {
        let Some(raw) = raw.value() else { return ResponseHeaders::default() };
        let mut added = Vec::new();
        for header in AddedHeader::ALL {
            let Some(given) = field(raw, header).given() else { continue };
            let value = self.accept("invalid-value", given.span, value(&given.value));
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                self.warn_of_idle_value(header, given);
                added.push((header, value));
            }
        }
        self.warn_of_credentials_for_all(raw);
        ResponseHeaders { server: self.server_header(&raw.server), added }
    }

    fn server_header(&mut self, raw: &Field<raw::Server>) -> ServerHeader {
        let named = ServerHeader::default();
        let silent = ServerHeader { value: None, ..ServerHeader::default() };
        let raw = match raw.value() {
            None | Some(raw::Server::Plain(true)) => return named,
            Some(raw::Server::Plain(false)) => return silent,
            Some(raw::Server::Object(raw)) => raw,
        };
        let remove_from_targets = raw.remove_from_targets.value().copied().unwrap_or(false);
        if raw.enabled.value() == Some(&false) {
            if let Some(key) = raw.value.key() {
                let message = "`value` is never said with `enabled: false`";
                self.report(Diagnostic::error("contradiction", key, message));
            }
            return ServerHeader { remove_from_targets, ..silent };
        }
        let value = raw.value.given().and_then(|given| {
            let value = match value(&given.value) {
                Ok(empty) if empty.is_empty() => Err(Refusal {
                    message: "`Server` may not be empty".to_owned(),
                    help: Some("write `enabled: false` to leave it out".to_owned()),
                }),
                judged => judged,
            };
            self.accept("invalid-value", given.span, value)
        });
        ServerHeader { value: value.or(named.value), remove_from_targets }
    }

    /// Values that ALB takes and no browser heeds.
    fn warn_of_idle_value(&mut self, header: AddedHeader, given: &Spanned<String>) {
        let value = given.value.as_str();
        let (is_heeded, help) = match header {
            AddedHeader::AllowCredentials => (value == "true", "write \"true\""),
            AddedHeader::ContentTypeOptions => {
                (value.eq_ignore_ascii_case("nosniff"), "write `nosniff`")
            }
            AddedHeader::FrameOptions => (
                ["DENY", "SAMEORIGIN"].iter().any(|known| value.eq_ignore_ascii_case(known)),
                "write `DENY` or `SAMEORIGIN`",
            ),
            AddedHeader::MaxAge => (value.parse::<i32>().is_ok(), "write a number of seconds"),
            AddedHeader::StrictTransportSecurity => (
                value.to_ascii_lowercase().contains("max-age="),
                "write `max-age=SECONDS`, as in `max-age=31536000`",
            ),
            AddedHeader::AllowOrigin => (
                matches!(value, "*" | "null") || (value.contains("://") && !value.contains(',')),
                "write one origin, as in `https://app.example.com`, or \"*\"",
            ),
            _ => return,
        };
        if !is_heeded {
            let message = format!("browsers ignore `{}` with this value", header.name());
            self.report(Diagnostic::warning("idle-header", given.span, message).help(help));
        }
    }

    fn warn_of_credentials_for_all(&mut self, raw: &raw::ResponseHeaders) {
        let is = |field: &Field<String>, word: &str| field.value().is_some_and(|text| text == word);
        if let Some(given) = raw.access_control_allow_credentials.given()
            && given.value == "true"
            && is(&raw.access_control_allow_origin, "*")
        {
            let message = "browsers send no cookies where `access_control_allow_origin` is `*`";
            self.report(
                Diagnostic::warning("idle-header", given.span, message)
                    .help("name the one origin that may"),
            );
        }
    }
}

const fn field(raw: &raw::ResponseHeaders, header: AddedHeader) -> &Field<String> {
    match header {
        AddedHeader::StrictTransportSecurity => &raw.strict_transport_security,
        AddedHeader::AllowOrigin => &raw.access_control_allow_origin,
        AddedHeader::AllowMethods => &raw.access_control_allow_methods,
        AddedHeader::AllowHeaders => &raw.access_control_allow_headers,
        AddedHeader::AllowCredentials => &raw.access_control_allow_credentials,
        AddedHeader::ExposeHeaders => &raw.access_control_expose_headers,
        AddedHeader::MaxAge => &raw.access_control_max_age,
        AddedHeader::ContentSecurityPolicy => &raw.content_security_policy,
        AddedHeader::ContentTypeOptions => &raw.x_content_type_options,
        AddedHeader::FrameOptions => &raw.x_frame_options,
    }
}

/// A value as ALB takes it; empty when the header is off.
fn value(text: &str) -> Result<String, Refusal> {
    let refuse = |message: String, help: Option<&str>| {
        Err(Refusal { message, help: help.map(str::to_owned) })
    };
    if text.len() > LONGEST {
        return refuse(format!("the value is longer than {LONGEST} bytes"), None);
    }
    let is_good =
        |c: char| c.is_ascii_alphanumeric() || (c.is_ascii() && ALLOWED.contains(&(c as u8)));
    if let Some(bad) = text.chars().find(|&c| !is_good(c)) {
        let help = "ALB takes letters, digits and _ :;.,\\/'?!(){}[]@<>=-+*#&`|~^%";
        return refuse(format!("{bad:?} may not stand in the value of a header"), Some(help));
    }
    if text.trim() != text {
        return refuse("the value begins or ends with a space".to_owned(), None);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_of_alb_s_characters_and_1_kib_at_most() {
        let all: Vec<char> =
            (0_u8..=255).map(char::from).filter(|c| value(&format!("a{c}a")).is_ok()).collect();
        let all: String = all.into_iter().collect();
        assert_eq!(
            all,
            " !#%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
        );
        assert!(value(&"x".repeat(1024)).is_ok() && value(&"x".repeat(1025)).is_err());
        // The low byte of this character is that of `+`.
        assert!(value("\u{12b}").is_err());
        assert!(value(" x").is_err() && value("x ").is_err());
        assert_eq!(value("").unwrap(), "");
    }
}
