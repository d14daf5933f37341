//! What the operator types, and what it says.

use std::net::TcpListener;

use crate::authorization::protected;
use crate::support::process::portcullis;
use crate::support::{Gateway, Issuer, Start, Target};

#[test]
fn a_taken_port_ends_it_with_code_1_naming_listener_and_port() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let yaml = protected(&issuer, &target)
        .replace("    address: 127.0.0.1:0\n", &format!("    address: {address}\n"));
    let refused = Start::with(&yaml).try_run().err().expect("refused");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.said.contains("`public`") && refused.said.contains(&address),
        "{}",
        refused.said
    );
}

#[test]
fn run_refuses_a_development_user_pool() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/routes.yaml");
    let output = portcullis(&["run", sample]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("development_user_pool"), "{said}");
}

#[test]
fn the_log_does_not_open_with_lines_of_pingora() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&protected(&issuer, &target));
    assert!(!gateway.said().contains("pingora"), "{}", gateway.said());
}

#[test]
fn no_token_is_in_any_log() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let mut gateway = Gateway::start(&protected(&issuer, &target));
    let token = issuer.token();
    for path in ["/orders/1".to_owned(), format!("/orders/1?access_token={token}")] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Cookie", token.as_str())];
        crate::support::wire::request(gateway.address(), "GET", &path, &headers);
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    gateway.signal("TERM");
    gateway.wait_log(&["stopping"]);
    assert!(!format!("{lines:?}{}", gateway.said()).contains("eyJ"));
}
