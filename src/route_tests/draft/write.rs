//! The text of drafted tests.

use std::net::{IpAddr, Ipv4Addr};

use super::{Case, Draft, Drafted, Expect};
use crate::import::yaml::{Writer, scalar};

pub(super) fn file(drafts: &[Draft], has_listeners: bool) -> String {
    let mut file = Writer::default();
    file.comment(
        "Drafted by portcullis: a request for each rule. Run them with `portcullis test`.",
    );
    file.blank();
    if !drafts.iter().any(|draft| matches!(draft, Draft::Test(_))) {
        file.raw("tests", "[]");
    } else {
        file.under("tests", |file| {
            for draft in drafts {
                if let Draft::Test(test) = draft {
                    file.item(|file| write(file, test, has_listeners));
                }
            }
        });
    }
    let missing = drafts.iter().filter_map(|draft| match draft {
        Draft::None(why) => Some(why),
        Draft::Test(_) => None,
    });
    for (number, why) in missing.enumerate() {
        if number == 0 {
            file.blank();
            file.comment("Not tested:");
        }
        file.comment(&format!("- {}", why.replace(['\n', '\r'], " ")));
    }
    file.into_text()
}

fn write(file: &mut Writer, test: &Drafted, has_listeners: bool) {
    let question = &test.question;
    file.line("name", &test.name);
    let request = format!("{} {}", question.method, question.url);
    file.raw("request", &plain(&request));
    if let Some(listener) = question.listener.as_ref().filter(|_| has_listeners) {
        file.line("listener", listener);
    }
    let headers: Vec<String> = question
        .headers
        .iter()
        .filter_map(|(name, value)| {
            Some(format!("{}: {}", scalar(name.as_str()), scalar(value.to_str().ok()?)))
        })
        .collect();
    if !headers.is_empty() {
        file.raw("headers", &format!("{{ {} }}", headers.join(", ")));
    }
    if question.source != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        file.line("source_ip", &question.source.to_string());
    }
    if question.is_http2 {
        file.raw("http2", "true");
    }
    match test.cases.as_slice() {
        [only] if only.caller.is_none() => file.raw("expect", &expect(&only.expect)),
        cases => file.under("cases", |file| {
            for case in cases {
                file.item(|file| write_case(file, case));
            }
        }),
    }
}

fn write_case(file: &mut Writer, case: &Case) {
    if let Some(caller) = &case.caller {
        let claims: Vec<String> = caller
            .claims
            .iter()
            .map(|(name, value)| format!("{}: {value}", scalar(name)))
            .collect();
        file.raw("as", &format!("{{ claims: {{ {} }} }}", claims.join(", ")));
    }
    file.raw("expect", &expect(&case.expect));
}

fn expect(expect: &Expect) -> String {
    let mut parts = Vec::new();
    parts.extend(expect.rule.as_ref().map(|rule| format!("rule: {}", scalar(rule))));
    parts.extend(expect.group.as_ref().map(|group| format!("target_group: {}", scalar(group))));
    parts.extend(expect.status.map(|status| format!("status: {status}")));
    parts.extend(expect.reason.map(|reason| format!("reason: {reason}")));
    format!("{{ {} }}", parts.join(", "))
}

/// `GET /orders/1` needs no quotes.
fn plain(request: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.- ".contains(&byte);
    if request.bytes().all(is_plain) { request.to_owned() } else { scalar(request) }
}
