//! The files by which clients are verified: bad ones, new ones, and connections from before.

use std::fs;

use rustls::HandshakeKind;

use crate::client_certificates::{Site, VERIFY, routes, site};
use crate::support::clients::ClientAuthority;
use crate::support::tls::Authority;
use crate::support::{Connection, Start, Target};

impl Site {
    /// Replaces a file beside `routes.yaml`, and waits until the gateway says so.
    fn replace(&mut self, name: &str, text: &str, said: &str) {
        let path = self.gateway.folder().join(name);
        fs::write(path.with_extension("new"), text).expect("written");
        fs::rename(path.with_extension("new"), path).expect("renamed");
        self.gateway.wait_log(&[said]);
    }
}

#[test]
fn trust_store_and_lists_are_replaced_under_connections_and_bad_ones_are_not() {
    let (old, new) = (ClientAuthority::root("old"), ClientAuthority::root("new"));
    let mut site = site(
        &format!("{VERIFY}, revocation_lists: [revoked.pem]"),
        &[("clients.pem", &old.pem), ("revoked.pem", &old.revoking(&[9], 2025))],
    );
    let (mine, theirs) = (old.client("a", 1), new.client("b", 1));
    let mut living = site.client(Some(&mine)).open(site.gateway.address());
    assert_eq!(living.get("/1", ""), Some(200));
    assert_eq!(site.get(Some(&theirs)), None);

    let leaf = new.client("leaf", 3).pem;
    for (bad, why) in [("half", "PEM"), (&leaf, "no authority"), ("", "PEM")] {
        site.replace("clients.pem", bad, why);
        assert_eq!(site.get(Some(&mine)), Some(200), "{why}");
        assert_eq!(site.get(Some(&theirs)), None, "{why}");
    }
    site.replace("clients.pem", &(new.pem.clone() + &old.pem), "certificates reloaded");
    assert_eq!(site.get(Some(&mine)), Some(200));
    assert_eq!(site.get(Some(&theirs)), Some(200));

    site.replace("revoked.pem", &old.revoking(&[9, 1], 2026), "certificates reloaded");
    assert_eq!(site.get(Some(&mine)), None);
    assert_eq!(site.get(Some(&theirs)), Some(200));
    // Of two lists of one authority the newer one counts, in whatever order they stand.
    let both = old.revoking(&[9, 1], 2024) + &old.revoking(&[9], 2027) + &old.revoking(&[1], 2025);
    site.replace("revoked.pem", &both, "certificates reloaded");
    assert_eq!(site.get(Some(&mine)), Some(200));
    site.replace("clients.pem", &new.pem, "certificates reloaded");
    assert_eq!(site.get(Some(&mine)), None);
    assert_eq!(living.get("/2", ""), Some(200), "a connection keeps what it was made with");
}

#[test]
fn a_connection_from_before_the_demand_serves_no_request_after_it() {
    let root = ClientAuthority::root("clients");
    let mut site = site("mode: passthrough", &[("clients.pem", &root.pem)]);
    let pair = root.client("a", 1);
    let mut unverified = site.client(Some(&pair)).open(site.gateway.address());
    assert_eq!(unverified.get("/1", ""), Some(200));
    let verifying = routes(site.target.address(), VERIFY);
    site.gateway.write(&verifying);
    site.gateway.wait_log(&["reloaded"]);
    site.target.taken();
    assert_eq!(unverified.get("/2", ""), Some(421));
    assert_eq!(unverified.get("/3", ""), None, "closed");
    assert_eq!(site.get(Some(&pair)), Some(200));
    assert_eq!(site.target.taken().len(), 1);
    let lines = site.gateway.wait_access_log(|lines| lines.len() == 3);
    assert!(lines.iter().any(|line| line["reason"] == "unverified_client"), "{lines:?}");
}

#[test]
fn a_list_that_another_has_signed_lets_nobody_in_that_it_speaks_of() {
    let (root, forger) = (ClientAuthority::root("clients"), ClientAuthority::root("clients"));
    let site = site(
        &format!("{VERIFY}, revocation_lists: [revoked.pem]"),
        &[("clients.pem", &root.pem), ("revoked.pem", &forger.revoking(&[9], 2026))],
    );
    assert_eq!(site.get(Some(&root.client("a", 1))), None);
    assert_eq!(site.line(1).field(11), "Failed:ClientCertCrlProcessingError");
}

#[test]
fn neither_a_ticket_nor_a_plain_connection_from_before_gets_around_the_demand() {
    let root = ClientAuthority::root("clients");
    let mut site = site(VERIFY, &[("clients.pem", &root.pem)]);
    let verifying = routes(site.target.address(), VERIFY);
    let tls = verifying.find("    tls:").expect("tls");
    let rules = verifying.find("    rules:").expect("rules");
    let certificates = "    tls: { certificates: [{ certificate: a.pem, private_key: a.key }] }\n";
    let asking_nobody = [&verifying[..tls], certificates, &verifying[rules..]].concat();
    let plain = [&verifying[..tls], &verifying[rules..]].concat();

    site.gateway.write(&plain);
    site.gateway.wait_log(&["reloaded"]);
    let mut in_clear = Connection::open(site.gateway.address());
    let request = "GET /plain HTTP/1.1\r\nHost: a.test\r\n\r\n";
    in_clear.send(request);
    assert_eq!(in_clear.read().status, 200);

    site.gateway.write(&asking_nobody);
    site.gateway.wait_log(&["reloaded"]);
    let nobody = site.client(None);
    let mut unasked = nobody.open(site.gateway.address());
    assert_eq!(unasked.get("/unasked", ""), Some(200));
    let mut again = nobody.open(site.gateway.address());
    assert_eq!(again.get("/resumed", ""), Some(200));
    assert_eq!(again.0.conn.handshake_kind(), Some(HandshakeKind::Resumed), "there are tickets");

    site.gateway.write(&verifying);
    site.gateway.wait_log(&["reloaded"]);
    site.target.taken();
    in_clear.send(request);
    assert_eq!(in_clear.read().status, 421);
    assert_eq!(unasked.get("/unasked", ""), Some(421));
    assert_eq!(nobody.get(site.gateway.address(), "/ticket"), None);
    assert!(site.target.taken().is_empty());
}

#[test]
fn a_trust_store_that_cannot_be_had_keeps_the_gateway_from_starting_and_is_named() {
    let root = ClientAuthority::root("clients");
    for (mutual, file, text, why) in [
        (VERIFY, "other.pem", root.pem.clone(), "clients.pem"),
        (VERIFY, "clients.pem", root.client("a", 1).pem, "no authority"),
        (
            "mode: verify, trust_store: a.pem, revocation_lists: [clients.pem]",
            "clients.pem",
            root.pem.clone(),
            "revocation list",
        ),
        (
            "mode: passthrough, trust_store: clients.pem",
            "clients.pem",
            root.pem.clone(),
            "verifies nothing",
        ),
        ("mode: verify", "clients.pem", root.pem.clone(), "trust_store"),
        (
            "mode: passthrough, header_names: { x_amzn_mtls_clientcert: X-Auth-Subject }",
            "clients.pem",
            root.pem.clone(),
            "something else",
        ),
        (
            "mode: passthrough, header_names: { x_amzn_mtls_clientcert: Cookie }",
            "clients.pem",
            root.pem.clone(),
            "meaning of its own",
        ),
    ] {
        let (edge, target) = (Authority::new(), Target::start());
        let pair = edge.issue(&["a.test"]);
        let refused = Start::with(&routes(target.address(), mutual))
            .file("a.pem", &pair.certificate)
            .file("a.key", &pair.private_key)
            .file(file, text)
            .try_run()
            .err()
            .unwrap_or_else(|| panic!("it serves: {mutual}"));
        assert!(refused.said.contains(why), "{mutual}: {}", refused.said);
    }
}
