use std::path::PathBuf;

use super::*;

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn checked(text: &str, options: Options) -> (i32, String) {
    let (folder, file) = written(text);
    let mut out = Vec::new();
    let code = run(&file, options, |_| Vec::new(), &mut out).unwrap();
    let folder = folder.path().display().to_string();
    (code, String::from_utf8(out).unwrap().replace(&folder, ""))
}

const GOOD: &str = "listeners: { a: { address: 127.0.0.1:8080 } }\n";
const WARNED: &str =
    "target_groups: { a: { targets: [] } }\nlisteners: { a: { address: 127.0.0.1:8080 } }\n";
const BAD: &str = "listners: {}\n";

#[test]
fn a_good_file_is_summed_up_in_one_line() {
    let (code, text) = checked(GOOD, Options::default());
    assert_eq!(code, 0);
    let expected = "note: no `state_directory`: key sets live in memory only\n\
                    /routes.yaml: good: 1 listener, 0 rules, 0 user pools, 0 target groups; \
                    0 errors, 0 warnings\n";
    assert_eq!(text, expected);
}

#[test]
fn what_absent_session_keys_mean_is_said_where_cookies_are_sealed() {
    let rules = "listeners: { a: { address: 127.0.0.1:8080, default_action: { public: true, ";
    let group = format!(
        "{rules}forward: g }} }} }}\ntarget_groups: {{ g: {{ targets: [], stickiness: {{}} }} }}\n"
    );
    let forward = format!(
        "{rules}forward: {{ target_groups: [g], stickiness: {{ duration: 1h }} }} }} }} }}\n\
         target_groups: {{ g: {{ targets: [] }} }}\n"
    );
    let portable = Options { portable: true, ..Options::default() };
    for sticky in [&group, &forward] {
        let (_, text) = checked(sticky, portable);
        assert!(
            text.contains(
                "note: no `session_keys`: cookies of stickiness and sign-in are good for this process only"
            ),
            "{text}"
        );
        let (_, text) = checked(&format!("state_directory: state\n{sticky}"), portable);
        assert!(
            text.contains(
                "note: no `session_keys`: cookies of stickiness and sign-in are good for this machine only"
            ),
            "{text}"
        );
        let (_, text) = checked(&format!("session_keys: ['${{file:a}}']\n{sticky}"), portable);
        assert!(!text.contains("session_keys"), "{text}");
    }
    assert!(!checked(GOOD, portable).1.contains("session_keys"));
}

#[test]
fn a_warning_fails_only_under_strict() {
    let (code, text) = checked(WARNED, Options::default());
    assert_eq!(code, 0);
    assert!(text.contains("warning[unused-target-group]"), "{text}");
    let (code, text) = checked(WARNED, Options { strict: true, ..Options::default() });
    assert_eq!(code, 1);
    assert!(text.ends_with("0 errors, 1 warning; refused, since --strict was given\n"), "{text}");
}

#[test]
fn an_error_fails_with_its_place() {
    let (code, text) = checked(BAD, Options::default());
    assert_eq!(code, 1);
    assert!(text.contains("--> /routes.yaml:1:1"), "{text}");
    assert!(text.ends_with("/routes.yaml: 1 error, 0 warnings\n"), "{text}");
}

#[test]
fn json_is_a_list_of_findings() {
    let (code, text) = checked(BAD, Options { json: true, ..Options::default() });
    assert_eq!(code, 1);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let finding = &json[0];
    assert_eq!(finding["code"], "unknown-key");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["file"], "/routes.yaml");
    assert_eq!((&finding["line"], &finding["column"]), (&1.into(), &1.into()));
    assert_eq!((&finding["endLine"], &finding["endColumn"]), (&1.into(), &9.into()));
    assert_eq!(finding["help"], "did you mean `listeners`?");
    let (code, text) = checked(GOOD, Options { json: true, ..Options::default() });
    assert_eq!((code, text.as_str()), (0, "[]\n"));
}

#[test]
fn lints_of_others_are_told_in_file_order() {
    let (_folder, file) = written(WARNED);
    let mut out = Vec::new();
    let lint = |loaded: &Loaded| {
        let config = &loaded.config;
        vec![Diagnostic::error("unreachable-rule", config.listeners[0].span, "never tried")]
    };
    let code = run(&file, Options::default(), lint, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(code, 1);
    assert!(text.find("unused-target-group") < text.find("unreachable-rule"), "{text}");
}

#[test]
fn a_missing_file_is_an_error_and_not_a_panic() {
    let mut out = Vec::new();
    let code = run(Path::new("/no/such/file.yaml"), Options::default(), |_| Vec::new(), &mut out);
    assert_eq!(code.unwrap(), 1);
    assert!(String::from_utf8(out).unwrap().contains("error[unreadable-file]"));
}

#[test]
fn portable_does_not_look_at_files() {
    let text = "listeners: { a: { address: 127.0.0.1:8443, tls: { certificates: \
                [{ certificate: none.pem, private_key: none.key }] } } }\n";
    assert_eq!(checked(text, Options::default()).0, 1);
    assert_eq!(checked(text, Options { portable: true, ..Options::default() }).0, 0);
}
