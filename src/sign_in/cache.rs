//! Sessions that were opened before, so that it is done once for a page with a hundred requests.
//!
//! Known by a keyed hash of the cookies, like tokens are; what a hit says is only what opening would
//! say. Time, pool and client are judged again for each request.

use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use super::OpenSession;
use crate::auth::cache::{NameHasher, Namer, TokenName};

/// Bytes that it may take.
const CAPACITY: u64 = 32 * 1024 * 1024;
/// A session that nobody has used for so long is opened again.
const IDLE: Duration = Duration::from_secs(300);

/// The cache. It lasts as long as the keys that its sessions were opened with.
pub struct SessionCache {
    /// `None` only if the machine has no randomness: then nothing is cached.
    namer: Option<Namer>,
    entries: Cache<TokenName, Arc<OpenSession>, BuildHasherDefault<NameHasher>>,
}

impl Default for SessionCache {
    fn default() -> Self {
        let entries = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(|_, open: &Arc<OpenSession>| u32::try_from(open.weight()).unwrap_or(u32::MAX))
            .time_to_idle(IDLE)
            .build_with_hasher(BuildHasherDefault::default());
        Self { namer: Namer::new(), entries }
    }
}

impl SessionCache {
    /// What the value of the cookies of this name is called here.
    pub(super) fn name(&self, cookie_name: &str, value: &[u8]) -> Option<TokenName> {
        // A name of a cookie has no `=`.
        let text = [cookie_name.as_bytes(), b"=", value].concat();
        self.namer.as_ref()?.name(&text)
    }

    pub(super) fn get(&self, name: &TokenName) -> Option<Arc<OpenSession>> {
        self.entries.get(name)
    }

    pub(super) fn insert(&self, name: TokenName, open: &Arc<OpenSession>) {
        self.entries.insert(name, Arc::clone(open));
    }
}
