//! Cookies that nobody was given: each is as good as none, and none is an error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// A gateway before three targets, and a browser at home at one of them.
fn world(more: &str) -> (Gateway, [Target; 3], Browser, String) {
    let targets = [named(), named(), named()];
    let gateway = Gateway::start(&web(&targets.each_ref(), more));
    let mut browser = Browser::default();
    let home = browser.target(&gateway);
    (gateway, targets, browser, home)
}

/// Asks with this cookie, and expects it to be replaced by sound ones.
fn is_replaced(gateway: &Gateway, name: &str, value: &str) {
    let mut browser = Browser::with(name, value);
    let answer = browser.get(gateway, "/");
    assert_eq!(answer.status, 200, "{name}={value}: {answer:?}");
    assert_eq!(set_names(&answer), ["AWSALB", "AWSALBCORS"]);
    assert_eq!(browser.target(gateway), answer.text());
}

#[test]
fn a_cookie_with_any_one_bit_changed_is_no_cookie() {
    let (gateway, _targets, browser, _) = world(STICKY);
    let bytes = STANDARD.decode(browser.value("AWSALB")).expect("base64");
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let mut browser = Browser::with("AWSALB", &STANDARD.encode(changed));
        browser.target(&gateway);
    }
    wait_misses(&gateway, "invalid_cookie", bytes.len());
}

#[test]
fn spellings_of_a_good_cookie_that_are_not_it_are_no_cookie() {
    let (gateway, _targets, browser, _) = world(STICKY);
    let good = browser.value("AWSALB").to_owned();
    let spellings = [
        format!("\"{good}\""),
        good.to_ascii_lowercase(),
        good.replace('+', "-").replace('/', "_") + "=",
        format!("{good}A"),
        format!("{good}===="),
        good[4..].to_owned(),
        good[..124].to_owned(),
        format!("{good}{good}"),
        good.chars().rev().collect(),
        STANDARD.encode("127.0.0.1:80"),
    ];
    for spelling in &spellings {
        is_replaced(&gateway, "AWSALB", spelling);
    }
    wait_misses(&gateway, "invalid_cookie", spellings.len());
}

#[test]
fn a_cookie_of_another_kind_or_another_group_is_none() {
    let targets = [named(), named(), named()];
    let all = targets.each_ref();
    let groups =
        [group("web", &all, STICKY), group("api", &all, STICKY), group("app", &all, APPLICATION)];
    let yaml = file(&groups, "web").replace(
        "    rules:\n",
        "    rules:\n      - { name: api, public: true, conditions: { path_pattern: ['/api/*'] }, \
         forward: api }\n      - { name: app, public: true, conditions: { path_pattern: [/login] }, \
         forward: app }\n",
    );
    let gateway = Gateway::start(&yaml);
    let mut browser = Browser::default();
    browser.target(&gateway);
    let of_web = browser.value("AWSALB").to_owned();
    browser.get(&gateway, "/login");
    let of_app = browser.value("AWSALBAPP-0").to_owned();

    let homes: BTreeSet<String> =
        (0..3).map(|_| Browser::with("AWSALB", &of_web).get(&gateway, "/api/1").text()).collect();
    assert_eq!(homes.len(), 3, "shared out as if without a cookie");
    wait_misses(&gateway, "other_group", 3);
    is_replaced(&gateway, "AWSALB", &of_app);
    is_replaced(&gateway, "AWSALBCORS", &of_app);
    is_replaced(&gateway, "AWSALBTG", &of_web);
    is_replaced(&gateway, "AWSALBAPP-0", &of_web);
}

#[test]
fn hundreds_of_cookies_and_huge_ones_are_answered_as_if_there_were_none() {
    let (gateway, _targets, browser, home) = world(STICKY);
    let forged = "A".repeat(128);
    let flood = vec![format!("AWSALB={forged}"); 100].join("; ");
    let flood = format!("{flood}; {}", vec![format!("AWSALBCORS={forged}"); 100].join("; "));
    let huge = format!("AWSALB={}", "A".repeat(40_000));
    for cookie in [flood, huge, "AWSALB".to_owned(), "AWSALB=; AWSALBCORS=;;;=;".to_owned()] {
        let answer = wire::request(gateway.address(), "GET", "/", &[("Cookie", &cookie)]);
        assert_eq!((answer.status, set_cookies(&answer).len()), (200, 2));
    }
    // What another site of the domain puts in front does not hide the client's own.
    let tossed = format!("AWSALB=tossed; AWSALB={forged}; AWSALB={}", browser.value("AWSALB"));
    for _ in 0..4 {
        let answer = wire::request(gateway.address(), "GET", "/", &[("Cookie", &tossed)]);
        assert_eq!(answer.text(), home);
    }
}

#[test]
fn companions_that_are_swapped_doubled_or_of_strange_numbers_are_none() {
    let (gateway, _targets, _, _) = world(APPLICATION);
    let mut browser = Browser::default();
    let home = browser.get(&gateway, "/login").text();
    let good = browser.value("AWSALBAPP-0").to_owned();
    let (front, back) = good.split_at(64);
    for cookie in [
        format!("AWSALBAPP-1={good}; sid=1"),
        format!("AWSALBAPP-0={front}; AWSALBAPP-1={back}; sid=1"),
        format!("AWSALBAPP-1={front}; AWSALBAPP-0={back}; sid=1"),
        format!("AWSALBAPP={good}; sid=1"),
        format!("AWSALBAPP-00={good}; sid=1"),
        format!("AWSALBAPP-0={good}; Sid=1"),
        format!("AWSALBAPP-0={good}"),
    ] {
        let homes: BTreeSet<String> = (0..3)
            .map(|_| {
                let answer = wire::request(gateway.address(), "GET", "/", &[("Cookie", &cookie)]);
                assert_eq!(answer.status, 200, "{cookie}");
                answer.text()
            })
            .collect();
        assert_eq!(homes.len(), 3, "{cookie}");
    }
    let more: String = (1..200).map(|number| format!("; AWSALBAPP-{number}={good}")).collect();
    let cookie = format!("AWSALBAPP-0={good}; sid=1{more}");
    let answer = wire::request(gateway.address(), "GET", "/", &[("Cookie", &cookie)]);
    assert_eq!((answer.status, answer.text()), (200, home));
}

#[test]
fn a_cookie_opens_no_door_to_a_rule_that_wants_a_token() {
    use crate::authorization::protected;
    use crate::support::Issuer;
    let (issuer, target) = (Issuer::start(), named());
    let yaml =
        protected(&issuer, &target).replace("] }\nlisteners", "], stickiness: {} }\nlisteners");
    assert!(yaml.contains("stickiness"));
    let gateway = Gateway::start(&yaml);
    let mut browser = Browser::default();
    assert_eq!(browser.get(&gateway, "/open/1").status, 200);
    let refused = browser.get(&gateway, "/orders/1");
    assert_eq!((refused.status, set_cookies(&refused).len()), (401, 0));
    assert_eq!(target.taken().len(), 1);
}
