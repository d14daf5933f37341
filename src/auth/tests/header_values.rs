//! Claims on their way to a target.

use serde_json::json;

use super::super::headers::{ClaimHeaderSet, Omission};
use super::support::*;
use crate::config::model::*;

/// The values of one header made from `claim` of a token with exactly these claims added.
fn values(json: &str, claim: ClaimPath, form: ArrayForm) -> Vec<String> {
    let header = ClaimHeader { header: "x".into(), claim, form, max_size: 8192 };
    made(json, &header).0
}

fn made(json: &str, header: &ClaimHeader) -> (Vec<String>, Option<Omission>) {
    let claims = serde_json::Value::from(Mint::access().claims).to_string();
    let text = format!("{{{json},{}", &claims[1..]);
    let text = sign_text(&serde_json::Value::from(Mint::access().header).to_string(), &text, 0);
    let token = Gate::cognito().identity(&text).token;
    let made = ClaimHeaderSet::compile(std::slice::from_ref(header)).block(token.claims());
    let omission = made.omitted.first().map(|(_, omission)| *omission);
    (block(&made).remove("x").unwrap_or_default(), omission)
}

fn name(claim: &str) -> ClaimPath {
    ClaimPath::Name(claim.into())
}

fn pointer(steps: &[&str]) -> ClaimPath {
    ClaimPath::Pointer(steps.iter().map(ToString::to_string).collect())
}

#[test]
fn scalars_are_carried_exactly() {
    for (json, expected) in [
        (r#""alice""#, "alice"),
        (r#""a b""#, "a b"),
        (r#""100%""#, "100%25"),
        (r#""a,b;\"c\"""#, "a,b;\"c\""),
        (r#""\u00fcber \u20ac""#, "%C3%BCber %E2%82%AC"),
        (r#"" a  b ""#, "%20a%20%20b%20"),
        (r#""a\r\nx: y\u0000\u007f\tb""#, "a%0D%0Ax: y%00%7F%09b"),
        (r#""""#, ""),
        ("12345678901234567890123", "12345678901234567890123"),
        ("1.10", "1.10"),
        ("1E5", "1E5"),
        ("true", "true"),
        ("false", "false"),
        (r#"{ "a" : [ 1 , "b c" ] }"#, r#"{"a":[1,"b c"]}"#),
    ] {
        let made = values(&format!("\"c\":{json}"), name("c"), ArrayForm::Csv);
        assert_eq!(made, [expected], "{json}");
    }
    for absent in [r#""c":null"#, r#""d":1"#] {
        assert!(values(absent, name("c"), ArrayForm::Csv).is_empty());
    }
}

#[test]
fn arrays_are_carried_in_three_forms() {
    let groups = r#""c":["a,admin","b c ",1,true,{"x":[1,2]},"100%"]"#;
    assert_eq!(
        values(groups, name("c"), ArrayForm::Csv),
        [r#"a%2Cadmin,b c%20,1,true,{"x":[1%2C2]},100%25"#]
    );
    assert_eq!(
        values(groups, name("c"), ArrayForm::Json),
        [r#"["a,admin","b c ",1,true,{"x":[1,2]},"100%25"]"#]
    );
    assert_eq!(
        values(groups, name("c"), ArrayForm::Repeat),
        ["a,admin", "b c%20", "1", "true", r#"{"x":[1,2]}"#, "100%25"]
    );
    assert!(values(r#""c":[]"#, name("c"), ArrayForm::Csv).is_empty());
    assert!(values(r#""c":[]"#, name("c"), ArrayForm::Repeat).is_empty());
    assert_eq!(values(r#""c":[]"#, name("c"), ArrayForm::Json), ["[]"]);
    assert_eq!(values(r#""c":["a"]"#, name("c"), ArrayForm::Csv), ["a"]);
}

#[test]
fn claims_are_found_by_literal_name_or_by_pointer() {
    let text = r#""https://example.com/role":"r","realm_access":{"roles":["a","b"],"a/b":{"~":1}}"#;
    assert_eq!(values(text, name("https://example.com/role"), ArrayForm::Csv), ["r"]);
    assert_eq!(values(text, name("cognito:groups"), ArrayForm::Csv), ["admin,a%2Cb"]);
    assert_eq!(values(text, pointer(&["realm_access", "roles"]), ArrayForm::Csv), ["a,b"]);
    assert_eq!(values(text, pointer(&["realm_access", "roles", "1"]), ArrayForm::Csv), ["b"]);
    assert_eq!(values(text, pointer(&["realm_access", "a/b", "~"]), ArrayForm::Csv), ["1"]);
    assert!(values(text, pointer(&["realm_access", "x"]), ArrayForm::Csv).is_empty());
    assert!(values(text, name("realm_access/roles"), ArrayForm::Csv).is_empty());
}

#[test]
fn what_is_too_large_or_no_text_is_left_out_and_said() {
    let header =
        |form, max_size| ClaimHeader { header: "x".into(), claim: name("c"), form, max_size };
    let four = r#""c":["ab","cd"]"#;
    assert_eq!(made(four, &header(ArrayForm::Csv, 5)), (vec!["ab,cd".into()], None));
    assert_eq!(made(four, &header(ArrayForm::Csv, 4)), (vec![], Some(Omission::TooLarge)));
    assert_eq!(made(four, &header(ArrayForm::Json, 10)), (vec![], Some(Omission::TooLarge)));
    assert_eq!(made(four, &header(ArrayForm::Repeat, 4)), (vec![], Some(Omission::TooLarge)));
    assert_eq!(made(four, &header(ArrayForm::Repeat, 5)).0, ["ab", "cd"]);
    assert_eq!(made(r#""c":"é""#, &header(ArrayForm::Csv, 5)), (vec![], Some(Omission::TooLarge)));
    let empty = format!("\"c\":[{}]", vec!["\"\""; 3000].join(","));
    assert_eq!(made(&empty, &header(ArrayForm::Repeat, 1000)).1, Some(Omission::TooLarge));
    let lone = r#""c":"\ud800""#;
    assert_eq!(made(lone, &header(ArrayForm::Csv, 100)), (vec![], Some(Omission::NotText)));
    assert_eq!(
        made(r#""c":["a","\ud800"]"#, &header(ArrayForm::Csv, 100)).1,
        Some(Omission::NotText)
    );
}

#[test]
fn one_header_too_large_does_not_disturb_the_others() {
    let headers = [
        header_for("x-subject", "sub"),
        ClaimHeader { max_size: 3, ..header_for("x-user", "username") },
        header_for("x-groups", "cognito:groups"),
    ];
    let identity = Gate::cognito().identity(&Mint::access().sign());
    let made = ClaimHeaderSet::compile(&headers).block(identity.token.claims());
    let map = block(&made);
    assert_eq!(map.len(), 2);
    assert_eq!(map["x-subject"], ["aaaaaaaa-bbbb-cccc-dddd-example"]);
    assert_eq!(map["x-groups"], ["admin,a%2Cb"]);
    assert_eq!(made.omitted.len(), 1);
}

#[test]
fn the_identity_carries_the_rule_s_headers_and_a_digest() {
    let gate = Gate::cognito();
    let identity = gate.identity(&Mint::access().sign());
    assert_eq!(block(&identity.headers)["x-auth-subject"], [identity.token.subject()]);
    let digest = identity.token.digest().to_owned();
    assert!(digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(gate.identity(&Mint::access().claim("jti", "x").sign()).token.digest(), digest);
    assert_ne!(gate.identity(&Mint::access().claim("sub", "x").sign()).token.digest(), digest);
    let odd = Mint::access().claim("groups", json!({"x": 1})).sign();
    assert_eq!(gate.refuses(&odd), None);
}
