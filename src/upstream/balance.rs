//! Choosing one of several candidates: arithmetic only.
//!
//! A [`Rotation`] is immutable. Whoever learns that a target became unhealthy builds a new one, so a
//! request never looks at a target that it must not have, and shares stay exact among the rest.

use super::target::TargetKey;

/// More places than this in a cycle are not kept; weights are rounded to fit.
const LONGEST_CYCLE: u64 = 16_384;

/// Up to this many candidates are all looked at by least outstanding requests; above, two at random.
const SCAN_LIMIT: usize = 16;

/// Something that can be chosen.
pub(crate) trait Candidate {
    /// Its share beside its siblings; 0 is never chosen.
    fn weight(&self) -> u16;
    /// Requests that it is serving.
    fn in_flight(&self) -> u32;
    /// Its name in cookies.
    fn key(&self) -> TargetKey;
}

/// Candidates that may receive requests, and the order in which they do.
#[derive(Debug)]
pub(crate) struct Rotation<T> {
    eligible: Box<[T]>,
    /// Indices into `eligible`, one cycle; empty when all weights are equal.
    order: Box<[u32]>,
    /// Indices into `eligible`, sorted by key.
    keys: Box<[(TargetKey, u32)]>,
}

impl<T: Candidate> Rotation<T> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.eligible.is_empty()
    }

    /// Keeps the candidates whose weight is not 0.
    pub(crate) fn new(candidates: impl IntoIterator<Item = T>) -> Self {
        let eligible: Box<[T]> =
            candidates.into_iter().filter(|candidate| candidate.weight() > 0).collect();
        let weights: Vec<u16> = eligible.iter().map(Candidate::weight).collect();
        let mut keys: Box<[(TargetKey, u32)]> =
            eligible.iter().map(Candidate::key).zip(0..).collect();
        keys.sort_unstable();
        Self { eligible, order: smooth_order(&weights), keys }
    }

    /// The candidate of this key.
    pub(crate) fn find(&self, key: TargetKey) -> Option<&T> {
        let place = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        let (_, index) = self.keys.get(place)?;
        self.eligible.get(*index as usize)
    }

    /// The candidate whose turn `ticket` is. One that `avoid` names only if there is no other.
    pub(crate) fn in_turn(&self, ticket: usize, avoid: impl Fn(&T) -> bool) -> Option<&T> {
        let index = if self.order.is_empty() {
            ticket.checked_rem(self.eligible.len())?
        } else {
            *self.order.get(ticket % self.order.len())? as usize
        };
        self.from(index, avoid)
    }

    /// The candidate with the fewest requests in flight for its weight. `ticket` decides between
    /// equals, and which two are compared when there are many.
    pub(crate) fn least_outstanding(
        &self,
        ticket: usize,
        avoid: impl Fn(&T) -> bool,
    ) -> Option<&T> {
        let count = self.eligible.len();
        let start = ticket.checked_rem(count)?;
        if count > SCAN_LIMIT {
            return self.better_of_two(ticket, avoid);
        }
        let (after, before) = (self.eligible.get(start..)?, self.eligible.get(..start)?);
        let mut best = None;
        for candidate in after.iter().chain(before).filter(|candidate| !avoid(candidate)) {
            if best.is_none_or(|best| is_less_busy(candidate, best)) {
                best = Some(candidate);
            }
        }
        best.or_else(|| self.eligible.get(start))
    }

    fn better_of_two(&self, ticket: usize, avoid: impl Fn(&T) -> bool) -> Option<&T> {
        let count = self.eligible.len();
        let dice = mix(ticket as u64);
        let first = (dice >> 32) as usize % count;
        // From the others, so that the two differ.
        let second = (first + 1 + (dice as u32) as usize % (count - 1)) % count;
        let (one, other) = (self.from(first, &avoid)?, self.from(second, &avoid)?);
        Some(if is_less_busy(other, one) { other } else { one })
    }

    /// The first candidate from `index` on, in a circle, that is not to be avoided; else `index`.
    fn from(&self, index: usize, avoid: impl Fn(&T) -> bool) -> Option<&T> {
        let wanted = self.eligible.get(index)?;
        if !avoid(wanted) {
            return Some(wanted);
        }
        let (before, after) = self.eligible.split_at_checked(index)?;
        after.iter().chain(before).find(|candidate| !avoid(candidate)).or(Some(wanted))
    }
}

/// Compares what the load would be with one request more, so that among idle candidates the
/// heaviest is first.
fn is_less_busy<T: Candidate>(one: &T, other: &T) -> bool {
    let load =
        |candidate: &T, by: &T| (u64::from(candidate.in_flight()) + 1) * u64::from(by.weight());
    load(one, other) < load(other, one)
}

/// One cycle in which index `i` has exactly `weights[i]` places (less their common divisor), as
/// evenly spread as can be: each candidate's places are due at equal distances, and the cycle is
/// all places by due time. Any stretch of one cycle's length, wherever it begins, has exact shares.
fn smooth_order(weights: &[u16]) -> Box<[u32]> {
    if weights.windows(2).all(|pair| pair.first() == pair.last()) {
        return Box::default();
    }
    let weights = reduced(weights);
    let mut places = Vec::new();
    for (index, weight) in weights.iter().enumerate() {
        for place in 0..*weight {
            // (place + 1/2) / weight as a fraction of the cycle, in 2^-32.
            let due = ((2 * place + 1) << 31) / weight;
            places.push((due, u32::try_from(index).unwrap_or(u32::MAX)));
        }
    }
    places.sort_unstable();
    places.into_iter().map(|(_, index)| index).collect()
}

/// Weights without their common divisor, and rounded where the cycle would be too long.
fn reduced(weights: &[u16]) -> Vec<u64> {
    let divisor = weights.iter().fold(0, |divisor, weight| gcd(divisor, u64::from(*weight))).max(1);
    let mut weights: Vec<u64> = weights.iter().map(|weight| u64::from(*weight) / divisor).collect();
    let total: u64 = weights.iter().sum();
    if total > LONGEST_CYCLE {
        for weight in &mut weights {
            *weight = (*weight * LONGEST_CYCLE / total).max(1);
        }
    }
    weights
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// SplitMix64: neighbouring numbers in, numbers that look independent out.
const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Stub {
        id: usize,
        weight: u16,
        in_flight: u32,
    }

    impl Candidate for Stub {
        fn weight(&self) -> u16 {
            self.weight
        }

        fn in_flight(&self) -> u32 {
            self.in_flight
        }

        fn key(&self) -> TargetKey {
            TargetKey(mix(self.id as u64))
        }
    }

    fn stubs(weights: &[u16], in_flight: &[u32]) -> Vec<Stub> {
        let in_flight = in_flight.iter().copied().chain(std::iter::repeat(0));
        let numbered = weights.iter().zip(in_flight).enumerate();
        numbered.map(|(id, (weight, in_flight))| Stub { id, weight: *weight, in_flight }).collect()
    }

    fn turns(weights: &[u16], tickets: std::ops::Range<usize>) -> Vec<usize> {
        let rotation = Rotation::new(stubs(weights, &[]));
        tickets.filter_map(|t| rotation.in_turn(t, |_| false)).map(|stub| stub.id).collect()
    }

    #[test]
    fn equal_weights_go_in_turn() {
        assert_eq!(turns(&[7, 7, 7], 0..6), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn heavy_target_is_spread_out_not_bunched() {
        assert_eq!(turns(&[5, 1, 1], 0..7), [0, 0, 0, 1, 2, 0, 0]);
        assert_eq!(turns(&[2, 1], 0..6), [0, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn without_candidates_nothing_is_chosen() {
        let rotation = Rotation::<Stub>::new([]);
        assert_eq!(rotation.in_turn(3, |_| false), None);
        assert_eq!(rotation.least_outstanding(3, |_| false), None);
    }

    #[test]
    fn very_long_cycles_are_rounded_and_nobody_starves() {
        let weights: Vec<u16> = (0..200).map(|i| 600 + i).chain([1]).collect();
        let order = smooth_order(&weights);
        assert!(order.len() as u64 <= LONGEST_CYCLE + weights.len() as u64);
        assert!(order.contains(&200));
    }

    #[test]
    fn idle_targets_are_taken_by_weight() {
        let rotation = Rotation::new(stubs(&[1, 9], &[0, 0]));
        assert_eq!(rotation.least_outstanding(0, |_| false).map(|stub| stub.id), Some(1));
    }

    #[test]
    fn two_choices_never_take_the_busiest_of_many() {
        let mut candidates = stubs(&[1; 40], &[]);
        candidates[17].in_flight = 9;
        let rotation = Rotation::new(candidates);
        assert!((0..10_000).all(|t| {
            rotation.least_outstanding(t, |_| false).is_some_and(|stub| stub.id != 17)
        }));
    }

    proptest! {
        #[test]
        fn each_candidate_with_weight_is_found_by_its_key_and_nothing_else(
            weights in prop::collection::vec(0_u16..3, 0..40),
            other: u64,
        ) {
            let rotation = Rotation::new(stubs(&weights, &[]));
            for stub in stubs(&weights, &[]) {
                let found = rotation.find(stub.key()).map(|stub| stub.id);
                prop_assert_eq!(found, (stub.weight > 0).then_some(stub.id));
            }
            prop_assert_eq!(rotation.find(TargetKey(other)), None);
        }

        #[test]
        fn every_window_of_one_cycle_has_exact_shares(
            weights in prop::collection::vec(0_u16..20, 1..8),
            start in 0_usize..1000,
        ) {
            let cycle: usize = weights.iter().map(|w| usize::from(*w)).sum();
            let turns = turns(&weights, start..start + cycle);
            for (id, weight) in weights.iter().enumerate() {
                let share = turns.iter().filter(|turn| **turn == id).count();
                prop_assert_eq!(share, usize::from(*weight));
            }
        }

        #[test]
        fn least_outstanding_takes_the_minimum(
            load in prop::collection::vec((1_u16..999, 0_u32..50), 1..=SCAN_LIMIT),
            ticket: usize,
        ) {
            let (weights, in_flight): (Vec<_>, Vec<_>) = load.into_iter().unzip();
            let candidates = stubs(&weights, &in_flight);
            let rotation = Rotation::new(candidates.clone());
            let chosen = rotation.least_outstanding(ticket, |_| false).unwrap();
            prop_assert!(!candidates.iter().any(|other| is_less_busy(other, chosen)));
        }

        #[test]
        fn weight_0_is_never_chosen_and_a_tried_one_only_when_alone(
            weights in prop::collection::vec(0_u16..4, 0..40),
            tried in 0_usize..40,
            ticket: usize,
        ) {
            let rotation = Rotation::new(stubs(&weights, &[]));
            let avoid = |stub: &Stub| stub.id == tried;
            let choices = [rotation.in_turn(ticket, avoid), rotation.least_outstanding(ticket, avoid)];
            let others = weights.iter().enumerate().any(|(id, w)| *w > 0 && id != tried);
            for chosen in choices {
                prop_assert_eq!(chosen.is_some(), weights.iter().any(|weight| *weight > 0));
                if let Some(chosen) = chosen {
                    prop_assert!(chosen.weight > 0);
                    prop_assert!(!others || chosen.id != tried);
                }
            }
        }
    }
}
