use std::time::Duration;

use super::*;
use crate::config::model::Config;

const FILE: &str = "
target_groups:
  all: { targets: ['127.0.0.1:1'] }
listeners:
  public:
    address: 127.0.0.1:0
    rules: [{ conditions: { path_pattern: ['*'] }, api: shop }]
apis:
  shop:
    type: rest
    authorizer: none
    api_key_required: true
    routes:
      GET /a: { integration: { target_group: all } }
      GET /b: { integration: { target_group: all } }
api_keys:
  gold: { value: '${env:GOLD}' }
  off: { value: '${env:OFF}', enabled: false }
  lone: { value: '${env:LONE}' }
usage_plans:
  base:
    api_keys: [gold, off]
    apis: [{ api: shop, throttle: { GET /b: { rate: 1, burst: 1 } } }]
    throttle: { rate: 1, burst: 2 }
    quota: { limit: 3, period: day }
";

struct Values;

impl config::Surroundings for Values {
    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("{name}-0123456789-0123456789"))
    }

    fn file(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

use crate::config;

fn config(file: &str) -> Config {
    let ground = config::Ground {
        folder: std::path::Path::new("."),
        surroundings: Some(&Values),
        parts: None,
        now: UnixMillis(0),
    };
    let loaded = config::parse(file.as_bytes(), "routes.yaml", ground)
        .unwrap_or_else(|report| panic!("{}", report.render(false)));
    loaded.config
}

fn compile(file: &str, previous: Option<&Usage>) -> Usage {
    let config = config(file);
    Usage::compile(&config.usage, &config.apis, previous, &Metrics::new("test", ""))
}

fn value(name: &str) -> String {
    format!("{name}-0123456789-0123456789")
}

const A: Place = Place { api: 0, route: Some(0) };
const B: Place = Place { api: 0, route: Some(1) };
const NOW: UnixMillis = UnixMillis(1_795_395_735_000);

fn enter(usage: &Usage, place: Place, mono: Instant) -> Result<(), Exhausted> {
    let pass = usage.find(value("GOLD").as_bytes(), place).ok().unwrap();
    pass.enter(NOW, mono).and_then(|()| pass.charge(NOW))
}

#[test]
fn a_key_is_found_by_its_value_alone() {
    let usage = compile(FILE, None);
    let find = |value: &str| {
        usage.find(value.as_bytes(), A).map(|pass| pass.name.to_string()).map_err(|why| why.0)
    };
    assert_eq!(find(&value("GOLD")), Ok("gold".to_owned()));
    assert_eq!(find(&value("OFF")), Err(KeyFault::Disabled));
    assert_eq!(find(&value("LONE")), Err(KeyFault::Unattached));
    for unknown in ["", "gold", &value("gold"), &value("GOLD "), &"x".repeat(100_000)] {
        assert_eq!(find(unknown), Err(KeyFault::Unknown));
    }
    let elsewhere = usage.find(value("GOLD").as_bytes(), Place { api: 1, route: Some(0) });
    assert_eq!(elsewhere.err().unwrap().0, KeyFault::Unattached);
}

#[test]
fn limits_go_on_after_a_reload_and_a_changed_one_begins_anew() {
    let start = crate::clock::monotonic();
    let first = compile(FILE, None);
    assert!(enter(&first, B, start).is_ok());
    assert!(matches!(enter(&first, B, start), Err(Exhausted::Throttled(_))));
    // Positions of route and key are others now.
    let moved = FILE
        .replace(
            "      GET /a: {",
            "      GET /0: { integration: { target_group: all } }\n      GET /a: {",
        )
        .replace("  gold:", "  zero: { value: '${env:ZERO}' }\n  gold:");
    let second = compile(&moved, Some(&first));
    let b = Place { api: 0, route: Some(2) };
    assert!(matches!(enter(&second, b, start), Err(Exhausted::Throttled(_))));
    assert!(enter(&second, A, start).is_ok());
    assert!(matches!(enter(&second, A, start), Err(Exhausted::Throttled(_))));
    let third = compile(&moved.replace("burst: 2", "burst: 3"), Some(&second));
    assert!(enter(&third, A, start).is_ok(), "the third of the day");
    let later = start + Duration::from_secs(3600);
    assert!(matches!(enter(&third, A, later), Err(Exhausted::Quota(_))));
    assert!(matches!(enter(&first, A, later), Err(Exhausted::Quota(_))), "the old file's too");
}

#[test]
fn what_is_kept_is_taken_up_by_names() {
    let start = crate::clock::monotonic();
    let first = compile(FILE, None);
    assert_eq!(first.entries().count(), 0);
    assert!(enter(&first, A, start).is_ok());
    let mut kept: Vec<Entry> = first.entries().collect();
    assert_eq!((kept.len(), kept[0].used), (1, 1));
    kept[0].used = 3;
    kept.push(Entry { plan: "gone".into(), key: "gold".into(), since: 1, used: 1 });
    let text = serde_json::to_string(&kept).unwrap();
    let second = compile(FILE, None);
    second.restore(&serde_json::from_str::<Vec<Entry>>(&text).unwrap());
    assert!(matches!(enter(&second, A, start), Err(Exhausted::Quota(_))));
    assert_eq!(second.entries().count(), 1);
}
