//! Alerts and the guide for those whom they wake: each alert has its section, and its test.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What follows `start` on the lines that begin with it.
fn after<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(start)).collect()
}

fn alerts(text: &str) -> BTreeSet<&str> {
    let names = after(text, "- alert: ");
    let set: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), set.len(), "an alert is there twice");
    assert!(!set.is_empty());
    set
}

#[test]
fn each_alert_has_its_section_and_each_section_its_alert() {
    let (rules, guide) = (read("deploy/prometheus/alerts.yaml"), read("docs/incidents.md"));
    let sections: BTreeSet<&str> = after(&guide, "## ").into_iter().collect();
    assert_eq!(alerts(&rules), sections);
    for section in guide.split("\n## ").skip(1) {
        for part in ["**Means.** ", "**Look at.** ", "**Do.** "] {
            assert_eq!(section.matches(part).count(), 1, "{part} of {section}");
        }
    }
}

#[test]
fn each_alert_links_to_its_own_section_and_says_what_to_do() {
    let rules = read("deploy/prometheus/alerts.yaml");
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        let wanted = format!("docs/incidents.md#{}", name.to_lowercase());
        assert_eq!(after(rule, "runbook_url: "), [wanted.as_str()]);
        for part in ["summary: ", "description: ", "labels: { severity: "] {
            assert_eq!(after(rule, part).len(), 1, "{part} of {name}");
        }
    }
}

#[test]
fn each_alert_is_tested_to_fire_and_to_be_quiet() {
    let (rules, tests) =
        (read("deploy/prometheus/alerts.yaml"), read("deploy/prometheus/alerts_test.yaml"));
    let tested: BTreeSet<&str> = after(&tests, "- name: ").into_iter().collect();
    let wanted: BTreeSet<String> = alerts(&rules)
        .iter()
        .flat_map(|name| [format!("{name} fires"), format!("{name} is quiet")])
        .collect();
    assert_eq!(tested, wanted.iter().map(String::as_str).collect());
}
