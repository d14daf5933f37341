//! Authentication and claim headers as JSON.

use serde_json::{Map, Value, json};

use super::Names;
use crate::config::model::{
    AdditionalClaim, Algorithm, ArrayForm, ClaimFormat, ClaimHeader, ClaimPath, Demand,
    IdentitySource, JwtValidation, TokenUse,
};

pub(super) const fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
    }
}

pub(super) fn claim_headers(headers: &[ClaimHeader]) -> Value {
    let header = |header: &ClaimHeader| {
        let ClaimHeader { header, claim, form, max_size } = header;
        let claim = match claim {
            ClaimPath::Name(name) => name.clone(),
            ClaimPath::Pointer(parts) => parts.iter().map(|part| pointer_part(part)).collect(),
        };
        let form = match form {
            ArrayForm::Csv => "csv",
            ArrayForm::Json => "json",
            ArrayForm::Repeat => "repeat",
        };
        (header.clone(), json!({ "claim": claim, "as": form, "max_size": max_size }))
    };
    headers.iter().map(header).collect::<Map<_, _>>().into()
}

/// RFC 6901, section 3.
fn pointer_part(part: &str) -> String {
    format!("/{}", part.replace('~', "~0").replace('/', "~1"))
}

pub(super) fn jwt_validation(validation: &JwtValidation, names: &Names<'_>) -> Value {
    let JwtValidation {
        pools,
        token_use,
        scopes,
        groups,
        additional_claims,
        identity_source,
        forward_authorization,
    } = validation;
    let pools: Vec<&str> =
        pools.iter().filter_map(|pool| names.pools.get(pool.0)).map(|name| &***name).collect();
    json!({
        "user_pools": pools,
        "token_use": match token_use {
            TokenUse::Access => "access",
            TokenUse::Id => "id",
            TokenUse::Any => "any",
        },
        "scopes": scopes.as_ref().map(demand),
        "groups": groups.as_ref().map(demand),
        "additional_claims": additional_claims.iter().map(additional_claim).collect::<Vec<_>>(),
        "identity_source": match identity_source {
            IdentitySource::Authorization => "authorization".to_owned(),
            IdentitySource::Header(name) | IdentitySource::BearerOrBare(name) => name.clone(),
            IdentitySource::Query(name) => format!("$request.querystring.{name}"),
        },
        "forward_authorization": forward_authorization,
    })
}

fn demand(demand: &Demand) -> Value {
    match demand {
        Demand::AnyOf(texts) => json!({ "any_of": texts }),
        Demand::AllOf(texts) => json!({ "all_of": texts }),
    }
}

fn additional_claim(claim: &AdditionalClaim) -> Value {
    let AdditionalClaim { name, format, values } = claim;
    let format = match format {
        ClaimFormat::SingleString => "single-string",
        ClaimFormat::StringArray => "string-array",
        ClaimFormat::SpaceSeparatedValues => "space-separated-values",
    };
    json!({ "name": name, "format": format, "values": values })
}
