//! `explain` says what the gateway does: ten thousand random requests for random files, each asked
//! of the engine behind `portcullis explain` and of the built gateway. And a recording of them, made
//! by that gateway without their secrets, is decided again as it was.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use portcullis::auth::Patience;
use portcullis::config::parse_portable;
use portcullis::diff::replay::replay;
use portcullis::engine::Moment;
use portcullis::explain::{
    Explanation, Identity, Outcome, Question, Signer, ask_as, explain, question,
};
use portcullis::recording::Recording;
use portcullis::snapshot::Snapshot;
use portcullis::telemetry::metrics::Metrics;
use serde_json::{Value, json};

use crate::support::{Gateway, Issuer, Start, Target, eventually, wire};

const FILES: usize = 50;
const REQUESTS: usize = 200;
const TOKEN: &str = "an-admin-token-of-some-length";

/// The same throws each time: a failure can be had again.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("small")
    }

    fn chance(&mut self, of_a_hundred: usize) -> bool {
        self.throw(100) < of_a_hundred
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.throw(choices.len())]
    }

    /// Some of the choices, in their order.
    fn some<'a>(&mut self, choices: &[&'a str], of_a_hundred: usize) -> Vec<&'a str> {
        let chosen: Vec<_> =
            choices.iter().filter(|_| self.chance(of_a_hundred)).copied().collect();
        if chosen.is_empty() { vec![self.pick(choices)] } else { chosen }
    }
}

const HOSTS: [&str; 4] = ["a.example", "b.example", "*.a.example", "?.example"];
const PATHS: [&str; 9] = ["/", "/?*", "/a*", "/a/*", "/a/b", "*/b", "/b/?", "/shop/*", "/old/*"];
const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "PURGE"];
const SCOPES: [&str; 3] = ["orders/read", "orders/write", "profile"];

fn quoted(values: &[&str]) -> String {
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(", ")
}

fn conditions(dice: &mut Dice) -> String {
    let mut all = Vec::new();
    if dice.chance(30) {
        all.push(format!("host_header: [{}]", quoted(&dice.some(&HOSTS, 30))));
    }
    if dice.chance(75) {
        all.push(format!("path_pattern: [{}]", quoted(&dice.some(&PATHS, 20))));
    }
    if dice.chance(25) {
        all.push(format!("http_request_method: [{}]", quoted(&dice.some(&METHODS, 40))));
    }
    if dice.chance(20) {
        let value = dice.pick(&["1", "2", "*", "?x"]);
        all.push(format!("http_header: [{{ name: x-env, values: [\"{value}\"] }}]"));
    }
    if dice.chance(20) {
        let value = dice.pick(&["1", "2*", "?"]);
        all.push(format!("query_string: [{{ key: v, value: \"{value}\" }}]"));
    }
    if dice.chance(10) {
        let range = dice.pick(&["127.0.0.0/8", "10.0.0.0/8"]);
        all.push(format!("source_ip: [{range}]"));
    }
    if all.is_empty() {
        all.push("path_pattern: [\"/a*\"]".to_owned());
    }
    format!("{{ {} }}", all.join(", "))
}

fn demand(dice: &mut Dice) -> String {
    let mut all = vec!["user_pools: [main]".to_owned()];
    if dice.chance(50) {
        all.push(format!("scopes: [{}]", dice.some(&SCOPES, 30).join(", ")));
    }
    if dice.chance(20) {
        all.push("groups: [staff]".to_owned());
    }
    if dice.chance(20) {
        all.push(
            "additional_claims: [{ name: team, format: single_string, values: [blue] }]".to_owned(),
        );
    }
    format!("jwt_validation: {{ {} }}", all.join(", "))
}

/// What a rule does, as keys of it; `public` is for rules only.
fn action(dice: &mut Dice, is_default: bool) -> Vec<String> {
    match dice.throw(6) {
        0 => {
            let code = dice.pick(&["200", "403", "503"]);
            vec![format!("fixed_response: {{ status_code: {code}, message_body: no }}")]
        }
        1 => {
            let path = dice.pick(&["/new", "/#{path}/more", "/"]);
            vec![format!("redirect: {{ host: new.example, path: \"{path}\", status_code: 302 }}")]
        }
        2 => vec![format!("api: {}", dice.pick(&["shop", "legacy"]))],
        3 => {
            let mut keys = vec![format!("forward: {}", dice.pick(&["one", "two"]))];
            if !is_default {
                keys.push("public: true".to_owned());
            }
            keys
        }
        _ => vec![demand(dice), format!("forward: {}", dice.pick(&["one", "two"]))],
    }
}

fn api(dice: &mut Dice, name: &str, kind: &str) -> String {
    const KEYS: [&str; 12] = [
        "GET /",
        "ANY /",
        "GET /a",
        "GET /a/{id}",
        "POST /a/{id}",
        "ANY /a/{id}/b",
        "ANY /{proxy+}",
        "GET /a/{proxy+}",
        "DELETE /b/{id}",
        "GET /b/{id}/c/{other}",
        "GET /x/{proxy+}",
        "ANY /x/y",
    ];
    let mut text = format!("  {name}:\n    type: {kind}\n");
    if dice.chance(50) {
        let _ = writeln!(text, "    base_path: /{name}");
    }
    text.push_str(match kind {
        "rest" => "    authorizers: { main: { cognito: { user_pools: [main] } } }\n",
        _ => "    authorizers: { main: { jwt: { user_pool: main } } }\n",
    });
    text.push_str("    routes:\n");
    for key in dice.some(&KEYS, 50) {
        let authorizer = match dice.throw(3) {
            0 => "authorizer: none".to_owned(),
            1 => "authorizer: main".to_owned(),
            _ => format!("authorizer: main, scopes: [{}]", dice.some(&SCOPES, 30).join(", ")),
        };
        let _ =
            writeln!(text, "      {key}: {{ {authorizer}, integration: {{ target_group: one }} }}");
    }
    text
}

fn file(dice: &mut Dice, issuer: &Issuer, targets: &[Target; 2]) -> String {
    let mut text = format!(
        "admin: {{ address: 127.0.0.1:0, token: '${{env:ADMIN_TOKEN}}' }}\nclaim_headers: {{ x-user: username, x-team: team }}\n\
         user_pools:\n{}target_groups:\n  one: {{ targets: [{}] }}\n  two: {{ targets: [{}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n",
        issuer.pool("main"),
        targets[0].address(),
        targets[1].address(),
    );
    for number in 0..1 + dice.throw(8) {
        let _ = write!(text, "      - name: r{number}\n        conditions: {}\n", conditions(dice));
        for key in action(dice, false) {
            let _ = writeln!(text, "        {key}");
        }
    }
    let default = action(dice, true).join(", ");
    let _ = writeln!(text, "    default_action: {{ {default} }}\napis:");
    text.push_str(&api(dice, "shop", "http"));
    text.push_str(&api(dice, "legacy", "rest"));
    text
}

/// A caller on paper, and the same one with a token.
#[derive(Debug)]
struct Caller {
    identity: Option<Identity>,
    token: Option<String>,
}

fn caller(dice: &mut Dice, issuer: &Issuer) -> Caller {
    if dice.chance(25) {
        return Caller { identity: None, token: None };
    }
    let mut claims = json!({
        "sub": "s", "username": "alice", "scope": dice.some(&SCOPES, 50).join(" "),
        "token_use": "access",
    });
    if dice.chance(50) {
        claims["cognito:groups"] = json!(["staff"]);
    }
    if dice.chance(50) {
        claims["team"] = json!(dice.pick(&["blue", "red"]));
    }
    if dice.chance(10) {
        claims["client_id"] = json!("another");
    }
    let mut changes = claims.clone();
    if claims.get("cognito:groups").is_none() {
        changes["cognito:groups"] = Value::Null;
    }
    let mut identity = Identity::of(claims.as_object().expect("an object").clone());
    if dice.chance(10) {
        identity.expires_in = Some(-3600);
        changes["exp"] = json!(crate::support::issuer::now() - 3600);
        changes["iat"] = json!(crate::support::issuer::now() - 3700);
    }
    let mut token = issuer.token_with(&changes);
    if dice.chance(10) {
        identity.is_forged = true;
        token = crate::support::issuer::Key::number(1)
            .named(&crate::support::issuer::Key::number(0).kid)
            .sign(&payload_of(&token));
    }
    Caller { identity: Some(identity), token: Some(token) }
}

fn payload_of(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).expect("a payload");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn any_request(dice: &mut Dice) -> (String, String, Vec<String>) {
    const SEGMENTS: [&str; 14] =
        ["a", "b", "c", "x", "y", "7", "shop", "legacy", "old", "", "..", ".", "a%20b", "b;v=1"];
    let method = dice.pick(&["GET", "GET", "POST", "DELETE", "PURGE", "OPTIONS"]).to_owned();
    let mut path: String = (0..dice.throw(5))
        .fold(String::new(), |path, _| format!("{path}/{}", dice.pick(&SEGMENTS)));
    if path.is_empty() || dice.chance(15) {
        path.push('/');
    }
    if dice.chance(30) {
        path.push_str(dice.pick(&["?v=1", "?v=22", "?w=1&v=2", "?"]));
    }
    let mut headers =
        vec![format!("Host: {}", dice.pick(&["a.example", "b.example", "x.a.example", "c.test"]))];
    if dice.chance(40) {
        headers.push(format!("X-Env: {}", dice.pick(&["1", "2", "ax", "prod"])));
    }
    if dice.chance(20) {
        headers.push("X-User: mallory".to_owned());
    }
    (method, path, headers)
}

/// What `portcullis explain` finds.
fn explained(
    snapshot: &Snapshot,
    signer: &Signer,
    (method, path, headers): &(String, String, Vec<String>),
    caller: &Caller,
) -> Explanation {
    let moment = Moment {
        wall: portcullis::clock::wall(),
        mono: portcullis::clock::monotonic(),
        random: 7,
        patience: Patience::HasWaited,
    };
    signer.publish(&snapshot.authorizers, moment.wall, moment.mono).expect("keys");
    let question = Question {
        method: method.clone(),
        url: path.clone(),
        headers: headers
            .iter()
            .map(|line| question::read_header(line).expect("a header"))
            .collect(),
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        listener: None,
        is_http2: false,
    };
    let mut asked = question.ask(snapshot).expect("a question");
    if let Some(identity) = &caller.identity {
        ask_as(identity, snapshot, signer, &mut asked, moment).expect("a token");
    }
    explain(snapshot, &asked, moment)
}

/// What stands in the gateway's access log of such a request.
fn expected(told: &Explanation) -> Value {
    let group = match &told.outcome {
        Outcome::Forward(forwarding) => forwarding.groups.first().map(|(name, _)| name.to_string()),
        _ => None,
    };
    json!({
        "rule": told.rule.as_deref(),
        "reason": told.reason.as_str(),
        "target_group": group,
        "api": told.api.as_ref().map(|api| api.name.to_string()),
        "route": told.api.as_ref().and_then(|api| api.route.as_deref()),
    })
}

/// The recording is whole, and what it holds meets again what it met.
fn decides_again(gateway: &Gateway, snapshot: &Snapshot, text: &str) {
    let lines = eventually("all are recorded", || {
        let lines = gateway.ask_admin("/recording/requests").text();
        (lines.lines().count() == REQUESTS + 1).then_some(lines)
    });
    let recording = Recording::read(lines.as_bytes()).expect("a recording");
    let moment = Moment {
        wall: portcullis::clock::wall(),
        mono: portcullis::clock::monotonic(),
        random: 7,
        patience: Patience::HasWaited,
    };
    let config = || snapshot.config.clone();
    let replayed = replay(config(), config(), &recording, moment).expect("keys");
    assert_eq!((replayed.requests, replayed.drifted), (REQUESTS, 0), "{replayed:?}\n{lines}{text}");
    assert!(replayed.changes.is_empty() && replayed.left_out.is_empty(), "{replayed:?}");
    assert!(replayed.notes.is_empty(), "{replayed:?}");
}

#[test]
fn explain_tells_of_ten_thousand_random_requests_what_the_gateway_does_with_them() {
    let mut dice = Dice(1);
    let issuer = Issuer::start();
    let targets = [Target::start(), Target::start()];
    let mut kinds: HashMap<String, usize> = HashMap::new();
    let (mut served, mut refused) = (0, 0);
    while served < FILES {
        let text = file(&mut dice, &issuer, &targets);
        let judged = parse_portable(&text, "routes.yaml");
        let judged = judged.unwrap_or_else(|errors| panic!("{}\n{text}", errors.render(false)));
        let snapshot = Snapshot::compile(judged.config, None, &Metrics::new("test", ""));
        let signer = Signer::for_pools(&snapshot.config).expect("keys");
        let Ok(gateway) = Start::with(&text).env("ADMIN_TOKEN", TOKEN).try_run() else {
            // A rule hides another.
            refused += 1;
            assert!(refused < 20 * FILES, "{text}");
            continue;
        };
        served += 1;
        let bearer = format!("Bearer {TOKEN}");
        let order = format!("/recording?requests={REQUESTS}");
        let begun = wire::request(gateway.admin(), "POST", &order, &[("Authorization", &bearer)]);
        assert_eq!(begun.status, 200, "{}", begun.text());
        let mut connection = wire::Connection::open(gateway.address());
        let mut all = Vec::new();
        for number in 0..REQUESTS {
            let request = any_request(&mut dice);
            let caller = caller(&mut dice, &issuer);
            let told = explained(&snapshot, &signer, &request, &caller);
            let (method, path, headers) = &request;
            let bearer =
                caller.token.as_ref().map(|token| format!("Authorization: Bearer {token}"));
            let mut lines =
                vec![format!("{method} {path} HTTP/1.1"), format!("User-Agent: {number}")];
            lines.extend(headers.iter().cloned().chain(bearer));
            connection.send(lines.join("\r\n") + "\r\n\r\n");
            let response = connection.read();
            let what = || format!("{lines:?}\n{told:?}\n{response:?}\n{text}");
            match &told.outcome {
                Outcome::Answer(answer) => {
                    assert_eq!(response.status, answer.status, "{}", what());
                    for name in ["location", "www-authenticate", "content-type"] {
                        let mut own = answer.headers.iter().filter(|(own, _)| own == name);
                        let own = own.next().map(|(_, value)| value.to_str().expect("text"));
                        assert_eq!(response.header(name), own, "{}", what());
                    }
                    assert!(targets.iter().all(|target| target.taken().is_empty()), "{}", what());
                }
                Outcome::Forward(forwarding) => {
                    assert_eq!(response.status, 200, "{}", what());
                    let got = targets.iter().flat_map(Target::taken).collect::<Vec<_>>();
                    let [got] = got.as_slice() else { panic!("{got:?} {}", what()) };
                    assert_eq!(got.target(), forwarding.target, "{}", what());
                    assert_eq!(got.values("host"), [forwarding.host.as_str()], "{}", what());
                    for name in ["x-user", "x-team"] {
                        let own = forwarding.headers.get_all(name).iter();
                        let own: Vec<_> = own.map(|value| value.to_str().expect("text")).collect();
                        assert_eq!(got.values(name), own, "{}", what());
                    }
                }
                Outcome::Asks(_) => panic!("nothing here is asked elsewhere: {}", what()),
            }
            *kinds.entry(told.reason.as_str().to_owned()).or_default() += 1;
            all.push((expected(&told), lines));
            if response.header("connection") == Some("close") {
                connection = wire::Connection::open(gateway.address());
            }
        }
        let log = gateway.wait_access_log(|log| log.len() >= REQUESTS);
        decides_again(&gateway, &snapshot, &text);
        let log: HashMap<_, _> = log.iter().map(|line| (line["ua"].to_string(), line)).collect();
        for (number, (told, lines)) in all.iter().enumerate() {
            let line = log[&format!("\"{number}\"")];
            for (key, value) in told.as_object().expect("an object") {
                assert_eq!(
                    line.get(key).unwrap_or(&Value::Null),
                    value,
                    "{key} of {lines:?}\n{line}\n{text}"
                );
            }
        }
    }
    // Every kind of end is among them.
    for reason in [
        "authorized",
        "public",
        "token_missing",
        "scope_missing",
        "token_expired",
        "signature_invalid",
        "client_not_allowed",
        "fixed_response",
        "redirect",
        "no_route",
    ] {
        assert!(kinds.get(reason).is_some_and(|count| *count > 20), "{reason}: {kinds:?}");
    }
}
