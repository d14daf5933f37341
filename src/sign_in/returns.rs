//! How often a browser has just come back signed in. One that does not keep its session would go to
//! the user pool and back for ever; after some rounds it gets a page instead.
//!
//! The count is in the browser's hands and not sealed: who changes it changes only how soon the page
//! comes.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Reach, Realm};
use crate::clock::UnixMillis;
use crate::http::cookies;

/// Rounds before the page.
const MOST: u8 = 3;
/// Rounds further apart than this are no loop.
const WINDOW: Duration = Duration::from_secs(60);

/// The cookie's name: one that only this very host can set, where the session's is.
fn name(realm: &Realm) -> &'static str {
    if realm.cookie_name.starts_with("__Host-") {
        "__Host-AWSALBAuthReturns"
    } else {
        "AWSALBAuthReturns"
    }
}

/// Stands before the count: sessions of other names are other loops.
fn whose(realm: &Realm) -> String {
    let digest = digest(&SHA256, realm.cookie_name.as_bytes());
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..6).unwrap_or_default())
}

fn count(realm: &Realm, headers: &HeaderMap) -> u8 {
    let read = |value: &[u8]| match value.strip_prefix(whose(realm).as_bytes()) {
        Some([b'.', digit @ b'1'..=b'9']) => Some(digit - b'0'),
        _ => None,
    };
    cookies::values(headers, name(realm)).find_map(read).unwrap_or(0)
}

/// Whether a browser without a session has come back too often to be sent away again.
pub(crate) fn are_too_many(realm: &Realm, headers: &HeaderMap) -> bool {
    count(realm, headers) >= MOST
}

/// Counts another return.
pub(super) fn counted(
    realm: &Realm,
    headers: &HeaderMap,
    reach: Reach,
    now: UnixMillis,
) -> Option<HeaderValue> {
    let count = (count(realm, headers) + 1).min(MOST);
    reach.set(name(realm), &format!("{}.{count}", whose(realm)), now, WINDOW)
}

/// Begins to count anew.
pub(crate) fn forgotten(realm: &Realm, headers: &HeaderMap, reach: Reach) -> Option<HeaderValue> {
    cookies::values(headers, name(realm)).next()?;
    reach.end(name(realm))
}
