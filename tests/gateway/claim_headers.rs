//! Claims as headers of the request that the target gets: every form, and nothing that a token or
//! a caller could add to it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::target::Received;
use crate::support::{Gateway, Issuer, Target, wire};

/// A gateway with these `claim_headers` and `jwt_validation` settings for `/orders/*`.
fn gateway(issuer: &Issuer, target: &Target, headers: &str, settings: &str) -> Gateway {
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nclaim_headers:\n{headers}user_pools:\n{pool}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: orders\n        conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [customers]{settings} }}\n        forward: all\n      \
         - name: open\n        public: true\n        conditions: {{ path_pattern: [/open/*] }}\n        \
         forward: all\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    ))
}

/// What the target receives when a request with these headers gets through.
fn sent(gateway: &Gateway, target: &Target, headers: &[(&str, &str)]) -> Received {
    let answer = wire::request(gateway.address(), "GET", "/orders/1", headers);
    assert_eq!(answer.status, 200, "{answer:?}");
    target.next()
}

/// What it receives with a token.
fn sent_with(gateway: &Gateway, target: &Target, token: &str) -> Received {
    sent(gateway, target, &[("Authorization", &format!("Bearer {token}"))])
}

#[test]
fn a_claim_has_exactly_one_spelling_as_a_header() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = gateway(
        &issuer,
        &target,
        "  x-value: value\n  x-json: { claim: value, as: json }\n  \
         x-repeat: { claim: value, as: repeat }\n",
        "",
    );
    // The claim, then the header's lines: as csv, as json, as repeat.
    type Lines<'a> = &'a [&'a str];
    let cases: &[(&str, Lines<'_>, Lines<'_>, Lines<'_>)] = &[
        ("\"plain\"", &["plain"], &["plain"], &["plain"]),
        ("\"\"", &[""], &[""], &[""]),
        ("\"a b,c;d=e\"", &["a b,c;d=e"], &["a b,c;d=e"], &["a b,c;d=e"]),
        ("\"100%\"", &["100%25"], &["100%25"], &["100%25"]),
        ("\" a  b \"", &["%20a%20%20b%20"], &["%20a%20%20b%20"], &["%20a%20%20b%20"]),
        ("\"\\u00e9\\u20ac\"", &["%C3%A9%E2%82%AC"], &["%C3%A9%E2%82%AC"], &["%C3%A9%E2%82%AC"]),
        ("\"a\\\"b\\\\\"", &["a\"b\\"], &["a\"b\\"], &["a\"b\\"]),
        // Exactly as the issuer wrote them.
        (
            "12345678901234567890.10",
            &["12345678901234567890.10"],
            &["12345678901234567890.10"],
            &["12345678901234567890.10"],
        ),
        ("-0", &["-0"], &["-0"], &["-0"]),
        ("1E+2", &["1E+2"], &["1E+2"], &["1E+2"]),
        ("true", &["true"], &["true"], &["true"]),
        ("false", &["false"], &["false"], &["false"]),
        ("null", &[], &[], &[]),
        ("", &[], &[], &[]),
        ("[]", &[], &["[]"], &[]),
        ("[\"a\"]", &["a"], &["[\"a\"]"], &["a"]),
        ("[\"a\",\"b c\"]", &["a,b c"], &["[\"a\",\"b c\"]"], &["a", "b c"]),
        ("[ \"a,b\" , \"c\" ]", &["a%2Cb,c"], &["[\"a,b\",\"c\"]"], &["a,b", "c"]),
        ("[\"\",\"\"]", &[","], &["[\"\",\"\"]"], &["", ""]),
        ("[1,true,null]", &["1,true,null"], &["[1,true,null]"], &["1", "true", "null"]),
        (
            "[[\"a\",\"b\"],{\"c\":1}]",
            &["[\"a\"%2C\"b\"],{\"c\":1}"],
            &["[[\"a\",\"b\"],{\"c\":1}]"],
            &["[\"a\",\"b\"]", "{\"c\":1}"],
        ),
        (
            "{\"a\": {\"b\": [1, 2]}}",
            &["{\"a\":{\"b\":[1,2]}}"],
            &["{\"a\":{\"b\":[1,2]}}"],
            &["{\"a\":{\"b\":[1,2]}}"],
        ),
        // What would break a line, or be read as its end.
        (
            "\"a\\r\\nx-json: evil\\u0000\\t\\u007f\"",
            &["a%0D%0Ax-json: evil%00%09%7F"],
            &["a%0D%0Ax-json: evil%00%09%7F"],
            &["a%0D%0Ax-json: evil%00%09%7F"],
        ),
        (
            "[\"a\\r\\n\\r\\nGET / HTTP/1.1\"]",
            &["a%0D%0A%0D%0AGET / HTTP/1.1"],
            &["[\"a\\r\\n\\r\\nGET / HTTP/1.1\"]"],
            &["a%0D%0A%0D%0AGET / HTTP/1.1"],
        ),
        ("\"\\u0085\\u2028\"", &["%C2%85%E2%80%A8"], &["%C2%85%E2%80%A8"], &["%C2%85%E2%80%A8"]),
        // No text, so no header.
        ("\"\\ud800\"", &[], &[], &[]),
        ("[\"a\",\"\\ud800\"]", &[], &["[\"a\",\"\\ud800\"]"], &[]),
    ];
    for (claim, csv, as_json, repeat) in cases {
        let received = sent_with(&gateway, &target, &issuer.token_texts(&[("value", claim)]));
        assert_eq!(received.values("x-value"), *csv, "{claim} as csv");
        assert_eq!(received.values("x-json"), *as_json, "{claim} as json");
        assert_eq!(received.values("x-repeat"), *repeat, "{claim} as repeat");
    }
}

#[test]
fn a_claim_is_named_literally_or_by_a_pointer() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let headers = [
        ("x-url", "\"https://example.com/tenant\""),
        ("x-groups", "\"cognito:groups\""),
        ("x-dotted", "a.b"),
        ("x-roles", "/realm_access/roles"),
        ("x-first", "/realm_access/roles/0"),
        ("x-none", "/realm_access/roles/2"),
        ("x-slash", "/a~1b/~0"),
        ("x-through", "/sub/x"),
        ("x-inside", "/a/b"),
        ("x-upper", "Value"),
        ("x-email", "email"),
    ];
    let file: String = headers.iter().map(|(name, claim)| format!("  {name}: {claim}\n")).collect();
    let gateway = gateway(&issuer, &target, &file, "");
    let token = issuer.token_with(&json!({
        "https://example.com/tenant": "blue",
        "cognito:groups": ["staff", "a,b"],
        "a.b": "literal",
        "a": { "b": "nested" },
        "realm_access": { "roles": ["reader", "writer"] },
        "a/b": { "~": 7 },
        "value": "lower",
    }));
    let received = sent_with(&gateway, &target, &token);
    let expected: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("x-url", vec!["blue"]),
        ("x-groups", vec!["staff,a%2Cb"]),
        ("x-dotted", vec!["literal"]),
        ("x-roles", vec!["reader,writer"]),
        ("x-first", vec!["reader"]),
        ("x-none", vec![]),
        ("x-slash", vec!["7"]),
        ("x-through", vec![]),
        ("x-inside", vec!["nested"]),
        ("x-upper", vec![]),
        ("x-email", vec![]),
    ]);
    for (name, values) in expected {
        assert_eq!(received.values(name), values, "{name}");
    }
    // The file's own list replaces the default four.
    assert!(received.values("x-auth-subject").is_empty());
}

#[test]
fn a_value_that_is_too_long_makes_no_header_rather_than_half_a_one() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = gateway(
        &issuer,
        &target,
        "  x-value: { claim: value, max_size: 10B }\n  \
         x-repeat: { claim: value, as: repeat, max_size: 10B }\n  x-sub: sub\n",
        "",
    );
    for (claim, value, repeat) in [
        ("\"0123456789\"", vec!["0123456789"], vec!["0123456789"]),
        ("\"01234567890\"", vec![], vec![]),
        ("\"\\r\\r\\r0\"", vec!["%0D%0D%0D0"], vec!["%0D%0D%0D0"]),
        ("\"\\r\\r\\r\\r\"", vec![], vec![]),
        ("12345678901", vec![], vec![]),
        ("[\"0123\",\"56789\"]", vec!["0123,56789"], vec!["0123", "56789"]),
        ("[\"0123\",\"567890\"]", vec![], vec![]),
        ("[\"0123456789\",\"a\",\"b\"]", vec![], vec![]),
    ] {
        let received = sent_with(&gateway, &target, &issuer.token_texts(&[("value", claim)]));
        assert_eq!(received.values("x-value"), value, "{claim}");
        assert_eq!(received.values("x-repeat"), repeat, "{claim}");
        assert_eq!(received.values("x-sub").len(), 1, "{claim}");
    }
}

#[test]
fn a_caller_cannot_add_to_what_a_claim_says_nor_stand_in_for_it() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let headers = "  x-groups: { claim: \"cognito:groups\", as: repeat }\n  x-email: email\n";
    let own = ", claim_headers: { x-tenant: tenant }";
    let gateway = gateway(&issuer, &target, headers, own);
    let bearer = format!("Bearer {}", issuer.token());
    let forged = [
        ("Authorization", bearer.as_str()),
        ("X-Groups", "admins"),
        ("x_groups", "admins"),
        ("x-email", "root@example.com"),
        ("X.Email", "root@example.com"),
        ("x-tenant", "all"),
        ("x_tenant", "all"),
    ];
    let received = sent(&gateway, &target, &forged);
    assert_eq!(received.values("x-groups"), ["staff"]);
    let names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    let text = format!("{:?}", received.headers);
    assert!(
        !text.contains("admins") && !text.contains("root@") && !text.contains("all\""),
        "{text}"
    );
    assert!(!names.iter().any(|name| name.contains('_')), "{names:?}");
    let answer = wire::request(gateway.address(), "GET", "/open/1", &forged);
    assert_eq!(answer.status, 200);
    let text = format!("{:?}", target.next().headers);
    assert!(!text.contains("admins") && !text.contains("root@"), "{text}");
}

#[test]
fn with_forward_authorization_off_the_target_never_sees_the_token() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let token = issuer.token();
    let bearer = format!("Bearer {token}");
    let off = ", forward_authorization: false";
    let hidden = gateway(&issuer, &target, "  x-sub: sub\n", off);
    let received = sent(&hidden, &target, &[("Authorization", &bearer), ("Cookie", "a=b")]);
    assert!(!format!("{:?}", received.headers).contains(&token));
    assert_eq!(received.values("x-sub").len(), 1);
    assert_eq!(received.values("cookie"), ["a=b"]);
    // A rule that does not ask does not take: what is there is the caller's own.
    let answer = wire::request(hidden.address(), "GET", "/open/1", &[("Authorization", "Basic x")]);
    assert_eq!(answer.status, 200);
    assert_eq!(target.next().values("authorization"), ["Basic x"]);

    let elsewhere = ", identity_source: $request.header.X-Token";
    let hidden = gateway(&issuer, &target, "  x-sub: sub\n", &format!("{elsewhere}{off}"));
    let both = [("X-Token", token.as_str()), ("Authorization", "Basic YTpi")];
    let received = sent(&hidden, &target, &both);
    assert!(!format!("{:?}", received.headers).contains(&token));
    assert_eq!(received.values("authorization"), ["Basic YTpi"]);

    let shown = gateway(&issuer, &target, "  x-sub: sub\n", elsewhere);
    let received = sent(&shown, &target, &both);
    assert_eq!(received.values("x-token"), [token.as_str()]);
}

#[test]
fn a_token_in_a_header_of_its_own_is_the_bare_token_once() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let source = ", identity_source: $request.header.X-Token";
    let gateway = gateway(&issuer, &target, "  x-sub: sub\n", source);
    let token = issuer.token();
    let bearer = format!("Bearer {token}");
    let expired = issuer.token_with(&json!({ "exp": 1 }));
    for (what, headers, status) in [
        ("bare", vec![("X-Token", token.as_str())], 200),
        ("in another case", vec![("x-TOKEN", token.as_str())], 200),
        ("beside another", vec![("X-Token", &token), ("Authorization", "Bearer x")], 200),
        ("with a scheme", vec![("X-Token", &bearer)], 401),
        ("twice", vec![("X-Token", &token), ("X-Token", &token)], 401),
        ("twice, one empty", vec![("X-Token", ""), ("X-Token", &token)], 401),
        ("empty", vec![("X-Token", "")], 401),
        ("expired beside a good one", vec![("X-Token", &expired), ("Authorization", &bearer)], 401),
        ("in another spelling", vec![("X_Token", &token)], 401),
        ("in the usual place", vec![("Authorization", &bearer)], 401),
    ] {
        let answer = wire::request(gateway.address(), "GET", "/orders/1", &headers);
        assert_eq!(answer.status, status, "{what}");
    }
    assert_eq!(target.taken().len(), 3);
}
