//! What a person reads.

use insta::assert_snapshot;

use super::{bad, good};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::{render, to_json};

fn shown(text: &str) -> String {
    bad(text).render(false)
}

#[test]
fn a_dangling_name_shows_the_line_and_what_was_meant() {
    let text = super::GOOD.replace("forward: orders", "forward: ordres");
    assert_snapshot!(shown(&text), @r#"
    error[unknown-target-group]: unknown target group `ordres`
      --> routes.yaml:12:18
       |
    12 |         forward: ordres
       |                  ^^^^^^
       |
       = help: did you mean `orders`?
    "#);
}

#[test]
fn an_unknown_key_shows_the_one_that_was_meant() {
    let text = super::GOOD.replace("[main] }", "[main], scpoes: [orders/read] }");
    assert_snapshot!(shown(&text), @r#"
    error[unknown-key]: unknown key `scpoes`
      --> routes.yaml:11:47
       |
    11 |         jwt_validation: { user_pools: [main], scpoes: [orders/read] }
       |                                               ^^^^^^
       |
       = help: did you mean `scopes`?
    "#);
}

#[test]
fn a_bare_star_is_explained() {
    let text = super::GOOD.replace("path_pattern: [/orders/*]", "host_header: [*.example.com]");
    assert_snapshot!(shown(&text), @r#"
    error[unquoted-star]: `*.example.com` is an alias to YAML, since it begins with `*`
      --> routes.yaml:10:37
       |
    10 |         conditions: { host_header: [*.example.com] }
       |                                     ^^^^^^^^^^^^^
       |
       = help: put it in quotes: "*.example.com"
    "#);
}

#[test]
fn a_plain_secret_is_refused_and_not_shown() {
    assert_snapshot!(shown("admin: { token: hunter2-hunter2 }\n"), @r#"
    error[plaintext-secret]: a secret stands here in plain text
     --> routes.yaml:1:17
      |
    1 | admin: { token: *************** }
      |                 ^^^^^^^^^^^^^^^
      |
      = help: write `${env:NAME}` or `${file:PATH}`, and change the secret: it was in a file
    "#);
}

#[test]
fn a_keyword_that_became_a_comment_is_explained() {
    let text = "listeners:\n  a:\n    address: 127.0.0.1:80\n    default_action:\n      redirect:\n        \
                host: #{host}\n        status_code: 301\n";
    assert_snapshot!(shown(text), @r##"
    error[wrong-type]: expected text, found nothing
     --> routes.yaml:6:9
      |
    6 |         host: #{host}
      |         ^^^^
      |
      = help: `#` begins a comment in YAML; put the text in quotes: "#{...}"
    "##);
}

#[test]
fn another_place_that_matters_is_shown_too() {
    let text = "\
user_pools:
  a: { issuer: 'https://a.example', audiences: [x] }
  b:
    issuer: 'https://a.example'
    audiences: [y]
";
    assert_snapshot!(shown(text), @r#"
    error[shared-issuer]: the pools `a` and `b` share the issuer `https://a.example`
     --> routes.yaml:4:13
      |
    4 |     issuer: 'https://a.example'
      |             ^^^^^^^^^^^^^^^^^^^
      |
     ::: routes.yaml:2:16
      |
    2 |   a: { issuer: 'https://a.example', audiences: [x] }
      |                ------------------- first given here
      |
      = help: a token's issuer must say which pool judges it; make them one pool
    "#);
}

#[test]
fn an_error_of_the_parser_has_its_place() {
    assert_snapshot!(shown("admin: { token: ${env:TOKEN} }\n"), @r#"
    error[syntax]: while parsing a flow mapping, did not find expected ',' or '}'
     --> routes.yaml:1:18
      |
    1 | admin: { token: ${env:TOKEN} }
      |                  ^
      |
      = help: inside {...} or [...] put `${...}` in quotes: "${...}"
    "#);
    assert_snapshot!(shown("admin:\n\taddress: 127.0.0.1:1\n"), @r#"
    error[syntax]: tabs disallowed within this context (block indentation)
     --> routes.yaml:2:2
      |
    2 |  address: 127.0.0.1:1
      |  ^
      |
      = help: indent with spaces
    "#);
}

#[test]
fn wide_characters_do_not_move_the_caret() {
    assert_snapshot!(shown("claim_headers: { x-ü: sub }\n"), @r#"
    error[invalid-claim-header]: this is not a header name
     --> routes.yaml:1:18
      |
    1 | claim_headers: { x-ü: sub }
      |                  ^^^
      |
      = help: letters, digits and `-`
    "#);
}

#[test]
fn no_secret_is_ever_shown() {
    const SECRET: &str = "S3CR3T";
    for text in [
        "admin: { token: S3CR3T }\n",
        "admin: { token: S3CR3T, adress: x }\n",
        "admin: { tokne: S3CR3T }\n",
        "admin: { token: 'S3CR3T\n",
        "admin:\n  token: |\n    S3CR3T\n",
        "admin:\n  token: >-\n    S3CR3T\n    S3CR3T\n  x: y\n",
        "admin: { token: \"S3CR3T\" \"x\" }\n",
        "admin: { token: S3CR3T }: x\n",
        "admin: { token: [S3CR3T] }\n",
        "admin: { token: { a: S3CR3T } }\n",
        "admin: { token: ${env:X} S3CR3T }\n",
        "listeners: { a: { client_secret: S3CR3T } }\n",
        "user_pools: { a: { client_secret: S3CR3T, client_id: x } }\n",
        "user_pools: { a: { clientSecret: S3CR3T, user_pool_id: 5 } }\n",
        "development_user_pool: { users: { a: { password: S3CR3T, x: 1 } } }\n",
        "development_user_pool: { users: { a: { passwort: S3CR3T } } }\n",
        "development_user_pool: { clients: { a: { client_secret: S3CR3T } } }\n",
    ] {
        let report = bad(text);
        let all = format!(
            "{}{}{}",
            report.render(false),
            report.render(true),
            to_json(&report.source, &report.findings)
        );
        assert!(!all.contains(SECRET), "{text}\n{all}");
    }
}

#[test]
fn findings_of_others_are_rendered_over_the_same_source() {
    let loaded = good(super::GOOD);
    let rule = loaded.config.listeners[0].rules[0].span;
    let finding = Diagnostic::error("unreachable-rule", rule, "this rule is never tried")
        .related(loaded.config.listeners[0].span, "its listener")
        .help("move it up");
    assert_snapshot!(render(&loaded.source, &[finding], false), @r#"
    error[unreachable-rule]: this rule is never tried
     --> routes.yaml:9:15
      |
    9 |       - name: orders
      |               ^^^^^^
      |
     ::: routes.yaml:6:3
      |
    6 |   public:
      |   ------ its listener
      |
      = help: move it up
    "#);
    let nowhere = Diagnostic::warning("of-the-file", Span::default(), "something about the file");
    assert_snapshot!(render(&loaded.source, &[nowhere], false), @r#"
    warning[of-the-file]: something about the file
    --> routes.yaml
    "#);
}

#[test]
fn a_program_reads_places_from_one() {
    let report = bad("claim_headers: { x-ü: sub }\n");
    let finding = &to_json(&report.source, &report.findings)[0];
    let numbers =
        ["line", "column", "endLine", "endColumn"].map(|key| finding[key].as_u64().unwrap());
    assert_eq!(numbers, [1, 18, 1, 21]);
    assert_eq!(finding["code"], "invalid-claim-header");
    assert_eq!(finding["file"], "routes.yaml");
}
