//! Which pairs of neighbouring bytes a text has, roughly: a sieve in front of many comparisons.

/// A set of pairs of bytes, in 128 bits. It may seem to have a pair that it lacks, never the other
/// way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(in crate::routing) struct Pairs(u128);

impl Pairs {
    /// The pairs of a text.
    pub(in crate::routing) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let pairs = bytes.iter().zip(bytes.iter().skip(1));
        Self(pairs.fold(0, |set, (&one, &next)| {
            let mixed = u32::from(one).wrapping_mul(0x9e37_79b1)
                ^ u32::from(next).wrapping_mul(0x85eb_ca6b);
            set | 1 << (mixed >> 25)
        }))
    }

    /// Those of both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of the other's are here.
    #[inline]
    pub(super) const fn include(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}
