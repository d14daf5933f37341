//! Key sets of issuers that are down, slow, garbled, new or hostile: good keys are never lost, and
//! no caller decides how often an issuer is asked.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::authorization::protected;
use crate::support::issuer::{Key, Mode, now};
use crate::support::wire::Response;
use crate::support::{Connection, Gateway, Issuer, Start, Target, eventually, wire};

/// A gateway whose `/orders/*` takes tokens of any of these issuers, pools `p0`, `p1` and so on.
fn of_many(issuers: &[Issuer], target: &Target) -> String {
    let pools: String =
        issuers.iter().enumerate().map(|(n, issuer)| issuer.pool(&format!("p{n}"))).collect();
    let names: Vec<String> = (0..issuers.len()).map(|n| format!("p{n}")).collect();
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\nstartup_wait: 2s\nuser_pools:\n{pools}\
         target_groups:\n  orders: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: orders\n        conditions: {{ path_pattern: [/orders/*] }}\n        \
         jwt_validation: {{ user_pools: [{names}] }}\n        forward: orders\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        address = target.address(),
        names = names.join(", "),
    )
}

fn ask(gateway: &Gateway, token: &str) -> Response {
    ask_at(gateway.address(), token)
}

fn ask_at(address: SocketAddr, token: &str) -> Response {
    let bearer = format!("Bearer {token}");
    wire::request(address, "GET", "/orders/1", &[("Authorization", &bearer)])
}

/// A token of this issuer under a `kid` that nobody serves.
fn of_unknown_key(issuer: &Issuer, kid: &str) -> String {
    Key::number(1).named(kid).sign(&issuer.claims())
}

/// `/keys` of the first issuer of a pool.
fn source(gateway: &Gateway, pool: &str) -> Value {
    let keys = gateway.ask_admin("/keys").json();
    let pools = keys["user_pools"].as_array().expect("pools");
    let pool = pools.iter().find(|known| known["user_pool"] == pool).expect("the pool");
    pool["issuers"][0].clone()
}

/// Waits until a source may be asked again: ten seconds after it was asked last.
fn wait_for_budget(gateway: &Gateway, pool: &str) {
    eventually("the key set is ten seconds old", || {
        (source(gateway, pool)["age_seconds"].as_u64()? > 10).then_some(())
    });
}

#[test]
fn whatever_an_issuer_answers_its_known_keys_go_on_working() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes();
    let crowd: Vec<Value> = (0..40).map(|n| Key::number(0).named(&n.to_string()).jwk()).collect();
    let crowd = json!({ "keys": crowd }).to_string().into_bytes();
    let octet = br#"{"keys":[{"kty":"oct","kid":"key-0+/=","k":"AAAA"}]}"#.to_vec();
    let json = "application/json";
    let faults = [
        (Mode::Close, "connect"),
        (Mode::Endless, "too_large"),
        (Mode::Drip, "timeout"),
        (Mode::Hang, "timeout"),
        (Mode::Say(500, json, b"{}".to_vec()), "status"),
        (Mode::Say(404, "text/html", b"<html>".to_vec()), "status"),
        (Mode::Say(302, json, b"{}".to_vec()), "status"),
        (Mode::Say(200, "text/html", b"<html>hello</html>".to_vec()), "malformed"),
        (Mode::Say(200, json, b"{\"keys\":[]}".to_vec()), "no_usable_key"),
        (Mode::Say(200, json, b"{\"keys\":[".to_vec()), "malformed"),
        (Mode::Say(200, json, deep), "malformed"),
        (Mode::Say(200, json, crowd), "too_many_keys"),
        (Mode::Say(200, json, octet), "no_usable_key"),
        (Mode::Say(200, json, Vec::new()), "malformed"),
        // Packed, as nobody asked for: it is not unpacked, whatever it would become.
        (
            Mode::Say(200, json, [&b"\x1f\x8b\x08\0\0\0\0\0\0\xff"[..], &[0; 1000]].concat()),
            "malformed",
        ),
    ];
    let issuers: Vec<Issuer> = faults.iter().map(|_| Issuer::start()).collect();
    let target = Target::start();
    let gateway = Gateway::start(&of_many(&issuers, &target));
    for (issuer, (mode, _)) in issuers.iter().zip(&faults) {
        issuer.set(mode.clone());
    }
    for n in 0..issuers.len() {
        wait_for_budget(&gateway, &format!("p{n}"));
    }
    std::thread::scope(|scope| {
        for issuer in &issuers {
            // An unknown key has the issuer asked; the answer brings nothing, so it stays unknown.
            let address = gateway.address();
            scope.spawn(move || {
                assert_eq!(ask_at(address, &of_unknown_key(issuer, "new")).status, 401);
            });
        }
    });
    for (n, (issuer, (mode, failure))) in issuers.iter().zip(&faults).enumerate() {
        let source = source(&gateway, &format!("p{n}"));
        let told = format!("{mode:.60?}: {source}");
        // Some failures of one cause look alike from outside: a close before the head is either.
        assert_eq!(source["last_error"], *failure, "{told}");
        assert_eq!(source["kids"], json!(["key-0+/="]), "{told}");
        assert_eq!(ask(&gateway, &issuer.token()).status, 200, "{told}");
        assert_eq!(issuer.fetches(), 2, "{told}");
    }
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
}

#[test]
fn an_issuer_that_is_down_takes_no_other_issuer_with_it() {
    let issuers = [Issuer::start(), Issuer::start(), Issuer::start()];
    issuers[1].set(Mode::Close);
    let target = Target::start();
    let gateway = Gateway::start(&of_many(&issuers, &target));
    assert_eq!(ask(&gateway, &issuers[0].token()).status, 200);
    assert_eq!(ask(&gateway, &issuers[2].token()).status, 200);
    let refused = ask(&gateway, &issuers[1].token());
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok()));
    let verbose = gateway.ask_admin("/readyz?verbose");
    assert_eq!(verbose.status, 200);
    assert!(verbose.text().contains("p1"), "{}", verbose.text());
}

#[test]
fn without_keys_protected_requests_get_503_and_open_ones_are_served_until_the_issuer_is_up() {
    let target = Target::start();
    let issuer = Issuer::start();
    issuer.set(Mode::Close);
    let file = format!("startup_wait: 3s\n{}", protected(&issuer, &target));
    let gateway = Start::with(&file).unready().run();
    assert_eq!(gateway.ask_admin("/livez").status, 200);
    assert_eq!(gateway.ask_admin("/readyz").status, 503);
    let refused = ask(&gateway, &issuer.token());
    assert_eq!(refused.status, 503);
    let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    assert_eq!(wire::get(gateway.address(), "/open/1").status, 200);
    eventually("ready without keys once startup_wait is over", || {
        (gateway.ask_admin("/readyz").status == 200).then_some(())
    });
    assert_eq!(ask(&gateway, &issuer.token()).status, 503);
    issuer.set(Mode::Serve);
    eventually("keys are in", || (ask(&gateway, &issuer.token()).status == 200).then_some(()));
    // At the start and once per ten seconds, however many asked.
    assert_eq!(issuer.fetches(), 2);
    let denied = gateway.wait_access_log(|lines| {
        lines.iter().any(|line| line.to_string().contains("jwks_unavailable"))
    });
    assert!(!denied.is_empty());
}

#[test]
fn a_new_key_works_at_first_use_and_a_dropped_one_no_longer() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let old = issuer.token();
    assert_eq!([ask(&gateway, &old).status, ask(&gateway, &old).status], [200, 200]);
    wait_for_budget(&gateway, "customers");
    issuer.serve(&[Key::number(1)]);
    // Verified and cached; nobody knows yet that the issuer has dropped the key.
    assert_eq!(ask(&gateway, &old).status, 200);
    assert_eq!(ask(&gateway, &Key::number(1).sign(&issuer.claims())).status, 200);
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(ask(&gateway, &old).status, 401);
    assert_eq!(source(&gateway, "customers")["kids"], json!([Key::number(1).kid]));
}

#[test]
fn a_key_replaced_under_its_own_name_is_refused_after_the_next_fetch() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let old = issuer.token();
    assert_eq!([ask(&gateway, &old).status, ask(&gateway, &old).status], [200, 200]);
    wait_for_budget(&gateway, "customers");
    let same_name = Key::number(2).named(&Key::number(0).kid);
    issuer.serve(&[same_name.clone(), Key::number(1)]);
    assert_eq!(ask(&gateway, &Key::number(1).sign(&issuer.claims())).status, 200);
    assert_eq!(ask(&gateway, &old).status, 401);
    assert_eq!(ask(&gateway, &same_name.sign(&issuer.claims())).status, 200);
}

#[test]
fn a_storm_of_unknown_keys_asks_the_issuer_once_per_ten_seconds_and_holds_nobody_up() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let good = issuer.token();
    assert_eq!(ask(&gateway, &good).status, 200);
    let payload_and_signature = good.split_once('.').expect("a token").1;
    let before = resident(gateway.pid());
    let mut connection = Connection::open(gateway.address());
    for n in 0..3000 {
        let header = json!({ "kid": format!("{n}-{}", "x".repeat(100)), "alg": "RS256" });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        connection.send(format!(
            "GET /orders/1 HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {header}.{payload_and_signature}\r\n\r\n"
        ));
        assert_eq!(connection.read().status, 401);
        if n % 500 == 0 {
            assert_eq!(ask(&gateway, &good).status, 200);
        }
    }
    let source = source(&gateway, "customers");
    let most = 2 + source["age_seconds"].as_u64().expect("an age") / 10;
    let fetches = issuer.fetches();
    assert!(fetches as u64 <= most.max(3), "{fetches} fetches: {source}");
    let grown = resident(gateway.pid()).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB more");
}

#[test]
fn a_hanging_issuer_holds_up_only_whom_it_alone_can_help() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    wait_for_budget(&gateway, "customers");
    issuer.set(Mode::Hang);
    let issuer_of_all = &issuer;
    std::thread::scope(|scope| {
        let address = gateway.address();
        let waiting =
            scope.spawn(move || ask_at(address, &of_unknown_key(issuer_of_all, "new")).status);
        eventually("the issuer is asked", || (issuer.fetches() == 2).then_some(()));
        for _ in 0..20 {
            assert_eq!(ask(&gateway, &issuer.token()).status, 200);
        }
        assert!(!waiting.is_finished(), "the one with the unknown key waits");
        assert_eq!(waiting.join().expect("an answer"), 401);
    });
    assert_eq!(source(&gateway, "customers")["last_error"], "timeout");
    assert_eq!(issuer.fetches(), 2);
}

/// Starts a gateway that keeps its key set on disk, ends it, and starts another on the same disk
/// while the issuer is down. The kept set is then `age` old.
fn restarted(issuer: &Issuer, target: &Target, age: Duration) -> (tempfile::TempDir, Gateway) {
    let state = tempfile::tempdir().expect("a folder");
    let pool = issuer.pool("customers");
    let file = protected(issuer, target)
        .replace(&pool, &format!("{pool}    refresh: 60s\n    max_stale: 60s\n"));
    let file = format!("state_directory: {}\nstartup_wait: 2s\n{file}", state.path().display());
    let gateway = Gateway::start(&file);
    let kept = eventually("the key set is kept", || {
        let files = std::fs::read_dir(state.path().join("keys")).ok()?.flatten();
        let mut paths = files.map(|file| file.path());
        paths.find(|path| path.extension().is_some_and(|e| e == "json"))
    });
    drop(gateway);
    issuer.set(Mode::Close);
    let text = std::fs::read_to_string(&kept).expect("the record");
    let mut record: Value = serde_json::from_str(&text).expect("a record");
    record["fetched_at"] = json!((now() - age.as_secs()) * 1000);
    std::fs::write(&kept, record.to_string()).expect("written");
    let gateway = Gateway::start(&file);
    (state, gateway)
}

#[test]
fn a_restart_while_the_issuer_is_down_goes_on_with_the_keys_on_disk() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (_state, gateway) = restarted(&issuer, &target, Duration::from_secs(5));
    assert_eq!(ask(&gateway, &issuer.token()).status, 200);
    eventually("the attempt failed", || {
        (source(&gateway, "customers")["last_error"] == "connect").then_some(())
    });
}

#[test]
fn keys_past_max_stale_serve_nobody_until_the_issuer_is_back() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (_state, gateway) = restarted(&issuer, &target, Duration::from_secs(50));
    let token = issuer.token();
    assert_eq!(ask(&gateway, &token).status, 200);
    let refused = eventually("the keys are stale", || {
        let answer = ask(&gateway, &token);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(ask(&gateway, &token).status, 503);
    assert_eq!(ask(&gateway, &of_unknown_key(&issuer, "new")).status, 503);
    assert_eq!(gateway.ask_admin("/readyz").status, 200);
    gateway
        .wait_access_log(|lines| lines.iter().any(|line| line.to_string().contains("jwks_stale")));
}

#[test]
fn kept_keys_that_were_stale_already_or_were_tampered_with_are_not_used() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let (state, gateway) = restarted(&issuer, &target, Duration::from_secs(3600));
    assert_eq!(ask(&gateway, &issuer.token()).status, 503);
    let file = std::fs::read_to_string(gateway.file()).expect("the file");
    drop(gateway);
    for path in std::fs::read_dir(state.path().join("keys")).expect("kept").flatten() {
        std::fs::write(path.path(), b"{\"version\":1,\"url\":\"x\"").expect("written");
    }
    let gateway = Gateway::start(&file);
    assert_eq!(ask(&gateway, &issuer.token()).status, 503);
}

#[test]
fn an_operator_has_the_keys_of_one_pool_fetched_and_is_told_what_came_of_it() {
    let issuers = [Issuer::start(), Issuer::start(), Issuer::start()];
    let target = Target::start();
    let file = of_many(&issuers, &target).replace(
        "admin: { address: 127.0.0.1:0 }",
        "admin: { address: 127.0.0.1:0, token: \"${env:ADMIN_TOKEN}\" }",
    );
    let gateway = Start::with(&file).env("ADMIN_TOKEN", "right-right-right-right").run();
    let bearer = [("Authorization", "Bearer right-right-right-right")];
    let refresh = |query: &str, headers: &[(&str, &str)]| {
        wire::request(gateway.admin(), "POST", &format!("/keys/refresh{query}"), headers)
    };
    let fetches = || [0, 1, 2].map(|n: usize| issuers[n].fetches());
    for pool in ["p0", "p1", "p2"] {
        wait_for_budget(&gateway, pool);
    }
    assert_eq!(refresh("?user_pool=p1", &[]).status, 401);
    assert_eq!(refresh("?user_pool=p1", &[("Authorization", "Bearer wrong")]).status, 401);
    let unknown = refresh("?user_pool=p", &bearer);
    assert_eq!(unknown.status, 404);
    let detail = "there is no user pool of this name; the file has p0, p1, p2";
    assert_eq!(unknown.json()["detail"], detail);
    assert_eq!(refresh("?pool=p1", &bearer).status, 400, "not all of them by mistake");
    assert_eq!(fetches(), [1, 1, 1]);

    let new = Key::number(1);
    issuers[1].serve(std::slice::from_ref(&new));
    let fresh = refresh("?user_pool=p1", &bearer);
    let told = json!({ "user_pools": [{ "user_pool": "p1", "error": null }] });
    assert_eq!((fresh.status, fresh.json()), (200, told.clone()));
    assert_eq!(fetches(), [1, 2, 1]);
    assert_eq!(source(&gateway, "p1")["kids"], json!([new.kid]), "in force when it is told");
    let again = refresh("?user_pool=p1", &bearer);
    assert_eq!((again.status, again.json()), (200, told));
    assert_eq!(fetches(), [1, 2, 1], "the budget is not the operator's to exceed");

    issuers[0].set(Mode::Hang);
    issuers[2].set(Mode::Say(500, "text/plain", Vec::new()));
    let failed = refresh("?user_pool=p2", &bearer);
    let told = json!({ "user_pools": [{ "user_pool": "p2", "error": "status" }] });
    assert_eq!((failed.status, failed.json()), (502, told));
    assert_eq!(fetches(), [1, 2, 2]);
    let all = refresh("", &bearer);
    assert_eq!(all.status, 502);
    let errors = all.json()["user_pools"].as_array().expect("pools").clone();
    let errors: Vec<&Value> = errors.iter().map(|pool| &pool["error"]).collect();
    assert_eq!(errors, [&json!("timeout"), &json!(null), &json!("status")]);
    assert_eq!(ask(&gateway, &issuers[0].token()).status, 200, "the keys before go on");
}

/// Resident memory of a process in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size")
}

/// Clock ticks of CPU that a process has used.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let of = |n: usize| fields[n].parse::<u64>().expect("ticks");
    of(11) + of(12)
}

#[test]
fn no_token_costs_much_more_than_its_length_explains() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    let issuer_name = issuer.issuer();
    let kid = Key::number(0).kid;
    let header = json!({ "kid": kid, "alg": "RS256" }).to_string();
    let with = |junk: &str| {
        let payload = format!("{{\"iss\":\"{issuer_name}\",\"junk\":{junk}}}");
        let signature = "A".repeat(342);
        format!(
            "{}.{}.{signature}",
            URL_SAFE_NO_PAD.encode(&header),
            URL_SAFE_NO_PAD.encode(payload)
        )
    };
    // CPU of as many requests, in ticks.
    let cost = |token: &str| {
        let mut connection = Connection::open(gateway.address());
        let before = ticks(gateway.pid());
        for _ in 0..200 {
            connection.send(format!(
                "GET /orders/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            ));
            assert_eq!(connection.read().status, 401);
        }
        ticks(gateway.pid()) - before
    };
    let plain = cost(&with(&format!("\"{}\"", "x".repeat(10_000)))).max(2);
    let members: Vec<String> = (0..900).map(|n| format!("\"k{n}\":{n}")).collect();
    let crafted = [
        with(&format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))),
        with(&format!("{{{}}}", members.join(","))),
        with(&format!("[{}0]", "{\"a\":1},".repeat(1_200))),
        with(&format!("\"{}\"", "\\u0041".repeat(1_600))),
        with(&format!("{}1", "9".repeat(9_000))),
        ".".repeat(10_000),
        format!("{}.{}", "e".repeat(10_000), "30".repeat(10)),
    ];
    for token in &crafted {
        let cost = cost(token);
        assert!(cost <= plain * 10, "{cost} ticks against {plain}: {token:.80}");
    }
}
