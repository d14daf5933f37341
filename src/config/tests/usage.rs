//! API keys, usage plans, log formats and `extends:`: what they mean, and every mistake in its place.

use super::{bad, good};
use crate::config::model::{Flavour, Pace, Period, Quota};

const GOOD: &str = "\
access_log: { format: clf }
user_pools:
  main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] }
target_groups:
  all: { targets: [127.0.0.1:1] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { conditions: { path_pattern: [/shop/*] }, api: shop }
      - { conditions: { path_pattern: [/dev/*] }, api: dev }
      - { conditions: { path_pattern: [/web/*] }, api: web }
apis:
  shop:
    type: rest
    base_path: /shop
    api_key_required: true
    access_log: { format: '$context.requestId $context.status' }
    stage_variables: { level: a }
    authorizers:
      main: { jwt: { user_pool: main, additional_claims: [{ name: tenant, format: single_string, values: [x] }] } }
    authorizer: main
    routes:
      GET /a: { integration: { target_group: all } }
      GET /b: { api_key_required: false, integration: { target_group: all } }
  dev:
    extends: shop
    base_path: /dev
    stage: dev
    stage_variables: { level: b }
    throttle: { rate: 1, burst: 1 }
  web:
    type: http
    authorizers: { main: { jwt: { user_pool: main } } }
    routes:
      GET /a: { authorizer: main, integration: { target_group: all } }
api_keys:
  gold: { value: '${env:GOLD}' }
usage_plans:
  base:
    api_keys: [gold]
    apis: [dev, { api: shop, throttle: { GET /a: { rate: 1, burst: 2 } } }]
    throttle: { rate: 5, burst: 6 }
    quota: { limit: 100, offset: 3, period: week }
";

#[test]
fn plans_mean_what_they_say() {
    let config = good(GOOD).config;
    let plan = &config.usage.plans[0];
    assert_eq!((plan.keys.as_slice(), plan.apis[0].api.0, plan.apis[1].api.0), (&[0][..], 1, 0));
    assert_eq!(plan.apis[1].throttle, [(0, Pace { rate: 1.0, burst: 2 })]);
    assert_eq!(plan.throttle, Some(Pace { rate: 5.0, burst: 6 }));
    assert_eq!(plan.quota, Some(Quota { limit: 100, offset: 3, period: Period::Week }));
    let asks: Vec<bool> = config.apis[0].routes.iter().map(|r| r.is_api_key_required).collect();
    assert_eq!(asks, [true, false]);
    assert!(config.access_log.format.is_some());
}

#[test]
fn an_api_has_the_keys_of_the_one_that_it_extends_but_for_its_own() {
    let config = good(GOOD).config;
    let (shop, dev) = (&config.apis[0], &config.apis[1]);
    assert_eq!(dev.routes, shop.routes);
    assert_eq!((dev.flavour, &dev.log_format), (Flavour::Rest, &shop.log_format));
    assert_eq!((&*dev.base_path, dev.stage.as_deref()), ("/dev", Some("dev")));
    assert_eq!(dev.stage_variables, [("level".to_owned(), "b".to_owned())]);
    assert_eq!((dev.throttle.len(), shop.throttle.len()), (1, 0));
    let authorizer = shop.routes[0].authorizer.as_ref().unwrap();
    assert_eq!(authorizer.validation.as_ref().unwrap().additional_claims[0].name, "tenant");
}

#[test]
fn every_mistake_has_its_code() {
    for (from, to, code) in [
        ("extends: shop", "extends: shpo", "unknown-api"),
        ("extends: shop", "extends: dev", "extends-loop"),
        ("    type: rest\n", "    type: rest\n    extends: dev\n", "extends-loop"),
        ("extends: shop", "extends: shop\n    type: http", "contradiction"),
        ("    type: http\n", "    type: http\n    api_key_required: true\n", "contradiction"),
        ("    type: http\n", "    type: http\n    api_key_source: header\n", "contradiction"),
        ("    api_key_required: true\n", "    api_key_source: authorizer\n", "unknown-value"),
        (
            "user_pool: main } } }\n    routes",
            "user_pool: main, additional_claims: [{ name: a, format: single_string, values: [x] }] } } }\n    routes",
            "contradiction",
        ),
        ("name: tenant", "name: aud", "invalid-claim"),
        ("name: tenant", "name: exp", "invalid-claim"),
        ("'${env:GOLD}'", "gold-key-0123456789abcdef", "plaintext-secret"),
        ("api_keys: [gold]", "api_keys: [glod]", "unknown-api-key"),
        ("apis: [dev,", "apis: [dve,", "unknown-api"),
        ("apis: [dev,", "apis: [web,", "contradiction"),
        ("apis: [dev,", "apis: [shop,", "duplicate-value"),
        ("throttle: { GET /a", "throttle: { GET /x", "unknown-route"),
        ("offset: 3", "offset: 100", "out-of-range"),
        ("limit: 100", "limit: 0", "out-of-range"),
        ("period: week", "period: year", "unknown-value"),
        ("rate: 5", "rate: 0", "out-of-range"),
        ("    quota:", "    quotta:", "unknown-key"),
        (
            "usage_plans:\n",
            "usage_plans:\n  other: { api_keys: [gold], apis: [dev] }\n",
            "duplicate-usage-plan",
        ),
        ("format: clf", "format: clff", "invalid-log-format"),
        ("format: clf", "format: clf, query: true", "contradiction"),
        ("'$context.requestId $context.status'", "'$context.status'", "invalid-log-format"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let report = bad(&GOOD.replacen(from, to, 1));
        let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
        assert!(codes.contains(&code), "{to}: {codes:?}");
    }
}

#[test]
fn a_mistake_in_what_is_taken_over_is_told_once() {
    let report = bad(&GOOD.replacen("target_group: all", "target_group: al", 1));
    let unknown = report.findings.iter().filter(|f| f.code == "unknown-target-group").count();
    assert_eq!(unknown, 1);
}
