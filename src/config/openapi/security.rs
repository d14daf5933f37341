//! Security schemes and requirements, as authorizers.

use super::view::View;
use super::{Reader, extend, names};
use crate::config::decode::quoted;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List};
use crate::config::model::{AppClients, Flavour, Profile, UserPool};
use crate::config::raw;

use super::operation::Operation;

/// A user pool of `routes.yaml`; absent when it is wrong.
pub(in crate::config) type Pool<'a> = Option<&'a UserPool>;

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The authorizer that is there without being written down.
const AWS_IAM: &str = "aws_iam";
const BY_HAND: &str = "write an authorizer of this name under the API's `authorizers`";

/// A scheme that is no authorizer of the file.
enum Other {
    Signature,
    ApiKey,
}

impl<'a> Reader<'a> {
    /// Who may come to an operation.
    pub(super) fn door(
        &mut self,
        operation: Operation<'a>,
        api: &mut raw::Api,
        route: &mut raw::Route,
    ) {
        let view = operation.view;
        let own = view.get("security");
        let general = self.root.get("security").filter(|_| self.flavour == Flavour::Http);
        let is_open = self.is_said_open(view);
        let Some(security) = own.or_else(|| general.filter(|_| !is_open)) else {
            if let Some(iam) = self.iam(view) {
                route.authorizer = iam.field(AWS_IAM.to_owned());
                return;
            }
            // The API's own authorizer is for routes that name none.
            if is_open || api.authorizer.is_absent() {
                route.authorizer = view.field("none".to_owned());
            }
            return;
        };
        if !security.is_list() {
            self.misfit(security, "a list of requirements");
            return;
        }
        if let Some(iam) = self.iam(view) {
            route.authorizer = iam.field(AWS_IAM.to_owned());
            return;
        }
        let mut requirements = security.items();
        let Some(requirement) = requirements.next() else {
            route.authorizer = security.field("none".to_owned());
            return;
        };
        if is_open {
            let message = "`security` and `x-amazon-apigateway-auth` say two things";
            self.report(Diagnostic::error("contradiction", security.key, message));
        }
        if let Some(second) = requirements.next() {
            let message = "an operation has one security requirement";
            self.report(
                Diagnostic::error("second-requirement", second.span(), message)
                    .related(requirement.span(), "the first one")
                    .help("API Gateway takes no more; two authorizers are never both asked"),
            );
            return;
        }
        let mut schemes = requirement.entries();
        let Some((name, scopes)) = schemes.next() else {
            let what = "a requirement that asks for nothing";
            self.cannot(requirement.span(), what, "write `security: []` for an open operation");
            return;
        };
        if let Some((_, second)) = schemes.next() {
            self.cannot(second.key, "a second scheme in one requirement", "keep one");
            return;
        }
        // An authorizer of that name that is written by hand replaces it.
        let other = self.other_kind(name).filter(|_| !names(&api.authorizers).contains(name));
        if let Some(other) = other {
            let authorizer = match other {
                Other::Signature => AWS_IAM,
                Other::ApiKey => {
                    route.api_key_required = scopes.field(true);
                    "none"
                }
            };
            route.authorizer = scopes.field(authorizer.to_owned());
            return;
        }
        if !self.scheme(name, scopes, api) {
            return;
        }
        route.authorizer = Field::Given(scopes.name(name));
        let listed =
            scopes.items().filter_map(|scope| Some(scope.spanned(self.text(scope)?.to_owned())));
        let items: Vec<_> = listed.collect();
        if !items.is_empty() {
            route.scopes = scopes.field(List { items, is_empty: false });
        }
    }

    /// Where `x-amazon-apigateway-auth` asks for a signature.
    fn iam(&self, view: View<'a>) -> Option<View<'a>> {
        let kind = view.get("x-amazon-apigateway-auth")?.get("type")?;
        kind.text()?.eq_ignore_ascii_case(AWS_IAM).then_some(kind)
    }

    /// Schemes that are no authorizers of the file.
    fn other_kind(&mut self, name: &str) -> Option<Other> {
        let scheme = self.schemes_of_file()?.get(name)?;
        let view = self.resolve(scheme)?;
        if view.get("x-amazon-apigateway-authtype").and_then(View::text) == Some("awsSigv4") {
            return Some(Other::Signature);
        }
        let is = |key: &str, value: &str| {
            let text = view.get(key).and_then(View::text);
            text.is_some_and(|text| text.eq_ignore_ascii_case(value))
        };
        let is_key = self.flavour == Flavour::Rest
            && view.get(AUTHORIZER).is_none()
            && is("type", "apiKey")
            && is("in", "header")
            && is("name", "x-api-key");
        is_key.then_some(Other::ApiKey)
    }

    fn schemes_of_file(&self) -> Option<View<'a>> {
        match self.is_swagger() {
            true => self.root.get("securityDefinitions"),
            false => self.root.get("components").and_then(|all| all.get("securitySchemes")),
        }
    }

    /// `x-amazon-apigateway-auth`
    fn is_said_open(&mut self, view: View<'a>) -> bool {
        let Some(auth) = view.get("x-amazon-apigateway-auth") else { return false };
        let kind = auth.get("type").and_then(View::text).unwrap_or_default();
        if kind.eq_ignore_ascii_case("none") {
            return true;
        }
        if kind.eq_ignore_ascii_case(AWS_IAM) {
            return false;
        }
        let what = format!("`x-amazon-apigateway-auth` with the type {}", quoted(kind));
        self.cannot(auth.key, &what, "`NONE`, or a security scheme");
        false
    }

    /// Makes an authorizer of a scheme, once; whether there is one.
    fn scheme(&mut self, name: &str, asked: View<'a>, api: &mut raw::Api) -> bool {
        if let Some(known) = self.schemes.get(name) {
            return *known;
        }
        let is_there = names(&api.authorizers).contains(name) || {
            let made = self.new_scheme(name, asked);
            let place = made.as_ref().map(|(view, _)| *view);
            if let (Some((_, authorizer)), Some(view)) = (made, place) {
                let entry = (view.name(name), Some(authorizer));
                extend(&mut api.authorizers, view.key, vec![entry]);
            }
            place.is_some()
        };
        self.schemes.insert(name.to_owned(), is_there);
        is_there
    }

    fn new_scheme(&mut self, name: &str, asked: View<'a>) -> Option<(View<'a>, raw::Authorizer)> {
        let Some(scheme) = self.schemes_of_file().and_then(|schemes| schemes.get(name)) else {
            let message = format!("there is no security scheme {}", quoted(name));
            let finding = Diagnostic::error("unknown-scheme", asked.key, message);
            self.report(finding.help(BY_HAND));
            return None;
        };
        let view = self.resolve(scheme)?;
        let Some(authorizer) = view.get(AUTHORIZER) else {
            let what = match view.get("type").and_then(View::text) {
                Some("apiKey") => "an API key that is not in `x-api-key`",
                _ => "a scheme that does not say how API Gateway judges tokens",
            };
            self.cannot(scheme.key, what, BY_HAND);
            return None;
        };
        let authorizer = self.resolve(authorizer)?;
        let made = match authorizer.get("type").and_then(View::text).unwrap_or_default() {
            "jwt" => self.jwt(view, authorizer),
            "cognito_user_pools" => self.cognito(view, authorizer),
            other => {
                let what = format!("an authorizer of the type {}", quoted(other));
                self.cannot(authorizer.span(), &what, BY_HAND);
                None
            }
        };
        made.map(|made| (scheme, made))
    }

    fn jwt(&mut self, scheme: View<'a>, view: View<'a>) -> Option<raw::Authorizer> {
        let settings = view.get("jwtConfiguration");
        let said = settings.and_then(|settings| settings.get("issuer"));
        let (place, issuer) = match (said, scheme.get("openIdConnectUrl")) {
            (Some(issuer), _) => (issuer, self.text(issuer)?),
            (None, Some(url)) => {
                let text = self.text(url)?;
                let Some(issuer) = text.strip_suffix(DISCOVERY) else {
                    let message = format!("the URL does not end with `{DISCOVERY}`");
                    self.report(Diagnostic::error("invalid-value", url.span(), message));
                    return None;
                };
                (url, issuer)
            }
            (None, None) => {
                let message = "the authorizer names no issuer";
                self.report(Diagnostic::error("missing-key", view.key, message));
                return None;
            }
        };
        let fits = |pool: &&UserPool| pool.issuers.iter().any(|known| &*known.issuer == issuer);
        let Some(pool) = self.pools.iter().copied().flatten().find(fits) else {
            let message = format!("no user pool of the file has the issuer {}", quoted(issuer));
            let finding = Diagnostic::error("unknown-issuer", place.span(), message);
            self.report(finding.help("describe it under `user_pools`"));
            return None;
        };
        self.audiences(settings.and_then(|settings| settings.get("audience")), pool, place);
        let mut jwt = raw::JwtAuthorizer {
            user_pool: place.field(pool.name.to_string()),
            ..raw::JwtAuthorizer::default()
        };
        if let Some(source) = view.get("identitySource") {
            jwt.identity_source = source.field(self.text(source)?.to_owned());
        }
        let jwt = view.field(Box::new(jwt));
        Some(raw::Authorizer { jwt, ..raw::Authorizer::default() })
    }

    /// A pool may not let in more than the file does.
    fn audiences(&mut self, listed: Option<View<'a>>, pool: &UserPool, place: View<'a>) {
        let Some(listed) = listed else {
            let message = "the authorizer names no `audience`";
            self.report(Diagnostic::error("missing-key", place.key, message));
            return;
        };
        let named: Vec<&str> = match listed.text() {
            Some(one) => vec![one],
            None => listed.items().filter_map(|item| self.text(item)).collect(),
        };
        let accepted = match (&pool.profile, &pool.app_clients) {
            (Profile::Cognito, AppClients::Any) => None,
            (Profile::Cognito, AppClients::Only(clients)) => Some(clients),
            (Profile::Oidc | Profile::Rfc9068, _) => Some(&pool.audiences),
        };
        let more = match accepted {
            None => Some("any app client".to_owned()),
            Some(accepted) => {
                accepted.iter().find(|one| !named.contains(&one.as_str())).map(|one| quoted(one))
            }
        };
        if let Some(more) = more {
            let message =
                format!("the user pool `{}` lets in {more}, this file does not", pool.name);
            let finding = Diagnostic::error("wider-audience", listed.span(), message);
            self.report(finding.help(format!("add it to `audience`, or {BY_HAND}")));
        }
        let missing = named.iter().find(|one| {
            accepted.is_some_and(|accepted| !accepted.iter().any(|known| known == *one))
        });
        if let Some(missing) = missing {
            let message =
                format!("the user pool `{}` does not let in {}", pool.name, quoted(missing));
            self.report(Diagnostic::warning("narrower-audience", listed.span(), message));
        }
    }

    fn cognito(&mut self, scheme: View<'a>, view: View<'a>) -> Option<raw::Authorizer> {
        let mut items = Vec::new();
        for arn in view.get("providerARNs").into_iter().flat_map(View::items) {
            let text = self.text(arn)?;
            let id = text.rsplit_once(":userpool/").map_or("", |(_, id)| id);
            let tail = format!("/{id}");
            let fits = |pool: &&UserPool| {
                let is_pool = |issuer: &str| !id.is_empty() && issuer.ends_with(&tail);
                pool.profile == Profile::Cognito
                    && pool.issuers.iter().any(|known| is_pool(&known.issuer))
            };
            let Some(pool) = self.pools.iter().copied().flatten().find(fits) else {
                let message = format!("no user pool of the file is {}", quoted(text));
                let finding = Diagnostic::error("unknown-provider", arn.span(), message);
                self.report(finding.help("describe it under `user_pools`, by `user_pool_id`"));
                return None;
            };
            items.push(arn.spanned(pool.name.to_string()));
        }
        if items.is_empty() {
            let message = "the authorizer names no `providerARNs`";
            self.report(Diagnostic::error("missing-key", view.key, message));
            return None;
        }
        let mut cognito = raw::CognitoAuthorizer {
            user_pools: view.field(List { items, is_empty: false }),
            ..raw::CognitoAuthorizer::default()
        };
        if let Some(source) = view.get("identitySource") {
            cognito.identity_source = source.field(self.text(source)?.to_owned());
        } else if let Some(name) = scheme.get("name") {
            let source = format!("method.request.header.{}", self.text(name)?);
            cognito.identity_source = name.field(source);
        }
        if let Some(expression) = view.get("identityValidationExpression") {
            cognito.identity_validation_expression =
                expression.field(self.text(expression)?.to_owned());
        }
        let cognito = view.field(Box::new(cognito));
        Some(raw::Authorizer { cognito, ..raw::Authorizer::default() })
    }
}
