//! Deregistration: targets that leave the file, and what becomes of their requests.

use std::time::Instant;

use super::*;
use crate::clock::monotonic;

const SECOND: Duration = Duration::from_secs(1);

fn group(targets: &str, delay: &str) -> Config {
    config(&format!(
        "{{ targets: [{targets}], health_check: {{ enabled: false }}, deregistration_delay: {delay} }}"
    ))
}

fn states(groups: &TargetGroups) -> Vec<(String, HealthState)> {
    describe(groups).into_iter().map(|target| (target.target, target.state)).collect()
}

fn reload(config: &Config, old: &TargetGroups, now: Instant) -> TargetGroups {
    TargetGroups::compile_at(config, Some(old), now)
}

#[test]
fn a_target_that_leaves_gets_nothing_new_and_its_requests_have_the_delay_to_end() {
    let start = monotonic();
    let old = TargetGroups::compile_at(&group("127.0.0.1:1, 127.0.0.1:2", "20s"), None, start);
    let held: Vec<_> = (0..2).map(|_| old.choose(GROUP, &Tried::default()).unwrap()).collect();
    let leaving = held.iter().find(|chosen| chosen.address().port() == 2).unwrap();
    let groups = reload(&group("127.0.0.1:1", "20s"), &old, start);
    let draining = describe(&groups).remove(1);
    assert_eq!((draining.state, draining.in_flight), (HealthState::Draining, 1));
    assert_eq!(draining.reason, Some(Reason::DeregistrationInProgress));
    assert!(
        (0..20).all(|_| { groups.choose(GROUP, &Tried::default()).unwrap().address().port() == 1 })
    );

    groups.tune(start + 19 * SECOND);
    assert!(!leaving.is_over());
    assert_eq!(describe(&groups).len(), 2);
    groups.tune(start + 20 * SECOND);
    assert!(leaving.is_over());
    assert!(held.iter().filter(|chosen| chosen.address().port() == 1).all(|c| !c.is_over()));
    assert_eq!(describe(&groups).len(), 1);
}

#[test]
fn one_that_comes_back_in_time_is_what_it_was_and_later_it_is_new() {
    let start = monotonic();
    let both = group("127.0.0.1:1, 127.0.0.1:2", "20s");
    let one = group("127.0.0.1:1", "20s");
    let groups = TargetGroups::compile_at(&both, None, start);
    let held: Vec<_> = (0..2).map(|_| groups.choose(GROUP, &Tried::default()).unwrap()).collect();
    let groups = reload(&one, &groups, start);
    let groups = reload(&both, &groups, start + SECOND);
    let in_flight =
        |groups: &TargetGroups| describe(groups).iter().map(|t| t.in_flight).sum::<u32>();
    assert_eq!(in_flight(&groups), 2);
    groups.tune(start + 60 * SECOND);
    assert!(held.iter().all(|chosen| !chosen.is_over()));

    let groups = reload(&one, &groups, start + 60 * SECOND);
    groups.tune(start + 80 * SECOND);
    let groups = reload(&both, &groups, start + 81 * SECOND);
    assert_eq!(in_flight(&groups), 1, "the other one's request is cut");
    assert_eq!(states(&groups).len(), 2);
}

#[test]
fn a_second_reload_does_not_begin_the_delay_anew() {
    let start = monotonic();
    let groups = TargetGroups::compile_at(&group("127.0.0.1:1, 127.0.0.1:2", "20s"), None, start);
    let groups = reload(&group("127.0.0.1:1", "20s"), &groups, start);
    let groups = reload(&group("127.0.0.1:1, 127.0.0.1:3", "20s"), &groups, start + 10 * SECOND);
    assert_eq!(states(&groups).len(), 3);
    groups.tune(start + 20 * SECOND);
    assert_eq!(states(&groups).len(), 2);
}

#[test]
fn targets_of_a_group_that_is_gone_leave_in_the_same_way() {
    let start = monotonic();
    let old = TargetGroups::compile_at(&group("127.0.0.1:1", "20s"), None, start);
    let held = old.choose(GROUP, &Tried::default()).unwrap();
    let mut without = group("127.0.0.1:1", "20s");
    without.target_groups.clear();
    without.listeners.clear();
    let groups = reload(&without, &old, start);
    assert!(groups.groups().is_empty());
    let retired: Vec<_> = groups.all().map(|group| group.describe(start)).collect();
    assert_eq!(
        retired.iter().flatten().map(|t| t.state).collect::<Vec<_>>(),
        [HealthState::Draining; 2]
    );
    // It is not forgotten by the next reload, nor kept for ever.
    let groups = reload(&without, &groups, start + 10 * SECOND);
    assert_eq!(groups.count_by_state().len(), 2);
    groups.tune(start + 20 * SECOND);
    assert!(held.is_over());
    let groups = reload(&without, &groups, start + 400 * SECOND);
    groups.tune(start + 400 * SECOND);
    let groups = reload(&without, &groups, start + 401 * SECOND);
    assert_eq!(groups.all().count(), 0);
}

#[test]
fn a_request_that_waited_under_the_old_file_gets_a_target_that_is_still_there() {
    let start = monotonic();
    let old = TargetGroups::compile_at(&group("127.0.0.1:1, 127.0.0.1:2", "0s"), None, start);
    let groups = reload(&group("127.0.0.1:1", "0s"), &old, start);
    groups.tune(start);
    let ports: Vec<u16> =
        (0..10).map(|_| old.choose(GROUP, &Tried::default()).unwrap().address().port()).collect();
    assert_eq!(ports, [1; 10]);
}

#[test]
fn a_name_whose_answers_change_all_the_time_does_not_fill_the_memory() {
    let config = config("{ targets: [\"orders.internal:8080\"] }");
    let groups = TargetGroups::compile(&config, None);
    let resolve = |block: u8| {
        let addresses = (0..50).map(|host| IpAddr::from([10, 0, block, host])).collect();
        groups.shared.names.lock().insert("orders.internal".into(), addresses);
        groups.readdress("orders.internal");
    };
    resolve(0);
    let held = groups.choose(GROUP, &Tried::default()).unwrap();
    for block in 1..100 {
        resolve(block);
    }
    let described = describe(&groups);
    assert_eq!(described.len(), 1_050);
    let busy: Vec<_> = described.iter().filter(|target| target.in_flight > 0).collect();
    assert_eq!(busy.len(), 1, "the one that serves is kept");
    assert_eq!(busy[0].address, Some(held.address()));
}

#[test]
fn a_refused_reload_deregisters_nobody() {
    let start = monotonic();
    let old = TargetGroups::compile_at(&group("127.0.0.1:1, 127.0.0.1:2", "0s"), None, start);
    let held: Vec<_> = (0..2).map(|_| old.choose(GROUP, &Tried::default()).unwrap()).collect();
    drop(reload(&group("127.0.0.1:1", "0s"), &old, start));
    old.tune(start + SECOND);
    assert!(held.iter().all(|chosen| !chosen.is_over()));
    assert_eq!(states(&old).len(), 2);
}

#[tokio::test]
async fn a_target_that_drains_is_not_checked_any_more() {
    let mut backend = Backend::start().await;
    let other = Backend::start().await;
    let both = targets(&[backend.address, other.address]);
    let world = World::new(&config(&format!("{{ targets: {both} }}")));
    world.until(&[Healthy, Healthy]).await;
    world.reload(&config(&format!("{{ targets: {} }}", targets(&[other.address]))));
    world.until(&[Healthy, HealthState::Draining]).await;
    // The prober takes up the new file a moment later; then there is silence. A check that was
    // under way may still end.
    let quiet = async {
        while let Ok(Some(_)) =
            tokio::time::timeout(Duration::from_secs(1), backend.heads.recv()).await
        {}
    };
    let in_time = tokio::time::timeout(PATIENCE, quiet).await;
    assert!(in_time.is_ok(), "still checked");
}
