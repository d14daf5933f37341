//! What was authorized is what the target receives: for any routes and any spelling of a path.

use ::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::super::{Body, Decision, decide};
use super::*;
use crate::auth::Patience;
use crate::clock::UnixMillis;
use crate::config;
use crate::http::target::tidy_again;
use crate::http::{PathPolicy, Scheme};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

fn snapshot(kind: &str, routes: &[(String, bool)]) -> Snapshot {
    use std::fmt::Write as _;
    let mut file = format!(
        "user_pools: {{ main: {{ user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }} }}\n\
         target_groups: {{ secret: {{ targets: [127.0.0.1:1] }}, open: {{ targets: [127.0.0.1:2] }} }}\n\
         listeners: {{ public: {{ address: 127.0.0.1:0, default_action: {{ api: shop }} }} }}\n\
         apis:\n  shop:\n    type: {kind}\n    base_path: /shop\n    \
         authorizers: {{ main: {{ jwt: {{ user_pool: main }} }} }}\n    routes:\n      \
         GET /unused: {{ authorizer: main, integration: {{ target_group: secret }} }}\n      \
         GET /unused/too: {{ authorizer: none, integration: {{ target_group: open }} }}\n"
    );
    for (key, is_protected) in routes {
        let (authorizer, group) = if *is_protected { ("main", "secret") } else { ("none", "open") };
        let _ = writeln!(
            file,
            "      {key}: {{ authorizer: {authorizer}, integration: {{ target_group: {group} }} }}"
        );
    }
    let loaded = config::parse_portable(&file, "routes.yaml")
        .unwrap_or_else(|report| panic!("{}\n{file}", report.render(false)));
    Snapshot::compile(loaded.config, None, &Metrics::new("test", ""))
}

/// The decision about a request without a token.
fn ask(snapshot: &Snapshot, method: &str, target: &str) -> Decision {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("a.example"));
    let request = Request {
        id: "0000000000000000",
        listener: 0,
        received: Received {
            method,
            target: target.as_bytes(),
            authority: None,
            scheme: Scheme::Http,
        },
        headers: &headers,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        content_length: None,
        is_http2: false,
        presented: None,
        is_unverified: false,
        is_counted: true,
        renewed: None,
        body: Body::Unread,
        consulted: None,
    };
    let moment = Moment {
        wall: UnixMillis(1_795_395_735_000),
        mono: crate::clock::monotonic(),
        random: 7,
        patience: Patience::HasWaited,
    };
    decide(snapshot, &request, moment)
}

/// Routes with keys of their own, and whether each is protected.
fn any_routes() -> impl Strategy<Value = Vec<(String, bool)>> {
    let method = prop::sample::select(vec!["GET", "POST", "ANY"]);
    let segment = prop::sample::select(vec!["a", "b", "admin", "{x}"]);
    let route = (method, prop::collection::vec(segment, 0..3), any::<bool>(), any::<bool>());
    prop::collection::vec(route, 1..7).prop_map(|routes| {
        let mut seen = std::collections::HashSet::new();
        let mut keys = Vec::new();
        for (method, segments, is_greedy, is_protected) in routes {
            let name = |(n, segment): (usize, &&str)| segment.replace("{x}", &format!("{{x{n}}}"));
            let mut path: Vec<String> = segments.iter().enumerate().map(name).collect();
            if is_greedy {
                path.push("{proxy+}".to_owned());
            }
            if seen.insert((method, segments.clone(), is_greedy)) {
                keys.push((format!("{method} /{}", path.join("/")), is_protected));
            }
        }
        keys
    })
}

/// A path, spelled by somebody who wants in.
fn any_target() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "admin",
        "%61dmin",
        "adm%69n",
        "ADMIN",
        "..",
        ".",
        "%2e%2e",
        "%2E.",
        "",
        "%2F",
        "a%2fadmin",
        "%5c",
        ";x=1",
        "admin;x",
        "..;",
        "%00",
        "%25",
        "%252e%252e",
        "%C3%A9",
        "admin%20",
        "admin.",
        "%",
    ]);
    let start =
        prop::sample::select(vec!["/shop/", "/shop//", "/x/../shop/", "/%73hop/", "/shop/./"]);
    let end = prop::sample::select(vec!["", "/", "?a=/admin", "/?x"]);
    (start, prop::collection::vec(piece, 0..4), end)
        .prop_map(|(start, pieces, end)| format!("{start}{}{end}", pieces.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_authorized_is_what_the_target_receives(
        routes in any_routes(),
        targets in prop::collection::vec(any_target(), 60),
    ) {
        for kind in ["http", "rest"] {
            let snapshot = snapshot(kind, &routes);
            let api = &snapshot.apis[0];
            for target in &targets {
                for method in ["GET", "POST", "DELETE", "OPTIONS"] {
                    let decision = ask(&snapshot, method, target);
                    let Step::Forward(plan) = &decision.step else { continue };
                    let place = decision.api.unwrap();
                    let route = &snapshot.config.apis[0].routes[place.route.unwrap()];
                    // Nobody without a token comes past an authorizer.
                    prop_assert!(route.authorizer.is_none(), "{kind} {method} {target}: {}", route.key);
                    let sent = plan.integration.as_ref().and_then(|sent| sent.target.as_deref());
                    let sent = sent.or(decision.target.as_deref()).unwrap_or(target);
                    let path = sent.split('?').next().unwrap();
                    // It has one reading only, and by that reading the same route takes it.
                    let again = tidy_again(path, PathPolicy::default());
                    prop_assert_eq!(again.as_ref().map(|again| &*again.path), Ok(path));
                    let again = api.select(method, path);
                    prop_assert_eq!(again, place.route, "{} {} {}", kind, method, target);
                    // And no protected route names it, whatever the method.
                    if !route.key.starts_with("OPTIONS") {
                        let named = routes.iter().find(|(key, is_protected)| {
                            *is_protected && key.split_once(' ').is_some_and(|(_, own)| own == path)
                        });
                        let own = route.key.split_once(' ').map(|(_, own)| own);
                        prop_assert!(
                            named.is_none() || own == Some(path),
                            "{kind} {method} {target}: {} serves {named:?}",
                            route.key
                        );
                    }
                }
            }
        }
    }
}
