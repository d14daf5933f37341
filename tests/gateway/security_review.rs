//! `portcullis check --security`, as an operator or a pipeline runs it.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::process::portcullis;

const WEAK: &str = "\
target_groups: { web: { targets: [127.0.0.1:1] } }
listeners:
  public:
    address: 127.0.0.1:8080
    desync_mitigation_mode: monitor
    default_action: { public: true, forward: web }
";

fn review(text: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes.yaml");
    fs::write(&file, text).expect("written");
    let file = file.to_str().expect("UTF-8");
    let arguments = [&["check", "--security", "--portable"], more, &[file]].concat();
    portcullis(&arguments)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_review_fails_from_medium_on_until_the_risk_is_accepted() {
    let accepted =
        format!("{WEAK}accepted_risks: [{{ code: desync-monitored, reason: we are looking }}]\n");
    for (file, more, code) in [
        (WEAK, &[][..], 1),
        (WEAK, &["--min-severity", "high"], 0),
        (&accepted, &[], 0),
        (&accepted, &["--min-severity", "low"], 1),
    ] {
        let output = review(file, more);
        assert_eq!(output.status.code(), Some(code), "{more:?}: {}", text(&output));
    }
    let told = text(&review(&accepted, &[]));
    assert!(told.contains("accepted[desync-monitored] at `public`"), "{told}");
    assert!(told.contains("we are looking"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour but on a terminal: {told}");
}

#[test]
fn a_review_for_programs_has_codes_severities_and_places() {
    let output = review(WEAK, &["--json"]);
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let first = &findings[0];
    assert_eq!(first["code"], "desync-monitored");
    assert_eq!(first["severity"], "medium");
    assert_eq!(first["accepted"], false);
    assert_eq!((first["line"].as_u64(), first["where"].as_str()), (Some(3), Some("public")));
    assert_eq!(findings[1]["severity"], "low");
}

#[test]
fn a_stale_acceptance_fails_the_review_and_an_unknown_code_every_check() {
    let stale = format!("{WEAK}accepted_risks: [{{ code: no-pkce, reason: an old pool }}]\n");
    let output = review(&stale, &["--min-severity", "medium"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("medium[stale-acceptance]"), "{}", text(&output));

    let unknown = format!("{WEAK}accepted_risks: [{{ code: no-pkec, reason: an old pool }}]\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes.yaml");
    fs::write(&file, unknown).expect("written");
    let output = portcullis(&["check", file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("did you mean `no-pkce`?"), "{}", text(&output));
}

#[test]
fn options_of_a_review_are_refused_without_one() {
    for arguments in [
        &["check", "--min-severity", "low", "routes.yaml"][..],
        &["check", "--security", "--strict", "routes.yaml"],
        &["check", "--security", "--min-severity", "worst", "routes.yaml"],
    ] {
        assert_eq!(portcullis(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn no_sample_has_a_finding_of_high_severity_and_the_one_about_reviews_has_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples");
    for entry in fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let name = path.to_str().expect("UTF-8");
        if name.ends_with(".test.yaml") {
            continue;
        }
        let least = if name.ends_with("accepted-risks.yaml") { "low" } else { "high" };
        let output =
            portcullis(&["check", "--security", "--portable", "--min-severity", least, name]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn an_accepted_warning_is_one_line_of_the_ordinary_check_and_does_not_fail_it() {
    let open = WEAK.replace("public: true, ", "");
    let check = |text: &str, more: &[&str]| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("routes.yaml");
        fs::write(&file, text).expect("written");
        let file = file.to_str().expect("UTF-8");
        portcullis(&[&["check", "--portable", "--strict"], more, &[file]].concat())
    };
    let output = check(&open, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("open-forward"));

    let accepted = |code: &str| {
        format!(
            "{open}accepted_risks: [{{ code: {code}, where: public, reason: a shop window }}]\n"
        )
    };
    let output = check(&accepted("open-forward"), &[]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("note: 1 accepted finding, see `check --security`"), "{told}");
    assert!(!told.contains("open-forward"), "{told}");
    let listed = text(&check(&accepted("open-forward"), &["--json"]));
    assert_eq!(listed.trim(), "[]");

    // What is accepted is one kind of finding, in one place.
    let elsewhere = accepted("open-forward").replace("where: public", "where: web");
    for other in [accepted("desync-monitored"), elsewhere] {
        let output = check(&other, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("open-forward"), "{}", text(&output));
    }
}
