//! `portcullis test`: what passes, what fails, and how it is told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::process::{PATIENCE, portcullis};

const FILE: &str = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: orders
        conditions: { path_pattern: [/orders/*] }
        jwt_validation: { user_pools: [customers], scopes: [orders/read] }
        forward: orders
    default_action: { fixed_response: { status_code: 404 } }
"#;

const TESTS: &str = "\
tests:
  - name: the way in
    request: GET /orders/1
    as: { claims: { scope: orders/read } }
    expect: { rule: orders, target_group: orders }
  - name: nowhere
    request: GET /
    expect: { status: 404 }
";

struct Files(TempDir);

impl Files {
    fn new(file: &str, tests: Option<&str>) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("routes.yaml"), file).expect("written");
        if let Some(tests) = tests {
            fs::write(folder.path().join("routes.test.yaml"), tests).expect("written");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn test(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let file = self.path("routes.yaml").display().to_string();
        let output = portcullis(&[&["test", file.as_str()], arguments].concat());
        (output.status.code(), said(&output))
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn what_is_as_expected_ends_with_code_0_and_what_is_not_with_code_1() {
    let files = Files::new(FILE, Some(TESTS));
    let (code, said) = files.test(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 passed, 0 failed; 2 of 2 rules reached"), "{said}");
    assert!(said.contains("refused nobody") && said.contains("public / orders"), "{said}");
    let open = FILE.replace(
        "jwt_validation: { user_pools: [customers], scopes: [orders/read] }",
        "public: true",
    );
    let demanding = FILE.replace("[orders/read]", "[orders/write]");
    for (file, expected) in [(open, 0), (demanding, 1)] {
        let (code, said) = Files::new(&file, Some(TESTS)).test(&[]);
        assert_eq!(code, Some(expected), "{said}");
    }
    let wrong = TESTS.replace("status: 404", "status: 403");
    let (code, said) = Files::new(FILE, Some(&wrong)).test(&[]);
    assert_eq!(code, Some(1));
    assert!(said.contains("FAILED  nowhere") && said.contains("routes.test.yaml:6:5"), "{said}");
    assert!(said.contains("status: expected 403, got answered 404 (fixed_response)"), "{said}");
    assert!(!said.contains("FAILED  the way in") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn mistakes_in_tests_are_told_with_their_place() {
    for (tests, place) in [
        ("tests:\n  - { request: GET /, expect: { rule: ordres } }\n", "routes.test.yaml:2:39"),
        ("tests:\n  - { request: GET /, expect: { reason: x } }\n", "routes.test.yaml:2:41"),
        ("tests:\n  - { request: GET /, expext: {} }\n", "routes.test.yaml:2:23"),
        ("tests: [\n", "routes.test.yaml:"),
    ] {
        let (code, said) = Files::new(FILE, Some(tests)).test(&[]);
        assert_eq!(code, Some(1), "{tests}: {said}");
        assert!(said.contains(place), "{place}: {said}");
    }
    let (code, said) = Files::new(FILE, None).test(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("routes.test.yaml"), "{said}");
    let (code, said) = Files::new("listeners: 1\n", Some(TESTS)).test(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("routes.yaml:1:"), "{said}");
}

#[test]
fn tests_may_stand_in_the_file_itself_but_not_in_two_places() {
    let inside = format!("{FILE}{TESTS}");
    let files = Files::new(&inside, None);
    let (code, said) = files.test(&["--verbose"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ok      the way in"), "{said}");
    let (code, said) = Files::new(&inside, Some(TESTS)).test(&[]);
    assert_eq!(code, Some(2), "{said}");
    let unknown = inside.replace("status: 404 }\n", "status: 404, reason: nonsense }\n");
    let files = Files::new(&unknown, None);
    let file = files.path("routes.yaml").display().to_string();
    let output = portcullis(&["check", "--portable", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", self::said(&output));
}

#[test]
fn a_run_may_be_narrowed_and_must_then_still_run_something() {
    let files = Files::new(FILE, Some(TESTS));
    let (code, said) = files.test(&["--filter", "way"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(files.test(&["--filter", "no such test"]).0, Some(2));
    assert_eq!(files.test(&["--min-coverage", "100"]).0, Some(0));
    let nowhere = &TESTS[TESTS.find("  - name: nowhere").expect("a test")..];
    let (code, said) =
        Files::new(FILE, Some(&format!("tests:\n{nowhere}"))).test(&["--min-coverage", "51"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("50 % reached, 51 % wanted"), "{said}");
}

#[test]
fn results_are_written_for_ci_servers() {
    let files = Files::new(FILE, Some(&TESTS.replace("status: 404", "status: 403")));
    let junit = files.path("results.xml");
    let (code, _) = files.test(&["--junit", &junit.display().to_string()]);
    assert_eq!(code, Some(1));
    let xml = fs::read_to_string(junit).expect("written");
    assert!(xml.contains("tests=\"2\" failures=\"1\""), "{xml}");
    assert!(xml.contains("name=\"the way in\""), "{xml}");
    assert_eq!(files.test(&["--junit", "/nowhere/at/all.xml"]).0, Some(1));
}

#[test]
fn a_program_reads_results_as_json() {
    let files = Files::new(FILE, Some(&TESTS.replace("status: 404", "status: 403")));
    let json = |files: &Files, options: &[&str]| {
        let (code, said) = files.test(&[&["--json"], options].concat());
        (
            code,
            serde_json::from_str::<serde_json::Value>(&said).unwrap_or_else(|_| panic!("{said}")),
        )
    };
    let (code, told) = json(&files, &[]);
    assert_eq!((code, &told["good"], &told["failed"]), (Some(1), &false.into(), &1.into()));
    let wrong = &told["tests"][1]["failures"][0];
    assert_eq!(wrong["mismatches"][0]["what"], "status", "{wrong:#}");
    assert_eq!(wrong["explanation"]["rule"], "default", "{wrong:#}");
    assert_eq!(told["coverage"]["rules"][0]["protected"], true, "{told:#}");
    assert!(told["coverage"]["rules"][0]["at"].as_str().expect("text").ends_with("routes.yaml:10"));
    let (code, told) = json(&Files::new(FILE, Some(TESTS)), &["--mutate"]);
    assert_eq!(code, Some(1));
    let survivors = told["mutation"]["survivors"].as_array().expect("a list");
    let asked = |one: &serde_json::Value| one["what"].to_string().contains("asked nobody");
    assert!(survivors.iter().any(asked), "{told:#}");
}

#[test]
fn what_could_be_weakened_unnoticed_is_told() {
    let files = Files::new(FILE, Some(TESTS));
    let (code, said) = files.test(&["--mutate"]);
    assert_eq!(code, Some(1), "{said}");
    for line in ["asked nobody who is calling", "demanded no scopes"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("took any path"), "{said}");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/samples/route-tests.yaml");
    let output = portcullis(&["test", "--mutate", &sample.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", self::said(&output));
}

#[test]
fn routes_of_apis_are_counted_and_weakened_too() {
    let file = r#"
user_pools:
  customers: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [web] }
target_groups:
  orders: { targets: ["127.0.0.1:1"] }
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - { name: shop, conditions: { path_pattern: [/shop/*] }, api: shop }
    default_action: { fixed_response: { status_code: 404 } }
apis:
  shop:
    type: http
    base_path: /shop
    authorizers: { main: { jwt: { user_pool: customers } } }
    routes:
      GET /orders/{id}: { authorizer: main, integration: { target_group: orders } }
      GET /health: { authorizer: none, integration: { target_group: orders } }
"#;
    let tests = "\
tests:
  - request: GET /shop/orders/1
    as: { claims: {} }
    expect: { route: 'GET /orders/{id}', target_group: orders }
  - { request: GET /, expect: { status: 404 } }
";
    let files = Files::new(file, Some(tests));
    let (code, said) = files.test(&["--min-coverage", "76"]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "routes that no test reached:\n  shop / GET /health  (line 19)",
        "protected routes that refused nobody in any test:\n  shop / GET /orders/{id}  (line 18)",
        "2 of 2 rules and 1 of 2 routes reached",
        "too few rules and routes: 75 % reached, 76 % wanted",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let (code, said) = files.test(&["--mutate"]);
    assert_eq!(code, Some(1), "{said}");
    let told = "route `GET /orders/{id}` of API `shop` asked nobody who is calling";
    assert!(said.contains(told), "{said}");
    assert!(said.contains("routes.yaml:18)"), "{said}");
    assert!(!said.contains("`GET /orders/{id}` of API `shop` were not there"), "{said}");
    let wrong = tests.replace("GET /orders/{id}'", "GET /health'");
    let (code, said) = Files::new(file, Some(&wrong)).test(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("route: expected GET /health, got GET /orders/{id}"), "{said}");
}

#[test]
fn what_is_no_file_of_tests_is_refused_soon_and_without_a_panic() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let deep = format!(
        "tests: [{{ request: GET /, as: {{ claims: {{ a: {}{} }} }}, expect: {{ status: 200 }} }}]",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let many = format!("tests:\n{}", "  - { nonsense: 1 }\n".repeat(20_000));
    for tests in [bomb.as_str(), &deep, &many, "\u{0}", "- [", "tests: &a [*a]"] {
        let files = Files::new(FILE, Some(tests));
        let begun = Instant::now();
        let (code, said) = files.test(&[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(!said.contains("panic") && !said.is_empty() && said.len() < 64 * 1024);
        assert!(begun.elapsed() < PATIENCE);
    }
    let files = Files::new(FILE, Some(TESTS));
    for path in ["/dev/zero", "/nowhere", "/"] {
        assert_eq!(files.test(&["--tests", path]).0, Some(1), "{path}");
    }
}
