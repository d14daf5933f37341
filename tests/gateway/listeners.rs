//! Listeners and their certificates: which is shown to whom, and what becomes of changed files.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection};

use crate::support::issuer::now;
use crate::support::process::{PATIENCE, portcullis};
use crate::support::tls::{Authority, Pair};
use crate::support::{Gateway, Start, eventually, wire};

/// An HTTPS listener with these certificates, named by file without ending.
fn https(names: &[&str]) -> String {
    let pairs: Vec<String> = names
        .iter()
        .map(|name| format!("{{ certificate: {name}.pem, private_key: {name}.key }}"))
        .collect();
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    \
         tls: {{ certificates: [{}] }}\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pairs.join(", ")
    )
}

fn with_pair(start: Start, name: &str, pair: &Pair) -> Start {
    start
        .file(&format!("{name}.pem"), &pair.certificate)
        .file(&format!("{name}.key"), &pair.private_key)
}

/// Replaces both files by rename, the key first.
fn replace(folder: &Path, name: &str, pair: &Pair) {
    for (ending, text) in [("key", &pair.private_key), ("pem", &pair.certificate)] {
        fs::write(folder.join("new"), text).expect("written");
        fs::rename(folder.join("new"), folder.join(format!("{name}.{ending}"))).expect("renamed");
    }
}

/// What a handshake came to: the certificate and the protocol, or why the client refused.
fn shake_hands(
    address: SocketAddr,
    name: &str,
    client: &Arc<ClientConfig>,
) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut session = ClientConnection::new(Arc::clone(client), name).expect("a session");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    while session.is_handshaking() {
        session.complete_io(&mut stream).map_err(|why| why.to_string())?;
    }
    let certificate = session.peer_certificates().expect("a certificate")[0].to_vec();
    Ok((certificate, session.alpn_protocol().map(<[u8]>::to_vec)))
}

fn der(pair: &Pair) -> Vec<u8> {
    let der = rustls::pki_types::CertificateDer::from_pem_slice(pair.certificate.as_bytes());
    der.expect("PEM").to_vec()
}

#[test]
fn the_name_asked_for_chooses_the_certificate_and_without_a_match_it_is_the_first() {
    let authority = Authority::new();
    let default = authority.issue(&["default.test", "127.0.0.1"]);
    let exact = authority.issue(&["api.shop.test"]);
    let wildcard = authority.issue(&["*.shop.test"]);
    let start = Start::with(&https(&["default", "exact", "wildcard"]));
    let start = with_pair(start, "default", &default);
    let start = with_pair(with_pair(start, "exact", &exact), "wildcard", &wildcard);
    let gateway = start.run();
    let client = authority.client(&[]);
    let shown = |name: &str| shake_hands(gateway.address(), name, &client).map(|shown| shown.0);
    assert_eq!(shown("api.shop.test"), Ok(der(&exact)));
    assert_eq!(shown("API.Shop.test"), Ok(der(&exact)));
    assert_eq!(shown("www.shop.test"), Ok(der(&wildcard)));
    assert_eq!(shown("default.test"), Ok(der(&default)));
    assert_eq!(shown("127.0.0.1"), Ok(der(&default)), "a client that names nobody");
    for stranger in ["shop.test", "a.b.shop.test", "elsewhere.test"] {
        let refusal = shown(stranger).expect_err("the client refuses another name's certificate");
        assert!(refusal.contains("default.test"), "{stranger}: {refusal}");
    }
}

#[test]
fn http2_is_offered_by_alpn_unless_the_listener_says_no() {
    let authority = Authority::new();
    for (more, expected) in [("", "h2"), ("    http2: false\n", "http/1.1")] {
        let yaml = https(&["edge"]).replace("    tls:", &format!("{more}    tls:"));
        let start = with_pair(Start::with(&yaml), "edge", &authority.issue(&["edge.test"]));
        let gateway = start.run();
        let agreed = |offers: &[&str]| {
            let client = authority.client(offers);
            shake_hands(gateway.address(), "edge.test", &client).expect("a handshake").1
        };
        assert_eq!(agreed(&["h2", "http/1.1"]), Some(expected.into()));
        assert_eq!(agreed(&["http/1.1", "h2"]), Some(expected.into()));
        assert_eq!(agreed(&["http/1.1"]), Some(b"http/1.1".to_vec()));
        assert_eq!(agreed(&[]), None);
        let foreign = shake_hands(gateway.address(), "edge.test", &authority.client(&["smtp"]));
        assert!(foreign.is_err(), "nothing in common ends the handshake (RFC 7301)");
    }
}

#[test]
fn a_replaced_certificate_is_shown_to_new_clients_and_a_bad_one_is_refused_by_path() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(&["edge.test"]), authority.issue(&["edge.test"]));
    let mut gateway = with_pair(Start::with(&https(&["edge"])), "edge", &old).run();
    let (address, folder) = (gateway.address(), gateway.folder().to_owned());
    let client = authority.client(&[]);
    let shown = || shake_hands(address, "edge.test", &client).expect("no handshake fails").0;
    assert_eq!(shown(), der(&old));

    fs::write(folder.join("edge.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").expect("written");
    let line = gateway.wait_log(&["not usable"]);
    assert!(line.contains("edge.pem"), "{line}");
    assert_eq!(shown(), der(&old));

    let stranger = authority.issue(&["edge.test"]);
    fs::write(folder.join("edge.pem"), &stranger.certificate).expect("written");
    let line = gateway.wait_log(&["not usable", "does not belong"]);
    assert!(line.contains("edge.pem") && line.contains("edge.key"), "{line}");
    assert_eq!(shown(), der(&old));

    fs::remove_file(folder.join("edge.pem")).expect("removed");
    let line = gateway.wait_log(&["not usable", "cannot read"]);
    assert!(line.contains("edge.pem"), "{line}");
    assert_eq!(shown(), der(&old));

    replace(&folder, "edge", &new);
    gateway.wait_log(&["certificates reloaded"]);
    eventually("the new certificate is shown", || (shown() == der(&new)).then_some(()));
}

#[test]
fn a_named_pipe_in_a_certificate_s_place_holds_up_neither_start_nor_reload() {
    let authority = Authority::new();
    let pair = authority.issue(&["edge.test"]);
    let mut gateway = with_pair(Start::with(&https(&["edge"])), "edge", &pair).run();
    let pipe = gateway.folder().join("edge.pem");
    fs::remove_file(&pipe).expect("removed");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let line = gateway.wait_log(&["not usable"]);
    assert!(line.contains("edge.pem"), "{line}");
    gateway.signal("HUP");
    let line = gateway.wait_log(&["reload refused"]);
    assert!(line.contains("edge.pem"), "{line}");
    let file = gateway.file().display().to_string();
    assert_eq!(portcullis(&["check", &file]).status.code(), Some(1));
    assert_eq!(portcullis(&["run", &file]).status.code(), Some(1));
}

#[test]
fn check_and_run_tell_a_missing_certificate_or_key_with_line_and_column() {
    let pair = Authority::new().issue(&["edge.test"]);
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("routes.yaml");
    let yaml = https(&["edge"]);
    fs::write(&file, &yaml).expect("written");
    let place = |what: &str| {
        let line = yaml.lines().position(|line| line.contains(what)).expect("a line");
        let column = yaml.lines().nth(line).expect("a line").find(what).expect("a column");
        format!("routes.yaml:{}:{}", line + 1, column + 1)
    };
    let file = file.display().to_string();
    for command in ["check", "run"] {
        for (missing, present) in [("edge.pem", "edge.key"), ("edge.key", "edge.pem")] {
            let text = if present == "edge.key" { &pair.private_key } else { &pair.certificate };
            fs::write(folder.path().join(present), text).expect("written");
            let _ = fs::remove_file(folder.path().join(missing));
            let output = portcullis(&[command, &file]);
            let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains(&place(missing)), "{command}, {}: {said}", place(missing));
            assert!(said.contains(missing), "{said}");
        }
    }
}

#[test]
fn a_certificate_s_end_is_a_metric_and_a_near_one_is_told_in_the_log() {
    let authority = Authority::new();
    let day = 24 * 3600;
    let (soon, late) = (now() + 5 * day + day / 2, now() + 90 * day);
    let start = Start::with(&https(&["soon", "late"]));
    let start = with_pair(start, "soon", &authority.issue_until(&["soon.test"], Some(soon)));
    let late_pair = authority.issue_until(&["late.test"], Some(late));
    let mut gateway = with_pair(start, "late", &late_pair).run();
    let line = gateway.wait_log(&["a certificate expires in 5 days"]);
    assert!(line.contains("soon.pem") && line.contains("public"), "{line}");
    let said = gateway.said();
    let mut told = said.lines().filter(|line| line.contains("a certificate"));
    assert!(!told.any(|line| line.contains("late.pem")), "{said}");
    let ends = |gateway: &Gateway, file: &str| {
        gateway.metric_sum(
            "portcullis_certificate_not_after_timestamp_seconds",
            &["listener=\"public\"", &format!("/{file}\"")],
        )
    };
    #[allow(clippy::cast_precision_loss)]
    let seconds = |time: u64| time as f64;
    assert!((ends(&gateway, "soon.pem") - seconds(soon)).abs() < 1.0);
    assert!((ends(&gateway, "late.pem") - seconds(late)).abs() < 1.0);

    let renewed = authority.issue_until(&["soon.test"], Some(late));
    replace(gateway.folder(), "soon", &renewed);
    gateway.wait_log(&["certificates reloaded"]);
    eventually("the metric follows", || {
        ((ends(&gateway, "soon.pem") - seconds(late)).abs() < 1.0).then_some(())
    });
}

#[test]
fn several_listeners_serve_each_by_its_own_rules_over_both_families() {
    let listener = |name: &str, address: &str, status: u16| {
        format!(
            "  {name}:\n    address: {address}\n    \
             default_action: {{ fixed_response: {{ status_code: {status} }} }}\n"
        )
    };
    let yaml = format!(
        "admin: {{ address: \"[::1]:0\" }}\nlisteners:\n{}{}{}",
        listener("four", "127.0.0.1:0", 404),
        listener("six", "\"[::1]:0\"", 410),
        listener("another", "127.0.0.1:0", 403),
    );
    let gateway = Gateway::start(&yaml);
    assert!(gateway.admin().is_ipv6());
    for (name, status) in [("four", 404), ("six", 410), ("another", 403)] {
        assert_eq!(wire::get(gateway.listener(name), "/").status, status, "{name}");
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 3);
    let six = lines.iter().find(|line| line["listener"] == "six").expect("a line");
    assert_eq!(six["client_ip"], "::1");
}

#[test]
fn a_taken_admin_port_and_an_address_of_another_machine_are_told_clearly() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let yaml = "admin: { address: 127.0.0.1:0 }\nlisteners:\n  public:\n    \
                address: 127.0.0.1:0\n    plaintext: accepted\n";
    let admin = yaml.replace("{ address: 127.0.0.1:0 }", &format!("{{ address: {taken} }}"));
    let foreign = yaml.replace("    address: 127.0.0.1:0", "    address: 192.0.2.1:8080");
    for (yaml, needed) in [
        (admin, ["admin", taken.as_str(), "in use"]),
        (foreign, ["`public`", "192.0.2.1:8080", "no interface"]),
    ] {
        let refused = Start::with(&yaml).try_run().err().expect("refused");
        assert_eq!(refused.status.code(), Some(1));
        for text in needed {
            assert!(refused.said.contains(text), "{text}: {}", refused.said);
        }
    }
}
