//! Name servers that fail: nobody waits for them, and what they answered last stays.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::support::issuer::CLIENT;
use crate::support::names::{Manner, NameServer};
use crate::support::{Gateway, Issuer, Start, Target, eventually, skipped, wire};

const NEEDS: &str = "it needs port 53 of a loopback address and a mount namespace";

/// Groups of one target each, with a path each.
fn groups(groups: &[(&str, String)]) -> String {
    let (mut targets, mut rules) = (String::new(), String::new());
    for (name, address) in groups {
        targets.push_str(&format!(
            "  {name}: {{ targets: ['{address}'], health_check: {{ enabled: false }} }}\n"
        ));
        rules.push_str(&format!(
            "      - {{ name: {name}, public: true, \
             conditions: {{ path_pattern: [/{name}] }}, forward: {name} }}\n"
        ));
    }
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\ntarget_groups:\n{targets}\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n{rules}    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    )
}

/// The status of a request, which must not have waited for a name server.
fn at_once(gateway: &Gateway, path: &str) -> u16 {
    let began = Instant::now();
    let status = wire::get(gateway.address(), path).status;
    // The shortest wait for a silent name server is a second.
    assert!(began.elapsed() < Duration::from_millis(900), "{path} waited {:?}", began.elapsed());
    status
}

#[test]
fn a_name_server_that_is_silent_and_then_fails_and_then_answers_is_waited_for_by_nobody() {
    let Some(names) = NameServer::start(Manner::Silent) else { return skipped(NEEDS) };
    let target = Target::start();
    let port = target.address().port();
    let by_name = |name: &str| (name.to_owned(), format!("{name}.test:{port}"));
    let (one_name, one_address) = by_name("one");
    let yaml = groups(&[(&one_name, one_address), ("two", target.address().to_string())]);
    let mut gateway = names.serve(Start::with(&yaml).unready()).run();
    assert_eq!((at_once(&gateway, "/two"), at_once(&gateway, "/one")), (200, 503));
    eventually("ready all the same", || (gateway.ask_admin("/readyz").status == 200).then_some(()));
    names.set(Manner::Fail);
    gateway.wait_log(&["one.test", "cannot be resolved"]);
    assert_eq!((at_once(&gateway, "/two"), at_once(&gateway, "/one")), (200, 503));
    names.set(Manner::Answer(Ipv4Addr::LOCALHOST));
    eventually("its target is found", || (at_once(&gateway, "/one") == 200).then_some(()));

    // What is known stays, whatever a reload asks a silent server about.
    names.set(Manner::Silent);
    let (three_name, three_address) = by_name("three");
    let (one_name, one_address) = by_name("one");
    gateway.write(&groups(&[(&one_name, one_address), (&three_name, three_address)]));
    gateway.signal("HUP");
    eventually("the new rules are in force", || {
        assert_eq!(at_once(&gateway, "/one"), 200);
        (at_once(&gateway, "/three") == 503).then_some(())
    });
    names.set(Manner::Answer(Ipv4Addr::LOCALHOST));
    eventually("the new target is found", || (at_once(&gateway, "/three") == 200).then_some(()));
    assert_eq!(at_once(&gateway, "/one"), 200);
}

#[test]
fn an_issuer_whose_name_cannot_be_resolved_holds_up_its_own_tokens_only() {
    let Some(names) = NameServer::start(Manner::Silent) else { return skipped(NEEDS) };
    let (issuer, target) = (Issuer::start(), Target::start());
    let unreachable = SocketAddr::from(([127, 0, 0, 1], 443));
    let yaml = groups(&[("open", target.address().to_string())]).replace(
        "    rules:\n",
        "    rules:\n      - { name: near, conditions: { path_pattern: [/near] }, \
         jwt_validation: { user_pools: [near] }, forward: open }\n      \
         - { name: far, conditions: { path_pattern: [/far] }, \
         jwt_validation: { user_pools: [far] }, forward: open }\n",
    );
    let yaml = format!(
        "{yaml}startup_wait: 1s\nuser_pools:\n{}  far:\n    issuer: https://idp.test:{port}/pool\n    \
         jwks_uri: https://idp.test:{port}/keys\n    audiences: [{CLIENT}]\n",
        issuer.pool("near"),
        port = unreachable.port(),
    );
    let gateway = names.serve(Start::with(&yaml).unready()).run();
    eventually("the key set of the other is in", || {
        let bearer = format!("Bearer {}", issuer.token());
        let answer =
            wire::request(gateway.address(), "GET", "/near", &[("Authorization", &bearer)]);
        (answer.status == 200).then_some(())
    });
    assert_eq!(at_once(&gateway, "/open"), 200);
    let far = issuer.token_with(&serde_json::json!({
        "iss": format!("https://idp.test:{}/pool", unreachable.port()), "aud": CLIENT,
    }));
    let bearer = format!("Bearer {far}");
    let answer = wire::request(gateway.address(), "GET", "/far", &[("Authorization", &bearer)]);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(at_once(&gateway, "/open"), 200);
    eventually("ready all the same", || (gateway.ask_admin("/readyz").status == 200).then_some(()));
    let why = eventually("the attempt has failed", || {
        let keys = gateway.ask_admin("/keys").json();
        let pools = keys["user_pools"].as_array().expect("a list");
        let far = pools.iter().find(|pool| pool["user_pool"] == "far").expect("the pool");
        far["issuers"][0]["last_error"].as_str().map(str::to_owned)
    });
    assert!(["timeout", "connect"].contains(&why.as_str()), "{why}");
}
