//! User pools: where their keys come from, and how codes are kept from others.

use std::time::Duration;

use super::{Findings, Place, is_exposed};
use crate::config::model::{Config, KeySource, UserPool};
use crate::config::risk::Risk;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn judge(config: &Config, findings: &mut Findings) {
    let is_served = config.listeners.iter().any(|listener| is_exposed(listener.address));
    for pool in &config.user_pools {
        let place = Place::named(&pool.name, pool.span);
        keys(pool, is_served, &place, findings);
        let Some(provider) = &pool.sign_in else { continue };
        if !provider.pkce {
            findings.tell(
                Risk::NoPkce,
                &place,
                "codes are not bound to who asked for them: a stolen one can be redeemed by its thief",
                "leave `pkce` at `true`",
            );
        }
        if !provider.nonce {
            findings.tell(
                Risk::NoNonce,
                &place,
                "ID tokens are not bound to the sign-in: one of another sign-in can be put in",
                "leave `nonce` at `true`",
            );
        }
    }
}

fn keys(pool: &UserPool, is_served: bool, place: &Place, findings: &mut Findings) {
    // Beyond loopback, `http` is refused with the file.
    let in_clear = pool
        .issuers
        .iter()
        .any(|issuer| matches!(&issuer.keys, KeySource::Url(url) if url.starts_with("http://")));
    if is_served && in_clear {
        findings.tell(
            Risk::KeySetOverHttp,
            place,
            format!("others than this machine are served, and whoever on it gets the port that the keys of `{}` come from can make tokens", pool.name),
            "use `https`, or a `jwks_file`",
        );
    }
    if pool.max_stale > DAY {
        findings.tell(
            Risk::LongStaleKeys,
            place,
            "keys are used for longer than a day without being fetched: one that was withdrawn stays good so long",
            "shorten `max_stale`",
        );
    }
}
