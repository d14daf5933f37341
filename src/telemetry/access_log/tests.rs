use std::fs;

use super::*;
use crate::clock::UnixMillis;
use crate::telemetry::trace::Ids;

fn to(json: Destination) -> Settings {
    Settings { json, alb: Destination::Off, load_balancer: "app/test/0".into() }
}

fn counter() -> IntCounter {
    IntCounter::new("test", "test").unwrap()
}

fn log(access_log: &AccessLog, path: &str) {
    let peer = "192.0.2.7:51234".parse().unwrap();
    let mut record = Record::new(UnixMillis(0), Ids::keyed([1, 2]).request_id(), "public", peer);
    record.path = path.as_bytes();
    access_log.log(&record, None);
}

fn paths(file: &std::path::Path) -> Vec<String> {
    let path = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["path"].as_str().unwrap().to_owned()
    };
    fs::read_to_string(file).unwrap().lines().map(path).collect()
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn lines_are_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let access_log = AccessLog::start(to(Destination::File(file.clone())), &counter()).unwrap();
    assert!(access_log.is_on());
    (0..1000).for_each(|i| log(&access_log, &format!("/{i}")));
    assert!(access_log.flush_and_stop(LONG));
    let expected: Vec<String> = (0..1000).map(|i| format!("/{i}")).collect();
    assert_eq!(paths(&file), expected);
}

#[test]
fn a_reload_keeps_the_writer_unless_the_destination_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = AccessLog::start(to(Destination::File(one.clone())), &counter()).unwrap();
    let same = first.carry_over(to(Destination::File(one.clone())), &counter()).unwrap();
    let other = same.carry_over(to(Destination::File(two.clone())), &counter()).unwrap();
    log(&first, "/first");
    log(&same, "/same");
    log(&other, "/other");
    assert!(first.flush_and_stop(LONG) && other.flush_and_stop(LONG));
    assert_eq!(paths(&one), ["/first", "/same"]);
    assert_eq!(paths(&two), ["/other"]);
    let bad = other.carry_over(to(Destination::File("/nowhere/log".into())), &counter());
    assert!(bad.is_err());
}

#[test]
fn off_is_off() {
    let access_log = AccessLog::start(to(Destination::Off), &counter()).unwrap();
    assert!(!access_log.is_on());
    log(&access_log, "/");
    assert!(access_log.flush_and_stop(Duration::ZERO));
}
