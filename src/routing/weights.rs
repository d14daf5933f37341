//! Which of a rule's target groups takes a request.

use crate::config::model::{GroupIndex, WeightedGroup};

/// Chooses by weight. `random` is any number, all equally likely.
///
/// Weight 0 takes nothing, so there may be no choice. A group without a healthy target still takes
/// its share: there is no failover between groups (alb.md 5.2).
#[must_use]
pub fn choose_group(groups: &[WeightedGroup], random: u32) -> Option<GroupIndex> {
    let total: u64 = groups.iter().map(|group| u64::from(group.weight)).sum();
    let mut left = (u64::from(random) * total) >> 32;
    for group in groups {
        let weight = u64::from(group.weight);
        if left < weight {
            return Some(group.group);
        }
        left -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(weights: &[u16]) -> Vec<usize> {
        let groups: Vec<_> = weights
            .iter()
            .enumerate()
            .map(|(index, &weight)| WeightedGroup { group: GroupIndex(index), weight })
            .collect();
        let mut shares = vec![0; weights.len()];
        for step in 0..3000_u32 {
            if let Some(GroupIndex(index)) = choose_group(&groups, step * (u32::MAX / 3000)) {
                shares[index] += 1;
            }
        }
        shares
    }

    #[test]
    fn groups_take_their_shares() {
        assert_eq!(shares(&[1]), [3000]);
        for (share, expected) in shares(&[10, 20]).into_iter().zip([1000_usize, 2000]) {
            assert!(share.abs_diff(expected) <= 2);
        }
    }

    #[test]
    fn weight_zero_takes_nothing() {
        assert_eq!(shares(&[0, 7, 0]), [0, 3000, 0]);
        assert_eq!(shares(&[0, 0]), [0, 0]);
        assert_eq!(choose_group(&[], 7), None);
    }

    #[test]
    fn the_highest_number_chooses_the_last_group_that_has_weight() {
        let groups = [
            WeightedGroup { group: GroupIndex(4), weight: 999 },
            WeightedGroup { group: GroupIndex(5), weight: 1 },
            WeightedGroup { group: GroupIndex(6), weight: 0 },
        ];
        assert_eq!(choose_group(&groups, u32::MAX), Some(GroupIndex(5)));
        assert_eq!(choose_group(&groups, 0), Some(GroupIndex(4)));
    }
}
