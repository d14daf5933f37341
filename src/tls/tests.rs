use std::path::Path;

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::default_provider;

use super::*;
use crate::config::model::SecurityPolicy;

struct Authority {
    directory: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(
        &self,
        file: &str,
        algorithm: &'static SignatureAlgorithm,
        names: &[&str],
        years: std::ops::Range<i32>,
    ) -> CertificateFiles {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let files = CertificateFiles {
            certificate: self.path(&format!("{file}.pem")),
            private_key: self.path(&format!("{file}.key")),
            span: Span { line: 7, ..Span::default() },
        };
        std::fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.private_key, key.serialize_pem()).unwrap();
        files
    }

    fn ecdsa(&self, file: &str, names: &[&str]) -> CertificateFiles {
        self.write(file, &PKCS_ECDSA_P256_SHA256, names, 2020..2040)
    }
}

/// 2026-11-23.
const NOW: UnixMillis = UnixMillis(1_795_392_000_000);

fn listener(certificates: &[&CertificateFiles]) -> ListenerTls {
    ListenerTls {
        certificates: certificates.iter().map(|&files| files.clone()).collect(),
        security_policy: SecurityPolicy::DEFAULT,
        mutual_authentication: None,
    }
}

fn compile_now(tls: &ListenerTls) -> Result<Compiled, TlsError> {
    compile(tls, true, NOW, None)
}

#[test]
fn names_and_times_are_told() {
    let authority = Authority::new();
    let files = authority.ecdsa("a", &["A.test", "*.b.test"]);
    let compiled = compile_now(&listener(&[&files])).unwrap();
    let facts = &compiled.certificates[0];
    assert_eq!(facts.names, ["a.test", "*.b.test"]);
    assert_eq!(facts.not_before.seconds(), 1_577_836_800);
    assert_eq!(facts.not_after.seconds(), 2_208_988_800);
    assert_eq!(facts.path, files.certificate);
}

#[test]
fn http2_is_offered_only_if_wanted() {
    let authority = Authority::new();
    let tls = listener(&[&authority.ecdsa("a", &["a.test"])]);
    let with = compile(&tls, true, NOW, None).unwrap();
    assert_eq!(with.config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let without = compile(&tls, false, NOW, Some(&with)).unwrap();
    assert_eq!(without.config.alpn_protocols, [b"http/1.1".to_vec()]);
}

#[test]
fn a_missing_file_is_named() {
    let authority = Authority::new();
    let files = authority.ecdsa("a", &["a.test"]);
    std::fs::remove_file(&files.private_key).unwrap();
    let error = compile_now(&listener(&[&files])).unwrap_err();
    assert!(error.to_string().contains("a.key"), "{error}");
    assert_eq!(error.span().line, 7);
}

#[test]
fn what_is_no_certificate_or_no_key_is_named() {
    let authority = Authority::new();
    for (file, part, expected) in [
        ("a.pem", "", "no certificate in PEM form"),
        ("a.pem", "not pem", "no certificate in PEM form"),
        ("a.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not an X.509"),
        ("a.key", "", "no private key in PEM form"),
        ("a.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "a.key: "),
    ] {
        let files = authority.ecdsa("a", &["a.test"]);
        std::fs::write(authority.path(file), part).unwrap();
        let error = compile_now(&listener(&[&files])).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(file), "{part:?}: {error}");
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let (a, b) = (authority.ecdsa("a", &["a.test"]), authority.ecdsa("b", &["b.test"]));
    let mixed = CertificateFiles { private_key: b.private_key, ..a };
    let error = compile_now(&listener(&[&mixed])).unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
}

#[test]
fn an_endless_file_is_not_read_to_its_end() {
    let authority = Authority::new();
    let files = CertificateFiles {
        certificate: Path::new("/dev/zero").to_owned(),
        ..authority.ecdsa("a", &["a.test"])
    };
    let error = compile_now(&listener(&[&files])).unwrap_err();
    assert!(matches!(error, TlsError::Unreadable { .. }), "{error}");
}

/// Which of `files` is chosen for `name`, by position; `None` is the default.
fn chosen(files: &[&CertificateFiles], name: &str, offered: &[SignatureScheme]) -> Option<usize> {
    let tls = listener(files);
    let read = read(&tls).unwrap();
    let provider = default_provider();
    let leaves: Vec<_> = read
        .iter()
        .map(|files| {
            let (leaf, key) = files.load(&provider).unwrap();
            (leaf, Arc::new(key))
        })
        .collect();
    let keys: Vec<_> = leaves.iter().map(|(_, key)| Arc::clone(key)).collect();
    let certificates = Certificates::new(leaves, NOW).unwrap();
    let chosen = certificates.choose(name, offered)?;
    keys.iter().position(|key| Arc::ptr_eq(key, chosen))
}

const BOTH: [SignatureScheme; 3] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
];

#[test]
fn among_several_the_best_that_the_client_can_use_is_served() {
    let authority = Authority::new();
    let name = ["a.test"];
    let rsa = authority.write("rsa", &PKCS_RSA_SHA256, &name, 2020..2040);
    let ecdsa = authority.ecdsa("ecdsa", &name);
    let stronger = authority.write("p384", &PKCS_ECDSA_P384_SHA384, &name, 2020..2040);
    let expired = authority.write("expired", &PKCS_ECDSA_P384_SHA384, &name, 2020..2025);
    let longer = authority.write("longer", &PKCS_ECDSA_P256_SHA256, &name, 2020..2050);

    assert_eq!(chosen(&[&rsa, &ecdsa], "a.test", &BOTH), Some(1));
    assert_eq!(chosen(&[&rsa, &ecdsa], "a.test", &BOTH[..1]), Some(0));
    assert_eq!(chosen(&[&ecdsa, &stronger], "a.test", &BOTH), Some(1));
    assert_eq!(chosen(&[&ecdsa, &stronger], "a.test", &BOTH[..2]), Some(0));
    assert_eq!(chosen(&[&expired, &ecdsa], "a.test", &BOTH), Some(1));
    assert_eq!(chosen(&[&expired, &rsa], "a.test", &BOTH), Some(0));
    assert_eq!(chosen(&[&ecdsa, &longer], "a.test", &BOTH), Some(1));
}

#[test]
fn a_wildcard_covers_exactly_one_label() {
    let authority = Authority::new();
    let wild = authority.ecdsa("wild", &["*.a.test"]);
    let files = [&wild];
    assert_eq!(chosen(&files, "x.a.test", &BOTH), Some(0));
    for name in ["a.test", "x.y.a.test", "xa.test", ".a.test", "*", "test"] {
        assert_eq!(chosen(&files, name, &BOTH), None, "{name}");
    }
}

#[test]
fn a_wildcard_that_is_better_goes_before_the_name_itself_and_one_that_is_no_better_does_not() {
    let authority = Authority::new();
    let wild = authority.ecdsa("wild", &["*.a.test"]);
    let exact = authority.ecdsa("exact", &["x.a.test"]);
    assert_eq!(chosen(&[&wild, &exact], "x.a.test", &BOTH), Some(1));
    assert_eq!(chosen(&[&exact, &wild], "x.a.test", &BOTH), Some(0));
    let strong = authority.write("strong", &PKCS_ECDSA_P384_SHA384, &["*.a.test"], 2020..2040);
    assert_eq!(chosen(&[&exact, &strong], "x.a.test", &BOTH), Some(1));
    let same = authority.ecdsa("same", &["x.a.test"]);
    assert_eq!(chosen(&[&exact, &same], "x.a.test", &BOTH), Some(0));
}

#[test]
fn a_host_belongs_to_the_certificate_that_its_own_connection_would_be_shown() {
    let authority = Authority::new();
    let wild = authority.ecdsa("wild", &["*.a.test"]);
    let exact = authority.ecdsa("exact", &["x.a.test"]);
    let compiled = compile_now(&listener(&[&wild, &exact])).unwrap();
    let is_for = |server_name, host| {
        Presented { compiled: &compiled, server_name: Some(server_name) }.is_for(host)
    };
    assert!(is_for("x.a.test", "x.a.test") && is_for("y.a.test", "z.a.test"));
    assert!(!is_for("x.a.test", "y.a.test") && !is_for("y.a.test", "x.a.test"));
}

#[test]
fn a_certificate_that_ends_while_it_serves_goes_behind_those_that_are_good() {
    let authority = Authority::new();
    let (ends, stays) = (
        authority.write("ends", &PKCS_ECDSA_P384_SHA384, &["a.test"], 2020..2030),
        authority.ecdsa("stays", &["a.test"]),
    );
    let tls = listener(&[&ends, &stays]);
    let before = compile_now(&tls).unwrap();
    let day = 24 * 3600 * 1000;
    let end = before.certificates[0].not_after;
    let still = compile(&tls, true, end, Some(&before)).unwrap();
    assert!(Arc::ptr_eq(&before.config, &still.config), "nothing has ended yet");
    let after = compile(&tls, true, UnixMillis(end.0 + day), Some(&before)).unwrap();
    let shown = |compiled: &Compiled| {
        let key = compiled.by_name.choose("a.test", &BOTH).unwrap();
        Leaf::parse(&key.cert[0]).unwrap().not_after
    };
    assert_eq!(shown(&before), end);
    assert_eq!(shown(&after), after.certificates[1].not_after);
    let later = compile(&tls, true, UnixMillis(end.0 + 2 * day), Some(&after)).unwrap();
    assert!(Arc::ptr_eq(&after.config, &later.config), "once");
}

#[test]
fn another_policy_is_another_configuration_and_its_suites_stand_in_albs_order() {
    let authority = Authority::new();
    let tls = listener(&[&authority.ecdsa("a", &["a.test"])]);
    let usual = compile_now(&tls).unwrap();
    let suites = |compiled: &Compiled| {
        let suites = compiled.config.crypto_provider().cipher_suites.iter();
        suites.map(|suite| suite.suite().as_str().unwrap()).collect::<Vec<_>>()
    };
    let newest = ["TLS13_AES_128_GCM_SHA256", "TLS13_AES_256_GCM_SHA384"];
    assert_eq!(suites(&usual)[..2], newest);
    assert_eq!(
        suites(&usual)[2..],
        [
            "TLS13_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        ]
    );
    for (name, count, groups) in [
        ("ELBSecurityPolicy-TLS13-1-3-2021-06", 3, 3),
        ("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", 3, 5),
        ("ELBSecurityPolicy-FS-1-2-Res-2020-10", 4, 3),
        ("ELBSecurityPolicy-2016-08", 4, 3),
    ] {
        let security_policy = SecurityPolicy::named(name).unwrap();
        let other = ListenerTls { security_policy, ..tls.clone() };
        let other = compile(&other, true, NOW, Some(&usual)).unwrap();
        assert_eq!(suites(&other).len(), count, "{name}");
        assert_eq!(other.config.crypto_provider().kx_groups.len(), groups, "{name}");
    }
}

#[test]
fn changed_files_are_noticed_once_and_bad_ones_change_nothing() {
    let authority = Authority::new();
    let files = authority.ecdsa("a", &["a.test"]);
    let tls = listener(&[&files]);
    let first = compile_now(&tls).unwrap();
    let mut watch = CertificateWatch::new(tls, true, first.clone());
    assert!(watch.poll(NOW).is_none());

    authority.ecdsa("a", &["b.test"]);
    let second = watch.poll(NOW).unwrap().unwrap();
    assert_eq!(second.certificates[0].names, ["b.test"]);
    assert!(!Arc::ptr_eq(&first.config, &second.config));
    assert!(watch.poll(NOW).is_none());

    std::fs::write(&files.certificate, "half").unwrap();
    assert!(watch.poll(NOW).unwrap().is_err());
    assert!(watch.poll(NOW).is_none());
    assert!(Arc::ptr_eq(&watch.current().config, &second.config));

    authority.ecdsa("a", &["c.test"]);
    assert_eq!(watch.poll(NOW).unwrap().unwrap().certificates[0].names, ["c.test"]);
}

#[test]
fn unchanged_files_keep_their_ticket_keys() {
    let authority = Authority::new();
    let tls = listener(&[&authority.ecdsa("a", &["a.test"])]);
    let first = compile_now(&tls).unwrap();
    let again = compile(&tls, true, NOW, Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first.config, &again.config));
}
