use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::super::head::{self, Outcome};
use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    uri: String,
    method: String,
    version: String,
    #[serde(default)]
    headers: Option<Vec<Field>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Expected {
    tier: String,
}

impl Case {
    fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.uri, self.version);
        for field in self.headers.iter().flatten() {
            let value = field.value.as_deref().unwrap_or_default();
            head.push_str(&format!("{}: {value}\r\n", field.name));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn class(&self) -> Option<Class> {
        match self.expected.tier.as_str() {
            "Compliant" => None,
            "Acceptable" => Some(Class::Acceptable),
            "Ambiguous" => Some(Class::Ambiguous),
            "Severe" => Some(Class::Severe),
            other => panic!("{}: unknown tier {other}", self.name),
        }
    }
}

/// The analyser's own cases: <https://github.com/aws/http-desync-guardian>, directory `tests`.
fn vectors() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/connection/desync/vectors");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let some: Vec<Case> = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases.extend(some);
        }
    }
    cases
}

/// Whether the gateway forwards a head in `mode`.
fn is_forwarded(bytes: &[u8], mode: Mode) -> bool {
    matches!(head::read(bytes), Outcome::Complete(..))
        && classify(bytes).is_none_or(|finding| !finding.is_blocked_in(mode))
}

#[test]
fn no_mode_is_laxer_than_the_class_of_the_analysers_own_cases_demands() {
    let cases = vectors();
    assert!(cases.len() > 100, "only {} cases", cases.len());
    for case in &cases {
        let Some(class) = case.class() else { continue };
        let bytes = case.head();
        let told = || format!("{}: {}", case.name, String::from_utf8_lossy(&bytes));
        assert!(!is_forwarded(&bytes, Mode::Strictest), "strictest: {}", told());
        if class == Class::Severe {
            assert!(!is_forwarded(&bytes, Mode::Defensive), "defensive: {}", told());
        }
        if is_forwarded(&bytes, Mode::Defensive) && class == Class::Ambiguous {
            let finding = classify(&bytes).unwrap();
            assert!(finding.closes_in(Mode::Defensive), "left open: {}", told());
        }
    }
}

#[test]
fn a_severe_head_is_refused_even_by_a_listener_that_only_monitors() {
    for case in vectors().iter().filter(|case| case.class() == Some(Class::Severe)) {
        let bytes = case.head();
        assert!(!is_forwarded(&bytes, Mode::Monitor), "{}", case.name);
    }
}

/// What the analyser calls compliant and we refuse all the same: each is a decision of ours.
#[test]
fn compliant_cases_pass_unless_they_are_of_the_kinds_that_we_refuse_on_purpose() {
    let mut refused = Vec::new();
    for case in vectors().iter().filter(|case| case.class().is_none()) {
        if let Outcome::Refused(refusal) = head::read(&case.head()) {
            refused.push((case.name.clone(), refusal));
        } else {
            assert!(is_forwarded(&case.head(), Mode::Strictest), "{}", case.name);
        }
    }
    let unexpected: Vec<_> = refused
        .iter()
        .filter(|(_, refusal)| {
            !matches!(
                refusal,
                // A fragment, and no target at all.
                head::Refusal::Target
                    | head::Refusal::RequestLine
                    | head::Refusal::Coding
                    | head::Refusal::Version
                    | head::Refusal::ContentLength
                    | head::Refusal::TransferEncoding
            )
        })
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn a_finding_survives_being_one_byte() {
    for class in [Class::Acceptable, Class::Ambiguous, Class::Severe] {
        for reason in 0..u8::try_from(REASONS.len()).unwrap() {
            let finding = Finding { class, reason };
            assert_ne!(finding.code(), 0);
            assert_eq!(Finding::of_code(finding.code()), Some(finding));
        }
    }
    assert_eq!(Finding::of_code(0), None);
}

#[test]
fn a_get_with_a_body_is_ambiguous_and_an_ordinary_request_is_plain() {
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let finding = classify(get).unwrap();
    assert_eq!(
        (finding.class, finding.reason()),
        (Class::Ambiguous, "UndefinedContentLengthSemantics")
    );
    for plain in [
        "GET /orders/1?a=b&c=%20 HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: a=b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(is_plain(plain.as_bytes()), "{plain}");
    }
}

#[test]
fn names_that_only_look_like_framing_are_found() {
    for name in ["Content-Length-", "Content--Length", "Transfer.Encoding", "!Content-Length"] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{name}: 5\r\n\r\n");
        let finding = classify(head.as_bytes()).unwrap_or_else(|| panic!("{name}"));
        assert!(finding.class >= Class::Ambiguous, "{name}");
    }
}

fn field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[!-~]{1,20}",
        "[A-Za-z0-9_.-]{1,20}",
        "[!_.-]{0,2}[cC]ontent[-_.]{0,2}[lL]ength[!-.]{0,2}",
        "[!_.-]{0,2}[tT]ransfer[-_.]{0,2}[eE]ncoding[!-.]{0,2}",
        Just("Content-Length".to_owned()),
        Just("Transfer-Encoding".to_owned()),
    ];
    let value = prop_oneof![
        "[ -~\t]{0,12}",
        "[0-9]{1,25}",
        "[ \t]{0,2}[0-9]{1,3}[ \t]{0,2}",
        "[ \t]{0,2}[cC]hunked[ \t]{0,2}",
        "[ -~\u{80}-\u{ff}]{0,6}",
        Just(String::new()),
    ];
    (name, "[ \t]{0,2}", value)
        .prop_map(|(name, space, value)| format!("{name}:{space}{value}\r\n"))
}

fn any_head() -> impl Strategy<Value = String> {
    let method = prop_oneof![Just("GET".to_owned()), Just("POST".to_owned()), "[!-~]{1,6}"];
    let target = prop_oneof!["/[a-z0-9/?=&%;]{0,12}", "[!-~]{1,12}", "[!-~\u{80}-\u{ff}]{1,6}"];
    let version = prop_oneof![Just("HTTP/1.1"), Just("HTTP/1.0"), Just("HTTP/1.2"), Just("")];
    (method, target, version, prop::collection::vec(field(), 0..5)).prop_map(
        |(method, target, version, fields)| {
            format!("{method} {target} {version}\r\n{}\r\n", fields.concat())
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_looks_plain_is_compliant(head in any_head()) {
        let passes = matches!(head::read(head.as_bytes()), Outcome::Complete(..));
        if passes && is_plain(head.as_bytes()) {
            prop_assert_eq!(analyse(head.as_bytes()), None, "{:?}", head);
        }
    }

    #[test]
    fn no_bytes_make_the_analyser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = classify_refused(&bytes);
    }

    #[test]
    fn no_lines_make_the_analyser_panic(head in "[ \t\r\n:A-Za-z0-9/.,;\u{0}\u{7f}\u{17f}-]{0,120}") {
        let _ = classify_refused(head.as_bytes());
    }
}
