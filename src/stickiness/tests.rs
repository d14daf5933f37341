use ::http::header::{COOKIE, HOST, SET_COOKIE};
use proptest::prelude::*;

use super::*;
use crate::config::model::{Action, WeightedGroup};
use crate::session::keys::Key;

const NOW: UnixMillis = UnixMillis(1_795_395_735_000);
const WEB: GroupIndex = GroupIndex(0);
const API: GroupIndex = GroupIndex(1);
const APP: GroupIndex = GroupIndex(2);
const PLAIN: GroupIndex = GroupIndex(3);

const FILE: &str = "
target_groups:
  web: { targets: [10.0.0.1:80], stickiness: { duration: 1h } }
  api: { targets: [10.0.0.1:80], stickiness: { type: lb_cookie } }
  app: { targets: [10.0.0.1:80], stickiness: { type: app_cookie, cookie_name: sid, duration: 1h } }
  plain: { targets: [10.0.0.1:80] }
listeners:
  public:
    address: 127.0.0.1:8080
    default_action:
      public: true
      forward:
        target_groups: [{ name: web, weight: 9 }, { name: api, weight: 0 }]
        stickiness: { duration: 1h }
";

/// A gateway's stickiness, and the one rule of it.
struct World {
    stickiness: Stickiness,
    forward: Forward,
    seal: Seal,
    metrics: Arc<Metrics>,
}

impl World {
    fn new(text: &str) -> Self {
        let loaded = config::parse_portable(text, "routes.yaml");
        let config = loaded.map_err(|report| report.render(false)).unwrap().config;
        let metrics = Metrics::new("test", "");
        let Action::Forward(forward) = &config.listeners[0].default_rule.action else { panic!() };
        Self {
            stickiness: Stickiness::compile(&config, &metrics),
            forward: forward.clone(),
            seal: Seal::new(vec![Key::derive(&[7; 32]).unwrap()], None),
            metrics,
        }
    }

    fn client<'a>(&'a self, headers: &'a HeaderMap, now: UnixMillis) -> Client<'a> {
        Client { headers, authority: "shop.example", seal: &self.seal, now }
    }

    fn keep(&self, group: GroupIndex, headers: &HeaderMap, now: UnixMillis) -> Box<Sticky> {
        self.stickiness.keep(None, group, self.client(headers, now)).unwrap()
    }

    fn target(&self, group: GroupIndex, headers: &HeaderMap, now: UnixMillis) -> Option<u64> {
        self.keep(group, headers, now).target().map(|key| key.0)
    }

    /// The cookies of an answer of this target to a request with these headers.
    fn answer(
        &self,
        group: GroupIndex,
        headers: &HeaderMap,
        target: u64,
        set: &str,
    ) -> Vec<String> {
        let sticky = self.keep(group, headers, NOW);
        let mut answer = HeaderMap::new();
        if !set.is_empty() {
            answer.append(SET_COOKIE, HeaderValue::from_str(set).unwrap());
        }
        let cookies =
            self.stickiness.cookies(&sticky, (group, TargetKey(target)), &answer, &self.seal, NOW);
        cookies.iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    fn missed(&self, group: &str, reason: &str) -> bool {
        let series = format!(
            "portcullis_non_sticky_requests_total{{target_group=\"{group}\",reason=\"{reason}\"}} 1"
        );
        self.metrics.text().contains(&series)
    }
}

fn request(cookies: &[String]) -> HeaderMap {
    let pairs: Vec<&str> = cookies.iter().map(|cookie| pair(cookie)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("shop.example"));
    if !pairs.is_empty() {
        headers.insert(COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
    }
    headers
}

/// `NAME=VALUE` of a `Set-Cookie`.
fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

fn value(cookie: &str) -> &str {
    pair(cookie).split_once('=').unwrap().1
}

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1000)
}

#[test]
fn a_client_comes_back_with_either_cookie_until_the_duration_is_over() {
    let world = World::new(FILE);
    let cookies = world.answer(WEB, &request(&[]), 5, "");
    let [plain, cors] = &cookies[..] else { panic!("{cookies:?}") };
    assert!(plain.starts_with("AWSALB=") && cors.starts_with("AWSALBCORS="));
    assert_eq!(value(plain), value(cors));
    assert_eq!(value(plain).len(), 128);
    assert!(plain.ends_with("; Path=/") && cors.ends_with("; Path=/; SameSite=None; Secure"));
    for headers in [request(&cookies[..1]), request(&cookies[1..]), request(&cookies)] {
        assert_eq!(world.target(WEB, &headers, at(3599)), Some(5));
        assert_eq!(world.target(WEB, &headers, at(3600)), None);
    }
}

#[test]
fn the_cors_cookie_decides_unless_it_is_none() {
    let world = World::new(FILE);
    let one = world.answer(WEB, &request(&[]), 1, "");
    let two = world.answer(WEB, &request(&[]), 2, "");
    let both = |plain: &str, cors: &str| {
        world.target(WEB, &request(&[format!("AWSALB={plain}"), format!("AWSALBCORS={cors}")]), NOW)
    };
    assert_eq!(both(value(&one[0]), value(&two[1])), Some(2));
    assert_eq!(both(value(&one[0]), &"A".repeat(128)), Some(1));
    assert_eq!(both(value(&one[0]), ""), Some(1));
    assert_eq!(both("nonsense", value(&two[1])), Some(2));
}

#[test]
fn one_cookie_serves_several_groups_and_none_serves_another() {
    let world = World::new(FILE);
    let web = world.answer(WEB, &request(&[]), 1, "");
    assert_eq!(world.target(API, &request(&web), NOW), None, "same targets, another group");
    let both = world.answer(API, &request(&web), 2, "");
    assert_eq!(world.target(WEB, &request(&both), NOW), Some(1));
    assert_eq!(world.target(API, &request(&both), NOW), Some(2));
    assert_eq!(value(&web[0]).len(), value(&both[0]).len(), "the length tells nothing");
}

#[test]
fn a_cookie_of_another_kind_or_under_another_key_is_none() {
    let world = World::new(FILE);
    let web = world.answer(WEB, &request(&[]), 1, "");
    let as_group = format!("AWSALBTG={}", value(&web[0]));
    let kept = world.stickiness.group(&world.forward, world.client(&request(&[as_group]), NOW));
    assert_eq!(kept.unwrap().group, None);
    let as_companion = [format!("AWSALBAPP-0={}", value(&web[0])), "sid=1".to_owned()];
    assert_eq!(world.target(APP, &request(&as_companion), NOW), None);
    let other = World { seal: Seal::new(vec![Key::derive(&[8; 32]).unwrap()], None), ..world };
    assert_eq!(other.target(WEB, &request(&web), NOW), None);
}

#[test]
fn groups_and_targets_are_known_after_the_file_was_reordered() {
    let world = World::new(FILE);
    let cookies = world.answer(WEB, &request(&[]), 1, "");
    let moved = World::new(&FILE.replace(
        "target_groups:\n  web",
        "target_groups:\n  first: { targets: [10.0.0.9:80] }\n  web",
    ));
    assert_eq!(moved.target(GroupIndex(1), &request(&cookies), NOW), Some(1));
}

#[test]
fn an_application_cookie_and_its_companion_must_both_come_back() {
    let world = World::new(FILE);
    let set = world.answer(APP, &request(&[]), 1, "sid=abc; HttpOnly");
    let [companion] = &set[..] else { panic!("{set:?}") };
    assert!(companion.starts_with("AWSALBAPP-0=") && companion.ends_with("; Path=/"));
    let with = |more: &str| request(&[companion.clone(), more.to_owned()]);
    assert_eq!(world.target(APP, &with("sid=whatever"), NOW), Some(1), "only the name counts");
    assert_eq!(world.target(APP, &with("sido=abc"), NOW), None);
    assert_eq!(world.target(APP, &request(&["sid=abc".to_owned()]), NOW), None);
    assert_eq!(world.target(APP, &with("sid=abc"), at(3600)), None);
}

#[test]
fn an_answer_without_the_application_cookie_removes_the_companions_of_a_client_that_is_not_kept() {
    let world = World::new(FILE);
    let removed = world.answer(APP, &request(&[]), 1, "other=1");
    let pairs: Vec<&str> = removed.iter().map(|cookie| pair(cookie)).collect();
    let expected = [
        "AWSALBAPP-0=_remove_",
        "AWSALBAPP-1=_remove_",
        "AWSALBAPP-2=_remove_",
        "AWSALBAPP-3=_remove_",
    ];
    assert_eq!(pairs, expected);
    assert!(removed.iter().all(|c| c.contains("; Expires=") && c.ends_with("; Path=/")));

    let companion = world.answer(APP, &request(&[]), 1, "sid=abc").remove(0);
    let kept = world.answer(APP, &request(&[companion, "sid=abc".to_owned()]), 1, "");
    assert_eq!(kept.len(), 1, "a client that is kept stays kept: {kept:?}");
    let kept = [kept[0].clone(), "sid=abc".to_owned()];
    assert_eq!(world.target(APP, &request(&kept), NOW), Some(1));
}

#[test]
fn only_a_page_of_another_origin_makes_the_companion_cross_sites() {
    let world = World::new(FILE);
    for (origin, crosses) in [
        ("https://shop.example", false),
        ("http://SHOP.example", false),
        ("https://evil.example", true),
        ("https://shop.example:8443", true),
        ("null", true),
    ] {
        let mut headers = request(&[]);
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        let cookie = world.answer(APP, &headers, 1, "sid=1").remove(0);
        assert_eq!(cookie.ends_with("; Path=/; SameSite=None; Secure"), crosses, "{origin}");
    }
}

#[test]
fn a_client_stays_in_its_group_even_at_weight_0_but_not_in_one_of_another_rule() {
    let world = World::new(FILE);
    let kept = |headers: &HeaderMap, forward: &Forward, now| {
        world.stickiness.group(forward, world.client(headers, now)).unwrap()
    };
    let first = kept(&request(&[]), &world.forward, NOW);
    assert_eq!(first.group, None);
    let headers = request(&[]);
    let sticky = world.stickiness.keep(Some(first), API, world.client(&headers, NOW)).unwrap();
    let answer = HeaderMap::new();
    let cookies = world.stickiness.cookies(&sticky, (API, TargetKey(1)), &answer, &world.seal, NOW);
    let cookies: Vec<_> = cookies.iter().map(|c| c.to_str().unwrap().to_owned()).collect();
    let names: Vec<_> = cookies.iter().map(|c| c.split('=').next().unwrap()).collect();
    assert_eq!(names, ["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"]);
    for headers in [request(&cookies), request(&cookies[..1]), request(&cookies[1..2])] {
        assert_eq!(kept(&headers, &world.forward, at(3599)).group, Some(API));
        assert_eq!(kept(&headers, &world.forward, at(3600)).group, None);
        let other = Forward {
            groups: vec![WeightedGroup { group: PLAIN, weight: 1 }],
            stickiness: Some(Duration::from_secs(60)),
        };
        assert_eq!(kept(&headers, &other, NOW).group, None);
    }
}

#[test]
fn what_is_not_sticky_costs_and_sets_nothing() {
    let world = World::new(FILE);
    let headers = request(&[]);
    let plain = Forward { stickiness: None, ..world.forward.clone() };
    assert!(world.stickiness.group(&plain, world.client(&headers, NOW)).is_none());
    assert!(world.stickiness.keep(None, PLAIN, world.client(&headers, NOW)).is_none());
    assert!(world.stickiness.keep(None, GroupIndex(99), world.client(&headers, NOW)).is_none());
}

#[test]
fn each_reason_for_another_target_is_counted_by_its_name() {
    let world = World::new(FILE);
    let web = world.answer(WEB, &request(&[]), 1, "");
    let count = |group, headers: &HeaderMap, now, target| {
        let sticky = world.keep(group, headers, now);
        world.stickiness.count(&sticky, group, TargetKey(target));
    };
    count(WEB, &request(&web), NOW, 1);
    assert!(!world.metrics.text().contains("non_sticky_requests_total{"));
    count(WEB, &request(&[]), NOW, 1);
    count(WEB, &request(&["AWSALB=x".to_owned()]), NOW, 1);
    count(API, &request(&web), NOW, 1);
    count(WEB, &request(&web), at(3600), 1);
    count(WEB, &request(&web), NOW, 2);
    let companion = world.answer(APP, &request(&[]), 1, "sid=1");
    count(APP, &request(&companion), NOW, 1);
    count(APP, &request(&["AWSALBAPP-0=_remove_".to_owned()]), NOW, 1);
    for (group, reason) in [
        ("web", "no_cookie"),
        ("web", "invalid_cookie"),
        ("api", "other_group"),
        ("web", "expired"),
        ("web", "target_unavailable"),
        ("app", "no_application_cookie"),
        ("app", "no_cookie"),
    ] {
        assert!(world.missed(group, reason), "{group} {reason}: {}", world.metrics.text());
    }
}

proptest! {
    #[test]
    fn no_change_of_a_cookie_keeps_a_client_anywhere(
        place in 0..128_usize,
        with in "[A-Za-z0-9+/=]",
    ) {
        let world = World::new(FILE);
        let cookie = world.answer(WEB, &request(&[]), 1, "").remove(0);
        let mut text = value(&cookie).to_owned();
        text.replace_range(place..=place, &with);
        prop_assume!(text != value(&cookie));
        prop_assert_eq!(world.target(WEB, &request(&[format!("AWSALB={text}")]), NOW), None);
    }

    #[test]
    fn whatever_cookies_come_there_is_an_answer(text in "[ -~]{0,400}") {
        let world = World::new(FILE);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&text).unwrap());
        for group in [WEB, APP] {
            prop_assert_eq!(world.target(group, &headers, NOW), None);
        }
        let kept = world.stickiness.group(&world.forward, world.client(&headers, NOW));
        prop_assert_eq!(kept.unwrap().group, None);
    }
}
