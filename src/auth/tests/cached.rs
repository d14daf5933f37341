//! The second request with a token: what is remembered, and what is asked again.

use std::sync::Arc;
use std::time::Duration;

use super::super::cache::TokenCache;
use super::super::*;
use super::support::*;
use crate::clock::UnixMillis;
use crate::config::model::*;

#[test]
fn a_token_s_signature_is_checked_no_more_once_it_came_twice() {
    let gate = Gate::cognito();
    let token = Mint::access().sign();
    gate.remember(&token);
    let again = gate.identity(&token);
    assert!(again.was_cached);
    assert!(Arc::ptr_eq(&again.headers, &gate.identity(&token).headers));
    assert_eq!(gate.authorizers.cache_hits_and_misses(), (2, 2));
}

#[test]
fn a_cached_token_ends_at_exp() {
    let mut gate = Gate::cognito();
    let token = Mint::access().claim("exp", NOW + 10).sign();
    gate.remember(&token);
    gate.now = UnixMillis((NOW + 10) * 1000 - 1);
    assert_eq!(gate.refuses(&token), None);
    gate.now = UnixMillis((NOW + 10) * 1000);
    assert_eq!(gate.refuses(&token), Some(Reason::TokenExpired));
    // The wall clock is set back: F29.
    gate.now = UnixMillis((NOW - 3600) * 1000);
    assert_eq!(gate.refuses(&token), Some(Reason::IssuedInFuture));
    gate.now = UnixMillis((NOW + 10 * 365 * 86_400) * 1000);
    assert_eq!(gate.refuses(&token), Some(Reason::TokenExpired));
}

#[test]
fn each_rule_judges_a_cached_token_by_its_own_demands() {
    let gate = Gate::cognito();
    let token = Mint::access().sign();
    assert_eq!(gate.refuses(&token), None);
    let verdict = |rule: JwtValidation| {
        let check = gate.authorizers.compile_validation(&rule, &[]);
        let (now, mono) = (gate.now, gate.mono);
        let token = token.as_bytes();
        match gate.authorizers.authorize_token(&check, token, now, mono, Patience::HasWaited) {
            Outcome::Allowed(identity) => {
                assert!(identity.was_cached);
                None
            }
            Outcome::Refused(refusal) => Some(refusal.reason),
            Outcome::NeedsKey(_) => panic!(),
        }
    };
    let one = |name: &str| Some(Demand::AnyOf(vec![name.into()]));
    let refused = [
        (JwtValidation { token_use: TokenUse::Id, ..validation(1) }, Reason::TokenUseWrong),
        (JwtValidation { scopes: one("x"), ..validation(1) }, Reason::ScopeMissing),
        (JwtValidation { groups: one("x"), ..validation(1) }, Reason::GroupMissing),
        (validation(0), Reason::TokenTooLarge),
    ];
    for (rule, reason) in refused {
        assert_eq!(verdict(rule), Some(reason));
    }
    assert_eq!(verdict(JwtValidation { scopes: one("orders/read"), ..validation(1) }), None);
}

#[test]
fn a_cached_token_does_not_open_a_rule_of_another_pool() {
    let pools = vec![cognito("customers"), oidc("partners", "https://login.partner.example")];
    let gate = Gate::new(pools);
    let token = Mint::access().sign();
    assert_eq!(gate.refuses(&token), None);
    let rule = JwtValidation { pools: vec![PoolIndex(1)], ..validation(0) };
    let check = gate.authorizers.compile_validation(&rule, &[]);
    let gate = Gate { check, ..gate };
    assert_eq!(gate.refuses(&token), Some(Reason::PoolNotAllowed));
}

#[test]
fn only_tokens_that_were_found_right_are_kept() {
    let gate = Gate::cognito();
    let good = Mint::access().sign();
    let (signed, _) = good.rsplit_once('.').unwrap();
    for n in 0..100_u32 {
        let bad = format!("{signed}.{}", b64([&n.to_le_bytes()[..], &[0; 252]].concat()));
        assert_eq!(gate.refuses(&bad), Some(Reason::SignatureInvalid));
    }
    for bad in [
        Mint::access().claim("exp", NOW - 1).sign(),
        Mint::access().claim("client_id", "other").sign(),
        Mint::access().claim("iss", "https://other.example").sign(),
    ] {
        assert!(gate.refuses(&bad).is_some());
    }
    gate.authorizers.cache().settle();
    assert_eq!(gate.authorizers.cache().entries(), 0);
}

#[test]
fn a_key_that_left_the_set_takes_its_cached_tokens_along() {
    // 13, 14
    let mut gate = Gate::cognito();
    let (access, id) = (Mint::access().sign(), Mint::access().header("kid", "id=").key(1).sign());
    gate.remember(&access);
    gate.remember(&id);
    gate.mono += Duration::from_secs(4000);
    for source in gate.authorizers.sources() {
        let keys = [rsa_jwk(1, "id="), rsa_jwk(2, "new")];
        answer(source, Ok(key_set(&keys)), gate.mono);
    }
    assert_eq!(gate.refuses(&access), Some(Reason::KeyUnknown));
    assert!(gate.identity(&id).was_cached);
    assert_eq!(gate.refuses(&Mint::access().header("kid", "new").key(2).sign()), None);
}

#[test]
fn another_key_under_the_same_name_is_another_key() {
    let mut gate = Gate::cognito();
    let token = Mint::access().sign();
    gate.remember(&token);
    gate.mono += Duration::from_secs(4000);
    for source in gate.authorizers.sources() {
        answer(source, Ok(key_set(&[rsa_jwk(2, "access=")])), gate.mono);
    }
    assert_eq!(gate.refuses(&token), Some(Reason::SignatureInvalid));
}

#[test]
fn a_reload_keeps_keys_and_tokens_and_judges_by_the_new_lists() {
    let gate = Gate::cognito();
    let token = Mint::access().sign();
    gate.remember(&token);
    let reload = |pools: Vec<UserPool>| {
        let count = pools.len();
        let authorizers = Authorizers::compile(&config(pools), Some(&gate.authorizers));
        let headers = [header_for("x-auth-subject", "sub")];
        let check = authorizers.compile_validation(&validation(count), &headers);
        Gate { authorizers, check, mono: gate.mono, now: gate.now }
    };
    // Another pool in front moves the index.
    let moved = reload(vec![oidc("partners", "https://p.example"), cognito("renamed")]);
    let identity = moved.identity(&token);
    assert!(identity.was_cached);
    assert_eq!(identity.pool.name().as_ref(), "renamed");
    assert!(Arc::ptr_eq(&identity.headers, &gate.identity(&token).headers));
    let only = |change: fn(&mut UserPool)| {
        let mut pool = cognito("customers");
        change(&mut pool);
        reload(vec![pool]).refuses(&token)
    };
    assert_eq!(
        only(|pool| pool.app_clients = AppClients::Only(vec!["x".into()])),
        Some(Reason::ClientNotAllowed)
    );
    assert_eq!(
        only(|pool| pool.algorithms = vec![Algorithm::RS512]),
        Some(Reason::AlgorithmNotAllowed)
    );
    assert_eq!(only(|pool| pool.max_token_size = 100), Some(Reason::TokenTooLarge));
    assert_eq!(only(|pool| pool.profile = Profile::Rfc9068), Some(Reason::TypeWrong));
    assert_eq!(only(|pool| pool.issuers.truncate(1)), None);
    assert_eq!(only(|pool| pool.issuers.clear()), Some(Reason::TokenTooLarge));
    let elsewhere = |pool: &mut UserPool| {
        pool.issuers[0].keys = KeySource::Url("https://other.example/jwks.json".into());
    };
    assert_eq!(only(elsewhere), Some(Reason::JwksUnavailable));
}

#[test]
fn at_most_four_blocks_are_kept_beside_a_token_and_all_are_right() {
    let gate = Gate::cognito();
    let token = gate.identity(&Mint::access().sign()).token;
    for round in 0..2 {
        for n in 0..6 {
            let header = format!("x-{n}");
            let set = gate
                .authorizers
                .compile_validation(&validation(1), &[header_for(&header, "username")]);
            let made = token.blocks.get(&set.headers, token.claims());
            let expected = [(header, vec!["alice".to_owned()])].into();
            assert_eq!(block(&made), expected, "{round}");
            let again = token.blocks.get(&set.headers, token.claims());
            // One of the four slots holds the fixture's own set.
            assert_eq!(Arc::ptr_eq(&made, &again), n < 3, "{n}");
        }
    }
}

#[test]
fn as_many_tokens_as_fit_are_remembered_when_all_of_them_come_in_turn() {
    let gate = Gate::cognito();
    let token = gate.identity(&Mint::access().sign()).token;
    let cache = TokenCache::new(u64::MAX);
    let life = Duration::from_secs(3600);
    for _ in 0..2 {
        for n in 0..10_000_usize {
            cache.insert(cache.name(&n.to_le_bytes()).unwrap(), &token, life);
        }
    }
    cache.settle();
    // Of 8,192 places some are asked to hold more than eight names.
    assert!(cache.entries() > 9_990, "{}", cache.entries());
}

#[test]
fn the_cache_is_bounded_by_bytes_and_a_flood_of_tokens_leaves_those_in_use() {
    let gate = Gate::cognito();
    let mint = |n: usize| {
        let token = Mint::access().claim("jti", n.to_string()).sign();
        gate.identity(&token).token
    };
    let template = mint(0);
    let weight = template.weight() as u64 + 256;
    let cache = TokenCache::new(weight * 100);
    let life = Duration::from_secs(3600);
    let name = |n: usize| cache.name(&n.to_le_bytes()).unwrap();
    for n in 0..50 {
        let token = mint(n);
        cache.insert(name(n), &token, life);
        cache.settle();
        assert_eq!(cache.entries(), n as u64, "what came once takes no room");
        cache.insert(name(n), &token, life);
        cache.settle();
    }
    cache.settle();
    for _ in 0..20 {
        for n in 0..50 {
            assert!(cache.get(&name(n)).is_some());
        }
    }
    cache.settle();
    // The flood is ten times as much as all good requests together.
    let mut kept = 0;
    for n in 1000..11_000 {
        assert!(cache.get(&name(n)).is_none());
        cache.insert(name(n), &template, life);
        cache.insert(name(n), &template, life);
        if n % 10 == 0 {
            // By recency alone none would be left: 500 others came in between.
            let good = name(n / 10 % 50);
            if cache.get(&good).is_some() {
                kept += 1;
            } else {
                cache.insert(good, &template, life);
                cache.insert(good, &template, life);
            }
            cache.settle();
        }
    }
    assert!(kept >= 800, "{kept} of 1000 good requests were hits");
    cache.settle();
    assert!(cache.bytes() <= weight * 100, "{}", cache.bytes());
}
