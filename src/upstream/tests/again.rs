//! The target that served a client before, by its key.

use super::*;
use crate::upstream::TargetKey;

fn key_of(groups: &TargetGroups, port: u16) -> TargetKey {
    loop {
        let chosen = groups.choose(GROUP, &Tried::default()).unwrap();
        if chosen.address().port() == port {
            return chosen.target().key();
        }
    }
}

fn compiled(group: &str) -> TargetGroups {
    TargetGroups::compile(&config(group), None)
}

fn ports(groups: &TargetGroups, before: TargetKey) -> Vec<u16> {
    let again = || groups.choose_again(GROUP, Some(before), &Tried::default()).unwrap();
    (0..6).map(|_| again().address().port()).collect()
}

#[test]
fn it_is_taken_again_whatever_the_algorithm_and_however_busy_it_is() {
    for algorithm in ["round_robin", "least_outstanding_requests"] {
        let targets = "127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3";
        let groups = compiled(&format!("{{ targets: [{targets}], algorithm: {algorithm} }}"));
        let key = key_of(&groups, 2);
        let _busy = groups.choose_again(GROUP, Some(key), &Tried::default()).unwrap();
        assert_eq!(ports(&groups, key), [2; 6], "{algorithm}");
    }
}

#[test]
fn its_key_is_the_same_in_another_order_and_another_process_and_differs_from_all_others() {
    let groups = compiled("{ targets: [127.0.0.1:1, 127.0.0.1:2, 127.0.0.2:1] }");
    let moved = compiled(
        "{ targets: [127.0.0.2:1, 127.0.0.1:2, { address: \"127.0.0.1:1\", weight: 7 }] }",
    );
    assert_eq!(key_of(&groups, 2), key_of(&moved, 2));
    assert_eq!(ports(&moved, key_of(&groups, 2)), [2; 6]);
    let mut keys: Vec<TargetKey> =
        (0..3).map(|_| groups.choose(GROUP, &Tried::default()).unwrap().target().key()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[test]
fn one_that_was_tried_has_weight_0_or_is_gone_is_not_taken() {
    let groups = compiled("{ targets: [127.0.0.1:1, 127.0.0.1:2] }");
    let key = key_of(&groups, 1);
    let mut tried = Tried::default();
    tried.note(&groups.choose_again(GROUP, Some(key), &tried).unwrap());
    for _ in 0..4 {
        let other = groups.choose_again(GROUP, Some(key), &tried).unwrap();
        assert_eq!(other.address().port(), 2);
    }
    let resting = compiled("{ targets: [{ address: \"127.0.0.1:1\", weight: 0 }, 127.0.0.1:2] }");
    assert_eq!(ports(&resting, key), [2; 6]);
    assert_eq!(ports(&compiled("{ targets: [127.0.0.1:2] }"), key), [2; 6]);
    assert_eq!(ports(&groups, TargetKey(0)).len(), 6);
    let none = compiled("{ targets: [] }");
    let chosen = none.choose_again(GROUP, Some(key), &Tried::default());
    assert_eq!(chosen.map(drop), Err(NoTarget));
}
