//! Proof of origin: the signed header by which a target knows that a request came through here.

use std::net::SocketAddr;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::authorization::protected;
use crate::support::issuer::CLIENT;
use crate::support::process::portcullis;
use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

const KEYS: &str = "/.well-known/portcullis/jwks.json";
const SETTINGS: &str = "identity_assertion: { issuer: https://edge.test }\n";

fn asserting(issuer: &Issuer, target: &Target) -> String {
    let group = format!("orders: {{ targets: [{}] }}", target.address());
    let wanted = format!("orders: {{ targets: [{}], identity_assertion: true }}", target.address());
    let routes = protected(issuer, target).replace(&group, &wanted);
    assert!(routes.contains("identity_assertion"), "the group was found");
    routes + SETTINGS
}

/// What a target does: the published keys, and a library that is not ours.
fn verified(gateway: SocketAddr, token: &str) -> Value {
    let set: JwkSet = serde_json::from_value(wire::get(gateway, KEYS).json()).expect("a JWK set");
    let kid = decode_header(token).expect("a header").kid.expect("a key id");
    let key = DecodingKey::from_jwk(set.find(&kid).expect("the key")).expect("a key on P-256");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["https://edge.test"]);
    validation.set_audience(&["orders"]);
    decode::<Value>(token, &key, &validation).expect("a good signature").claims
}

fn assertion(target: &Target) -> String {
    let received = target.next();
    let mut values = received.values("x-portcullis-identity");
    assert_eq!(values.len(), 1, "one assertion");
    values.remove(0).to_owned()
}

#[test]
fn a_target_can_verify_who_called_and_that_the_request_came_through_here() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&asserting(&issuer, &target));
    let bearer = format!("Bearer {}", issuer.token());
    let forged = [("Authorization", &*bearer), ("x-portcullis-identity", "a.b.c")];
    assert_eq!(wire::request(gateway.address(), "GET", "/orders/1", &forged).status, 200);
    let claims = verified(gateway.address(), &assertion(&target));
    assert_eq!(claims["caller"], "token");
    assert_eq!(claims["user_pool"], "customers");
    assert_eq!(claims["sub"], "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    assert_eq!(claims["client_id"], CLIENT);
    assert_eq!(claims["claims"]["scope"], "orders/read profile");
    assert_eq!(claims["claims"]["cognito:groups"], json!(["staff"]));
    let life = claims["exp"].as_u64().zip(claims["iat"].as_u64());
    assert!(life.is_some_and(|(end, start)| end - start <= 120), "{claims}");

    // A token is remembered when it comes a second time.
    let again = [("Authorization", &*bearer)];
    let [second, third] = ["/orders/2", "/orders/3"].map(|path| {
        assert_eq!(wire::request(gateway.address(), "GET", path, &again).status, 200);
        assertion(&target)
    });
    assert_eq!(second, third, "one assertion for an identity and a group");
}

#[test]
fn a_public_request_is_vouched_for_as_anonymous_whatever_the_client_says() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&asserting(&issuer, &target));
    for name in ["x-portcullis-identity", "X_Portcullis.Identity"] {
        let headers = [(name, "forged")];
        assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &headers).status, 200);
        let received = target.next();
        let headers = format!("{:?}", received.headers);
        assert!(!headers.contains("forged"), "{headers}");
        let token = received.values("x-portcullis-identity").remove(0).to_owned();
        assert_eq!(verified(gateway.address(), &token)["caller"], "anonymous");
    }
}

#[test]
fn a_group_that_wants_none_gets_none_and_no_forged_one_either() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let headers = [("X-Portcullis-Identity", "forged")];
    assert_eq!(wire::request(gateway.address(), "GET", "/open/1", &headers).status, 200);
    assert!(target.next().values("x-portcullis-identity").is_empty());
    assert_eq!(wire::get(gateway.address(), KEYS).status, 404, "an ordinary path");
}

#[test]
fn keys_are_published_to_be_kept_for_minutes_and_outlive_a_reload() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = asserting(&issuer, &target);
    let gateway = Gateway::start(&routes);
    let answer = wire::get(gateway.address(), KEYS);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert!(!answer.text().contains("\"d\""), "no private part");
    let spelt = "/.well-known//portcullis/%6awks.json";
    assert_eq!(wire::get(gateway.address(), spelt).json(), answer.json());
    let head = wire::request(gateway.address(), "HEAD", KEYS, &[]);
    assert_eq!((head.status, head.text().len()), (200, 0));
    assert_eq!(wire::request(gateway.address(), "POST", KEYS, &[]).status, 404, "for the rules");

    gateway.write(&routes.replace("status_code: 404", "status_code: 410"));
    eventually("the new file serves", || {
        (wire::get(gateway.address(), "/else").status == 410).then_some(())
    });
    assert_eq!(wire::get(gateway.address(), KEYS).json(), answer.json());
}

#[test]
fn gateways_with_a_key_in_common_vouch_for_each_other() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let settings = "identity_assertion: { issuer: https://edge.test, \
        signing_keys: [\"${file:signing.pem}\"] }\n";
    let routes = asserting(&issuer, &target).replace(SETTINGS, settings);
    let start = || Start::with(&routes).file("signing.pem", pair.serialize_pem()).run();
    let (one, other) = (start(), start());
    assert_eq!(wire::get(one.address(), "/open/1").status, 200);
    assert_eq!(verified(other.address(), &assertion(&target))["caller"], "anonymous");
}

#[test]
fn what_is_wrong_with_the_settings_is_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes.yaml");
    let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key").serialize_pem();
    std::fs::write(folder.path().join("other.pem"), pem).expect("it is written");
    let groups = "target_groups: { a: { targets: [\"127.0.0.1:1\"], identity_assertion: true } }\n\
        listeners: { l: { address: 127.0.0.1:0, default_action: { forward: a, public: true } } }\n";
    for (settings, told) in [
        ("", "there is no `identity_assertion` that says who vouches"),
        ("identity_assertion: { issuer: http://edge.test }\n", "the issuer is an `https` URL"),
        ("identity_assertion: { issuer: https://edge.test, lifetime: 3m }\n", "10s to 2m"),
        (
            "identity_assertion: { issuer: https://edge.test, rotation: 1h, \
             signing_keys: [\"${file:other.pem}\"] }\n",
            "this is not one private key on P-256",
        ),
        (
            "identity_assertion: { issuer: https://edge.test, signing_keys: [abc] }\n",
            "a secret stands here in plain text",
        ),
    ] {
        std::fs::write(&file, format!("{settings}{groups}")).expect("it is written");
        let output = portcullis(&["check", file.to_str().expect("UTF-8")]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(told), "{settings}: {said}");
    }
}
