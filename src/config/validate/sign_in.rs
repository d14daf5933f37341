//! Signing in: what a user pool must say for it, and what rules ask of browsers.

use std::sync::Arc;
use std::time::Duration;

use super::{Judge, Scene, address, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, List, Spanned, Table};
use crate::config::model::{
    Authenticate, ClientAuthentication, Logout, OidcData, OnUnauthenticatedRequest, PoolIndex,
    Profile, Provider, SignOut,
};
use crate::config::raw;
use crate::config::sign_in::DEFAULT_COOKIE;

/// So many parameters ALB takes.
const MOST_EXTRA: usize = 10;
/// Parameters that are ours to say.
const OURS: [&str; 8] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];
/// Longest name of a cookie, so that a shard with all its attributes stays below 4096 bytes.
const LONGEST_COOKIE_NAME: usize = 64;
/// Longest text that becomes part of a URL of ours.
const LONGEST_TEXT: usize = 1024;
const WEEK: Duration = seconds(7 * 24 * 3600);

impl Judge<'_> {
    /// How people sign in at a pool; `None` also where what is said about it is wrong.
    pub(super) fn provider(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::UserPool,
        profile: Profile,
    ) -> Option<Arc<Provider>> {
        let cognito = [("domain", raw.domain.key())];
        let oidc = [
            ("authorization_endpoint", raw.authorization_endpoint.key()),
            ("token_endpoint", raw.token_endpoint.key()),
            ("user_info_endpoint", raw.user_info_endpoint.key()),
            ("revocation_endpoint", raw.revocation_endpoint.key()),
            ("end_session_endpoint", raw.end_session_endpoint.key()),
            ("back_channel_logout", raw.back_channel_logout.key()),
        ];
        let is_cognito = profile == Profile::Cognito;
        let foreign: &[(&str, Option<Span>)] = if is_cognito { &oidc } else { &cognito };
        for (key, place) in foreign {
            let Some(place) = place else { continue };
            let (message, help) = if is_cognito {
                (
                    format!("`{key}` is for other issuers than Cognito"),
                    "say `domain`: all endpoints follow from it",
                )
            } else {
                (
                    format!("`{key}` is for Cognito"),
                    "say `authorization_endpoint` and `token_endpoint`",
                )
            };
            self.report(Diagnostic::error("contradiction", *place, message).help(help));
        }
        let own: &[(&str, Option<Span>)] = if is_cognito { &cognito } else { &oidc };
        let others = [
            raw.client_id.key(),
            raw.client_secret.key(),
            raw.client_authentication.key(),
            raw.pkce.key(),
            raw.nonce.key(),
        ];
        let is_meant =
            own.iter().any(|(_, key)| key.is_some()) || others.iter().any(Option::is_some);
        if !is_meant {
            return None;
        }
        let client_id = self.demand(&raw.client_id, name.span, "client_id");
        let client_id = client_id.and_then(|text| self.plain("client_id", text));
        let client_secret = match raw.client_secret.given() {
            Some(text) => Some(self.secret(text)?),
            None => None,
        };
        let client_authentication = match raw.client_authentication.value() {
            None | Some(raw::ClientAuthentication::ClientSecretBasic) => {
                ClientAuthentication::Basic
            }
            Some(raw::ClientAuthentication::ClientSecretPost) => ClientAuthentication::Post,
        };
        if let Some(key) = raw.client_authentication.key().filter(|_| client_secret.is_none()) {
            let message = "there is no `client_secret` to prove";
            self.report(Diagnostic::error("contradiction", key, message));
        }
        let [authorization, token, user_info, revocation, logout] = if is_cognito {
            let domain = self.demand(&raw.domain, name.span, "domain")?;
            let base = self.domain(domain)?;
            let at = |path: &str| Some(Arc::from(format!("{base}{path}")));
            [
                at("/oauth2/authorize"),
                at("/oauth2/token"),
                at("/oauth2/userInfo"),
                at("/oauth2/revoke"),
                at("/logout"),
            ]
        } else {
            let authorization =
                self.demand(&raw.authorization_endpoint, name.span, "authorization_endpoint");
            let authorization = authorization.and_then(|url| self.endpoint(url));
            let token = self.demand(&raw.token_endpoint, name.span, "token_endpoint");
            let token = token.and_then(|url| self.endpoint(url));
            let mut optional = |field: &Field<String>| match field.given() {
                Some(url) => self.endpoint(url).map(Some),
                None => Some(None),
            };
            [
                authorization,
                token,
                optional(&raw.user_info_endpoint)?,
                optional(&raw.revocation_endpoint)?,
                optional(&raw.end_session_endpoint)?,
            ]
        };
        let logout = logout.map(if is_cognito { Logout::Cognito } else { Logout::Oidc });
        Some(Arc::new(Provider {
            authorization_endpoint: authorization?,
            token_endpoint: token?,
            user_info_endpoint: user_info,
            revocation_endpoint: revocation,
            logout,
            client_id: client_id?.into(),
            client_secret,
            client_authentication,
            pkce: raw.pkce.value().copied().unwrap_or(true),
            nonce: raw.nonce.value().copied().unwrap_or(true),
            back_channel_logout: raw.back_channel_logout.value().copied().unwrap_or(false),
        }))
    }

    /// A domain, or the URL of one, as the beginning of URLs.
    fn domain(&mut self, text: &Spanned<String>) -> Option<String> {
        let url = if text.value.contains("://") {
            text.value.clone()
        } else {
            format!("https://{}", text.value)
        };
        let parsed = self.accept("invalid-domain", text.span, address::endpoint(&url))?;
        if parsed.path() != "/" || parsed.query().is_some() {
            let message = "a domain has no path";
            self.report(
                Diagnostic::error("invalid-domain", text.span, message)
                    .help("as in `auth.example.com` or `my-pool.auth.eu-west-1.amazoncognito.com`"),
            );
            return None;
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    fn endpoint(&mut self, text: &Spanned<String>) -> Option<Arc<str>> {
        self.accept("invalid-endpoint", text.span, address::endpoint(&text.value))?;
        Some(text.value.as_str().into())
    }

    /// A text that stands for itself, as part of a URL or a form.
    pub(super) fn plain<'t>(&mut self, what: &str, text: &'t Spanned<String>) -> Option<&'t str> {
        let is_plain = !text.value.is_empty()
            && text.value.len() <= LONGEST_TEXT
            && text.value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !is_plain {
            let message = format!("`{what}` is visible ASCII, {LONGEST_TEXT} characters at most");
            self.report(Diagnostic::error("invalid-value", text.span, message));
            return None;
        }
        Some(&text.value)
    }

    /// How targets are told who signed in.
    pub(super) fn oidc_data(&mut self, raw: &Field<raw::OidcData>) -> OidcData {
        let mut settings = OidcData::default();
        let Some(given) = raw.given() else { return settings };
        let raw = &given.value;
        if let Some(text) = raw.signer.given() {
            let is_signer = text.value.starts_with("arn:aws")
                && text.value.contains(":loadbalancer/app/")
                && text.value.len() <= 256
                && text.value.bytes().all(|byte| byte.is_ascii_graphic());
            if is_signer {
                settings.signer = text.value.as_str().into();
            } else {
                let message = "a signer has the shape of a load balancer's ARN";
                self.report(Diagnostic::error("invalid-signer", text.span, message).help(
                    "as in `arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/edge/50dc6c495c0c9188`",
                ));
            }
        }
        settings.rotation =
            self.duration(&raw.rotation, settings.rotation, seconds(60)..=seconds(30 * 24 * 3600));
        settings.signing_keys = self.signing_keys(&raw.signing_keys);
        if let (Some(key), true) = (raw.rotation.key(), raw.signing_keys.given().is_some()) {
            let message = "`rotation` is for keys of this process's own";
            self.report(Diagnostic::error("contradiction", key, message));
        }
        settings
    }

    /// The rule's `authenticate_*`, and where it stands if there is one.
    pub(super) fn authenticate(
        &mut self,
        rule: &raw::Rule,
        scene: &mut Scene<'_>,
    ) -> (Option<Authenticate>, Option<Span>) {
        let (cognito, oidc) = (&rule.authenticate_cognito, &rule.authenticate_oidc);
        if let (Some(first), Some(second)) = (cognito.key(), oidc.key()) {
            let message = "a rule signs people in at one place";
            self.report(
                Diagnostic::error("contradiction", second, message).related(first, "given here"),
            );
            return (None, Some(second));
        }
        let place = cognito.key().or(oidc.key());
        let given = cognito.given().or(oidc.given());
        let is_cognito = oidc.key().is_none();
        (given.and_then(|given| self.sign_in(given, is_cognito, scene)), place)
    }

    fn sign_in(
        &mut self,
        given: &Spanned<Box<raw::Authenticate>>,
        is_cognito: bool,
        scene: &mut Scene<'_>,
    ) -> Option<Authenticate> {
        let raw = &given.value;
        let pool = self.demand(&raw.user_pool, given.key, "user_pool");
        let pool = pool.and_then(|name| self.provider_of(name, Some(is_cognito), scene));
        let scope = match raw.scope.given() {
            None => Some("openid".to_owned()),
            Some(text) => self.scope(text),
        };
        let session_timeout = self.duration(&raw.session_timeout, WEEK, seconds(1)..=WEEK);
        let on_unauthenticated_request = match raw.on_unauthenticated_request.value() {
            None | Some(raw::OnUnauthenticatedRequest::Authenticate) => {
                OnUnauthenticatedRequest::Authenticate
            }
            Some(raw::OnUnauthenticatedRequest::Allow) => OnUnauthenticatedRequest::Allow,
            Some(raw::OnUnauthenticatedRequest::Deny) => OnUnauthenticatedRequest::Deny,
        };
        let redirects_scripts = matches!(
            raw.on_unauthenticated_script.value(),
            Some(raw::OnUnauthenticatedScript::Authenticate)
        );
        let session_cookie_name = self.cookie_name(&raw.session_cookie_name)?;
        Some(Authenticate {
            pool: pool?,
            scope: scope?,
            session_cookie_name,
            session_timeout,
            on_unauthenticated_request,
            redirects_scripts,
            extra_params: self.extra_params(&raw.authentication_request_extra_params),
            forward_session_cookies: raw.forward_session_cookies.value().copied().unwrap_or(false),
        })
    }

    /// A pool where people can sign in, of the right kind.
    fn provider_of(
        &mut self,
        name: &Spanned<String>,
        is_cognito: Option<bool>,
        scene: &mut Scene<'_>,
    ) -> Option<PoolIndex> {
        let pool = scene.pools.pool(self, name)?;
        // What is wrong with a pool itself is told where it stands.
        let profile = scene.profiles.get(pool.0).copied().flatten()?;
        if is_cognito.is_some_and(|is_cognito| is_cognito != (profile == Profile::Cognito)) {
            let (message, help) = if is_cognito == Some(true) {
                ("is no Cognito user pool", "use `authenticate_oidc`")
            } else {
                ("is a Cognito user pool", "use `authenticate_cognito`")
            };
            let message = format!("`{}` {message}", name.value);
            self.report(Diagnostic::error("contradiction", name.span, message).help(help));
            return None;
        }
        if scene.providers.get(pool.0).copied().flatten() == Some(false) {
            let message =
                format!("the pool `{}` does not say how people sign in there", name.value);
            let help = if profile == Profile::Cognito {
                "give it `domain` and `client_id`"
            } else {
                "give it `authorization_endpoint`, `token_endpoint` and `client_id`"
            };
            self.report_once(Diagnostic::error("no-sign-in", name.span, message).help(help));
            return None;
        }
        Some(pool)
    }

    fn scope(&mut self, text: &Spanned<String>) -> Option<String> {
        let scope = self.plain("scope", text)?;
        let words: Vec<&str> = scope.split(' ').filter(|word| !word.is_empty()).collect();
        if !words.contains(&"openid") {
            let message =
                "without the scope `openid` there is no ID token, and nobody is signed in";
            self.report(
                Diagnostic::error("invalid-value", text.span, message)
                    .help(format!("write `scope: \"openid {scope}\"`")),
            );
            return None;
        }
        Some(words.join(" "))
    }

    fn cookie_name(&mut self, raw: &Field<String>) -> Option<Arc<str>> {
        let text = match raw {
            Field::Absent => return Some(DEFAULT_COOKIE.into()),
            Field::Wrong(_) => return None,
            Field::Given(text) => text,
        };
        let is_name = (1..=LONGEST_COOKIE_NAME).contains(&text.value.len())
            && text.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if !is_name {
            let message = format!(
                "a cookie's name is letters, digits, `_`, `-` and `.`, {LONGEST_COOKIE_NAME} at most"
            );
            self.report(Diagnostic::error("invalid-cookie-name", text.span, message));
            return None;
        }
        let is_taken = text.value.starts_with("AWSALB");
        if is_taken || text.value.starts_with("__Secure-") {
            let message = if is_taken {
                "names that begin with `AWSALB` are those of stickiness"
            } else {
                "`__Secure-` promises less than `__Host-`"
            };
            self.report(Diagnostic::error("invalid-cookie-name", text.span, message));
            return None;
        }
        Some(text.value.as_str().into())
    }

    fn extra_params(&mut self, raw: &Field<Table<String>>) -> Vec<(String, String)> {
        let Some(table) = raw.given() else { return Vec::new() };
        if table.value.entries.len() > MOST_EXTRA {
            let message = format!("there are more than {MOST_EXTRA} parameters");
            self.report(Diagnostic::error("out-of-range", table.key, message));
        }
        let mut params = Vec::new();
        for (name, value) in &table.value.entries {
            let Some(value) = value else { continue };
            if OURS.contains(&name.value.as_str()) {
                let message = format!("`{}` is said by the gateway itself", name.value);
                self.report(Diagnostic::error("reserved-parameter", name.span, message));
                continue;
            }
            let Some(key) = self.plain("authentication_request_extra_params", name) else {
                continue;
            };
            if value.len() > LONGEST_TEXT || value.chars().any(char::is_control) {
                let message = "a parameter has no control characters, and is not that long";
                self.report(Diagnostic::error("invalid-value", name.span, message));
                continue;
            }
            params.push((key.to_owned(), value.clone()));
        }
        params
    }

    pub(super) fn sign_out(
        &mut self,
        given: &Spanned<Box<raw::SignOut>>,
        scene: &mut Scene<'_>,
    ) -> Option<SignOut> {
        let raw = &given.value;
        let pool = self.demand(&raw.user_pool, given.key, "user_pool");
        let pool = pool.and_then(|name| self.provider_of(name, None, scene));
        let list = self.demand(&raw.redirect_to, given.key, "redirect_to");
        let redirect_to = list.map(|list| self.landings(list));
        let session_cookie_name = self.cookie_name(&raw.session_cookie_name)?;
        Some(SignOut { pool: pool?, session_cookie_name, redirect_to: redirect_to? })
    }

    fn landings(&mut self, list: &Spanned<List<String>>) -> Vec<String> {
        for item in &list.value.items {
            self.accept("invalid-landing", item.span, address::landing(&item.value));
        }
        self.texts(list, "`redirect_to`")
    }
}
