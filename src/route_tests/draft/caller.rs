//! Callers for a demand: one who may come, and those who hold a good token and may not.

use serde_json::{Map, Value, json};

use crate::config::model::{AdditionalClaim, ClaimFormat, Demand, JwtValidation};
use crate::explain::Identity;

/// Nobody's scope, group or claim.
const OTHER: &str = "something-else";

/// Somebody with all that is demanded.
pub(super) fn right(wanted: Option<&JwtValidation>) -> Identity {
    Identity::of(claims(wanted))
}

/// Somebody who lacks one of the things that are demanded, for each.
pub(super) fn wrong(wanted: Option<&JwtValidation>) -> Vec<Identity> {
    let Some(demand) = wanted else { return Vec::new() };
    let mut lacking = Vec::new();
    if demand.scopes.is_some() {
        lacking.push(("scope".to_owned(), json!(OTHER)));
    }
    if demand.groups.is_some() {
        lacking.push(("cognito:groups".to_owned(), json!([OTHER])));
    }
    for claim in &demand.additional_claims {
        lacking.push((claim.name.clone(), value(claim.format, OTHER)));
    }
    let with = |(name, value): (String, Value)| {
        let mut claims = claims(wanted);
        claims.insert(name, value);
        Identity::of(claims)
    };
    lacking.into_iter().map(with).collect()
}

fn claims(wanted: Option<&JwtValidation>) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!("somebody"));
    let Some(wanted) = wanted else { return claims };
    if let Some(scopes) = &wanted.scopes {
        claims.insert("scope".to_owned(), json!(met(scopes).join(" ")));
    }
    if let Some(groups) = &wanted.groups {
        claims.insert("cognito:groups".to_owned(), json!(met(groups)));
    }
    for AdditionalClaim { name, format, values } in &wanted.additional_claims {
        let first = values.first().map_or("", String::as_str);
        claims.insert(name.clone(), value(*format, first));
    }
    claims
}

/// The least that meets it.
fn met(demand: &Demand) -> &[String] {
    match demand {
        Demand::AnyOf(any) => any.get(..1).unwrap_or_default(),
        Demand::AllOf(all) => all,
    }
}

fn value(format: ClaimFormat, text: &str) -> Value {
    match format {
        ClaimFormat::StringArray => json!([text]),
        ClaimFormat::SingleString | ClaimFormat::SpaceSeparatedValues => json!(text),
    }
}
