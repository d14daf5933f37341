use std::collections::HashSet;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

use super::*;
use crate::config::signing_key::SigningKey;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> IdentityAssertion {
    IdentityAssertion {
        issuer: "https://edge.example.com".into(),
        lifetime: MINUTE,
        rotation: 24 * HOUR,
        signing_keys: Vec::new(),
    }
}

fn asserter(settings: &IdentityAssertion) -> Arc<Asserter> {
    Asserter::compile(settings, None).unwrap()
}

fn now() -> UnixMillis {
    crate::clock::wall()
}

fn anonymous(asserter: &Asserter, at: UnixMillis) -> String {
    let value = asserter.assert(None, &"orders".into(), at).unwrap();
    assert!(value.is_sensitive());
    value.to_str().unwrap().to_owned()
}

fn kids(asserter: &Asserter) -> Vec<String> {
    let set: JwkSet = serde_json::from_slice(&asserter.key_set()).unwrap();
    set.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

/// What a target does, with a library that is not ours.
fn verified(asserter: &Asserter, token: &str, audience: &str) -> Option<Value> {
    let set: JwkSet = serde_json::from_slice(&asserter.key_set()).unwrap();
    let kid = decode_header(token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid)?).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["https://edge.example.com"]);
    validation.set_audience(&[audience]);
    validation.leeway = 0;
    decode::<Value>(token, &key, &validation).ok().map(|token| token.claims)
}

#[test]
fn a_request_without_an_identity_is_vouched_for_as_such() {
    let asserter = asserter(&settings());
    let now = now();
    let claims = verified(&asserter, &anonymous(&asserter, now), "orders").unwrap();
    assert_eq!(
        claims,
        serde_json::json!({
            "iss": "https://edge.example.com", "aud": "orders", "caller": "anonymous",
            "iat": now.seconds(), "exp": now.seconds() + 60,
        })
    );
    assert!(verified(&asserter, &anonymous(&asserter, now), "payments").is_none());
}

#[test]
fn an_assertion_is_used_again_while_half_of_its_life_is_left() {
    let asserter = asserter(&settings());
    let start = now();
    let first = anonymous(&asserter, start);
    assert_eq!(anonymous(&asserter, start.plus(Duration::from_millis(29_999))), first);
    assert_ne!(anonymous(&asserter, start.plus(Duration::from_secs(30))), first);
}

#[test]
fn a_new_key_is_published_before_it_signs_and_an_old_one_until_all_it_signed_is_past() {
    let asserter = asserter(&settings());
    let (start, wall) = (crate::clock::monotonic(), now());
    let at = |after: Duration| {
        asserter.rotate(start + after);
        kids(&asserter)
    };
    let old = at(Duration::ZERO);
    assert_eq!(at(24 * HOUR - 10 * MINUTE - MINUTE), old);
    let both = at(24 * HOUR - 10 * MINUTE);
    assert_eq!((both.len(), &both[0]), (2, &old[0]));
    let last_of_old = anonymous(&asserter, wall);
    assert_eq!(decode_header(&last_of_old).unwrap().kid, Some(old[0].clone()));
    let turned = at(24 * HOUR);
    assert_eq!(turned, [both[1].clone(), old[0].clone()]);
    let by_new = anonymous(&asserter, wall.plus(HOUR));
    assert_eq!(decode_header(&by_new).unwrap().kid, Some(both[1].clone()));
    assert!(verified(&asserter, &last_of_old, "orders").is_some());
    assert_eq!(at(24 * HOUR + 5 * MINUTE), [both[1].clone()]);
    assert!(asserter.max_age() <= 5 * MINUTE);
}

#[test]
fn a_process_that_slept_publishes_a_key_before_it_uses_it_all_the_same() {
    let asserter = asserter(&settings());
    let start = crate::clock::monotonic();
    asserter.rotate(start);
    let old = kids(&asserter);
    asserter.rotate(start + 72 * HOUR);
    let both = kids(&asserter);
    assert_eq!((both.len(), &both[0]), (2, &old[0]));
    asserter.rotate(start + 72 * HOUR + 9 * MINUTE);
    assert_eq!(kids(&asserter), both);
    asserter.rotate(start + 72 * HOUR + 10 * MINUTE);
    assert_eq!(kids(&asserter)[0], both[1]);
}

#[test]
fn given_keys_are_all_published_and_the_first_signs_for_good() {
    let keys: Vec<_> = (0..3).map(|_| SigningKey::generate().unwrap()).collect();
    let settings = IdentityAssertion { signing_keys: keys, ..settings() };
    let (one, other) = (asserter(&settings), asserter(&settings));
    let names = kids(&one);
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 3);
    assert_eq!(kids(&other), names);
    one.rotate(crate::clock::monotonic());
    one.rotate(crate::clock::monotonic() + 100 * HOUR);
    assert_eq!(kids(&one), names);
    let token = anonymous(&one, now());
    assert_eq!(decode_header(&token).unwrap().kid.as_ref(), names.first());
    assert!(verified(&other, &token, "orders").is_some());
}

#[test]
fn a_reload_keeps_keys_and_other_settings_do_not_change_them() {
    let before = asserter(&settings());
    let same = Asserter::compile(&settings(), Some(&before)).unwrap();
    assert!(Arc::ptr_eq(&before, &same));
    let longer = IdentityAssertion { lifetime: 2 * MINUTE, ..settings() };
    let changed = Asserter::compile(&longer, Some(&before)).unwrap();
    assert_eq!(kids(&changed), kids(&before));
}
