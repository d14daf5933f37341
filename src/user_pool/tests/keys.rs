//! Key sets, rotation, and keys on disk.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// The key's ids, newest first.
fn kids(ring: &KeyRing) -> Vec<String> {
    ring.access_keys().map(|key| key.kid().to_owned()).collect()
}

/// Another ring without the price of new keys: the uses are swapped.
fn other_keys() -> KeyRing {
    let again =
        |key: &SigningKey| SigningKey::from_pkcs8(key.to_pkcs8().unwrap().as_ref()).unwrap();
    KeyRing::new(again(keys().id()), again(keys().access()))
}

#[test]
fn a_key_has_the_members_of_cognitos_and_is_of_2048_bits() {
    let jwks = keys().jwks();
    let list = jwks["keys"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    for key in list {
        let names: Vec<_> = key.as_object().unwrap().keys().collect();
        assert_eq!(names, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(key["alg"], "RS256");
        assert_eq!(key["e"], "AQAB");
        assert_eq!(key["kty"], "RSA");
        assert_eq!(key["use"], "sig");
        assert_eq!(key["n"].as_str().unwrap().len(), 342, "256 bytes in base64url");
    }
}

#[test]
fn after_a_rotation_new_keys_sign_first_in_the_set_and_old_tokens_still_verify() {
    let pool = pool();
    let before = sign_in_alice(&pool);
    pool.replace_keys(pool.keys().rotated_to(&other_keys(), false));
    let after = sign_in_alice(&pool);
    let jwks = pool.keys().jwks();
    verified(&jwks, &before.access_token);
    verified(&jwks, &after.access_token);
    assert_eq!(decode_header(&after.access_token).unwrap().kid.unwrap(), kids(&pool.keys())[0]);
    assert_ne!(
        decode_header(&before.access_token).unwrap().kid,
        decode_header(&after.access_token).unwrap().kid
    );
}

#[test]
fn a_rotation_that_forgets_publishes_only_the_new_keys() {
    let pool = pool();
    pool.replace_keys(pool.keys().rotated_to(&other_keys(), true));
    assert_eq!(kids(&pool.keys()), kids(&other_keys()));
    assert_eq!(pool.keys().jwks()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn a_thousand_rotations_publish_no_more_than_the_bound() {
    let (mut ring, other) = (keys(), other_keys());
    for _ in 0..1000 {
        ring = ring.rotated_to(&other, false);
    }
    assert_eq!(ring.access_keys().count(), MAX_KEYS_PER_USE);
    assert_eq!(ring.id_keys().count(), MAX_KEYS_PER_USE);
}

#[test]
fn stored_keys_come_back_in_order_and_are_the_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    let rotated = keys().rotated_to(&other_keys(), false);
    store(&directory, "eu-west-1_DevPool01", &rotated).unwrap();
    let loaded = load_or_generate(Some(&directory), "eu-west-1_DevPool01").unwrap();
    assert_eq!(loaded.jwks(), rotated.jwks());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let files: Vec<_> = directory.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4);
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[test]
fn keys_that_were_forgotten_leave_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (pool_id, other) = ("eu-west-1_DevPool01", other_keys());
    store(directory.path(), pool_id, &keys().rotated_to(&other, false)).unwrap();
    store(directory.path(), pool_id, &keys().rotated_to(&other, true)).unwrap();
    assert_eq!(directory.path().read_dir().unwrap().count(), 2);
}

#[test]
fn a_damaged_key_file_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("eu-west-1_DevPool01.access.0.p8");
    std::fs::write(&file, "not a key").unwrap();
    let refused = load_or_generate(Some(directory.path()), "eu-west-1_DevPool01");
    assert!(matches!(refused, Err(PoolError::KeyContent(path)) if path == file));
    assert_eq!(std::fs::read(&file).unwrap(), b"not a key");
}

#[test]
fn a_pool_id_cannot_lead_out_of_the_state_directory() {
    let directory = tempfile::tempdir().unwrap();
    let refused = load_or_generate(Some(directory.path()), "../../eu_a");
    assert!(matches!(refused, Err(PoolError::PoolId(_))));
}

#[test]
fn a_key_of_another_size_is_refused() {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa3072).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    assert!(SigningKey::from_pkcs8(der.as_ref()).is_err());
}

#[test]
fn debug_output_shows_no_secret() {
    let key = format!("{:?}", keys().access());
    assert!(key.len() < 100, "{key}");
    let pool = format!("{:?}", pool());
    assert!(!pool.contains("Passw0rd") && !pool.contains(SECRET));
    let asked = request("USER_PASSWORD_AUTH", PUBLIC, &[("PASSWORD", "hunter2")]);
    assert!(!format!("{asked:?}").contains("hunter2"));
}
