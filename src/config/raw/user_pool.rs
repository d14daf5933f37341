//! `user_pools:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List};
use crate::config::units::{DurationText, SizeText};

/// An issuer of tokens: a Cognito user pool by id, or any OIDC issuer by URL.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["user_pool_id"] }, { "required": ["issuer"] }]))]
pub(in crate::config) struct UserPool {
    /// A Cognito user pool's id. Its two issuer forms and its key set's URL follow from it.
    #[schemars(example = &"eu-west-1_AbCdEfGhI")]
    pub(in crate::config) user_pool_id: Field<String>,
    /// The `iss` of accepted tokens, byte for byte. Alone: any OIDC issuer, needs `audiences`.
    /// Beside `user_pool_id`: replaces both issuer forms of the pool.
    #[schemars(example = &"https://login.partner.example")]
    pub(in crate::config) issuer: Field<String>,
    /// Accept only one of a Cognito pool's two issuer forms.
    pub(in crate::config) issuer_type: Field<IssuerType>,
    /// Which rules the tokens follow. Default: `cognito` with `user_pool_id`, else `oidc`.
    pub(in crate::config) profile: Field<Profile>,
    /// App clients whose tokens are accepted (Cognito only), or `any`.
    pub(in crate::config) app_clients: Field<AppClients>,
    /// Accepted `aud` values. Required without `user_pool_id`. On Cognito access tokens an `aud`
    /// must be one of these when any is given.
    pub(in crate::config) audiences: Field<List<String>>,
    /// Cognito access tokens must carry an `aud` that is in `audiences`. Default: `false`.
    pub(in crate::config) require_resource_audience: Field<bool>,
    /// Where the key set is: https, or http on loopback. Default: the issuer followed by
    /// `/.well-known/jwks.json`.
    pub(in crate::config) jwks_uri: Field<String>,
    /// A file with the key set, instead of a URL.
    pub(in crate::config) jwks_file: Field<String>,
    /// Accepted signature algorithms, never symmetric. Default: `[RS256]`.
    pub(in crate::config) algorithms: Field<List<Algorithm>>,
    /// Grace for `exp` and `nbf`, at most `60s`. Default: `0s`.
    pub(in crate::config) clock_skew: Field<DurationText>,
    /// How often the key set is fetched. Default: `1h`.
    pub(in crate::config) refresh: Field<DurationText>,
    /// How long keys are used without a successful fetch. Default: `24h`.
    pub(in crate::config) max_stale: Field<DurationText>,
    /// A longer token is refused unread. Default: `16KiB`.
    pub(in crate::config) max_token_size: Field<SizeText>,
    /// For signing in at Cognito: the pool's domain, as `auth.example.com` or a URL; plain http only
    /// on loopback. All endpoints follow from it.
    #[schemars(example = &"auth.example.com")]
    pub(in crate::config) domain: Field<String>,
    /// For signing in: the app client that this gateway is.
    pub(in crate::config) client_id: Field<String>,
    /// Its secret, as `${env:NAME}` or `${file:PATH}`. Default: none, a public client.
    pub(in crate::config) client_secret: Field<super::SecretText>,
    /// How the client proves itself. Default: `client_secret_basic`.
    pub(in crate::config) client_authentication: Field<ClientAuthentication>,
    /// For signing in at any other issuer: where browsers are sent.
    pub(in crate::config) authorization_endpoint: Field<String>,
    /// Where codes are redeemed.
    pub(in crate::config) token_endpoint: Field<String>,
    /// Where claims are. Default: those of the ID token are used.
    pub(in crate::config) user_info_endpoint: Field<String>,
    /// Where refresh tokens are revoked at sign-out.
    pub(in crate::config) revocation_endpoint: Field<String>,
    /// Where browsers sign out (`end_session_endpoint`).
    pub(in crate::config) end_session_endpoint: Field<String>,
    /// Whether codes are bound to the browser that asked for them (PKCE). Default: `true`.
    pub(in crate::config) pkce: Field<bool>,
    /// Whether ID tokens are bound to it (OpenID Connect's nonce). Default: `true`.
    pub(in crate::config) nonce: Field<bool>,
    /// Whether the issuer may end sessions by itself, at `/oauth2/backchannel-logout` of each listener
    /// where one signs in with it (OpenID Connect Back-Channel Logout). Not for Cognito, which never
    /// does. Default: `false`.
    pub(in crate::config) back_channel_logout: Field<bool>,
}

/// How a client proves itself at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ClientAuthentication {
    /// In the `Authorization` header.
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Which of Cognito's two issuer forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum IssuerType {
    /// `https://cognito-idp.REGION.amazonaws.com/POOL_ID`
    Original,
    /// `https://issuer-cognito-idp.REGION.amazonaws.com/POOL_ID`
    Updated,
}

/// Which claims tokens must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Profile {
    /// Amazon Cognito.
    Cognito,
    /// Any OpenID Connect issuer.
    Oidc,
    /// JWT access tokens by RFC 9068.
    Rfc9068,
}

/// A signature algorithm of RFC 7518 that uses a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Algorithm(pub(in crate::config) crate::config::model::Algorithm);

/// A list of app clients, or `any`.
#[derive(Debug)]
pub(in crate::config) enum AppClients {
    /// `any`: the client is not checked.
    Any,
    /// Only these.
    Only(List<String>),
}

short_and_long!(AppClients, "a list of app client ids, or `any`", {
    word: "any" => AppClients::Any,
    list: String => |list| AppClients::Only(list),
});

const ALGORITHMS: [(&str, crate::config::model::Algorithm); 9] = {
    use crate::config::model::Algorithm as A;
    [
        ("RS256", A::RS256),
        ("RS384", A::RS384),
        ("RS512", A::RS512),
        ("PS256", A::PS256),
        ("PS384", A::PS384),
        ("PS512", A::PS512),
        ("ES256", A::ES256),
        ("ES384", A::ES384),
        ("EdDSA", A::EdDSA),
    ]
};

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
        known.map(|(_, algorithm)| Self(*algorithm)).ok_or_else(|| {
            let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            let why = match text.as_str() {
                "HS256" | "HS384" | "HS512" => "is symmetric: whoever verifies could also sign",
                "none" | "None" | "NONE" => "means no signature",
                _ => "is not an algorithm that is known here",
            };
            let text = crate::config::decode::quoted(&text);
            serde::de::Error::custom(format!("{text} {why}; one of {}", names.join(", ")))
        })
    }
}

impl JsonSchema for Algorithm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Algorithm".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<_> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        schemars::json_schema!({ "type": "string", "enum": names })
    }
}
