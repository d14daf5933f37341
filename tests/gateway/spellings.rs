//! Invariant: no request reaches a protected target without a verified identity, whatever its
//! spelling. What is judged is what is sent.

use crate::support::{Connection, Gateway, Issuer, Target};

fn file(issuer: &Issuer, target: &Target) -> String {
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         user_pools:\n{pool}\
         target_groups:\n  web: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n      \
         - name: admin\n        conditions: {{ path_pattern: [/admin, /admin/*] }}\n        \
         jwt_validation: {{ user_pools: [customers] }}\n        forward: web\n      \
         - name: everything-else\n        public: true\n        \
         conditions: {{ path_pattern: [/*] }}\n        forward: web\n",
        pool = issuer.pool("customers"),
        address = target.address(),
    )
}

fn status_of(gateway: &Gateway, target: &str) -> u16 {
    let mut connection = Connection::open(gateway.address());
    connection.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"));
    connection.try_read(false).unwrap_or_else(|| panic!("no answer to {target:?}")).status
}

#[test]
fn no_spelling_of_a_protected_path_gets_past_its_rule() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&file(&issuer, &target));
    for spelling in [
        "/admin",
        "/admin/x",
        "//admin/x",
        "/./admin/x",
        "/public/../admin/x",
        "/%61dmin/x",
        "/a%64min/x",
        "/admin//x",
        "/admin/%2e/x",
        "/public/%2e%2e/admin/x",
        "/public/.%2e/admin/x",
        "/public/..;/admin/x",
        "/public;a=b/../admin/x",
        "/admin;x/y",
        "/admin%2fx",
        "/public/..%2fadmin/x",
        "/public/%2e%2e%2fadmin/x",
        "/public\\..\\admin",
        "/public/..%5cadmin",
        "/public/%252e%252e/admin/x",
        "/admin%00/x",
        "/admin/%zz",
        "/../../admin/x",
        "http://a.test/admin/x",
        "/admin?x=/public",
        "/admin/x#/public",
        "/public/..%3b/admin/x",
        "/ａｄｍｉｎ/x",
    ] {
        let status = status_of(&gateway, spelling);
        assert!(matches!(status, 400 | 401), "{spelling:?} was answered {status}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn what_is_sent_is_what_was_judged() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&file(&issuer, &target));
    for (spelling, sent) in [
        ("/a/b", "/a/b"),
        ("//a///b/", "/a/b/"),
        ("/x/../a/./b", "/a/b"),
        ("/%7Euser/%c3%a9", "/~user/%C3%A9"),
        ("/a?b=%2F..%2f", "/a?b=%2F..%2f"),
        ("http://a.test/a?b", "/a?b"),
    ] {
        assert_eq!(status_of(&gateway, spelling), 200, "{spelling}");
        assert_eq!(target.next().target(), sent, "{spelling}");
    }
}
