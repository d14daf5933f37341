//! API keys and usage plans of REST APIs: which keys open a route, and how much of them is used.

use std::fmt::Write as _;

use crate::support::{Gateway, Start, Target, eventually, wire};

const GOLD: &str = "gold-key-0123456789abcdef";
const LEAD: &str = "lead-key-0123456789abcdef";
const FORBIDDEN: (u16, &str, &str) = (403, "ForbiddenException", r#"{"message":"Forbidden"}"#);
const EXHAUSTED: (u16, &str, &str) =
    (429, "LimitExceededException", r#"{"message":"Limit Exceeded"}"#);
const THROTTLED: (u16, &str, &str) =
    (429, "TooManyRequestsException", r#"{"message":"Too Many Requests"}"#);

/// Two REST APIs whose routes ask for a key, and what the file says besides.
fn file(target: &Target, keys: &str, plans: &str) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n    \
         - {{ name: pay, conditions: {{ path_pattern: ['/pay/*'] }}, api: pay }}\n    \
         - {{ name: ship, conditions: {{ path_pattern: ['/ship/*'] }}, api: ship }}\n\
         apis:\n\
         \x20 pay:\n    type: rest\n    base_path: /pay\n    api_key_required: true\n    \
         api_key_source: header\n    authorizer: none\n    routes:\n      \
         GET /a: {{ integration: {{ target_group: all }} }}\n      \
         GET /b: {{ integration: {{ target_group: all }} }}\n      \
         GET /open: {{ api_key_required: false, integration: {{ target_group: all }} }}\n\
         \x20 ship:\n    type: rest\n    base_path: /ship\n    api_key_required: true\n    \
         authorizer: none\n    routes:\n      \
         GET /a: {{ integration: {{ target_group: all }} }}\n\
         {keys}usage_plans:\n{plans}",
        address = target.address(),
    )
}

/// Keys `gold` and `lead`, and `off`, which is switched off.
const KEYS: &str = "api_keys:\n  gold: { value: '${file:gold.key}' }\n  \
                    lead: { value: '${file:lead.key}' }\n  \
                    off: { value: '${file:off.key}', enabled: false }\n";

fn start(yaml: &str) -> Start {
    Start::with(yaml)
        .file("gold.key", GOLD)
        .file("lead.key", format!("{LEAD}\n"))
        .file("off.key", "off-key-0123456789abcdef")
}

fn ask(gateway: &Gateway, path: &str, keys: &[&str]) -> wire::Response {
    let headers: Vec<(&str, &str)> = keys.iter().map(|key| ("X-Api-Key", *key)).collect();
    wire::request(gateway.address(), "GET", path, &headers)
}

fn told(answer: &wire::Response) -> (u16, String, String) {
    let kind = answer.header("x-amzn-errortype").unwrap_or_default().to_owned();
    (answer.status, kind, answer.text())
}

#[track_caller]
fn assert_told(answer: &wire::Response, (status, kind, body): (u16, &str, &str)) {
    assert_eq!(told(answer), (status, kind.to_owned(), body.to_owned()));
}

#[test]
fn only_a_known_key_that_is_on_and_of_a_plan_for_the_api_opens_its_routes() {
    let target = Target::start();
    let plans = "  base: { api_keys: [gold, off], apis: [pay] }\n  \
                 other: { api_keys: [lead], apis: [ship] }\n";
    let gateway = start(&file(&target, KEYS, plans)).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    let received = target.next();
    assert!(received.values("x-api-key").is_empty(), "the key is ours");
    for keys in [
        &[][..],
        &[""],
        &["gold"],
        &["nobody-0123456789abcdefgh"],
        &["GOLD-KEY-0123456789ABCDEF"],
        &["gold-key-0123456789abcde"],
        &["gold-key-0123456789abcdef0"],
        &["off-key-0123456789abcdef"],
        &[LEAD],
        &[GOLD, GOLD],
        &[GOLD, LEAD],
        &["gold-key-0123456789abcdef,gold-key-0123456789abcdef"],
    ] {
        assert_told(&ask(&gateway, "/pay/a", keys), FORBIDDEN);
    }
    assert_told(&ask(&gateway, &format!("/pay/a?x-api-key={GOLD}"), &[]), FORBIDDEN);
    assert_eq!(ask(&gateway, "/ship/a", &[LEAD]).status, 200);
    assert_told(&ask(&gateway, "/ship/a", &[GOLD]), FORBIDDEN);
    // A route that asks for none looks at none, and its target may have its own.
    target.taken();
    assert_eq!(ask(&gateway, "/pay/open", &["whatever"]).status, 200);
    assert_eq!(target.next().values("x-api-key"), ["whatever"]);
    // What is no route is told before anybody looks for a key.
    assert_eq!(told(&ask(&gateway, "/pay/none", &[])).1, "MissingAuthenticationTokenException");

    let lines = gateway.wait_access_log(|lines| lines.len() == 18);
    // Lines of different threads are in no order.
    let count = |reason: &str, key: &str| {
        let is_it = |line: &&serde_json::Value| {
            line["reason"] == reason && line["api_key"].as_str().unwrap_or_default() == key
        };
        lines.iter().filter(is_it).count()
    };
    assert_eq!((count("public", "gold"), count("public", "lead"), count("public", "")), (1, 1, 1));
    assert_eq!((count("api_key_missing", ""), count("api_key_unknown", "")), (3, 8));
    assert_eq!(count("api_key_disabled", "off"), 1);
    assert_eq!((count("api_key_unattached", "lead"), count("api_key_unattached", "gold")), (1, 1));
    let log = serde_json::to_string(&lines).unwrap();
    for secret in [GOLD, LEAD, "nobody-0123456789"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_quota_is_each_key_s_over_all_apis_of_its_plan() {
    let target = Target::start();
    let plans = "  base:\n    api_keys: [gold, lead]\n    apis: [pay, ship]\n    \
                 quota: { limit: 3, offset: 1, period: month }\n";
    let gateway = start(&file(&target, KEYS, plans)).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert_eq!(ask(&gateway, "/ship/a", &[GOLD]).status, 200);
    let answer = ask(&gateway, "/pay/b", &[GOLD]);
    assert_told(&answer, EXHAUSTED);
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&seconds), "{seconds}");
    // What is refused, or asks for no key, is not counted.
    assert_eq!(ask(&gateway, "/pay/none", &[LEAD]).status, 403);
    assert_eq!(ask(&gateway, "/pay/open", &[LEAD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/a", &[LEAD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/a", &[LEAD]).status, 200);
    assert_told(&ask(&gateway, "/pay/a", &[LEAD]), EXHAUSTED);
    let lines = gateway.wait_access_log(|lines| lines.len() == 8);
    assert_eq!(
        (&lines[2]["reason"], &lines[2]["api_key"]),
        (&"quota_exceeded".into(), &"gold".into())
    );
    let series = "portcullis_usage_plan_refused_total{plan=\"base\",limit=\"quota\"}";
    assert_eq!(gateway.metric(series), Some(2.0));
}

#[test]
fn the_key_s_limit_for_the_route_comes_first_then_the_key_s_then_the_route_s() {
    let target = Target::start();
    let plans = "  base:\n    api_keys: [gold, lead]\n    \
                 apis: [{ api: pay, throttle: { GET /a: { rate: 0.001, burst: 1 } } }]\n    \
                 throttle: { rate: 0.001, burst: 3 }\n    \
                 quota: { limit: 4, period: day }\n";
    let yaml = file(&target, KEYS, plans).replacen(
        "GET /b: {",
        "GET /b: { throttle: { rate: 0.001, burst: 4 },",
        1,
    );
    let gateway = start(&yaml).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    let answer = ask(&gateway, "/pay/a", &[GOLD]);
    assert_told(&answer, THROTTLED);
    assert!(answer.header("retry-after").is_some());
    // Over the route's limit it took nothing of the key's: two are left.
    assert_eq!(ask(&gateway, "/pay/b", &[GOLD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/b", &[GOLD]).status, 200);
    for _ in 0..5 {
        assert_told(&ask(&gateway, "/pay/b", &[GOLD]), THROTTLED);
    }
    // Nor did those take of what all keys share, nor does who has no key.
    for _ in 0..5 {
        assert_told(&ask(&gateway, "/pay/b", &[]), FORBIDDEN);
    }
    assert_eq!(ask(&gateway, "/pay/b", &[LEAD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/b", &[LEAD]).status, 200);
    assert_told(&ask(&gateway, "/pay/b", &[LEAD]), THROTTLED);
}

#[test]
fn the_file_may_word_what_is_told_and_aws_compatibility_passes_the_key_on() {
    let target = Target::start();
    let plans = "  base: { api_keys: [gold], apis: [pay], quota: { limit: 1, period: week } }\n";
    let responses = "    compatibility: aws\n    gateway_responses:\n      \
                     INVALID_API_KEY: { status_code: 401 }\n      \
                     QUOTA_EXCEEDED: { status_code: 402, response_templates: { text/plain: used up } }\n";
    let yaml = file(&target, KEYS, plans).replacen(
        "    base_path: /pay\n",
        &format!("    base_path: /pay\n{responses}"),
        1,
    );
    let gateway = start(&yaml).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert_eq!(target.next().values("x-api-key"), [GOLD]);
    let answer = ask(&gateway, "/pay/a", &[GOLD]);
    assert_eq!((answer.status, answer.text().as_str()), (402, "used up"));
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(ask(&gateway, "/pay/a", &[]).status, 401);
}

#[test]
fn a_reload_keeps_what_is_used_whatever_else_of_the_plan_changes() {
    let target = Target::start();
    let plan = |limit: u64, more: &str| {
        format!(
            "  base: {{ api_keys: [{more}gold], apis: [pay], quota: {{ limit: {limit}, period: month }} }}\n"
        )
    };
    let gateway = start(&file(&target, KEYS, &plan(2, ""))).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert_told(&ask(&gateway, "/pay/a", &[GOLD]), EXHAUSTED);
    gateway.write(&file(&target, KEYS, &plan(2, "lead, ")));
    eventually("the new file is in force", || {
        (ask(&gateway, "/pay/a", &[LEAD]).status == 200).then_some(())
    });
    assert_told(&ask(&gateway, "/pay/a", &[GOLD]), EXHAUSTED);
    gateway.write(&file(&target, KEYS, &plan(3, "")));
    eventually("the higher limit is in force", || {
        (ask(&gateway, "/pay/a", &[GOLD]).status == 200).then_some(())
    });
    assert_told(&ask(&gateway, "/pay/a", &[GOLD]), EXHAUSTED);
}

#[test]
fn ten_thousand_keys_of_a_file_open_what_their_plans_say_and_a_changed_file_is_read_again() {
    let target = Target::start();
    let mut keys = String::from("# ours\n");
    for number in 0..10_000 {
        let _ = writeln!(
            keys,
            "{{\"name\":\"p-{number}\",\"value\":\"partner-key-{number:05}-0123456789abcdef\",\
             \"usage_plans\":[\"base\"]}}"
        );
    }
    let plans = "  base: { apis: [pay], quota: { limit: 1, period: month } }\n";
    let yaml = file(&target, "api_key_file: keys.jsonl\n", plans);
    let gateway = Start::with(&yaml).file("keys.jsonl", keys).run();
    for number in [0, 5_000, 9_999] {
        let key = format!("partner-key-{number:05}-0123456789abcdef");
        assert_eq!(ask(&gateway, "/pay/a", &[&key]).status, 200);
        assert_told(&ask(&gateway, "/pay/a", &[&key]), EXHAUSTED);
    }
    assert_told(&ask(&gateway, "/pay/a", &["partner-key-10000-0123456789abcdef"]), FORBIDDEN);
    let folder = gateway.file().parent().unwrap().to_owned();
    let line = format!("{{\"name\":\"new\",\"value\":\"{GOLD}\",\"usage_plans\":[\"base\"]}}\n");
    std::fs::write(folder.join("keys.jsonl"), line).unwrap();
    eventually("the new file of keys is in force", || {
        (ask(&gateway, "/pay/a", &[GOLD]).status == 200).then_some(())
    });
    assert_told(&ask(&gateway, "/pay/a", &["partner-key-00001-0123456789abcdef"]), FORBIDDEN);
}

#[test]
fn what_a_quota_has_counted_outlives_a_restart_where_there_is_a_state_directory() {
    let target = Target::start();
    let state = tempfile::TempDir::new().unwrap();
    let plans = "  base: { api_keys: [gold], apis: [pay], quota: { limit: 2, period: month } }\n";
    let yaml =
        format!("state_directory: {}\n{}", state.path().display(), file(&target, KEYS, plans));
    let mut gateway = start(&yaml).run();
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.wait_exit().code(), Some(0));
    let kept = std::fs::read_to_string(state.path().join("usage.jsonl")).unwrap();
    assert!(kept.contains("gold") && !kept.contains(GOLD), "{kept}");
    let gateway = start(&yaml).run();
    assert_told(&ask(&gateway, "/pay/a", &[GOLD]), EXHAUSTED);
    drop(gateway);

    // Nobody is stopped by a file that is not ours: it is told and set aside.
    std::fs::write(state.path().join("usage.jsonl"), "{\"plan\":").unwrap();
    let gateway = start(&yaml).run();
    let said = gateway.said();
    assert!(said.contains("what quotas have counted cannot be read"), "{said}");
    assert_eq!(ask(&gateway, "/pay/a", &[GOLD]).status, 200);
    assert!(state.path().join("usage.jsonl.unreadable").exists());
    // It is also written while it serves.
    eventually("the count is kept", || {
        let kept = std::fs::read_to_string(state.path().join("usage.jsonl")).ok()?;
        kept.contains("\"used\":1").then_some(())
    });
}
