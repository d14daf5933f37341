//! What a rule asks beyond a good token.

use serde_json::json;

use super::super::*;
use super::support::*;
use crate::config::model::*;

fn gate(change: impl FnOnce(&mut JwtValidation)) -> Gate {
    let mut rule = validation(1);
    change(&mut rule);
    Gate::with(vec![cognito("customers")], &rule, &[rsa_jwk(0, "access=")])
}

fn any(names: &[&str]) -> Option<Demand> {
    Some(Demand::AnyOf(names.iter().map(ToString::to_string).collect()))
}

fn all(names: &[&str]) -> Option<Demand> {
    Some(Demand::AllOf(names.iter().map(ToString::to_string).collect()))
}

#[test]
fn scopes_match_whole_words() {
    // 58
    let verdict = |scope: &str, demand: Option<Demand>| {
        gate(|rule| rule.scopes = demand).refuses(&Mint::access().claim("scope", scope).sign())
    };
    assert_eq!(verdict("orders/read", any(&["x", "orders/read"])), None);
    assert_eq!(verdict("a  orders/read ", any(&["orders/read"])), None);
    assert_eq!(verdict("a b", all(&["a", "b"])), None);
    for (scope, demand) in [
        ("a/b", any(&["a"])),
        ("a", any(&["a/b"])),
        ("A", any(&["a"])),
        ("a,b", any(&["a"])),
        ("a\tb", any(&["a"])),
        ("a\u{a0}b", any(&["a"])),
        ("", any(&["a"])),
        ("a", all(&["a", "b"])),
    ] {
        assert_eq!(verdict(scope, demand), Some(Reason::ScopeMissing), "{scope:?}");
    }
    let gate = gate(|rule| rule.scopes = any(&["x", "y"]));
    let Outcome::Refused(refusal) = gate.ask(&Mint::access().without("scope").sign()) else {
        panic!()
    };
    let scope = Some("x y".into());
    assert_eq!(refusal.challenge, Challenge::InsufficientScope { scope });
}

#[test]
fn groups_match_exactly() {
    // 59
    let verdict = |groups: serde_json::Value, demand: Option<Demand>| {
        let token = Mint::access().claim("cognito:groups", groups).sign();
        gate(|rule| rule.groups = demand).refuses(&token)
    };
    assert_eq!(verdict(json!(["x", "admin"]), any(&["admin"])), None);
    assert_eq!(verdict(json!(["x", "admin"]), all(&["admin", "x"])), None);
    for groups in
        [json!(["admins"]), json!(["adm"]), json!(["Admin"]), json!(["a,admin"]), json!([])]
    {
        assert_eq!(
            verdict(groups.clone(), any(&["admin"])),
            Some(Reason::GroupMissing),
            "{groups}"
        );
    }
    let gate = gate(|rule| rule.groups = any(&["admin"]));
    let without = Mint::access().without("cognito:groups").claim("groups", json!(["admin"])).sign();
    let Outcome::Refused(refusal) = gate.ask(&without) else { panic!() };
    assert_eq!(refusal.challenge, Challenge::InsufficientScope { scope: None });
}

#[test]
fn another_issuer_s_groups_and_scp_count() {
    let iss = "https://login.partner.example";
    let rule = JwtValidation { scopes: any(&["read"]), groups: any(&["admin"]), ..validation(1) };
    let gate = Gate::with(vec![oidc("p", iss)], &rule, &[rsa_jwk(0, "access=")]);
    let mint = || {
        let mint = Mint::access().without("scope").without("cognito:groups");
        mint.claim("iss", iss).claim("aud", "shop-api").claim("groups", json!(["admin"]))
    };
    assert_eq!(gate.refuses(&mint().claim("scp", json!(["read"])).sign()), None);
    assert_eq!(gate.refuses(&mint().claim("scp", "write read").sign()), None);
    assert_eq!(gate.refuses(&mint().sign()), Some(Reason::ScopeMissing));
    let stringy = mint().claim("scp", "read").claim("groups", "admin").sign();
    assert_eq!(gate.refuses(&stringy), Some(Reason::GroupMissing));
}

#[test]
fn additional_claims_follow_alb_s_three_formats() {
    use ClaimFormat::{SingleString, SpaceSeparatedValues, StringArray};
    let verdict = |format, values: &[&str], claim: serde_json::Value| {
        let values = values.iter().map(ToString::to_string).collect();
        let wanted = AdditionalClaim { name: "custom:x".into(), format, values };
        let gate = gate(|rule| rule.additional_claims = vec![wanted]);
        gate.refuses(&Mint::access().claim("custom:x", claim).sign())
    };
    assert_eq!(verdict(SingleString, &["a", "b"], json!("b")), None);
    assert_eq!(verdict(SingleString, &["a"], json!("A")), Some(Reason::ClaimValueWrong));
    assert_eq!(verdict(SingleString, &["1"], json!(1)), Some(Reason::ClaimFormatInvalid));
    assert_eq!(verdict(StringArray, &["a", "b"], json!(["c", "b"])), None);
    assert_eq!(verdict(StringArray, &["a"], json!([])), Some(Reason::ClaimValueWrong));
    assert_eq!(verdict(StringArray, &["a"], json!("a")), Some(Reason::ClaimFormatInvalid));
    assert_eq!(verdict(StringArray, &["a"], json!(["a", 1])), Some(Reason::ClaimFormatInvalid));
    assert_eq!(verdict(SpaceSeparatedValues, &["a", "b"], json!("b c a")), None);
    assert_eq!(
        verdict(SpaceSeparatedValues, &["a", "b"], json!("a")),
        Some(Reason::ClaimValueWrong)
    );
    let wanted =
        AdditionalClaim { name: "y".into(), format: SingleString, values: vec!["a".into()] };
    let gate = gate(|rule| rule.additional_claims = vec![wanted]);
    let Outcome::Refused(refusal) = gate.ask(&Mint::access().sign()) else { panic!() };
    assert_eq!(refusal.reason, Reason::ClaimMissing);
    assert_eq!(refusal.error_reason(), "JWTClaimNotPresent");
    assert_eq!(refusal.challenge, Challenge::InvalidToken { expired: false });
}

#[test]
fn the_token_is_taken_from_the_configured_header_only() {
    // 50, 51
    let gate = gate(|_| {});
    let ask = |name: &'static str, value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert(name, http::HeaderValue::from_str(value).unwrap());
        let (check, mono) = (&gate.check, gate.mono);
        match gate.authorizers.authorize(check, &headers, gate.now, mono, Patience::MayWait) {
            Outcome::Allowed(_) => None,
            Outcome::Refused(refusal) => Some((refusal.reason, refusal.challenge)),
            Outcome::NeedsKey(_) => panic!(),
        }
    };
    let token = Mint::access().sign();
    assert_eq!(ask("authorization", &format!("Bearer {token}")), None);
    assert_eq!(ask("authorization", &format!("bearer {token}")), None);
    let invalid = Challenge::InvalidToken { expired: false };
    let malformed = Some((Reason::TokenMalformed, invalid));
    assert_eq!(ask("authorization", &format!("Bearer  {token}")), malformed);
    assert_eq!(ask("authorization", &format!("Bearer {token}, Bearer {token}")), malformed);
    let basic = Some((Reason::SchemeNotBearer, Challenge::NoToken));
    assert_eq!(ask("authorization", "Basic YTpi"), basic);
    assert_eq!(ask("x-token", &token), Some((Reason::TokenMissing, Challenge::NoToken)));
}
