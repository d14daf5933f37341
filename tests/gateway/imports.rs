//! `portcullis import`: definitions with the structure of public ones, from file to passing tests.
//!
//! JSON has no comments: `services.terraform.json` is a plan of three services behind one load
//! balancer, as many tutorials of ECS have it; `cdn.terraform.json` is a state of a load balancer
//! that only a CDN which knows a header's value may use. `sign-in.elbv2.json` has the rules that
//! Terraform's documentation of listener rules shows, `tokens.elbv2.json` what is newer there;
//! `contacts.apigateway.json` is an HTTP API in front of a function and services,
//! `storage.apigateway.json` a REST API behind a VPC link, with each way to guard a method, and
//! `export.apigateway.json` an OpenAPI export.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::support::process::portcullis;

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn ran(arguments: &[&str]) -> String {
    let output = portcullis(arguments);
    assert!(output.status.success(), "{arguments:?}\n{}", told(&output));
    told(&output)
}

/// Imports one; gives the folder of what came of it.
fn imported(kind: &str, name: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/imports").join(name);
    let source = source.to_string_lossy();
    let (routes, report) = (at("routes.yaml"), at("import.md"));
    ran(&["import", kind, &source, "--output", &routes, "--report", &report]);
    ran(&["check", "--portable", &routes]);
    folder
}

fn text(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("a file")
}

#[test]
fn every_definition_becomes_a_file_that_is_right_and_tests_that_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/imports");
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path()).collect();
    all.sort_unstable();
    assert!(all.len() >= 10);
    for path in all {
        let name = path.file_name().expect("a name").to_string_lossy();
        let kind = name.split('.').nth(1).expect("NAME.KIND.ENDING");
        let folder = imported(kind, &name);
        let routes = folder.path().join("routes.yaml").to_string_lossy().into_owned();
        let told = ran(&["test", &routes, "--min-coverage", "100"]);
        assert!(told.contains(" 0 failed"), "{name}: {told}");
        let tests = text(&folder, "routes.test.yaml");
        assert!(!tests.contains("Not tested"), "{name}: {tests}");
    }
}

#[test]
fn an_import_of_terraform_tells_what_is_to_be_filled_in_by_its_address() {
    let folder = imported("terraform", "services.terraform.json");
    let routes = text(&folder, "routes.yaml");
    for group in ["people", "costs", "leave"] {
        assert!(routes.contains(&format!("# aws_lb_listener_rule.{group}")), "{routes}");
        assert!(routes.contains(&format!("forward: prod-{group}-tg")), "{routes}");
    }
    assert!(text(&folder, "import.md").contains("without them it answers 503"));
}

#[test]
fn what_guards_a_rest_api_guards_it_here_and_nobody_comes_in_before_it_is_filled_in() {
    let folder = imported("apigateway", "storage.apigateway.json");
    let tests = text(&folder, "routes.test.yaml");
    for (path, status) in [("GET /v1/bags", 403), ("POST /v1/batch", 403), ("GET /v1/secured", 401)]
    {
        let closed = format!("request: {path}\n    expect: {{ rule: default, status: {status} }}");
        assert!(tests.contains(&closed), "{path}: {tests}");
    }
    let report = text(&folder, "import.md");
    for word in
        ["`API_KEY_WORKFLOW`", "the function `Authorizer`", "`aws_credentials`", "POST /login"]
    {
        assert!(report.contains(word), "{word}: {report}");
    }
}

#[test]
fn a_program_reads_the_report_as_json() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/gateway/imports/storage.apigateway.json")
        .to_string_lossy()
        .into_owned();
    let output = portcullis(&["import", "apigateway", &source, "--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = said.rsplit_once("]\n").map_or("", |(list, _)| list).to_owned() + "]";
    let report: serde_json::Value =
        serde_json::from_str(&report).unwrap_or_else(|_| panic!("{said}"));
    let kinds: Vec<_> = report.as_array().expect("a list").iter().map(|n| &n["kind"]).collect();
    assert!(kinds.contains(&&"to_do".into()) && kinds.contains(&&"dropped".into()), "{said}");
}

#[test]
fn an_ingress_that_signs_people_in_does_so_on_https_and_redirects_http_only() {
    let folder = imported("ingress", "cognito.ingress.yaml");
    let routes = text(&folder, "routes.yaml");
    let (http, https) = routes.split_once("\n  https:").expect("two listeners");
    assert!(http.contains("protocol: HTTPS") && !https.contains("protocol: HTTPS"), "{routes}");
    assert!(https.contains("authenticate_cognito:"), "{routes}");
    assert!(!https.contains("public: true"), "{routes}");
}

#[test]
fn files_that_exist_are_kept_and_folders_that_hold_nothing_are_told() {
    let folder = imported("ingress", "grpc.ingress.yaml");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::remove_file(at("routes.yaml")).expect("removed");
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/imports/grpc.ingress.yaml");
    let source = source.to_string_lossy();
    // The tests beside it are left.
    let output = portcullis(&["import", "ingress", &source, "--output", &at("routes.yaml")]);
    assert!(!output.status.success());
    assert!(told(&output).contains("routes.test.yaml exists"), "{}", told(&output));
    let empty = TempDir::new().expect("a folder");
    let output = portcullis(&["import", "ingress", &empty.path().to_string_lossy()]);
    assert!(!output.status.success());
    assert!(told(&output).contains("no .json or .yaml or .yml file"), "{}", told(&output));
}

#[test]
fn a_rule_that_can_never_match_becomes_a_comment_and_is_told() {
    let folder = TempDir::new().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let arn = |kind: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:1:{kind}/app/edge/1/2");
    let fixed = |code: &str| serde_json::json!([{ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": code } }]);
    let rule = |number: u8, path: &str| {
        serde_json::json!({
            "RuleArn": format!("{}/{number}", arn("listener-rule")), "Priority": number.to_string(),
            "Conditions": [{ "Field": "path-pattern", "PathPatternConfig": { "Values": [path] } }],
            "Actions": fixed("503"),
        })
    };
    let listener = serde_json::json!({ "ListenerArn": arn("listener"), "Protocol": "HTTP", "Port": 80,
        "DefaultActions": fixed("404") });
    let documents = serde_json::json!([{ "Listeners": [listener] },
        { "Rules": [rule(1, "/a*"), rule(2, "/abc"), rule(3, "/b")] }]);
    fs::write(at("all.json"), documents.to_string()).expect("written");
    let (routes, report) = (at("routes.yaml"), at("import.md"));
    ran(&["import", "elbv2", &at("all.json"), "--output", &routes, "--report", &report]);
    ran(&["check", "--portable", &routes]);
    assert!(ran(&["test", &routes]).contains(" 0 failed"));
    let routes = text(&folder, "routes.yaml");
    assert!(routes.contains("      # - name: abc\n      #   priority: 2\n"), "{routes}");
    assert!(routes.contains("      - name: b\n"), "{routes}");
    let report = text(&folder, "import.md");
    assert!(report.contains("rule `abc` can never match: rule `a` in front of it"), "{report}");
}
