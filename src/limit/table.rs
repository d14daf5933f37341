//! Buckets for many keys in memory that never grows.
//!
//! A key has one set of eight places, by a hash that nobody outside can compute. Where it is not
//! known, it takes over the place whose bucket is the fullest, *with what is missing in it*. A full
//! bucket is as good as none, so that while there are places with full buckets in a set nobody
//! notices anything. Beyond that, newcomers are held more strictly, never less: the time at which
//! the first bucket of a set is full only moves on, and a key loses its place only while that one
//! is its own, so whoever comes back finds at least what it owed. Flooding a table with keys
//! therefore frees nobody, neither those that flood nor those that were throttled before.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bucket::{Bucket, Pace};

/// Places of a set: two cache lines.
const WAYS: usize = 8;

#[derive(Debug)]
pub(super) struct Table {
    /// A power of two.
    sets: usize,
    secret: RandomState,
    /// Made when first needed: a thousand routes may never see a request.
    places: OnceLock<Box<[Set]>>,
}

#[derive(Debug, Default)]
struct Set([Place; WAYS]);

/// 16 bytes. Both words are changed on their own: a bucket charged for the key that was here a
/// moment ago is charged all the same.
#[derive(Debug, Default)]
struct Place {
    /// The hash of whose bucket this is; 0 for nobody's yet.
    key: AtomicU64,
    bucket: Bucket,
}

impl Table {
    pub(super) fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(WAYS).next_power_of_two();
        Self { sets, secret: RandomState::new(), places: OnceLock::new() }
    }

    pub(super) fn take(&self, key: impl Hash, pace: Pace, now: u64) -> Result<(), u64> {
        let key = self.secret.hash_one(key).max(1);
        let places = self.places.get_or_init(|| (0..self.sets).map(|_| Set::default()).collect());
        #[allow(clippy::cast_possible_truncation)]
        let set = places.get(key as usize & (self.sets - 1));
        // There is one: the mask is below the length.
        let Some(place) = set.and_then(|set| set.place(key)) else { return Err(0) };
        place.bucket.take(pace, now)?;
        if place.key.load(Ordering::Relaxed) != key {
            place.key.store(key, Ordering::Relaxed);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.places.get().map_or(0, |places| std::mem::size_of_val::<[Set]>(places))
    }
}

impl Set {
    /// The place of a key, or the one that it would take over.
    fn place(&self, key: u64) -> Option<&Place> {
        let known = self.0.iter().find(|place| place.key.load(Ordering::Relaxed) == key);
        known.or_else(|| self.0.iter().min_by_key(|place| place.bucket.full_at()))
    }
}
