//! What may be weakened of a demand on tokens, be it a rule's or an authorizer's.

use crate::config::model::{Config, Demand, JwtValidation, PoolIndex, Profile, TokenUse};

/// One change of what a token must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weakening {
    DropScopes,
    AnyScope,
    DropGroups,
    AnyGroup,
    DropClaims,
    AnyTokenUse,
    AllPools,
}

impl Weakening {
    /// The changes that would mean something to a demand.
    pub(super) fn of(wanted: &JwtValidation, config: &Config) -> Vec<Self> {
        let is_cognito = |pool: &PoolIndex| {
            let pool = config.user_pools.get(pool.0);
            pool.is_some_and(|pool| pool.profile == Profile::Cognito)
        };
        let has_use = wanted.pools.iter().any(is_cognito);
        let all = [
            (Self::DropScopes, wanted.scopes.is_some()),
            (Self::AnyScope, is_all_of_several(wanted.scopes.as_ref())),
            (Self::DropGroups, wanted.groups.is_some()),
            (Self::AnyGroup, is_all_of_several(wanted.groups.as_ref())),
            (Self::DropClaims, !wanted.additional_claims.is_empty()),
            (Self::AnyTokenUse, has_use && wanted.token_use != TokenUse::Any),
            (Self::AllPools, wanted.pools.len() < config.user_pools.len()),
        ];
        all.into_iter().filter(|(_, holds)| *holds).map(|(weakening, _)| weakening).collect()
    }

    /// Weakens a demand; `pools` is how many the file has. They stand behind its own, of which
    /// tokens are made.
    pub(super) fn apply(self, wanted: &mut JwtValidation, pools: usize) {
        match self {
            Self::DropScopes => wanted.scopes = None,
            Self::AnyScope => any_of(&mut wanted.scopes),
            Self::DropGroups => wanted.groups = None,
            Self::AnyGroup => any_of(&mut wanted.groups),
            Self::DropClaims => wanted.additional_claims.clear(),
            Self::AnyTokenUse => wanted.token_use = TokenUse::Any,
            Self::AllPools => {
                for pool in (0..pools).map(PoolIndex) {
                    if !wanted.pools.contains(&pool) {
                        wanted.pools.push(pool);
                    }
                }
            }
        }
    }

    /// What goes on after "no test would notice if it".
    pub(super) const fn tell(self) -> &'static str {
        match self {
            Self::DropScopes => "demanded no scopes",
            Self::AnyScope => "demanded any of its scopes instead of all",
            Self::DropGroups => "demanded no groups",
            Self::AnyGroup => "demanded any of its groups instead of all",
            Self::DropClaims => "demanded no additional claims",
            Self::AnyTokenUse => "accepted access tokens and ID tokens",
            Self::AllPools => "accepted tokens of every user pool",
        }
    }
}

fn is_all_of_several(demand: Option<&Demand>) -> bool {
    matches!(demand, Some(Demand::AllOf(names)) if names.len() > 1)
}

fn any_of(demand: &mut Option<Demand>) {
    if let Some(Demand::AllOf(names)) = demand {
        *demand = Some(Demand::AnyOf(std::mem::take(names)));
    }
}
