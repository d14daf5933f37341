//! When keys are fetched, who waits, what survives: a simulated clock and no network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::key_source::{
    Change, Due, FetchFailure, Fetched, KeySource, KeyWait, MAX_WAITERS,
};
use super::super::*;
use super::support::*;
use crate::clock::{UnixMillis, monotonic};
use crate::config::model::{self, UserPool};

const HOUR: Duration = Duration::from_secs(3600);

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn source() -> (Arc<KeySource>, Instant) {
    let place = model::KeySource::Url("https://idp.example/jwks.json".into());
    (Arc::new(KeySource::new(place, HOUR)), monotonic())
}

fn good() -> Vec<u8> {
    key_set(&[rsa_jwk(0, "access=")])
}

fn finish(
    source: &Arc<KeySource>,
    outcome: Result<Vec<u8>, FetchFailure>,
    mono: Instant,
    random: u64,
) -> Change {
    let fetched = outcome.map(|body| Fetched { body, max_age: None });
    source.begin(mono).expect("due").finish(fetched, now(), mono, random)
}

fn due_in(source: &KeySource, mono: Instant) -> Duration {
    match source.due(mono) {
        Due::Now => Duration::ZERO,
        Due::At(at) => at - mono,
        Due::InFlight => panic!("in flight"),
    }
}

/// A gate whose one issuer has the access key only.
fn gate() -> Gate {
    let mut pool = cognito("customers");
    pool.issuers.truncate(1);
    Gate::with(vec![pool], &validation(1), &[rsa_jwk(0, "access=")])
}

fn unknown(n: usize) -> String {
    Mint::access().header("kid", format!("unknown-{n}")).sign()
}

fn ask(gate: &Gate, token: &str, patience: Patience) -> Result<(), Result<KeyWait, Refusal>> {
    let (check, token) = (&gate.check, token.as_bytes());
    match gate.authorizers.authorize_token(check, token, gate.now, gate.mono, patience) {
        Outcome::Allowed(_) => Ok(()),
        Outcome::NeedsKey(wait) => Err(Ok(wait)),
        Outcome::Refused(refusal) => Err(Err(refusal)),
    }
}

fn reason(outcome: Result<(), Result<KeyWait, Refusal>>) -> Reason {
    outcome.unwrap_err().expect_err("refused").reason
}

#[test]
fn one_attempt_is_in_flight_at_a_time() {
    let (source, mono) = source();
    let attempt = source.begin(mono).unwrap();
    assert!(source.begin(mono).is_none());
    assert_eq!(source.due(mono + HOUR), Due::InFlight);
    let fetched = Fetched { body: good(), max_age: None };
    assert_eq!(attempt.finish(Ok(fetched), now(), mono, 0), Change::First { keys: 1 });
}

#[test]
fn attempts_are_ten_seconds_apart_from_start_to_start_whatever_their_outcome() {
    for outcome in [Ok(good()), Err(FetchFailure::Connect), Ok(b"garbage".to_vec())] {
        let (source, mono) = source();
        let attempt = source.begin(mono).unwrap();
        let late = mono + secs(5);
        let fetched = outcome.map(|body| Fetched { body, max_age: None });
        attempt.finish(fetched, now(), late, 0);
        assert!(!source.request(mono + secs(9)));
        assert!(source.begin(mono + secs(9)).is_none());
        assert!(source.request(mono + secs(10)));
        assert!(source.begin(mono + secs(10)).is_some());
    }
}

#[test]
fn refreshes_come_ahead_with_jitter_and_no_later_than_the_file_says() {
    let pause = |max_age: Option<u64>, random| {
        let (source, mono) = source();
        let fetched = Fetched { body: good(), max_age: max_age.map(secs) };
        source.begin(mono).unwrap().finish(Ok(fetched), now(), mono, random);
        due_in(&source, mono)
    };
    assert_eq!(pause(None, 20), HOUR);
    assert_eq!(pause(None, 0), HOUR * 80 / 100);
    assert!((0..100).all(|random| (HOUR * 8 / 10..=HOUR).contains(&pause(None, random))));
    assert_eq!(pause(Some(0), 20), secs(300));
    assert_eq!(pause(Some(900), 20), secs(900));
    assert_eq!(pause(Some(86_400), 20), HOUR);
}

#[test]
fn failures_back_off_while_keys_are_at_hand() {
    let (source, mut mono) = source();
    finish(&source, Ok(good()), mono, 0);
    mono += HOUR;
    assert_eq!(
        finish(&source, Err(FetchFailure::Status), mono, 20),
        Change::Failing(FetchFailure::Status)
    );
    let mut pauses = vec![due_in(&source, mono)];
    for _ in 0..6 {
        mono += due_in(&source, mono);
        let change = finish(&source, Err(FetchFailure::Timeout), mono, 20);
        assert_eq!(change, Change::StillFailing(FetchFailure::Timeout));
        pauses.push(due_in(&source, mono));
    }
    assert_eq!(pauses, [10, 20, 40, 60, 60, 60, 60].map(secs));
    assert_eq!(source.status(mono).failures.iter().sum::<u64>(), 7);
    mono += secs(60);
    assert_eq!(finish(&source, Ok(good()), mono, 20), Change::Recovered);
    assert_eq!(due_in(&source, mono), HOUR);
    assert_eq!(source.last_failure(), None);
}

#[test]
fn without_any_keys_every_ten_seconds_count_for_five_minutes() {
    let (source, mut mono) = source();
    for _ in 0..30 {
        finish(&source, Err(FetchFailure::Connect), mono, 20);
        assert_eq!(due_in(&source, mono), secs(10));
        mono += secs(10);
    }
    finish(&source, Err(FetchFailure::Connect), mono, 20);
    assert_eq!(due_in(&source, mono), secs(60));
}

#[test]
fn good_keys_are_never_lost_to_a_bad_answer() {
    // 15, 21
    let (source, mut mono) = source();
    finish(&source, Ok(good()), mono, 0);
    let bad = [
        Err(FetchFailure::Connect),
        Err(FetchFailure::Status),
        Ok(b"<html>".to_vec()),
        Ok(b"{\"keys\":[]}".to_vec()),
        Ok(key_set(&[serde_json::json!({"kty": "oct", "kid": "access=", "k": "AA"})])),
        Ok(vec![b' '; 150_001]),
        Ok(key_set(&vec![rsa_jwk(1, "x"); 33])),
    ];
    for outcome in bad {
        mono += HOUR;
        finish(&source, outcome, mono, 0);
        assert!(source.current().as_ref().unwrap().set().names("access="));
    }
    let kinds = source.status(mono).failures;
    let count = |kind: FetchFailure| kinds[kind.index()];
    assert_eq!(count(FetchFailure::NoUsableKey), 2);
    assert_eq!(count(FetchFailure::TooLarge), 1);
    assert_eq!(count(FetchFailure::TooManyKeys), 1);
    assert_eq!(source.current().as_ref().unwrap().age(mono), HOUR * 7);
}

#[test]
fn changes_are_told_by_name() {
    let (source, mono) = source();
    finish(&source, Ok(key_set(&[rsa_jwk(0, "a"), rsa_jwk(1, "b")])), mono, 0);
    let mono = mono + HOUR;
    let same = key_set(&[rsa_jwk(1, "b"), rsa_jwk(0, "a")]);
    assert_eq!(finish(&source, Ok(same), mono, 0), Change::Unchanged);
    let mono = mono + HOUR;
    let other = key_set(&[rsa_jwk(1, "b"), rsa_jwk(2, "a"), rsa_jwk(0, "c")]);
    let change = finish(&source, Ok(other), mono, 0);
    let added = vec!["a".into(), "c".into()];
    assert_eq!(change, Change::Replaced { added, removed: vec!["a".into()] });
}

#[test]
fn an_attempt_that_is_given_up_counts_as_failed() {
    let (source, mono) = source();
    drop(source.begin(mono).unwrap());
    assert_eq!(source.last_failure(), Some(FetchFailure::Abandoned));
    assert_eq!(due_in(&source, mono), secs(10));
}

#[test]
fn unknown_kid_refetches_once_per_cooldown() {
    // 9, 10
    let mut gate = gate();
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    assert_eq!(reason(ask(&gate, &unknown(0), Patience::MayWait)), Reason::KeyUnknownCooldown);
    gate.mono += secs(10);
    let attempts = source.status(gate.mono).attempts;
    let mut waits = Vec::new();
    for n in 0..20 {
        waits.push(ask(&gate, &unknown(n), Patience::MayWait).unwrap_err().unwrap());
    }
    finish(&source, Ok(good()), gate.mono, 0);
    assert!(waits.iter().all(KeyWait::is_over));
    for n in 0..20 {
        assert_eq!(reason(ask(&gate, &unknown(n), Patience::HasWaited)), Reason::KeyUnknown);
        let again = ask(&gate, &unknown(n + 20), Patience::MayWait);
        assert_eq!(reason(again), Reason::KeyUnknownCooldown);
    }
    assert!(source.begin(gate.mono).is_none());
    assert_eq!(source.status(gate.mono).attempts, attempts + 1);
}

#[test]
fn a_rotated_key_works_at_its_first_use() {
    // 13
    let mut gate = gate();
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    gate.mono += secs(60);
    let token = Mint::access().header("kid", "new").key(1).sign();
    let wait = ask(&gate, &token, Patience::MayWait).unwrap_err().unwrap();
    assert!(!wait.is_over());
    assert_eq!(source.due(gate.mono), Due::Now);
    finish(&source, Ok(key_set(&[rsa_jwk(0, "access="), rsa_jwk(1, "new")])), gate.mono, 0);
    assert!(wait.is_over());
    assert!(ask(&gate, &token, Patience::HasWaited).is_ok());
}

#[test]
fn requests_join_the_attempt_under_way_and_known_keys_never_wait() {
    // 17
    let mut gate = gate();
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    gate.mono += HOUR;
    let attempt = source.begin(gate.mono).unwrap();
    let wait = ask(&gate, &unknown(0), Patience::MayWait).unwrap_err().unwrap();
    assert!(ask(&gate, &Mint::access().sign(), Patience::MayWait).is_ok());
    drop(attempt);
    assert!(wait.is_over());
    assert_eq!(reason(ask(&gate, &unknown(0), Patience::HasWaited)), Reason::KeyUnknown);
}

#[test]
fn waiters_are_bounded_and_give_their_place_back() {
    let mut gate = gate();
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    gate.mono += secs(10);
    let token = unknown(0);
    let wait = || ask(&gate, &token, Patience::MayWait).unwrap_err();
    let mut waits: Vec<KeyWait> = (0..MAX_WAITERS).map(|_| wait().unwrap()).collect();
    assert_eq!(wait().unwrap_err().reason, Reason::KeyUnknownBusy);
    waits.pop();
    assert!(wait().is_ok());
    drop(waits);
    assert_eq!(source.status(gate.mono).waiters, 0);
}

#[test]
fn without_keys_only_that_pool_s_tokens_get_503() {
    // 16, F8
    let partner = "https://login.partner.example";
    let pools = vec![cognito("customers"), oidc("partners", partner)];
    let authorizers = Authorizers::compile(&config(pools), None);
    let mono = monotonic();
    let [first, _, other] = authorizers.sources() else { panic!() };
    assert!(!authorizers.all_first_sets_in());
    answer(first, Err(FetchFailure::Timeout), mono);
    answer(other, Ok(good()), mono);
    assert!(!authorizers.all_first_sets_in());
    let check = authorizers.compile_validation(&validation(2), &[]);
    let mut gate = Gate { authorizers, check, mono, now: now() };
    gate.mono += secs(4);
    let refusal = ask(&gate, &Mint::access().sign(), Patience::MayWait).unwrap_err().unwrap_err();
    assert_eq!(refusal.reason, Reason::JwksUnavailable);
    assert_eq!(refusal.challenge, Challenge::Unavailable { retry_after: secs(6) });
    assert_eq!(refusal.error_reason(), "JWKSRequestTimeout");
    assert_eq!(refusal.pool.as_deref(), Some("customers"));
    let partners = Mint::access().claim("iss", partner).claim("aud", "shop-api").sign();
    assert!(ask(&gate, &partners, Patience::MayWait).is_ok());
    gate.mono += secs(6);
    answer(&gate.authorizers.sources()[0], Ok(good()), gate.mono);
    assert!(ask(&gate, &Mint::access().sign(), Patience::MayWait).is_ok());
    // One of the two issuer forms is enough.
    assert!(gate.authorizers.all_first_sets_in());
}

#[test]
fn keys_serve_through_an_outage_until_max_stale() {
    // 15, F1, F2
    let pool = UserPool { max_stale: secs(100), ..cognito("customers") };
    let mut gate = Gate::with(vec![pool], &validation(1), &[rsa_jwk(0, "access=")]);
    let cached = Mint::access().sign();
    assert!(ask(&gate, &cached, Patience::MayWait).is_ok());
    gate.mono += secs(99);
    let fresh = Mint::access().claim("jti", "x").sign();
    assert!(ask(&gate, &cached, Patience::MayWait).is_ok());
    assert!(ask(&gate, &fresh, Patience::MayWait).is_ok());
    gate.mono += secs(1);
    assert_eq!(reason(ask(&gate, &cached, Patience::MayWait)), Reason::JwksStale);
    assert_eq!(reason(ask(&gate, &fresh, Patience::MayWait)), Reason::JwksStale);
    for source in gate.authorizers.sources() {
        source.request(gate.mono);
        answer(source, Ok(good()), gate.mono);
    }
    assert!(ask(&gate, &cached, Patience::MayWait).is_ok());
}

#[test]
fn a_jump_of_the_wall_clock_makes_no_key_stale_and_moves_no_timer() {
    // F29
    let mut gate = gate();
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    let before = due_in(&source, gate.mono);
    gate.now = UnixMillis((NOW + 25 * 3600) * 1000);
    let token = Mint::access().claim("iat", NOW + 25 * 3600).claim("exp", NOW + 26 * 3600).sign();
    assert!(ask(&gate, &token, Patience::MayWait).is_ok());
    assert_eq!(due_in(&source, gate.mono), before);
}

#[test]
fn kept_keys_serve_after_a_restart_and_keep_their_age() {
    let restored = |fetched_ago: u64| {
        let (source, mono) = source();
        let fetched_at = UnixMillis((NOW - fetched_ago) * 1000);
        source.restore(&good(), fetched_at, now(), mono).unwrap();
        let current = source.current();
        let current = current.as_ref().unwrap();
        assert_eq!(source.due(mono), Due::Now);
        assert_eq!(current.fetched_at(), fetched_at);
        current.age(mono + secs(5))
    };
    assert_eq!(restored(0), secs(5));
    assert_eq!(restored(7200), secs(7205));
    let (source, mono) = source();
    let future = UnixMillis((NOW + 3600) * 1000);
    assert!(source.restore(&good(), future, now(), mono).is_err());
    assert!(source.restore(b"{\"keys\":[]}", now(), now(), mono).is_err());
    assert!(source.current().is_none());
    finish(&source, Ok(key_set(&[rsa_jwk(1, "newer")])), mono, 0);
    source.restore(&good(), now(), now(), mono).unwrap();
    assert!(source.current().as_ref().unwrap().set().names("newer"));
}

#[test]
fn pools_that_share_an_address_share_the_source() {
    let shared = model::KeySource::Url("https://idp.example/keys".into());
    let mut pools = vec![cognito("a"), oidc("b", "https://b.example")];
    pools[0].refresh = secs(900);
    for pool in &mut pools {
        for issuer in &mut pool.issuers {
            issuer.keys = shared.clone();
        }
    }
    let authorizers = Authorizers::compile(&config(pools.clone()), None);
    let [source] = authorizers.sources() else { panic!() };
    let mono = monotonic();
    finish(source, Ok(good()), mono, 20);
    assert_eq!(due_in(source, mono), secs(900));
    pools[0].refresh = secs(600);
    let again = Authorizers::compile(&config(pools), Some(&authorizers));
    assert!(Arc::ptr_eq(&again.sources()[0], source));
    assert_eq!(due_in(source, mono), secs(600));
}

#[test]
fn a_key_file_is_looked_at_often_and_nobody_waits_for_it() {
    let mut pool = cognito("customers");
    pool.issuers.truncate(1);
    pool.issuers[0].keys = model::KeySource::File("keys.json".into());
    let mut gate = Gate::with(vec![pool], &validation(1), &[rsa_jwk(0, "access=")]);
    let source = Arc::clone(&gate.authorizers.sources()[0]);
    assert!(due_in(&source, gate.mono) <= secs(2));
    gate.mono += secs(60);
    assert_eq!(reason(ask(&gate, &unknown(0), Patience::MayWait)), Reason::KeyUnknownCooldown);
}

#[test]
fn unconfigured_issuers_and_missing_kids_start_nothing() {
    // 8, 22
    let mut gate = gate();
    gate.mono += secs(60);
    let mut no_kid = Mint::access();
    no_kid.header.remove("kid");
    for token in [
        no_kid.sign(),
        Mint::access().header("kid", "x").claim("iss", "https://evil.example").sign(),
        Mint::access().header("kid", "x").header("alg", "HS256").sign(),
        Mint::access().header("kid", "x").header("typ", "at+jwt").sign(),
        "a.b.c".into(),
    ] {
        assert!(ask(&gate, &token, Patience::MayWait).unwrap_err().is_err());
    }
    assert_ne!(gate.authorizers.sources()[0].due(gate.mono), Due::Now);
}
