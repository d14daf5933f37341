//! What was expected beside what was met.

use ::http::{HeaderMap, HeaderValue};

use crate::config::route_tests::Expect;
use crate::explain::{Explanation, Outcome};

/// One thing that was not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of the expectation.
    pub what: String,
    /// What was expected.
    pub wanted: String,
    /// What was met.
    pub found: String,
}

impl Mismatch {
    fn new(what: impl Into<String>, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), wanted: wanted.into(), found: found.into() }
    }

    /// The request could not even be asked.
    pub(super) fn unaskable(why: String) -> Self {
        Self::new("request", "a request that can be made", why)
    }
}

/// Everything that is not as expected.
pub(super) fn compare(expect: &Expect, told: &Explanation) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut text = |what: &str, wanted: Option<&String>, is: Option<&str>| {
        if let Some(wanted) = wanted
            && !is.is_some_and(|is| fits(wanted, is))
        {
            let is = is.map_or_else(|| outcome(told), str::to_owned);
            found.push(Mismatch::new(what, wanted, is));
        }
    };
    text("rule", expect.rule.as_ref(), Some(told.rule.as_deref().unwrap_or("none")));
    let route = told.api.as_ref().and_then(|api| api.route.as_deref());
    text("route", expect.route.as_ref(), Some(route.unwrap_or("none")));
    text("reason", expect.reason.as_ref().map(|reason| &reason.value), Some(told.reason.as_str()));
    let answer = match &told.outcome {
        Outcome::Answer(answer) => Some(answer),
        Outcome::Forward(_) | Outcome::Asks(_) => None,
    };
    let location = answer.and_then(|answer| answer.header(&::http::header::LOCATION));
    text("location", expect.location.as_ref(), location.and_then(|value| value.to_str().ok()));
    let forwarding = match &told.outcome {
        Outcome::Forward(forwarding) => Some(forwarding),
        Outcome::Answer(_) | Outcome::Asks(_) => None,
    };
    let target = forwarding.map(|forwarding| forwarding.target.as_str());
    text("target_path", expect.target_path.as_ref(), target);
    if let Some(group) = &expect.target_group {
        let goes = forwarding
            .is_some_and(|forwarding| forwarding.groups.iter().any(|(name, _)| **name == **group));
        if !goes {
            found.push(Mismatch::new("target_group", group, outcome(told)));
        }
    }
    if let Some(status) = expect.status
        && told.outcome.status() != Some(status)
    {
        found.push(Mismatch::new("status", status.to_string(), outcome(told)));
    }
    if let Some(wanted) = expect.forwarded
        && forwarding.is_some() != wanted
    {
        found.push(Mismatch::new("forwarded", wanted.to_string(), outcome(told)));
    }
    let headers = told.headers();
    for (name, wanted) in &expect.headers {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        if !values.iter().any(|value| value.to_str().is_ok_and(|value| fits(wanted, value))) {
            found.push(Mismatch::new(format!("headers.{name}"), wanted, shown(&values)));
        }
    }
    for name in &expect.headers_absent {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        if !values.is_empty() {
            let what = format!("headers_absent.{name}");
            found.push(Mismatch::new(what, "absent", shown(&values)));
        }
    }
    found
}

/// Whether a text is what was expected; `*` stands for any text.
fn fits(wanted: &str, text: &str) -> bool {
    let Some((first, rest)) = wanted.split_once('*') else { return wanted == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    // The leftmost place is always right: it leaves the most for what follows.
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(last)
}

/// In a word, what became of a request.
fn outcome(told: &Explanation) -> String {
    match &told.outcome {
        Outcome::Forward(forwarding) => {
            let names: Vec<_> = forwarding.groups.iter().map(|(name, _)| &**name).collect();
            format!("forwarded to {}", names.join(" or "))
        }
        Outcome::Answer(answer) => format!("answered {} ({})", answer.status, told.reason.as_str()),
        Outcome::Asks(what) => format!("it would {what} first"),
    }
}

fn shown(values: &[&HeaderValue]) -> String {
    let one = |value: &&HeaderValue| {
        if value.is_sensitive() {
            "(a token)".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        }
    };
    match values {
        [] => "absent".to_owned(),
        values => values.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

impl Explanation {
    /// The headers that the target would get, or the client.
    fn headers(&self) -> HeaderMap {
        match &self.outcome {
            Outcome::Forward(forwarding) => forwarding.headers.clone(),
            Outcome::Answer(answer) => answer.headers.iter().cloned().collect(),
            Outcome::Asks(_) => HeaderMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_all_else_is_itself() {
        for (wanted, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("https://x/?a=*", "https://x/?a=1", true),
            ("https://x/?a=*", "https://x/aa=1", false),
        ] {
            assert_eq!(fits(wanted, text), expected, "{wanted} {text}");
        }
    }
}
