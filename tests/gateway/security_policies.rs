//! Security policies of AWS's names: what is spoken, and what `check` says of the rest.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedProtocolVersion};

use crate::slow_clients::open_to;
use crate::support::clients::TlsClient;
use crate::support::process::portcullis;
use crate::support::tls::{Authority, provider};
use crate::support::{Gateway, Start, Target};

fn start(policy: &str, edge: &Authority, target: &Target) -> Gateway {
    let tls = format!(
        "    tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}], \
         security_policy: {policy} }}\n"
    );
    let pair = edge.issue(&["a.test"]);
    Start::with(&open_to(target.address(), &tls))
        .file("a.pem", &pair.certificate)
        .file("a.key", &pair.private_key)
        .run()
}

#[test]
fn a_policy_decides_which_versions_are_spoken() {
    let (edge, target) = (Authority::new(), Target::start());
    let spoken = |policy: &str| {
        let gateway = start(policy, &edge, &target);
        let speaks = |version: &'static SupportedProtocolVersion| {
            TlsClient::speaking(&edge, None, &[version]).get(gateway.address(), "/").is_some()
        };
        (speaks(&TLS13), speaks(&TLS12))
    };
    assert_eq!(spoken("ELBSecurityPolicy-TLS13-1-3-2021-06"), (true, false));
    assert_eq!(spoken("ELBSecurityPolicy-TLS13-1-2-Res-2021-06"), (true, true));
    assert_eq!(spoken("ELBSecurityPolicy-FS-1-2-Res-2020-10"), (false, true));
    assert_eq!(spoken("ELBSecurityPolicy-2016-08"), (false, true));
}

#[test]
fn the_order_of_the_policy_wins_over_the_clients() {
    let (edge, target) = (Authority::new(), Target::start());
    let gateway = start("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", &edge, &target);
    for (version, first) in [
        (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ] {
        let client = TlsClient::speaking(&edge, None, &[version]);
        // The library's own clients prefer AES-256.
        assert_ne!(provider().cipher_suites[0].suite(), first);
        let mut connection = client.open(gateway.address());
        assert_eq!(connection.get("/", ""), Some(200));
        let suite = connection.0.conn.negotiated_cipher_suite().expect("a suite").suite();
        assert_eq!(suite, first);
    }
}

#[test]
fn hybrid_key_exchange_is_spoken_by_default_and_where_the_policy_says_so() {
    use rustls::crypto::aws_lc_rs::kx_group::{SECP256R1MLKEM768, X25519, X25519MLKEM768};
    let (edge, target) = (Authority::new(), Target::start());
    let hybrid = [X25519MLKEM768, SECP256R1MLKEM768];
    for (policy, is_spoken) in [
        ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", true),
        ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", false),
    ] {
        let gateway = start(policy, &edge, &target);
        for group in hybrid {
            let mut provider = (*provider()).clone();
            provider.kx_groups = vec![group, X25519];
            let mut client = TlsClient::new(&edge, None);
            client.config = edge.client_with(Arc::new(provider));
            let mut connection = client.open(gateway.address());
            assert_eq!(connection.get("/", ""), Some(200));
            let used = connection.0.conn.negotiated_key_exchange_group().expect("a group");
            assert_eq!(used.name() == group.name(), is_spoken, "{policy}: {:?}", used.name());
        }
    }
}

#[test]
fn check_tells_what_is_left_out_and_refuses_what_cannot_be_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |policy: &str, strict: bool| {
        let tls = format!(
            "    tls: {{ certificates: [{{ certificate: a.pem, private_key: a.key }}], \
             security_policy: {policy} }}\n"
        );
        let file = folder.path().join("routes.yaml");
        let target = ([127, 0, 0, 1], 8080).into();
        std::fs::write(&file, open_to(target, &tls)).expect("written");
        let mut arguments = vec!["check", "--portable", file.to_str().expect("UTF-8")];
        if strict {
            arguments.push("--strict");
        }
        let output = portcullis(&arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    };
    assert!(check("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", true).0);
    let (is_good, said) = check("ELBSecurityPolicy-2016-08", false);
    assert!(is_good && said.contains("TLS 1.0 and 1.1"), "{said}");
    assert!(!check("ELBSecurityPolicy-TLS13-1-2-2021-06", true).0);
    let (is_good, said) = check("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04", false);
    assert!(!is_good && said.contains("not a validated one"), "{said}");
    let (is_good, said) = check("ELBSecurityPolicy-TLS13-1-2-Res-2021-6", false);
    assert!(!is_good && said.contains("ELBSecurityPolicy-TLS13-1-2-Res-2021-06"), "{said}");
}
