//! Comparing and deriving secrets without telling by the clock how nearly a guess was right.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Cognito's `SECRET_HASH`: base64 of HMAC-SHA256 over user name and client id, keyed with the
/// client's secret.
#[must_use]
pub fn secret_hash(client_secret: &str, username: &str, client_id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(username.as_bytes());
    context.update(client_id.as_bytes());
    STANDARD.encode(context.sign())
}

/// Whether both are the same. Digests are compared, so that not even the length shows.
pub(super) fn is_same(given: &str, expected: &str) -> bool {
    let given = digest(&SHA256, given.as_bytes());
    let expected = digest(&SHA256, expected.as_bytes());
    verify_slices_are_equal(given.as_ref(), expected.as_ref()).is_ok()
}

/// What is kept of a token, code or cookie: of no use to whoever reads our memory.
pub(super) type Digest = [u8; 32];

/// SHA-256.
pub(super) fn digest_of(text: &str) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}
