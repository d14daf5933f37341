//! Tokens whose signature was found right, so that it is checked once.
//!
//! What a hit says is only that; time, key set, pool and rule are asked again each time. Bounded by
//! bytes; TinyLFU admission keeps a flood of tokens from pushing out those in use. A token takes
//! room when it comes a second time: many are used once, and fresh memory costs more than what it
//! would save.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use moka::Expiry;
use moka::sync::Cache;

use super::verify::VerifiedToken;

/// Bytes that the cache may take. A Cognito token takes about 3 KiB of it.
pub const CAPACITY: u64 = 64 * 1024 * 1024;
/// What an entry costs beside the token: the map's own records.
const OVERHEAD: usize = 256;
/// Tokens of which it is known that they came once; 8 bytes each.
const SEEN: usize = 1 << 16;

/// A name for a token as received: its GHASH under a key that nobody knows, not even us tomorrow.
///
/// The cache holds neither the token nor anything that can be computed without the key. Two tokens
/// share a name with probability below 2^-117 (16 KiB are 2^10 blocks of a 128-bit universal hash),
/// and a name is never shown, so one can only be guessed at the cost of a request each.
///
/// Measured for a token of 1.2 KB: SHA-256 820 ns and 40,200 instructions without SHA extensions,
/// SipHash 360 ns and 4,900, this 210 ns and 1,700. Comparing whole tokens would save another
/// 1,400 instructions and keep every caller's credentials in memory; that is not worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenName([u8; 16]);

/// Makes [`TokenName`]s.
pub(crate) struct Namer(LessSafeKey);

impl Namer {
    /// Without randomness there can be no gateway: TLS and sign-in need it as well.
    pub(crate) fn new() -> Option<Self> {
        let mut key = [0; 16];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        Some(Self(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?)))
    }

    /// AES-GCM of nothing with the token beside it is GHASH and a constant. The nonce may be the
    /// same each time because no tag ever leaves this process.
    pub(crate) fn name(&self, token: &[u8]) -> Option<TokenName> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(token), &mut []).ok()?;
        tag.as_ref().first_chunk().copied().map(TokenName)
    }
}

/// A name is as evenly spread as any hash of it would be.
#[derive(Debug, Default)]
pub(crate) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

/// Names that came once. Eight share a place, which is a line of the processor's cache; the oldest
/// gives way.
struct Seen(Box<[[AtomicU64; 8]]>);

impl Seen {
    fn new() -> Self {
        Self(std::iter::repeat_with(Default::default).take(SEEN / 8).collect())
    }

    /// Whether the name came before, as far as is remembered. Two threads at once may make a place
    /// forget: then a signature is checked once more.
    fn again(&self, TokenName(name): &TokenName) -> bool {
        let (Some(mark), Some(place)) = (name.first_chunk(), name.last_chunk()) else {
            return false;
        };
        let mark = u64::from_le_bytes(*mark);
        let Some(place) = self.0.get(usize::from_le_bytes(*place) % self.0.len()) else {
            return false;
        };
        if place.iter().any(|seen| seen.load(Ordering::Relaxed) == mark) {
            return true;
        }
        place.iter().fold(mark, |younger, seen| seen.swap(younger, Ordering::Relaxed));
        false
    }
}

#[derive(Debug, Clone)]
struct Entry {
    token: Arc<VerifiedToken>,
    /// From insertion to expiry.
    life: Duration,
}

struct AtExpiry;

impl Expiry<TokenName, Entry> for AtExpiry {
    fn expire_after_create(&self, _: &TokenName, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.life)
    }
}

/// The cache of verified tokens; one for the whole process.
pub struct TokenCache {
    /// `None` only if the machine has no randomness: then nothing is cached.
    namer: Option<Namer>,
    seen: Seen,
    entries: Cache<TokenName, Entry, BuildHasherDefault<NameHasher>>,
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.entries.entry_count()).finish()
    }
}

impl TokenCache {
    /// A cache of at most `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(|_, entry: &Entry| {
                u32::try_from(entry.token.weight() + OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(AtExpiry)
            .build_with_hasher(BuildHasherDefault::default());
        Self { namer: Namer::new(), seen: Seen::new(), entries }
    }

    /// What `token` is called here.
    pub(super) fn name(&self, token: &[u8]) -> Option<TokenName> {
        self.namer.as_ref()?.name(token)
    }

    pub(super) fn get(&self, name: &TokenName) -> Option<Arc<VerifiedToken>> {
        self.entries.get(name).map(|entry| entry.token)
    }

    /// Remembers a verified token, if it came before.
    pub(super) fn insert(&self, name: TokenName, token: &Arc<VerifiedToken>, life: Duration) {
        if self.seen.again(&name) {
            self.entries.insert(name, Entry { token: Arc::clone(token), life });
        }
    }

    /// Tokens held, about.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Bytes held, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    /// Carries out what is pending: then [`Self::entries`] and [`Self::bytes`] are exact.
    pub fn settle(&self) {
        self.entries.run_pending_tasks();
    }
}
