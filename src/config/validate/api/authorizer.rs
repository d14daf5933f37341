//! The authorizers of an API, and which of them a route names.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::pattern::Refusal;
use super::super::{Judge, Scene, header};
use super::extends::Merged;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned};
use crate::config::model::{
    AdditionalClaim, AuthorizerKind, Demand, Flavour, IdentitySource, JwtValidation, PoolIndex,
    Profile, RequestAuthorizer, RouteAuthorizer, TokenUse,
};
use crate::config::raw;
use crate::config::regex::Regex;
use crate::config::suggest;

/// Longest regular expression.
const LONGEST_REGEX: usize = 1024;

/// The authorizer that is there without being written down.
const AWS_IAM: &str = "aws_iam";

/// The authorizers of one API.
pub(super) struct Authorizers {
    /// `None` when the authorizer is wrong.
    by_name: HashMap<String, Option<Authorizer>>,
    /// Of routes that name none.
    default: Option<Spanned<String>>,
    /// Whether JWT authorizers ask for access tokens.
    is_strict: bool,
}

/// One authorizer.
#[derive(Clone)]
enum Authorizer {
    Token(TokenAuthorizer),
    Request(Arc<RequestAuthorizer>),
    Signature,
}

/// One that judges tokens.
#[derive(Clone)]
struct TokenAuthorizer {
    pools: Vec<PoolIndex>,
    source: IdentitySource,
    kind: AuthorizerKind,
    additional_claims: Vec<AdditionalClaim>,
}

/// What of an API its authorizers are judged by.
#[derive(Clone, Copy)]
pub(super) struct Premises<'a> {
    pub(super) flavour: Option<Flavour>,
    pub(super) stage_variables: &'a [(String, String)],
}

/// What mappings of a route may say of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Nothing,
    Claims,
    Context,
    Signature,
    /// The authorizer is wrong, and that is told already.
    Unknown,
}

/// Who may come to a route, as far as the file says.
pub(super) enum Door {
    Open,
    Closed(Box<Closed>),
}

/// A route with an authorizer.
pub(super) struct Closed {
    name: String,
    authorizer: Authorizer,
}

impl Judge<'_> {
    pub(super) fn authorizers(
        &mut self,
        api: &Merged<'_>,
        (premises, arn): (Premises<'_>, &str),
        scene: &mut Scene<'_>,
    ) -> Authorizers {
        let mut by_name = HashMap::new();
        let entries = api.authorizers.value().map(|table| &table.entries);
        for (name, authorizer) in entries.into_iter().flatten() {
            self.check_name("authorizer", name);
            if name.value == "none" || name.value == AWS_IAM {
                let message = "this name has a meaning of its own";
                self.report(Diagnostic::error("invalid-name", name.span, message));
            }
            let authorizer = authorizer
                .as_ref()
                .and_then(|raw| self.authorizer(name, raw, (premises, arn), scene));
            by_name.insert(name.value.clone(), authorizer);
        }
        let is_strict = !matches!(api.compatibility.value(), Some(raw::Compatibility::Aws));
        let authorizers =
            Authorizers { by_name, default: api.authorizer.given().cloned(), is_strict };
        if let Some(default) = &authorizers.default {
            self.named(&authorizers, default);
        }
        authorizers
    }

    fn authorizer(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::Authorizer,
        (premises, arn): (Premises<'_>, &str),
        scene: &mut Scene<'_>,
    ) -> Option<Authorizer> {
        let flavour = premises.flavour;
        let keys = [raw.jwt.key(), raw.cognito.key(), raw.request.key(), raw.token.key()];
        let mut keys = keys.into_iter().flatten();
        let Some(first) = keys.next() else {
            let message = "this authorizer does not say how it judges";
            let help = "add `jwt` or `request`, or in a REST API `cognito` or `token`";
            self.report(Diagnostic::error("missing-key", name.span, message).help(help));
            return None;
        };
        if let Some(second) = keys.next() {
            let message = "an authorizer is of one kind";
            let finding = Diagnostic::error("contradiction", second, message);
            self.report(finding.help("give the other one a name of its own"));
            return None;
        }
        let is_rest_only = raw.cognito.key().is_some() || raw.token.key().is_some();
        if is_rest_only && flavour == Some(Flavour::Http) {
            let (kind, other) = match raw.token.key() {
                Some(_) => ("token", "request"),
                None => ("cognito", "jwt"),
            };
            let message = format!("an HTTP API has no `{kind}` authorizer");
            let finding = Diagnostic::error("contradiction", first, message);
            self.report(finding.help(format!("use `{other}`, or `type: rest`")));
        }
        let place = super::request_authorizer::Place { name: &name.value, arn, premises };
        if let Some(jwt) = raw.jwt.given() {
            self.jwt_authorizer(jwt, flavour, scene)
        } else if let Some(cognito) = raw.cognito.given() {
            self.cognito_authorizer(cognito, scene)
        } else if let Some(request) = raw.request.given() {
            self.request_authorizer(request, place).map(Arc::new).map(Authorizer::Request)
        } else {
            let token = raw.token.given()?;
            self.token_authorizer(token, place).map(Arc::new).map(Authorizer::Request)
        }
    }

    fn jwt_authorizer(
        &mut self,
        jwt: &Spanned<Box<raw::JwtAuthorizer>>,
        flavour: Option<Flavour>,
        scene: &mut Scene<'_>,
    ) -> Option<Authorizer> {
        let pool = self.demand(&jwt.value.user_pool, jwt.key, "user_pool");
        let pool = pool.and_then(|name| scene.pools.pool(self, name));
        let may_be_query = flavour != Some(Flavour::Rest);
        let source = self.token_source(&jwt.value.identity_source, may_be_query);
        let additional_claims = self.api_claims(&jwt.value.additional_claims, flavour);
        let kind = AuthorizerKind::Jwt;
        let (pools, source) = (vec![pool?], source?);
        Some(Authorizer::Token(TokenAuthorizer { pools, source, kind, additional_claims }))
    }

    fn cognito_authorizer(
        &mut self,
        cognito: &Spanned<Box<raw::CognitoAuthorizer>>,
        scene: &mut Scene<'_>,
    ) -> Option<Authorizer> {
        let names = self.demand(&cognito.value.user_pools, cognito.key, "user_pools");
        let pools: Option<Vec<PoolIndex>> = names.map(|names| {
            self.texts(names, "`user_pools`");
            names.value.items.iter().filter_map(|name| self.cognito_pool(name, scene)).collect()
        });
        let source = self.token_source(&cognito.value.identity_source, false);
        let validation_expression = match cognito.value.identity_validation_expression.given() {
            None => None,
            Some(text) => Some(self.accept("invalid-regex", text.span, regex(&text.value))?),
        };
        Some(Authorizer::Token(TokenAuthorizer {
            pools: pools.filter(|pools| !pools.is_empty())?,
            source: source?,
            kind: AuthorizerKind::Cognito { validation_expression },
            additional_claims: Vec::new(),
        }))
    }

    /// As rules have them; only a REST API's authorizer asks for some, and not for what it judges
    /// by itself.
    fn api_claims(
        &mut self,
        raw: &Field<List<raw::AdditionalClaim>>,
        flavour: Option<Flavour>,
    ) -> Vec<AdditionalClaim> {
        if let Some(key) = raw.key().filter(|_| flavour == Some(Flavour::Http)) {
            let message = "an HTTP API's authorizer has no `additional_claims`";
            self.report(Diagnostic::error("contradiction", key, message).help("`type: rest` has"));
        }
        for item in raw.value().map(|list| &list.items).into_iter().flatten() {
            let name = item.value.name.given();
            if let Some(name) =
                name.filter(|name| matches!(name.value.as_str(), "aud" | "scope" | "scp"))
            {
                let message = format!("`{}` is judged by pool and `scopes`", name.value);
                self.report(Diagnostic::error("invalid-claim", name.span, message));
            }
        }
        self.additional_claims(raw)
    }

    fn cognito_pool(&mut self, name: &Spanned<String>, scene: &mut Scene<'_>) -> Option<PoolIndex> {
        let pool = scene.pools.pool(self, name)?;
        let profile = scene.profiles.get(pool.0).copied().flatten()?;
        if profile != Profile::Cognito {
            let message = format!("`{}` is not a Cognito user pool", name.value);
            let finding = Diagnostic::error("contradiction", name.span, message);
            self.report(finding.help("use a `jwt` authorizer"));
            return None;
        }
        Some(pool)
    }

    fn token_source(&mut self, raw: &Field<String>, may_be_query: bool) -> Option<IdentitySource> {
        let Some(text) = raw.given() else {
            return raw
                .is_absent()
                .then(|| IdentitySource::BearerOrBare("authorization".to_owned()));
        };
        let source = token_source(&text.value, may_be_query);
        let source = self.accept("invalid-identity-source", text.span, source)?;
        if let IdentitySource::BearerOrBare(name) = &source {
            self.token_headers.push((name.clone(), text.span));
        }
        Some(source)
    }

    /// Who may come to a route; `None` where that is not said, or wrong.
    pub(super) fn door(
        &mut self,
        key: &Spanned<String>,
        raw: &raw::Route,
        authorizers: &Authorizers,
    ) -> Option<Door> {
        match (raw.authorizer.given(), &authorizers.default) {
            (Some(name), _) => self.named(authorizers, name),
            // A wrong default is told once, at its own place.
            (None, Some(name)) if raw.authorizer.is_absent() => authorizers.find(&name.value)?,
            _ => {
                let message = format!("`{}` does not say who may come", key.value);
                let help = "name one of the API's `authorizers`, or `authorizer: none`";
                if raw.authorizer.is_absent() {
                    let finding = Diagnostic::error("missing-authorizer", key.span, message);
                    self.report(finding.help(help));
                }
                None
            }
        }
    }

    fn named(&mut self, authorizers: &Authorizers, name: &Spanned<String>) -> Option<Door> {
        if let Some(door) = authorizers.find(&name.value) {
            return door;
        }
        let shown = crate::config::decode::quoted(&name.value);
        let message = format!("this API has no authorizer {shown}");
        let mut finding = Diagnostic::error("unknown-authorizer", name.span, message);
        let known = authorizers.by_name.keys().map(String::as_str);
        finding.help = suggest::did_you_mean(&name.value, known)
            .or_else(|| Some("name one of the API's `authorizers`, or `none`".to_owned()));
        self.report(finding);
        None
    }
}

impl Authorizers {
    /// The authorizer of this name: `Some(None)` where it is wrong, `None` where there is none.
    #[allow(clippy::option_option)]
    fn find(&self, name: &str) -> Option<Option<Door>> {
        if name == "none" {
            return Some(Some(Door::Open));
        }
        if name == AWS_IAM {
            let closed = Closed { name: name.to_owned(), authorizer: Authorizer::Signature };
            return Some(Some(Door::Closed(Box::new(closed))));
        }
        let found = self.by_name.get(name)?.clone();
        Some(
            found.map(|authorizer| {
                Door::Closed(Box::new(Closed { name: name.to_owned(), authorizer }))
            }),
        )
    }

    /// What a route with these scopes asks for.
    pub(super) fn judge(&self, closed: Closed, scopes: Option<Vec<String>>) -> RouteAuthorizer {
        let name = closed.name.as_str().into();
        let TokenAuthorizer { pools, source, kind, additional_claims } = match closed.authorizer {
            Authorizer::Token(token) => token,
            Authorizer::Request(request) => {
                let kind = AuthorizerKind::Request(request);
                return RouteAuthorizer { name, kind, validation: None };
            }
            Authorizer::Signature => {
                let kind = AuthorizerKind::AwsIam;
                return RouteAuthorizer { name, kind, validation: None };
            }
        };
        let token_use = match (&kind, &scopes) {
            (AuthorizerKind::Cognito { .. }, None) => TokenUse::Id,
            (AuthorizerKind::Jwt, _) if !self.is_strict => TokenUse::Any,
            _ => TokenUse::Access,
        };
        let validation = JwtValidation {
            pools,
            token_use,
            scopes: scopes.map(Demand::AnyOf),
            groups: None,
            additional_claims,
            identity_source: source,
            forward_authorization: true,
        };
        RouteAuthorizer { name, kind, validation: Some(validation) }
    }
}

impl Closed {
    /// Whether a service is asked, which knows nothing of scopes.
    pub(super) const fn is_request(&self) -> bool {
        matches!(self.authorizer, Authorizer::Request(_) | Authorizer::Signature)
    }
}

impl Proof {
    pub(super) const fn of(door: Option<&Door>) -> Self {
        match door {
            None => Self::Unknown,
            Some(Door::Open) => Self::Nothing,
            Some(Door::Closed(closed)) if matches!(closed.authorizer, Authorizer::Signature) => {
                Self::Signature
            }
            Some(Door::Closed(closed)) if closed.is_request() => Self::Context,
            Some(Door::Closed(_)) => Self::Claims,
        }
    }
}

fn token_source(text: &str, may_be_query: bool) -> Result<IdentitySource, Refusal> {
    if let Some(name) = text.strip_prefix("$request.querystring.").filter(|_| may_be_query) {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_name) {
            return Err(Refusal {
                message: "this is not the name of a parameter".to_owned(),
                help: Some("letters, digits and `-._~`".to_owned()),
            });
        }
        return Ok(IdentitySource::Query(name.to_owned()));
    }
    let text = match text.strip_prefix("method.request.header.") {
        Some(name) => format!("$request.header.{name}"),
        None => text.to_owned(),
    };
    header::identity_source(&text).map(IdentitySource::BearerOrBare)
}

pub(super) fn regex(text: &str) -> Result<Regex, Refusal> {
    let refuse = |why: &str| {
        let message = format!("this regular expression cannot be used: {why}");
        Refusal { message, help: None }
    };
    if text.is_empty() || text.len() > LONGEST_REGEX {
        return Err(refuse("it must be of 1 to 1024 bytes"));
    }
    Regex::new(text, false)
        .map_err(|why| refuse(why.lines().last().unwrap_or_default().trim_start_matches("error: ")))
}
