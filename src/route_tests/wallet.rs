//! The callers of a suite with their tokens: signed when first shown, and used again.

use std::collections::HashMap;

use crate::config::model::{Config, TokenUse};
use crate::config::route_tests::{Caller, Suite};
use crate::engine::Moment;
use crate::explain::{self, Asked, Identity, IdentityError, Signer};
use crate::snapshot::Snapshot;

/// Tokens for the callers of one suite.
#[derive(Debug)]
pub struct Wallet {
    signer: Signer,
    callers: Vec<Identity>,
    /// Position in `callers`, by test; absent for tests that nobody in particular asks.
    of_test: Vec<Option<usize>>,
    tokens: HashMap<Key, String>,
}

/// What a token depends on: who, the pool, and the kind that is filled in.
type Key = (usize, Option<usize>, Option<TokenUse>);

impl Wallet {
    /// A wallet without a token yet.
    #[must_use]
    pub fn new(suite: &Suite, signer: Signer) -> Self {
        let mut callers: Vec<Identity> = Vec::new();
        let of_test = suite
            .tests
            .iter()
            .map(|test| {
                let caller = identity(test.caller.as_ref()?);
                let known = callers.iter().position(|known| *known == caller);
                Some(known.unwrap_or_else(|| {
                    callers.push(caller);
                    callers.len() - 1
                }))
            })
            .collect();
        Self { signer, callers, of_test, tokens: HashMap::new() }
    }

    /// Makes the public keys known to a snapshot.
    ///
    /// # Errors
    ///
    /// See [`explain::SignerError`].
    pub fn introduce(
        &self,
        snapshot: &Snapshot,
        moment: Moment,
    ) -> Result<(), explain::SignerError> {
        self.signer.publish(&snapshot.authorizers, moment.wall, moment.mono)
    }

    /// The test at this position is gone.
    #[cfg(test)]
    pub(super) fn forget(&mut self, test: usize) {
        self.of_test.remove(test);
    }

    /// Gives a request the token of its test's caller, made for the rule that takes the request.
    pub(super) fn show(
        &mut self,
        test: usize,
        snapshot: &Snapshot,
        asked: &mut Asked,
        moment: Moment,
    ) -> Result<(), IdentityError> {
        let Some(number) = self.of_test.get(test).copied().flatten() else { return Ok(()) };
        let Some(caller) = self.callers.get(number) else { return Ok(()) };
        if explain::signs_in(caller, snapshot, asked, moment).is_some() {
            return explain::ask_as(caller, snapshot, &self.signer, asked, moment);
        }
        let wanted = explain::demanded(snapshot, asked, moment);
        let config: &Config = &snapshot.config;
        let first = wanted.and_then(|wanted| wanted.pools.first()).map(|pool| pool.0);
        let key = (number, first, wanted.map(|wanted| wanted.token_use));
        if !self.tokens.contains_key(&key) {
            let token = caller.token(config, &self.signer, wanted, moment.wall)?;
            self.tokens.insert(key, token);
        }
        if let Some(token) = self.tokens.get(&key) {
            asked.present(token, wanted);
        }
        Ok(())
    }
}

fn identity(caller: &Caller) -> Identity {
    Identity {
        user_pool: caller.user_pool.clone(),
        claims: caller.claims.clone(),
        expires_in: caller.expires_in,
        is_forged: caller.is_forged,
        in_session: caller.in_session,
    }
}
