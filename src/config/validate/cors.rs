//! `cors:` of an API: origins, methods and headers that browsers are told.

use std::time::Duration;

use super::pattern::Refusal;
use super::{Judge, header};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned};
use crate::config::model::{AllowedOrigin, Cors};
use crate::config::raw;
use crate::config::units::DurationText;

/// Most entries of one list; each preflight's answer holds all of them but the origins.
const MOST_ENTRIES: usize = 100;
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// The longest that any browser keeps a preflight's answer, and API Gateway's limit.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Judge<'_> {
    /// `None` where there is none, or it is wrong.
    pub(super) fn cors(&mut self, raw: &Field<Box<raw::Cors>>) -> Option<Cors> {
        let given = raw.given()?;
        let raw = &given.value;
        let origins = self.demand(&raw.allow_origins, given.key, "allow_origins");
        let allow_origins = origins.map(|list| self.origins(list));
        let allow_credentials = raw.allow_credentials.value().copied().unwrap_or_default();
        if let (Some(origins), Some(credentials)) = (&allow_origins, raw.allow_credentials.given())
            && credentials.value
        {
            self.judge_credentials(origins, credentials);
        }
        Some(Cors {
            allow_methods: self.cors_list(&raw.allow_methods, "`allow_methods`", method),
            allow_headers: self.cors_list(&raw.allow_headers, "`allow_headers`", field_name),
            expose_headers: self.cors_list(&raw.expose_headers, "`expose_headers`", field_name),
            max_age: self.cors_max_age(&raw.max_age),
            allow_credentials,
            allow_origins: allow_origins?,
        })
    }

    fn judge_credentials(&mut self, origins: &[AllowedOrigin], credentials: &Spanned<bool>) {
        if origins.contains(&AllowedOrigin::Any) {
            // API Gateway's words.
            let message = "allow-credentials is not supported if 'allow-origin' is *";
            let finding = Diagnostic::error("contradiction", credentials.span, message);
            self.report(finding.help("list the origins that may send cookies"));
        } else if origins.iter().any(|origin| matches!(origin, AllowedOrigin::Scheme(_))) {
            let message = "pages of any host may call this API with their visitors' cookies";
            let finding =
                Diagnostic::warning("any-origin-with-credentials", credentials.span, message);
            self.report(finding.help("list the origins that may send cookies"));
        }
    }

    fn origins(&mut self, list: &Spanned<List<String>>) -> Vec<AllowedOrigin> {
        let origins = self.cors_entries(list, "`allow_origins`", "invalid-origin", origin);
        if origins.len() > 1 && origins.contains(&AllowedOrigin::Any) {
            let message = "`*` allows every origin, so the others say nothing";
            let finding = Diagnostic::error("contradiction", list.key, message);
            self.report(finding.help("write `*` alone, or leave it out"));
        }
        origins
    }

    fn cors_list(
        &mut self,
        field: &Field<List<String>>,
        what: &str,
        read: fn(&str) -> Result<String, Refusal>,
    ) -> Vec<String> {
        let Some(list) = field.given() else { return Vec::new() };
        self.cors_entries(list, what, "invalid-value", read)
    }

    fn cors_entries<T>(
        &mut self,
        list: &Spanned<List<String>>,
        what: &str,
        code: &'static str,
        read: fn(&str) -> Result<T, Refusal>,
    ) -> Vec<T> {
        if let Some(item) = list.value.items.get(MOST_ENTRIES) {
            let message = format!("{what} has more than {MOST_ENTRIES} entries");
            self.report(Diagnostic::error("out-of-range", item.span, message));
            return Vec::new();
        }
        let texts = self.texts(list, what);
        let items = list.value.items.iter().filter(|item| texts.contains(&item.value));
        items.filter_map(|item| self.accept(code, item.span, read(&item.value))).collect()
    }

    fn cors_max_age(&mut self, raw: &Field<DurationText>) -> Option<u32> {
        let given = raw.given()?;
        let max_age = self.duration(raw, Duration::ZERO, Duration::ZERO..=LONGEST);
        if max_age.subsec_nanos() != 0 {
            let message = "browsers are told whole seconds";
            self.report(Diagnostic::error("invalid-value", given.span, message));
        }
        u32::try_from(max_age.as_secs()).ok()
    }
}

fn refuse<T>(message: &str, help: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.to_owned(), help: Some(help.into()) })
}

fn origin(text: &str) -> Result<AllowedOrigin, Refusal> {
    const HELP: &str =
        "write `https://app.example.com`, `http://localhost:3000`, `https://*` or `*`";
    match text {
        "*" => return Ok(AllowedOrigin::Any),
        "https://*" => return Ok(AllowedOrigin::Scheme("https://")),
        "http://*" => return Ok(AllowedOrigin::Scheme("http://")),
        "null" => {
            return refuse(
                "`null` is the origin of sandboxed pages, which anybody can make",
                "serve the page from an origin of its own",
            );
        }
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    if lower != text {
        return refuse("browsers send origins in lower case", format!("write `{lower}`"));
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return refuse("this is not an origin", HELP);
    };
    if let Some((authority, _)) = authority.split_once('/') {
        return refuse("an origin has no path", format!("write `{scheme}://{authority}`"));
    }
    if authority.contains('*') {
        return refuse("a part of a host cannot be `*` here", "list the hosts");
    }
    let default = match scheme {
        "https" => authority.strip_suffix(":443"),
        "http" => authority.strip_suffix(":80"),
        _ => None,
    };
    if let Some(host) = default {
        return refuse("browsers leave out a default port", format!("write `{scheme}://{host}`"));
    }
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_scheme || text.len() > 512 || !is_authority(authority) {
        return refuse("this is not an origin", HELP);
    }
    Ok(AllowedOrigin::Exact(text.to_owned()))
}

/// Host and perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    let is_port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit())
            && !port.starts_with('0')
            && port.parse::<u16>().is_ok()
    };
    is_host && port.is_none_or(is_port)
}

fn method(text: &str) -> Result<String, Refusal> {
    if text == "*" || METHODS.contains(&text) {
        return Ok(text.to_owned());
    }
    let upper = text.to_ascii_uppercase();
    let help = if METHODS.contains(&upper.as_str()) {
        format!("write `{upper}`")
    } else {
        format!("known: `*`, {}", METHODS.join(", "))
    };
    refuse("this is not a method", help)
}

fn field_name(text: &str) -> Result<String, Refusal> {
    if text == "*" { Ok(text.to_owned()) } else { header::token(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_spelled_as_browsers_send_it() {
        let good = [
            "*",
            "https://*",
            "http://*",
            "https://app.example.com",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://[2001:db8::1]",
            "https://xn--bcher-kva.example",
            "chrome-extension://abcdef",
            "http://a:443",
        ];
        for text in good {
            assert_eq!(origin(text).ok().map(|origin| origin.text()).as_deref(), Some(text));
        }
        let bad = [
            "app.example.com",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/shop",
            "https://*.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://",
            "https://:8443",
            "https://a:0",
            "https://a:065",
            "https://a:65536",
            "https://a b",
            "https://a,b",
            "https://user@a",
            "https://[::1",
            "https://bücher.example",
            "://a",
            "null",
        ];
        for text in bad {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
