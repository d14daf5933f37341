use super::*;

const OPEN: &str = "\
target_groups: { web: { targets: [127.0.0.1:1] } }
listeners:
  public:
    address: 127.0.0.1:8080
    path: { encoded_slash: keep }
    default_action: { public: true, forward: web }
";

fn reviewed(text: &str, json: bool, least: MinSeverity) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, text).unwrap();
    let options = Options { json, portable: true, ..Options::default() };
    let mut out = Vec::new();
    let lints = |loaded: &Loaded| crate::check::judge(&loaded.config);
    let code = run(&file, options, least, lints, &mut out).unwrap();
    let folder = folder.path().display().to_string();
    (code, String::from_utf8(out).unwrap().replace(&folder, ""))
}

fn accepting(entries: &str) -> String {
    format!("{OPEN}accepted_risks: [{entries}]\n")
}

#[test]
fn a_finding_is_shown_with_its_level_code_place_and_advice() {
    let (code, text) = reviewed(OPEN, false, MinSeverity::Medium);
    assert_eq!(code, 1);
    assert!(text.contains("medium[encoded-slash-kept]: "), "{text}");
    assert!(text.contains("--> /routes.yaml:3:3"), "{text}");
    assert!(text.contains("help: leave `encoded_slash` out"), "{text}");
    assert!(text.find("medium[") < text.find("low[public-forward]"), "{text}");
    let last = "/routes.yaml: 0 high, 1 medium, 1 low, 0 accepted; 1 to mend or to accept under \
                `accepted_risks`\n";
    assert!(text.ends_with(last), "{text}");
}

#[test]
fn the_threshold_says_what_fails() {
    assert_eq!(reviewed(OPEN, false, MinSeverity::High).0, 0);
    assert_eq!(reviewed(OPEN, false, MinSeverity::Medium).0, 1);
    let accepted = accepting("{ code: encoded-slash-kept, reason: the target wants it }");
    let (code, text) = reviewed(&accepted, false, MinSeverity::Medium);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains(
            "accepted[encoded-slash-kept] at `public`, /routes.yaml:3: the target wants it"
        ),
        "{text}"
    );
    assert!(text.ends_with("0 high, 0 medium, 1 low, 1 accepted; good\n"), "{text}");
    assert_eq!(reviewed(&accepted, false, MinSeverity::Low).0, 1);
}

#[test]
fn json_has_the_shape_of_the_ordinary_check_and_says_what_is_accepted() {
    let accepted = accepting("{ code: public-forward, where: default, reason: a shop window }");
    let (code, text) = reviewed(&accepted, true, MinSeverity::Medium);
    assert_eq!(code, 1);
    let json: Value = serde_json::from_str(&text).unwrap();
    let (open, known) = (&json[0], &json[1]);
    assert_eq!(open["code"], "encoded-slash-kept");
    assert_eq!((&open["severity"], &open["accepted"]), (&json!("medium"), &json!(false)));
    assert_eq!((&open["line"], &open["where"]), (&json!(3), &json!("public")));
    assert_eq!((&known["accepted"], &known["reason"]), (&json!(true), &json!("a shop window")));
    assert_eq!(known["where"], "public/default");
    assert!(json.get(2).is_none(), "{json}");
}

#[test]
fn a_wrong_file_fails_whatever_the_threshold_and_is_not_reviewed() {
    let (code, text) = reviewed("listners: {}\n", false, MinSeverity::High);
    assert_eq!(code, 1);
    assert!(text.contains("error[unknown-key]"), "{text}");
    assert!(text.ends_with("/routes.yaml: 1 error; not reviewed\n"), "{text}");
    let (code, text) = reviewed("listners: {}\n", true, MinSeverity::High);
    assert_eq!(code, 1);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()[0]["severity"], "error");
}
