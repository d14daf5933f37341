//! What a file accepts, and how it may be wrong about it.

use super::*;

fn file(accepted: &str) -> String {
    let listener = listener(LOCAL, "path: { encoded_slash: keep },", PUBLIC);
    format!("{listener}accepted_risks: [{accepted}]\n")
}

fn refused(accepted: &str) -> (&'static str, String) {
    let report = parse_portable(&file(accepted), "routes.yaml").unwrap_err();
    let [finding] = report.findings.as_slice() else { panic!("{report}") };
    assert_eq!(finding.span.line, 3, "{report}");
    (finding.code, finding.help.clone().unwrap_or_default())
}

#[test]
fn an_accepted_risk_is_no_longer_open_and_keeps_its_reason() {
    for place in ["", "where: public,"] {
        let text = file(&format!("{{ code: encoded-slash-kept, {place} reason: known }}"));
        let review = reviewed(&text);
        let open: Vec<_> = review.open.iter().map(|finding| finding.risk).collect();
        assert_eq!(open, [Risk::PublicForward]);
        let [(finding, reason)] = review.accepted.as_slice() else { panic!("{review:?}") };
        assert_eq!((finding.risk, reason.as_str()), (Risk::EncodedSlashKept, "known"));
        assert_eq!((review.count(Level::Medium), review.count(Level::Low)), (0, 1));
    }
}

#[test]
fn a_rule_is_named_alone_or_with_its_listener_or_by_its_listener() {
    for place in ["default", "public/default", "public"] {
        let text = file(&format!("{{ code: public-forward, where: {place}, reason: known }}"));
        assert_eq!(found(&text), [("encoded-slash-kept", "public".to_owned())], "{place}");
    }
}

#[test]
fn a_name_that_begins_alike_is_another_place() {
    let text = file("{ code: public-forward, where: public, reason: known }")
        .replace("where: public", "where: pub")
        .replace("target_groups: {", "target_groups: { pub: { targets: [] },");
    assert!(found(&text).contains(&("public-forward", "public/default".to_owned())));
    assert!(found(&text).contains(&("stale-acceptance", "pub".to_owned())));
}

#[test]
fn what_accepts_nothing_is_a_finding_itself() {
    let stale = file("{ code: desync-monitored, reason: known }");
    let elsewhere = file("{ code: encoded-slash-kept, where: web, reason: known }");
    let mended = file("{ code: encoded-slash-kept, reason: known }");
    found_until_mended("stale-acceptance", "", &stale, &mended);
    found_until_mended("stale-acceptance", "web", &elsewhere, &mended);
    let itself =
        file("{ code: stale-acceptance, reason: no }, { code: desync-monitored, reason: no }");
    assert_eq!(reviewed(&itself).count(Level::Medium), 3);
}

#[test]
fn what_a_portable_review_cannot_see_is_not_called_stale() {
    let text = file("{ code: writable-file, reason: a shared folder }");
    assert!(found(&text).iter().all(|(code, _)| *code != "stale-acceptance"));
    let loaded = parse_portable(&text, "routes.yaml").unwrap();
    let whole = review(&loaded, Vec::new(), false).open;
    assert!(whole.iter().any(|finding| finding.risk == Risk::StaleAcceptance));
}

#[test]
fn an_unknown_code_is_an_error_that_knows_what_was_meant() {
    let (code, help) = refused("{ code: encoded-slash-kep, reason: known }");
    assert_eq!((code, help.as_str()), ("unknown-risk", "did you mean `encoded-slash-kept`?"));
    let (code, help) = refused("{ code: weather, reason: known }");
    assert_eq!(code, "unknown-risk");
    assert!(help.contains("--security"), "{help}");
}

#[test]
fn an_entry_without_a_code_a_reason_or_a_place_that_exists_is_an_error() {
    assert_eq!(refused("{ code: no-pkce }").0, "missing-key");
    assert_eq!(refused("{ reason: known }").0, "missing-key");
    assert_eq!(refused("{ code: no-pkce, reason: '  ' }").0, "invalid-value");
    assert_eq!(refused(r#"{ code: no-pkce, reason: "a\e[2J" }"#).0, "invalid-value");
    assert_eq!(refused("{ code: no-pkce, reason: a, because: b }").0, "unknown-key");
    let (code, help) = refused("{ code: no-pkce, where: publik, reason: known }");
    assert_eq!((code, help.as_str()), ("unknown-name", "did you mean `public`?"));
    let twice = "{ code: no-pkce, reason: a }, { code: no-pkce, reason: b }";
    assert_eq!(refused(twice).0, "duplicate-value");
    assert_eq!(refused("").0, "empty-list");
}

#[test]
fn a_name_of_several_rules_accepts_none_of_them() {
    let text = file("{ code: public-forward, where: default, reason: known }").replace(
        "listeners: {",
        "listeners: { other: { address: '127.0.0.1:8081', default_action: { public: true, forward: web } },",
    );
    let report = parse_portable(&text, "routes.yaml").unwrap_err();
    assert_eq!(report.findings[0].code, "ambiguous-name");
    let help = report.findings[0].help.as_deref();
    assert_eq!(help, Some("write `other/default` or `public/default`"));
}
