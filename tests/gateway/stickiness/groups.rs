//! Clients that stay in the target group that was drawn for them.

use super::*;

/// Two groups of one target each, with these weights.
fn drawn(blue: &Target, green: &Target, weights: (u16, u16), more: &str) -> String {
    let forward = format!(
        "{{ target_groups: [{{ name: blue, weight: {} }}, {{ name: green, weight: {} }}]{more} }}",
        weights.0, weights.1
    );
    file(&[group("blue", &[blue], ""), group("green", &[green], "")], &forward)
}

const GROUPS_STICK: &str = ", stickiness: { duration: 24h }";

#[test]
fn a_drawn_group_is_kept_by_two_equal_cookies() {
    let (blue, green) = (named(), named());
    let gateway = Gateway::start(&drawn(&blue, &green, (1, 1), GROUPS_STICK));
    let mut homes = BTreeSet::new();
    while homes.len() < 2 {
        let mut browser = Browser::default();
        let first = browser.get(&gateway, "/");
        let set = set_cookies(&first);
        let [plain, cors] = set[..] else { panic!("{first:?}") };
        let value = browser.value("AWSALBTG");
        assert_eq!(value, browser.value("AWSALBTGCORS"));
        assert!(plain.starts_with("AWSALBTG=") && plain.ends_with(" GMT; Path=/"), "{plain}");
        assert!(cors.ends_with(" GMT; Path=/; SameSite=None; Secure"), "{cors}");
        let home = first.text();
        for _ in 0..12 {
            assert_eq!(browser.target(&gateway), home);
        }
        homes.insert(home);
    }
}

#[test]
fn a_group_at_weight_0_keeps_the_clients_it_has_and_gets_no_new_ones() {
    let (blue, green) = (named(), named());
    let yaml = drawn(&blue, &green, (1, 0), GROUPS_STICK);
    let gateway = Gateway::start(&yaml);
    let mut old = Browser::default();
    let home = old.target(&gateway);
    assert_eq!(home, blue.address().to_string());
    gateway.write(&drawn(&blue, &green, (0, 1), GROUPS_STICK));
    eventually("new clients go to the other group", || {
        (Browser::default().target(&gateway) != home).then_some(())
    });
    for _ in 0..10 {
        assert_eq!(old.target(&gateway), home);
        assert_ne!(Browser::default().target(&gateway), home);
    }
}

#[test]
fn a_cookie_that_names_no_group_of_the_rule_is_replaced_and_never_an_error() {
    let (blue, green) = (named(), named());
    let gateway = Gateway::start(&drawn(&blue, &green, (1, 0), GROUPS_STICK));
    for value in ["", "x", "A", &"A".repeat(128), &"A".repeat(176), "%3D"] {
        for name in ["AWSALBTG", "AWSALBTGCORS"] {
            let mut browser = Browser::with(name, value);
            let answer = browser.get(&gateway, "/");
            assert_eq!((answer.status, set_names(&answer).len()), (200, 2), "{name}={value}");
            assert_ne!(browser.value(name), value);
        }
    }
}

#[test]
fn within_its_group_a_client_stays_on_its_target() {
    let targets = [named(), named(), named(), named()];
    let [a, b, c, d] = targets.each_ref();
    let groups = [group("blue", &[a, b], STICKY), group("green", &[c, d], STICKY)];
    let forward = "{ target_groups: [blue, green], stickiness: { duration: 24h } }";
    let gateway = Gateway::start(&file(&groups, forward));
    let mut homes = BTreeSet::new();
    for _ in 0..12 {
        let mut browser = Browser::default();
        let first = browser.get(&gateway, "/");
        assert_eq!(set_names(&first), ["AWSALBTG", "AWSALBTGCORS", "AWSALB", "AWSALBCORS"]);
        for _ in 0..4 {
            assert_eq!(browser.target(&gateway), first.text());
        }
        homes.insert(first.text());
    }
    assert!(homes.len() > 1, "{homes:?}");
}

#[test]
fn rules_of_one_host_do_not_undo_each_others_cookies() {
    let targets = [named(), named(), named(), named()];
    let [a, b, c, d] = targets.each_ref();
    let groups = [group("web", &[a, b], STICKY), group("api", &[c, d], STICKY)];
    let yaml = file(&groups, "web").replace(
        "    rules:\n",
        "    rules:\n      - { name: api, public: true, conditions: { path_pattern: ['/api/*'] }, \
         forward: api }\n",
    );
    let gateway = Gateway::start(&yaml);
    let mut browser = Browser::default();
    let homes = (browser.get(&gateway, "/").text(), browser.get(&gateway, "/api/1").text());
    for _ in 0..4 {
        assert_eq!(browser.get(&gateway, "/").text(), homes.0);
        assert_eq!(browser.get(&gateway, "/api/1").text(), homes.1);
    }
}
