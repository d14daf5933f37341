//! Hosts and URLs that targets get in place of those that clients sent (alb.md 6).

use crate::support::{Gateway, Target, eventually, wire};

/// A gateway whose rule for `/x/*` has these transforms, and whose log shows queries.
fn gateway(target: &Target, transforms: &str, more: &str) -> Gateway {
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\naccess_log: {{ query: true, alb: {{ destination: alb.log }} }}\n\
         target_groups:\n  all: {{ targets: [{address}] }}\nlisteners:\n  public:\n    address: 127.0.0.1:0\n{more}    \
         rules:\n      - name: x\n        public: true\n        conditions: {{ path_pattern: [/x/*] }}\n        \
         transforms: {{ {transforms} }}\n        forward: all\n      \
         - name: inner\n        conditions: {{ path_pattern: [/inner/*] }}\n        \
         fixed_response: {{ status_code: 403 }}\n",
        address = target.address(),
    ))
}

const PRODUCT: &str =
    r#"url_rewrite: { regex: "^/x/([A-Za-z0-9]+)/?$", replace: "/product.php?id=$1" }"#;

#[test]
fn a_url_is_rewritten_for_the_target_and_the_log_keeps_what_came() {
    let target = Target::start();
    let gateway = gateway(&target, PRODUCT, "");
    assert_eq!(wire::get(gateway.address(), "/x/B09").status, 200);
    assert_eq!(target.next().target(), "/product.php?id=B09");
    let log = gateway.wait_access_log(|lines| !lines.is_empty());
    assert_eq!(log[0]["path"], "/x/B09");
    assert_eq!(log[0]["transformed_uri"], "/product.php?id=B09");
    assert_eq!(log[0]["transform_status"], "TransformSuccess");
    assert_eq!(log[0]["action"], "forward");
    assert_eq!(wire::get(gateway.address(), "/x/B09?q=1").status, 200);
    assert_eq!(target.next().target(), "/x/B09?q=1", "the query is part of what is looked at");
}

#[test]
fn a_host_is_rewritten_where_the_expression_finds_it_and_else_stays() {
    let target = Target::start();
    let host = r#"host_header_rewrite: { regex: "^shop-(.+)\\.example$", replace: "$1.internal" }"#;
    for more in ["", "    preserve_host_header: true\n"] {
        let gateway = gateway(&target, host, more);
        for (sent, arrives) in [
            ("shop-blue.example", "blue.internal"),
            ("Shop-Blue.example:8080", "blue.internal:8080"),
            ("other.example", "other.example"),
        ] {
            let mut connection = wire::Connection::open(gateway.address());
            connection.send(format!("GET /x/1 HTTP/1.1\r\nHost: {sent}\r\n\r\n"));
            assert_eq!(connection.read().status, 200);
            let got = target.next();
            assert_eq!(got.values("host"), [arrives], "{sent}");
            assert_eq!(got.target(), "/x/1");
        }
    }
}

#[test]
fn what_could_not_have_come_in_is_not_sent() {
    for (transform, status) in [
        (r#"host_header_rewrite: { regex: ".*", replace: "a b" }"#, "TransformInvalidHost"),
        (r#"host_header_rewrite: { regex: ".*", replace: "a:81" }"#, "TransformInvalidHost"),
        (
            r#"url_rewrite: { regex: "^/x/.*$", replace: "http://evil.example/" }"#,
            "TransformInvalidPath",
        ),
        (r#"url_rewrite: { regex: "^/x/.*$", replace: "/%2e%2e/%2fetc" }"#, "TransformInvalidPath"),
        (r#"url_rewrite: { regex: "^/x/.*$", replace: "/a b" }"#, "TransformInvalidPath"),
        (
            r#"url_rewrite: { regex: "^(/x/.*)$", replace: "$1$1$1$1$1$1$1$1$1" }"#,
            "TransformBufferTooSmall",
        ),
    ] {
        let target = Target::start();
        let gateway = gateway(&target, transform, "");
        let answer = wire::get(gateway.address(), &format!("/x/{}", "y".repeat(3000)));
        assert_eq!(answer.status, 500, "{transform}");
        let log = gateway.wait_access_log(|lines| !lines.is_empty());
        assert_eq!(log[0]["transform_status"], status, "{transform}");
        assert_eq!(log[0]["reason"], "transform_failed");
        assert!(target.taken().is_empty(), "{transform}");
    }
}

#[test]
fn rules_see_what_came_and_dots_are_resolved_before_a_target_sees_them() {
    let target = Target::start();
    let gateway =
        gateway(&target, r#"url_rewrite: { regex: "^/x/(.*)$", replace: "/a/../inner/$1" }"#, "");
    assert_eq!(wire::get(gateway.address(), "/x/1").status, 200);
    assert_eq!(target.next().target(), "/inner/1");
    assert_eq!(wire::get(gateway.address(), "/inner/1").status, 403);
}

#[test]
fn a_failed_or_done_rewrite_stands_in_albs_fields() {
    let target = Target::start();
    let gateway = gateway(&target, PRODUCT, "");
    assert_eq!(wire::get(gateway.address(), "/x/B09").status, 200);
    let line = eventually("a line", || {
        let text = std::fs::read_to_string(gateway.folder().join("alb.log")).unwrap_or_default();
        text.lines().next().map(str::to_owned)
    });
    assert!(line.contains("\"rewrite,forward\""), "{line}");
    assert!(line.contains("\"-\" \"/product.php?id=B09\" \"TransformSuccess\""), "{line}");
    assert!(line.contains("/x/B09 HTTP/1.1\""), "{line}");
}
