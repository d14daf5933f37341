//! What a cookie remembers: where its client was, in each of a few places, and until when.
//!
//! Always of one length, so that nobody can tell from outside how much it remembers.

use crate::clock::UnixMillis;

/// So many places are remembered; a host with more sticky target groups than that is rare, and
/// loses the one that was not used for longest.
const PLACES: usize = 3;
const ENTRY: usize = 8 + 8 + 5;
/// Length of the bytes.
pub(super) const BYTES: usize = PLACES * ENTRY;

/// Names a place, or a choice made there.
pub(super) type Mark = u64;

/// A choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entry {
    place: Mark,
    choice: Mark,
    /// In seconds since the epoch; 0 is an entry that nobody made.
    until: u64,
}

/// The choices that a cookie remembers, the last one first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory([Entry; PLACES]);

/// What is remembered of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recalled {
    /// This.
    Choice(Mark),
    /// It was too long ago.
    Expired,
    /// Nothing.
    Nothing,
}

impl Memory {
    /// Reads what [`Self::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        let entries: &[[u8; ENTRY]; PLACES] = entries.try_into().ok()?;
        rest.is_empty().then(|| Self(entries.map(Entry::from_bytes)))
    }

    pub(super) fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (place, entry) in bytes.as_chunks_mut::<ENTRY>().0.iter_mut().zip(self.0) {
            *place = entry.to_bytes();
        }
        bytes
    }

    /// What is remembered of a place.
    pub(super) fn recall(&self, place: Mark, now: UnixMillis) -> Recalled {
        match self.0.iter().find(|entry| entry.until > 0 && entry.place == place) {
            None => Recalled::Nothing,
            Some(entry) if now.seconds() < entry.until => Recalled::Choice(entry.choice),
            Some(_) => Recalled::Expired,
        }
    }

    /// The place among these where something was chosen last.
    pub(super) fn last_of(
        &self,
        now: UnixMillis,
        mut is_one: impl FnMut(Mark) -> bool,
    ) -> Option<Mark> {
        let mut living = self.0.iter().filter(|entry| now.seconds() < entry.until);
        living.find(|entry| is_one(entry.place)).map(|entry| entry.place)
    }

    /// Remembers a choice before all others until a moment, rounded up to seconds.
    pub(super) fn note(&mut self, place: Mark, choice: Mark, until: UnixMillis) {
        self.forget(|other| other == place);
        self.0.rotate_right(1);
        if let Some(first) = self.0.first_mut() {
            *first = Entry { place, choice, until: until.0.div_ceil(1000) };
        }
    }

    /// Forgets what was chosen in these places.
    pub(super) fn forget(&mut self, mut is_one: impl FnMut(Mark) -> bool) {
        for entry in &mut self.0 {
            if is_one(entry.place) {
                *entry = Entry::default();
            }
        }
        // What is left moves up, so that a free place is last.
        self.0.sort_by_key(|entry| entry.until == 0);
    }

    /// Whether nothing that counts is left.
    pub(super) fn is_empty(&self, now: UnixMillis) -> bool {
        self.0.iter().all(|entry| entry.until <= now.seconds())
    }
}

impl Entry {
    fn from_bytes(bytes: [u8; ENTRY]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u] = bytes;
        Self {
            place: Mark::from_be_bytes([a, b, c, d, e, f, g, h]),
            choice: Mark::from_be_bytes([i, j, k, l, m, n, o, p]),
            until: u64::from_be_bytes([0, 0, 0, q, r, s, t, u]),
        }
    }

    fn to_bytes(self) -> [u8; ENTRY] {
        let [a, b, c, d, e, f, g, h] = self.place.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = self.choice.to_be_bytes();
        let [.., q, r, s, t, u] = self.until.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_395_735_000);
    const LATER: UnixMillis = UnixMillis(1_795_395_735_001);

    #[test]
    fn a_choice_counts_until_its_moment_and_not_after() {
        let mut memory = Memory::default();
        assert_eq!(memory.recall(1, NOW), Recalled::Nothing);
        memory.note(1, 10, LATER);
        assert_eq!(memory.recall(1, NOW), Recalled::Choice(10), "rounded up to a second");
        assert_eq!(memory.recall(1, UnixMillis(NOW.0 + 1000)), Recalled::Expired);
        assert_eq!(memory.recall(2, NOW), Recalled::Nothing);
        assert!(!memory.is_empty(NOW) && memory.is_empty(UnixMillis(NOW.0 + 1000)));
    }

    #[test]
    fn a_place_that_nobody_noted_is_never_recalled_not_even_place_0() {
        assert_eq!(Memory::default().recall(0, UnixMillis(0)), Recalled::Nothing);
        assert_eq!(Memory::default().last_of(UnixMillis(0), |_| true), None);
    }

    #[test]
    fn the_place_that_was_used_last_is_forgotten_last() {
        let mut memory = Memory::default();
        for place in [1, 2, 3, 1, 4] {
            memory.note(place, place * 10, LATER);
        }
        let known: Vec<Mark> =
            (1..=4).filter(|p| memory.recall(*p, NOW) != Recalled::Nothing).collect();
        assert_eq!(known, [1, 3, 4]);
        assert_eq!(memory.last_of(NOW, |place| place < 4), Some(1));
        memory.forget(|place| place == 4);
        memory.note(5, 50, LATER);
        assert_eq!(memory.recall(3, NOW), Recalled::Choice(30), "the free place was taken");
    }

    #[test]
    fn bytes_of_another_length_are_no_memory() {
        for length in [0, BYTES - 1, BYTES + 1, 2 * BYTES] {
            assert_eq!(Memory::from_bytes(&vec![1; length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(
            notes in prop::collection::vec((any::<Mark>(), any::<Mark>(), 0..1_u64 << 40), 0..6),
        ) {
            let mut memory = Memory::default();
            for (place, choice, until) in &notes {
                memory.note(*place, *choice, UnixMillis(until * 1000));
            }
            prop_assert_eq!(Memory::from_bytes(&memory.to_bytes()), Some(memory));
            if let Some((place, choice, until)) = notes.last()
                && *until > NOW.seconds()
            {
                prop_assert_eq!(memory.recall(*place, NOW), Recalled::Choice(*choice));
            }
        }
    }
}
