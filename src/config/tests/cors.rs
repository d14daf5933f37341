//! `cors:` of an API: what it means, and every mistake in its place.

use super::{bad, good};
use crate::config::model::AllowedOrigin;

const GOOD: &str = "\
target_groups:
  all: { targets: [127.0.0.1:1] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { conditions: { path_pattern: [/*] }, api: shop }
apis:
  shop:
    type: http
    cors: { allow_origins: [https://a.example, 'http://*'], allow_methods: ['*', GET], allow_headers: [X-A], max_age: 5m }
    routes:
      $default: { authorizer: none, integration: { target_group: all } }
";

#[test]
fn cors_means_what_it_says() {
    let config = good(GOOD).config;
    let cors = config.apis[0].cors.as_ref().unwrap();
    let exact = AllowedOrigin::Exact("https://a.example".to_owned());
    assert_eq!(cors.allow_origins, [exact, AllowedOrigin::Scheme("http://")]);
    assert_eq!(cors.allow_methods, ["*", "GET"]);
    assert_eq!(cors.allow_headers, ["x-a"]);
    assert_eq!((cors.max_age, cors.allow_credentials), (Some(300), false));
    assert!(cors.expose_headers.is_empty());
}

#[test]
fn mistakes_of_cors() {
    for (right, wrong, code) in [
        ("allow_origins: [https://a.example, 'http://*'], ", "", "missing-key"),
        ("[https://a.example, 'http://*']", "[]", "empty-list"),
        ("'http://*'", "'*'", "contradiction"),
        ("'http://*'", "https://a.example", "duplicate-value"),
        ("'http://*'", "'https://*.a.example'", "invalid-origin"),
        ("'http://*'", "'null'", "invalid-origin"),
        ("[https://a.example, 'http://*']", "['*'], allow_credentials: true", "contradiction"),
        ("GET]", "get]", "invalid-value"),
        ("GET]", "TRACE]", "invalid-value"),
        ("GET]", "'GET,PUT']", "invalid-value"),
        ("[X-A]", "['x a']", "invalid-value"),
        ("[X-A]", "[X-A], expose_headers: ['x:']", "invalid-value"),
        ("5m", "25h", "out-of-range"),
        ("5m", "500ms", "invalid-value"),
    ] {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right} is not there");
        let codes: Vec<_> = bad(&text).findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&code), "{wrong}: {codes:?}");
    }
}

#[test]
fn credentials_for_every_origin_are_refused_in_api_gateways_words() {
    let text =
        GOOD.replacen("[https://a.example, 'http://*']", "['*'], allow_credentials: true", 1);
    let finding = &bad(&text).findings[0];
    let scheme = GOOD.replacen("max_age", "allow_credentials: true, max_age", 1);
    assert_eq!(good(&scheme).warnings[0].code, "any-origin-with-credentials");
    assert_eq!(finding.message, "allow-credentials is not supported if 'allow-origin' is *");
}
