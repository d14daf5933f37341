//! What it costs to choose a rule: ten rules against ten thousand.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::config::diagnostics::Span;
use portcullis::config::model::{Action, Conditions, FixedResponse, Located, Rule};
use portcullis::http::{PathPolicy, Received, Scheme, tidy};
use portcullis::routing::{Particulars, RuleTable};

fn rule(host: Option<String>, path: Option<String>) -> Rule {
    let one = |value: Option<String>| {
        value.map(|value| Located { value, span: Span::default() }).into_iter().collect()
    };
    Rule {
        name: Arc::from("rule"),
        priority: 1,
        conditions: Conditions {
            host_header: one(host),
            path_pattern: one(path),
            ..Conditions::default()
        },
        authentication: None,
        sign_in: None,
        transforms: portcullis::config::model::Transforms::default(),
        ends_with_identity: true,
        public: false,
        action: Action::FixedResponse(FixedResponse {
            status_code: 404,
            content_type: "text/plain".to_owned(),
            message_body: String::new(),
        }),
        claim_headers: Arc::from([]),
        span: Span::default(),
    }
}

/// The three shapes that must not grow dearer with the number of rules.
fn shapes(count: usize) -> [(&'static str, Vec<Rule>); 3] {
    let host = |number: usize| Some(format!("service-{number:05}.example.com"));
    let path = |number: usize| Some(format!("/service-{number:05}/*"));
    let residual = (0..64).map(|number| rule(None, Some(format!("*/internal-{number}/*"))));
    let prefixes = (0..count).map(|number| rule(host(0), path(number)));
    let hosts = (0..count).map(|number| rule(host(number), Some("/service-00000/*".to_owned())));
    let both = (0..count).map(|number| rule(host(number % 100), path(number / 100)));
    [
        ("one host and many prefixes", prefixes.collect()),
        ("many hosts", hosts.collect()),
        ("both behind 64 without an anchor", residual.chain(both).collect()),
    ]
}

fn select(criterion: &mut Criterion) {
    for count in [10, 10_000] {
        for (shape, rules) in shapes(count) {
            let table = RuleTable::compile(&rules);
            criterion.bench_function(&format!("{shape}, {count} rules"), |bench| {
                bench.iter(|| {
                    let received = Received {
                        method: "GET",
                        target: black_box(b"/service-00000/orders/17?limit=5"),
                        authority: None,
                        scheme: Scheme::Https,
                    };
                    let host: &[u8] = black_box(b"service-00000.example.com");
                    let (target, authority) =
                        tidy(received, [host], PathPolicy::default()).expect("clean");
                    table.route(authority.host(), &target, received.method, Particulars::default())
                });
            });
        }
    }
}

criterion_group!(benches, select);
criterion_main!(benches);
