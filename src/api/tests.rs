//! Route selection, case by case and against the slow way.

use std::time::Duration;

use super::integration::Integration;
use super::table::RouteTable;
use crate::config::diagnostics::Span;
use crate::config::model::{
    self, Api, AuthorizerKind, Flavour, GroupIndex, IdentitySource, JwtValidation, Route,
    RouteAuthorizer, RoutePattern, Segment, TokenUse,
};

fn segments(path: &str) -> Vec<Segment> {
    let segment = |text: &str| match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        None => Segment::Literal(text.to_owned()),
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.to_owned()),
            None => Segment::Variable(name.to_owned()),
        },
    };
    path.strip_prefix('/').unwrap().split('/').map(segment).collect()
}

/// A route; one whose key begins with `*` is protected.
fn route(key: &str) -> Route {
    let authorizer = key.starts_with('*').then(|| RouteAuthorizer {
        name: "main".into(),
        kind: AuthorizerKind::Jwt,
        validation: Some(JwtValidation {
            pools: Vec::new(),
            token_use: TokenUse::Access,
            scopes: None,
            groups: None,
            additional_claims: Vec::new(),
            identity_source: IdentitySource::Authorization,
            forward_authorization: true,
        }),
    });
    let pattern = match key.trim_start_matches('*').split_once(' ') {
        None => RoutePattern::Default,
        Some((method, path)) => RoutePattern::Path {
            method: (method != "ANY").then(|| method.to_owned()),
            segments: segments(path),
        },
    };
    let integration = model::Integration {
        backend: model::Backend::Group(GroupIndex(0)),
        path: None,
        request_mappings: Vec::new(),
        response_mappings: Vec::new(),
        timeout: Duration::from_secs(1),
    };
    let throttle = Vec::new();
    Route {
        key: key.into(),
        pattern,
        authorizer,
        is_api_key_required: false,
        throttle,
        required: Vec::new(),
        body_models: Vec::new(),
        integration,
        file: None,
        span: Span::default(),
    }
}

fn select<'a>(keys: &[&'a str], is_strict: bool, request: &str) -> Option<&'a str> {
    let (method, path) = request.split_once(' ').unwrap();
    let api = api(Flavour::Http, is_strict, keys);
    RouteTable::compile(&api).select(method, path).map(|route| keys[route])
}

fn api(flavour: Flavour, is_strict: bool, keys: &[&str]) -> Api {
    Api {
        arn: "arn:aws:execute-api:local:000000000000:shop".into(),
        has_region: false,
        has_account: false,
        policy: None,
        name: "shop".into(),
        flavour,
        stage: None,
        has_stage_in_path: false,
        stage_variables: Vec::new(),
        gateway_responses: Vec::new(),
        cors: None,
        log_format: None,
        throttle: Vec::new(),
        base_path: String::new(),
        is_strict,
        routes: keys.iter().map(|key| route(key)).collect(),
        openapi: None,
        span: Span::default(),
    }
}

#[test]
fn a_rest_api_tries_literal_variable_and_greedy_in_this_order_and_turns_back() {
    let select = |is_strict, keys: &[&'static str], request: &str| {
        let (method, path) = request.split_once(' ').unwrap();
        let table = RouteTable::compile(&api(Flavour::Rest, is_strict, keys));
        table.select(method, path).map(|route| keys[route])
    };
    let keys = ["GET /a/{x}/c", "GET /{y}/b/c", "POST /a/b", "GET /a/{p+}", "ANY /{p+}"];
    for (request, chosen) in [
        ("GET /a/b/c", Some("GET /a/{x}/c")),
        ("GET /z/b/c", Some("GET /{y}/b/c")),
        ("POST /a/b", Some("POST /a/b")),
        ("GET /a/b", Some("GET /a/{p+}")),
        ("PUT /a/b", Some("ANY /{p+}")),
        ("GET /a", Some("ANY /{p+}")),
        ("GET /", None),
    ] {
        assert_eq!(select(true, &keys, request), chosen, "{request}");
    }
    // An HTTP API weighs literals; here the first way counts.
    assert_eq!(select(true, &["GET /a/{p+}", "GET /{y}/b/c"], "GET /a/b/c"), Some("GET /a/{p+}"));
    let open = ["*POST /admin", "ANY /{p+}"];
    assert_eq!(select(true, &open, "GET /admin"), None);
    assert_eq!(select(false, &open, "GET /admin"), Some("ANY /{p+}"));
}

#[test]
fn the_worked_example_of_the_developer_guide() {
    let keys = [
        "GET /pets/dog/1",
        "GET /pets/dog/{id}",
        "GET /pets/{proxy+}",
        "ANY /{proxy+}",
        "$default",
    ];
    let chosen = |request| select(&keys, true, request);
    assert_eq!(chosen("GET /pets/dog/1"), Some("GET /pets/dog/1"));
    assert_eq!(chosen("GET /pets/dog/2"), Some("GET /pets/dog/{id}"));
    assert_eq!(chosen("GET /pets/cat/1"), Some("GET /pets/{proxy+}"));
    assert_eq!(chosen("POST /test/5"), Some("ANY /{proxy+}"));
    assert_eq!(chosen("POST /"), Some("$default"));
}

#[test]
fn nothing_takes_what_no_route_names() {
    assert_eq!(select(&["GET /a"], true, "GET /b"), None);
    assert_eq!(select(&["GET /a"], true, "POST /a"), None);
    assert_eq!(select(&["GET /a"], true, "HEAD /a"), None);
    assert_eq!(select(&["GET /metrics"], true, "GET /metrics/"), None);
    assert_eq!(select(&["GET /metrics/{proxy+}"], true, "GET /metrics"), None);
    assert_eq!(select(&["GET /a/{id}"], true, "GET /a/"), None);
    assert_eq!(select(&["GET /a/{id}"], true, "GET /a/b/c"), None);
    assert_eq!(select(&["ANY /{proxy+}", "$default"], true, "PURGE /a"), None);
    assert_eq!(select(&["GET /r/{id}/{proxy+}"], true, "GET /r/1"), None);
}

#[test]
fn paths_decide_before_methods_and_methods_before_any() {
    let keys = ["ANY /a/b", "GET /a/{x}", "ANY /a/{x}", "GET /{x}/b", "GET /a/{p+}"];
    let chosen = |request| select(&keys, true, request);
    assert_eq!(chosen("GET /a/b"), Some("ANY /a/b"));
    assert_eq!(chosen("GET /a/c"), Some("GET /a/{x}"));
    assert_eq!(chosen("POST /a/c"), Some("ANY /a/{x}"));
    assert_eq!(chosen("GET /x/b"), Some("GET /{x}/b"));
    assert_eq!(chosen("GET /a/b/c"), Some("GET /a/{p+}"));
}

#[test]
fn a_way_that_leads_nowhere_is_gone_back() {
    let keys = ["GET /a/b/c", "GET /{x}/b/d", "GET /{x}/{y}/{z}/{p+}"];
    assert_eq!(select(&keys, true, "GET /a/b/d"), Some("GET /{x}/b/d"));
    assert_eq!(select(&keys, true, "GET /a/b/c/d"), Some("GET /{x}/{y}/{z}/{p+}"));
}

#[test]
fn more_literals_win_over_an_earlier_one() {
    let keys = ["GET /a/{y}/{z}", "GET /{x}/b/c"];
    assert_eq!(select(&keys, true, "GET /a/b/c"), Some("GET /{x}/b/c"));
    let keys = ["GET /a/{y}", "GET /{x}/b"];
    assert_eq!(select(&keys, true, "GET /a/b"), Some("GET /a/{y}"));
}

#[test]
fn another_method_does_not_shadow_unless_an_open_route_would_serve_a_protected_path() {
    let open = ["POST /a", "ANY /{proxy+}"];
    assert_eq!(select(&open, true, "GET /a"), Some("ANY /{proxy+}"));
    let guarded = ["*POST /a", "ANY /{proxy+}"];
    for path in ["GET /a", "GET /a/", "DELETE /a"] {
        assert_eq!(select(&guarded, true, path), None, "{path}");
        assert_eq!(select(&guarded, false, path), Some("ANY /{proxy+}"), "{path}");
    }
    assert_eq!(select(&guarded, true, "GET /b"), Some("ANY /{proxy+}"));
    let protected = ["*POST /a", "*ANY /{proxy+}"];
    assert_eq!(select(&protected, true, "GET /a"), Some("*ANY /{proxy+}"));
    let default = ["*POST /a/{p+}", "$default"];
    assert_eq!(select(&default, true, "POST /a"), None);
    // A preflight without credentials is what such a route is there for.
    let preflight = ["*POST /a", "OPTIONS /{proxy+}"];
    assert_eq!(select(&preflight, true, "OPTIONS /a"), Some("OPTIONS /{proxy+}"));
    // Whoever says it of the path itself means it.
    let both = ["*POST /a", "GET /a"];
    assert_eq!(select(&both, true, "GET /a"), Some("GET /a"));
}

#[test]
fn a_greedy_rest_may_be_empty_but_not_absent() {
    assert_eq!(select(&["GET /pe/{p+}"], true, "GET /pe/"), Some("GET /pe/{p+}"));
    assert_eq!(select(&["GET /{p+}"], true, "GET /"), Some("GET /{p+}"));
    assert_eq!(select(&["GET /", "GET /{p+}"], true, "GET /"), Some("GET /"));
    assert_eq!(select(&["$default", "GET /{p+}"], true, "GET /"), Some("$default"));
}

#[test]
fn the_trie_chooses_what_comparing_all_routes_would() {
    let parts = ["a", "b", "{x}"];
    let mut keys: Vec<String> = Vec::new();
    for one in parts {
        keys.push(format!("GET /{one}/{{p+}}"));
        for two in parts {
            let two = if two == "{x}" { "{y}" } else { two };
            keys.push(format!("ANY /{one}/{two}"));
            keys.push(format!("POST /{one}/{two}/b"));
            keys.push(format!("GET /{one}/{two}/{{z}}"));
        }
    }
    let words = ["a", "b", "c", ""];
    let mut paths: Vec<String> = Vec::new();
    for one in words {
        for two in words {
            for three in words {
                paths.push(format!("/{one}/{two}/{three}"));
            }
            paths.push(format!("/{one}/{two}"));
        }
    }
    // Each third route is taken out in turn, so that many sets of routes are looked at.
    for gap in 0..keys.len() {
        let keys: Vec<&str> = keys
            .iter()
            .enumerate()
            .filter(|(n, _)| (n * 7 + gap) % 5 != 0)
            .map(|(_, key)| key.as_str())
            .collect();
        let api = api(Flavour::Http, false, &keys);
        let routes = &api.routes;
        let table = RouteTable::compile(&api);
        for path in &paths {
            for method in ["GET", "POST", "PUT"] {
                let slow = slowly(routes, method, path);
                let quick = table.select(method, path);
                assert_eq!(quick.map(|n| keys[n]), slow.map(|n| keys[n]), "{method} {path}");
            }
        }
    }
}

/// The same by comparing every route with the path.
fn slowly(routes: &[Route], method: &str, path: &str) -> Option<usize> {
    let words: Vec<&str> = path[1..].split('/').collect();
    let rank = |route: &Route| {
        let RoutePattern::Path { method: own, segments } = &route.pattern else { return None };
        if own.as_deref().is_some_and(|own| own != method) {
            return None;
        }
        let (mut literals, mut shape) = (0, Vec::new());
        for (n, segment) in segments.iter().enumerate() {
            let word = words.get(n)?;
            match segment {
                Segment::Literal(text) if text == word => {
                    literals += 1;
                    shape.push(true);
                }
                Segment::Variable(_) if !word.is_empty() => shape.push(false),
                Segment::Greedy(_) => return Some((false, literals, n, shape, own.is_some())),
                _ => return None,
            }
        }
        (segments.len() == words.len()).then_some((
            true,
            literals,
            words.len(),
            shape,
            own.is_some(),
        ))
    };
    let ranked = routes.iter().enumerate().filter_map(|(n, route)| Some((rank(route)?, n)));
    ranked.max().map(|(_, n)| n)
}

#[test]
fn an_integration_puts_segments_in_as_they_stand_in_the_request() {
    let path = |key: &str, template: &str, relative: &str| {
        let mut route = route(key);
        route.integration.path = Some(
            segments(template)
                .into_iter()
                .map(|part| match (part, &route.pattern) {
                    (Segment::Variable(name), RoutePattern::Path { segments, .. })
                        if segments.contains(&Segment::Greedy(name.clone())) =>
                    {
                        Segment::Greedy(name)
                    }
                    (part, _) => part,
                })
                .collect(),
        );
        Integration::compile(&route, 0).path(relative)
    };
    assert_eq!(path("GET /o/{id}", "/v1/o/{id}", "/o/a%20b"), "/v1/o/a%20b");
    assert_eq!(path("GET /o/{id}/{rest+}", "/x/{id}/{rest}", "/o/1/b/c/"), "/x/1/b/c/");
    assert_eq!(path("GET /o/{rest+}", "/v2/{rest}", "/o/b/c/"), "/v2/b/c/");
    assert_eq!(path("GET /o", "/", "/o"), "/");
}
