use proptest::prelude::*;

use super::*;

fn parse(raw: &str) -> Result<(String, Option<u16>), Malformed> {
    let authority = Authority::parse(raw.as_bytes(), Scheme::Https)?;
    Ok((authority.host().to_owned(), authority.port()))
}

/// Attack C10.
#[test]
fn every_spelling_of_a_host_becomes_one() {
    for (raw, host, port) in [
        ("api.example.com", "api.example.com", None),
        ("API.Example.COM", "api.example.com", None),
        ("api.example.com.", "api.example.com", None),
        ("api.example.com:443", "api.example.com", None),
        ("API.example.com.:443", "api.example.com", None),
        ("api.example.com:8443", "api.example.com", Some(8443)),
        ("api.example.com:80", "api.example.com", Some(80)),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example", None),
        ("my_service", "my_service", None),
        ("10.0.0.1:1", "10.0.0.1", Some(1)),
        ("[::1]", "[::1]", None),
        ("[0:0:0:0:0:0:0:1]:443", "[::1]", None),
        ("[2001:DB8::1]:65535", "[2001:db8::1]", Some(65535)),
    ] {
        assert_eq!(parse(raw), Ok((host.to_owned(), port)), "{raw}");
    }
}

#[test]
fn the_default_port_is_that_of_the_scheme() {
    assert_eq!(Authority::parse(b"a:80", Scheme::Http).unwrap().as_str(), "a");
    assert_eq!(Authority::parse(b"a:443", Scheme::Http).unwrap().as_str(), "a:443");
}

/// Attack C9.
#[test]
fn what_is_not_a_host_is_refused() {
    for raw in [
        "a,b",
        "a, b",
        "user@a",
        "user:pw@a",
        "a/evil",
        "a b",
        " a",
        "a ",
        "a\t",
        "a:",
        "a:0",
        "a:080",
        "a:65536",
        "a:99999999999",
        "a:+80",
        "a:-1",
        "a:8a",
        "a:80:80",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[fe80::1%25eth0]",
        "[1.2.3.4]",
        "[]",
        ".",
        "..",
        ".a",
        "a..b",
        "a..",
        "*.example.com",
        "a%2eb",
        "a\\b",
        "a?b",
        "a#b",
        "http://a",
        "münchen.example",
        "a\0",
        "a\r\nb",
        ":80",
        "-:",
        "a;b",
        "(a)",
    ] {
        assert_eq!(parse(raw), Err(Malformed::BadHost), "{raw:?}");
    }
    assert_eq!(parse(""), Err(Malformed::NoHost));
    assert_eq!(parse(&"a".repeat(254)), Err(Malformed::BadHost));
    assert!(parse(&"a".repeat(253)).is_ok());
    assert_eq!(Authority::parse(b"a\xff", Scheme::Http), Err(Malformed::BadHost));
}

#[test]
fn a_clean_host_is_borrowed() {
    for raw in ["api.example.com", "a:8443", "a.", "a:443"] {
        let authority = Authority::parse(raw.as_bytes(), Scheme::Https).unwrap();
        assert!(matches!(authority.canonical, Cow::Borrowed(_)), "{raw}");
    }
}

proptest! {
    #[test]
    fn canonical_of_canonical_changes_nothing(raw in r"\[?[aA.:0-9_-]{1,9}\]?(:[0-9]{1,5})?") {
        if let Ok(authority) = Authority::parse(raw.as_bytes(), Scheme::Http) {
            let again = Authority::parse(authority.as_str().as_bytes(), Scheme::Http);
            prop_assert_eq!(again.as_ref(), Ok(&authority));
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(raw in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = Authority::parse(&raw, Scheme::Http);
    }
}
