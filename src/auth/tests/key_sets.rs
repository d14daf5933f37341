//! JWK sets: which keys are usable, and which documents are none.

use aws_lc_rs::signature::KeyPair;
use serde_json::{Value, json};

use super::super::jwks::{KeySet, KeySetError};
use super::support::*;
use crate::config::model::Algorithm;

fn with(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Value {
    let mut key = rsa_jwk(0, "k");
    change(key.as_object_mut().unwrap());
    key
}

fn is_usable(key: Value) -> bool {
    KeySet::parse(&key_set(&[rsa_jwk(1, "good"), key])).unwrap().keys().len() == 2
}

fn set(key: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut key = key.clone();
    key[name] = value.into();
    key
}

#[test]
fn an_unusable_key_beside_a_good_one_is_left_out() {
    // 18
    for bad in [
        json!({ "kty": "oct", "kid": "k", "k": "AAAA" }),
        json!({ "kty": "EC", "kid": "k", "crv": "P-521", "x": "AA", "y": "AA" }),
        json!({ "kty": "OKP", "kid": "k", "crv": "X25519", "x": b64([1; 32]) }),
        json!({ "kty": "new", "kid": "k" }),
        json!({ "kty": "RSA", "kid": "k" }),
        json!({}),
        json!(1),
        with(|key| drop(key.remove("kid"))),
        with(|key| drop(key.insert("kid".into(), json!("")))),
        with(|key| drop(key.insert("kid".into(), json!(1)))),
        with(|key| drop(key.insert("n".into(), json!("!")))),
        with(|key| drop(key.insert("n".into(), json!(1)))),
        with(|key| drop(key.insert("alg".into(), json!("RS1")))),
        with(|key| drop(key.insert("alg".into(), json!("HS256")))),
        with(|key| drop(key.insert("alg".into(), json!("ES256")))),
        with(|key| drop(key.insert("kid".into(), json!("x".repeat(257))))),
    ] {
        assert!(!is_usable(bad.clone()), "{bad}");
    }
    assert!(is_usable(rsa_jwk(0, "k")));
}

#[test]
fn use_and_key_ops_are_respected() {
    // 19
    let key = rsa_jwk(0, "k");
    assert!(is_usable(with(|key| drop(key.remove("use")))));
    assert!(!is_usable(set(&key, "use", "enc")));
    assert!(!is_usable(set(&key, "use", "other")));
    assert!(is_usable(set(&key, "key_ops", json!(["verify"]))));
    assert!(is_usable(set(&key, "key_ops", json!(["sign", "verify"]))));
    assert!(!is_usable(set(&key, "key_ops", json!(["encrypt"]))));
    assert!(!is_usable(set(&key, "key_ops", json!([]))));
    assert!(!is_usable(set(&key, "key_ops", "verify")));
}

#[test]
fn weak_rsa_keys_are_unusable() {
    // 20
    let key = rsa_jwk(0, "k");
    let modulus = |bytes: usize, first: u8, last: u8| {
        let mut n = vec![0xff; bytes];
        (n[0], n[bytes - 1]) = (first, last);
        set(&key, "n", b64(n))
    };
    assert!(is_usable(modulus(256, 0x80, 1)));
    assert!(!is_usable(modulus(256, 0x7f, 1)), "2047 bits");
    assert!(!is_usable(modulus(128, 0x80, 1)), "1024 bits");
    assert!(!is_usable(modulus(256, 0x80, 2)), "even");
    assert!(!is_usable(modulus(1025, 0x80, 1)), "8200 bits");
    for e in [&[1][..], &[2], &[0], &[], &[1, 0, 0], &[0xff; 5]] {
        assert!(!is_usable(set(&key, "e", b64(e))), "{e:?}");
    }
    assert!(is_usable(set(&key, "e", b64([3]))));
    let zeros = [&[0, 0][..], &[1, 0, 1]].concat();
    assert!(is_usable(set(&key, "e", b64(zeros))));
}

#[test]
fn a_point_off_the_curve_is_unusable() {
    let good = ec_jwk(p256(), "P-256", "k");
    assert!(is_usable(good.clone()));
    assert!(!is_usable(set(&good, "x", b64([1; 32]))));
    assert!(!is_usable(set(&good, "y", b64([1; 31]))));
    assert!(!is_usable(set(&good, "crv", "P-384")));
    assert!(is_usable(ec_jwk(p384(), "P-384", "k")));
    assert!(is_usable(ed_jwk("k")));
}

#[test]
fn documents_that_are_no_key_set_are_refused() {
    // 21
    let refused = |body: &[u8]| KeySet::parse(body).unwrap_err();
    for body in [
        "",
        "x",
        "<html>",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":1}",
        "{\"keys\":[]",
        "{\"keys\":[1],\"keys\":[2]}",
    ] {
        assert_eq!(refused(body.as_bytes()), KeySetError::Malformed, "{body}");
    }
    assert_eq!(refused(b"{\"keys\":[\"\xff\"]}"), KeySetError::Malformed);
    let deep = format!("{{\"keys\":[{}{}]}}", "[".repeat(40_000), "]".repeat(40_000));
    assert_eq!(refused(deep.as_bytes()), KeySetError::Malformed);
    assert_eq!(refused(b"{\"keys\":[]}"), KeySetError::NoUsableKey);
    assert_eq!(refused(&key_set(&[json!({"kty": "oct"})])), KeySetError::NoUsableKey);
    let many = |n| key_set(&vec![rsa_jwk(0, "k"); n]);
    assert_eq!(refused(&many(33)), KeySetError::TooManyKeys);
    assert_eq!(KeySet::parse(&many(32)).unwrap().keys().len(), 1);
    let mut large = key_set(&[rsa_jwk(0, "k")]);
    large.resize(150_000, b' ');
    assert!(KeySet::parse(&large).is_ok());
    large.push(b' ');
    assert_eq!(refused(&large), KeySetError::TooLarge);
}

#[test]
fn of_two_keys_with_one_name_the_first_stays() {
    let keys = [rsa_jwk(0, "k"), rsa_jwk(1, "k"), ec_jwk(p256(), "P-256", "k")];
    let set = KeySet::parse(&key_set(&keys)).unwrap();
    assert_eq!((set.keys().len(), set.skipped()), (2, 1));
    let first = KeySet::parse(&key_set(&keys[..1])).unwrap();
    let found = set.find("k", Algorithm::RS256).unwrap();
    assert_eq!(found.thumbprint(), first.keys()[0].thumbprint());
    assert!(set.find("k", Algorithm::ES256).is_some());
    assert!(set.find("k", Algorithm::RS512).is_none());
}

#[test]
fn thumbprints_are_those_of_rfc_7638() {
    // RFC 7638 section 3.1
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSo\
             c_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YG\
             jQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdk\
             t-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnq\
             DKgw";
    let key = json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    let set = KeySet::parse(&key_set(&[key])).unwrap();
    assert_eq!(b64(set.keys()[0].thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037 appendix A.3
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k",
                      "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let set = KeySet::parse(&key_set(&[key])).unwrap();
    assert_eq!(b64(set.keys()[0].thumbprint()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(ed25519().public_key().as_ref().len(), 32);
}
