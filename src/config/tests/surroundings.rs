//! Secrets, certificates and the file's own rights.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::places;
use crate::clock::UnixMillis;
use crate::config::{Ground, LoadOptions, Loaded, Report, Surroundings, System, load, parse};

/// An environment of one variable, and the real files.
struct One(&'static str, &'static str);

impl Surroundings for One {
    fn variable(&self, name: &str) -> Option<String> {
        (name == self.0).then(|| self.1.to_owned())
    }

    fn file(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        System.file(path)
    }
}

const NOW: UnixMillis = UnixMillis(1_795_395_723_000);

fn judge(
    folder: &Path,
    text: &str,
    surroundings: &dyn Surroundings,
) -> Result<Loaded, Box<Report>> {
    let ground = Ground { folder, surroundings: Some(surroundings), parts: None, now: NOW };
    parse(text.as_bytes(), "routes.yaml", ground)
}

fn codes(result: Result<Loaded, Box<Report>>) -> Vec<(&'static str, usize, usize)> {
    match result {
        Ok(loaded) => places(&loaded.warnings),
        Err(report) => places(&report.findings),
    }
}

#[test]
fn secrets_come_from_the_environment_or_a_file_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "from-a-file-and-long\r\n").unwrap();
    let token = |text: &str| {
        let text = format!("admin: {{ token: '{text}' }}");
        let loaded = judge(folder.path(), &text, &One("T", "from-the-environment"));
        loaded.unwrap().config.admin.token.unwrap().expose().to_owned()
    };
    assert_eq!(token("${env:T}"), "from-the-environment");
    assert_eq!(token("${file:token}"), "from-a-file-and-long");
    assert_eq!(
        token(&format!("${{file:{}}}", folder.path().join("token").display())),
        "from-a-file-and-long"
    );
}

#[test]
fn session_keys_are_long_and_differ() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "1".repeat(32)).unwrap();
    std::fs::write(folder.path().join("other"), "2".repeat(44)).unwrap();
    std::fs::write(folder.path().join("short"), "3".repeat(31)).unwrap();
    let judge = |keys: &str| {
        judge(
            folder.path(),
            &format!("session_keys: {keys}\n"),
            &One("KEY", "from-the-environment"),
        )
    };
    let loaded = judge("[ '${file:one}', '${file:other}' ]").unwrap();
    let keys: Vec<_> = loaded.config.session_keys.iter().map(|key| key.expose().len()).collect();
    assert_eq!(keys, [32, 44], "in their order: the first one seals");
    for (keys, code, column) in [
        ("[]", "empty-list", 1),
        ("['${file:short}']", "short-session-key", 16),
        ("['${env:KEY}']", "short-session-key", 16),
        ("['${file:one}', '${file:one}']", "duplicate-value", 31),
        ("['${file:none}']", "missing-secret", 16),
        ("[plain-text-that-is-quite-long-enough]", "plaintext-secret", 16),
        ("'${file:one}'", "wrong-type", 15),
    ] {
        assert_eq!(codes(judge(keys)), [(code, 1, column)], "{keys}");
    }
    let nine: Vec<_> = (0..9).map(|i| format!("'${{file:{i}}}'")).collect();
    for i in 0..9 {
        std::fs::write(folder.path().join(i.to_string()), i.to_string().repeat(32)).unwrap();
    }
    assert_eq!(codes(judge(&format!("[{}]", nine.join(", ")))).first().unwrap().0, "out-of-range");
    let report = judge("[plain-text-that-is-quite-long-enough]").unwrap_err();
    assert!(!report.to_string().contains("quite-long"), "{report}");
}

#[test]
fn a_secret_that_is_missing_empty_or_plain_is_refused_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty"), " \n").unwrap();
    std::fs::write(folder.path().join("binary"), b"\xff").unwrap();
    for (token, code) in [
        ("${env:NOT_SET}", "missing-secret"),
        ("${env:BLANK}", "empty-secret"),
        ("${file:none}", "missing-secret"),
        ("${file:empty}", "empty-secret"),
        ("${file:binary}", "missing-secret"),
        ("${file:.}", "missing-secret"),
        ("${fiel:x}", "unknown-secret-source"),
        ("${env:}", "plaintext-secret"),
        ("$TOKEN", "plaintext-secret"),
        ("plain", "plaintext-secret"),
        ("x${env:T}", "plaintext-secret"),
        ("", "plaintext-secret"),
    ] {
        let text = format!("admin:\n  token: '{token}'\n");
        assert_eq!(
            codes(judge(folder.path(), &text, &One("BLANK", " "))),
            [(code, 2, 10)],
            "{token}"
        );
    }
    let short = judge(folder.path(), "admin: { token: '${env:T}' }", &One("T", "short"));
    assert_eq!(codes(short), [("short-token", 1, 17)]);
}

/// Writes a certificate that is valid between two years, and its key.
fn certificate(folder: &Path, name: &str, from: i32, to: i32) {
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

#[test]
fn certificates_are_read_and_must_fit_their_key() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "good", 2020, 2050);
    certificate(folder.path(), "other", 2020, 2050);
    certificate(folder.path(), "old", 2020, 2024);
    certificate(folder.path(), "young", 2040, 2050);
    std::fs::write(folder.path().join("garbage"), "garbage").unwrap();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(folder.path().join("locked.key"), encrypted).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.path().join("broken.pem"), broken).unwrap();
    for (chain, key, expected) in [
        ("good.pem", "good.key", vec![]),
        ("good.pem", "other.key", vec![("key-mismatch", 6)]),
        ("old.pem", "old.key", vec![("expired-certificate", 5)]),
        ("young.pem", "young.key", vec![("premature-certificate", 5)]),
        ("none.pem", "good.key", vec![("missing-certificate", 5)]),
        ("none.pem", "none.key", vec![("missing-certificate", 5), ("missing-certificate", 6)]),
        ("garbage", "garbage", vec![("invalid-certificate", 5), ("invalid-private-key", 6)]),
        ("good.key", "good.pem", vec![("invalid-certificate", 5), ("invalid-private-key", 6)]),
        ("good.pem", "locked.key", vec![("invalid-private-key", 6)]),
        ("broken.pem", "good.key", vec![("invalid-certificate", 5)]),
    ] {
        let text = format!(
            "listeners:\n  a:\n    address: 127.0.0.1:443\n    tls: {{ certificates: [{{\n      \
             certificate: {chain},\n      private_key: {key} }}] }}\n"
        );
        let found = codes(judge(folder.path(), &text, &System));
        let found: Vec<_> = found.into_iter().map(|(code, line, _)| (code, line)).collect();
        assert_eq!(found, expected, "{chain} {key}");
    }
}

#[test]
fn files_of_keys_and_authorities_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), "{\"keys\":[]}").unwrap();
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    certificate(folder.path(), "ca", 2020, 2050);
    let pool = |file: &str| {
        let text = format!(
            "user_pools: {{ a: {{ user_pool_id: eu-west-1_A, app_clients: [x], jwks_file: {file} }} }}"
        );
        codes(judge(folder.path(), &text, &System))
            .iter()
            .map(|finding| finding.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(pool("keys.json"), ["unused-user-pool"]);
    assert_eq!(pool("other.json"), ["missing-key-file"]);
    assert_eq!(pool("none.json"), ["missing-key-file"]);
    let group = |file: &str| {
        let text = format!(
            "target_groups: {{ a: {{ targets: [], protocol: https, tls: {{ authorities: {file} }} }} }}"
        );
        codes(judge(folder.path(), &text, &System))
            .iter()
            .map(|finding| finding.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(group("ca.pem"), ["unused-target-group"]);
    assert_eq!(group("keys.json"), ["invalid-certificate"]);
    assert_eq!(group("none.pem"), ["invalid-certificate"]);
}

#[test]
fn a_file_that_others_may_write_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("routes.yaml");
    std::fs::write(&path, "").unwrap();
    let warned = |mode: u32, portable: bool| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        codes(load(&path, LoadOptions { portable }))
    };
    assert_eq!(warned(0o644, false), []);
    assert_eq!(warned(0o666, false), [("writable-file", 0, 0)]);
    assert_eq!(warned(0o666, true), []);
}

#[test]
fn relative_paths_begin_at_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "edge", 2020, 2090);
    let path = folder.path().join("routes.yaml");
    let text = "listeners: { a: { address: 127.0.0.1:443, tls: { certificates: [{ certificate: edge.pem, private_key: edge.key }] } } }\n\
                state_directory: state\n";
    std::fs::write(&path, text).unwrap();
    let loaded = load(&path, LoadOptions::default()).unwrap();
    let tls = loaded.config.listeners[0].tls.clone().unwrap();
    assert_eq!(tls.certificates[0].certificate, folder.path().join("edge.pem"));
    assert_eq!(loaded.config.state_directory, Some(folder.path().join("state")));
    assert_eq!(loaded.digest, crate::config::digest(text.as_bytes()));
}

#[test]
fn the_sample_has_no_warning() {
    let loaded = load(Path::new("routes.yaml"), LoadOptions::default());
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    let text = crate::config::render(&loaded.source, &loaded.warnings, false);
    assert!(loaded.warnings.is_empty(), "{text}");
    assert!(loaded.refuse_development_user_pool().is_some());
}
