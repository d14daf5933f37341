//! What it costs to decide about a request for an API: ten routes against ten thousand.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use portcullis::auth::Patience;
use portcullis::clock;
use portcullis::config::parse_portable;
use portcullis::engine::{Body, Moment, Request, decide};
use portcullis::http::{Received, Scheme};
use portcullis::snapshot::Snapshot;
use portcullis::telemetry::metrics::Metrics;

/// Routes of five shapes, so many in all.
fn snapshot(flavour: &str, count: usize) -> Snapshot {
    let mut yaml = format!(
        "target_groups:\n  all: {{ targets: [127.0.0.1:9000] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    default_action: {{ api: shop }}\n\
         apis:\n  shop:\n    type: {flavour}\n    authorizer: none\n    routes:\n"
    );
    let shapes = [
        "GET /s{}/orders/{id}",
        "POST /s{}/orders",
        "ANY /s{}/{proxy+}",
        "GET /{a}/s{}",
        "GET /x/s{}",
    ];
    for number in 0..count {
        let shape = shapes[number % shapes.len()].replace("{}", &format!("{:04}", number / 5));
        let _ = writeln!(yaml, "      {shape}: {{ integration: {{ target_group: all }} }}");
    }
    let judged = parse_portable(&yaml, "routes.yaml");
    let config = judged.unwrap_or_else(|errors| panic!("{}", errors.render(false))).config;
    Snapshot::compile(config, None, &Metrics::new("0", ""))
}

fn ask(criterion: &mut Criterion) {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("api.example.com"));
    for flavour in ["http", "rest"] {
        for count in [10, 10_000] {
            let snapshot = snapshot(flavour, count);
            criterion.bench_function(&format!("{flavour}, {count} routes"), |bench| {
                bench.iter(|| {
                    let request = Request {
                        listener: 0,
                        id: "0123456789abcdef",
                        received: Received {
                            method: "GET",
                            target: black_box(b"/s0001/orders/17?limit=5"),
                            authority: None,
                            scheme: Scheme::Http,
                        },
                        headers: &headers,
                        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
                        content_length: None,
                        is_http2: false,
                        presented: None,
                        is_unverified: false,
                        is_counted: true,
                        renewed: None,
                        consulted: None,
                        body: Body::Unread,
                    };
                    let moment = Moment {
                        wall: clock::wall(),
                        mono: clock::monotonic(),
                        random: 0,
                        patience: Patience::MayWait,
                    };
                    let decision = decide(&snapshot, &request, moment);
                    assert!(decision.plan().is_some());
                    decision
                });
            });
        }
    }
}

criterion_group!(benches, ask);
criterion_main!(benches);
