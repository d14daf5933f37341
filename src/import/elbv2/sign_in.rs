//! `authenticate-cognito` and `authenticate-oidc`.

use super::super::yaml::{Writer, scalar};
use super::super::{Kind, Object};
use super::{Import, Pool};
use crate::config::sign_in::DEFAULT_COOKIE;

/// How a pool signs people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignIn {
    /// At a Cognito user pool's domain.
    Cognito {
        /// A host name.
        domain: String,
        /// The app client.
        client_id: String,
    },
    /// At any other issuer's endpoints.
    Oidc {
        /// Authorization, token and user info endpoint.
        endpoints: [String; 3],
        /// The client.
        client_id: String,
    },
}

impl SignIn {
    pub(super) fn write(&self, file: &mut Writer) {
        let client_id = match self {
            Self::Cognito { domain, client_id } => {
                file.line("domain", domain);
                client_id
            }
            Self::Oidc { endpoints: [authorization, token, user_info], client_id } => {
                file.line("authorization_endpoint", authorization);
                file.line("token_endpoint", token);
                file.line("user_info_endpoint", user_info);
                client_id
            }
        };
        file.line("client_id", client_id);
    }
}

impl Import<'_> {
    /// Writes the rule's action, or says false: then nobody may come past it.
    pub(super) fn write_sign_in(&mut self, file: &mut Writer, action: &Object<'_>) -> bool {
        let is_cognito = action.text("Type") == Some("authenticate-cognito");
        let key = if is_cognito { "AuthenticateCognitoConfig" } else { "AuthenticateOidcConfig" };
        let Some(config) = action.object(key) else { return false };
        let pool = if is_cognito { cognito(&config) } else { oidc(&config) };
        // AWS would not have it on an HTTP listener either.
        let pool = pool.filter(|_| self.is_https);
        let Some(name) = pool.and_then(|pool| self.sign_in_pool(pool)) else {
            ignore_all(&config);
            return false;
        };
        let ours = if is_cognito { "authenticate_cognito" } else { "authenticate_oidc" };
        file.under(ours, |file| {
            file.line("user_pool", &name);
            let unusual = |key, usual| config.text(key).filter(|value| *value != usual);
            if let Some(scope) = unusual("Scope", "openid") {
                file.line("scope", scope);
            }
            if let Some(cookie) = unusual("SessionCookieName", DEFAULT_COOKIE) {
                file.line("session_cookie_name", cookie);
            }
            if let Some(seconds) = config.number("SessionTimeout").filter(|s| *s != 604_800) {
                file.raw("session_timeout", &format!("{seconds}s"));
            }
            if let Some(then) = unusual("OnUnauthenticatedRequest", "authenticate") {
                file.line("on_unauthenticated_request", then);
            }
            let params = config.members("AuthenticationRequestExtraParams");
            if !params.is_empty() {
                let pairs = params.iter().map(|(k, v)| format!("{}: {}", scalar(k), scalar(v)));
                let pairs: Vec<_> = pairs.collect();
                let pairs = format!("{{ {} }}", pairs.join(", "));
                file.raw("authentication_request_extra_params", &pairs);
            }
        });
        config.ignore(&["UseExistingClientSecret"]);
        config.finish(&mut self.notes);
        let place = action.place();
        if !self.notes.iter().any(|note| note.text.starts_with(SCRIPTS)) {
            self.note(
                Kind::Changed,
                place,
                format!(
                    "{SCRIPTS}; `on_unauthenticated_script: authenticate` redirects them as before"
                ),
            );
        }
        true
    }

    /// The pool of this issuer, which people may sign in at from now on. `None` where they do so
    /// as another client already: a file has one pool for an issuer.
    fn sign_in_pool(&mut self, pool: Pool) -> Option<String> {
        let known = self.pools.iter_mut().find(|(_, known)| known.issuer == pool.issuer);
        match known {
            None => Some(self.pool_name(&pool)),
            Some((name, known)) if known.sign_in.is_none() || known.sign_in == pool.sign_in => {
                known.sign_in = pool.sign_in;
                Some(name.clone())
            }
            Some(_) => None,
        }
    }
}

const SCRIPTS: &str = "scripts, gRPC calls and WebSockets without a session get 401 here";

fn cognito(config: &Object<'_>) -> Option<Pool> {
    // `arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID`
    let (front, id) = config.text("UserPoolArn")?.split_once(":userpool/")?;
    let region = front.split(':').nth(3)?;
    let domain = config.text("UserPoolDomain")?;
    let domain = if domain.contains('.') {
        domain.to_owned()
    } else {
        format!("{domain}.auth.{region}.amazoncognito.com")
    };
    Some(Pool {
        issuer: format!("https://cognito-idp.{region}.amazonaws.com/{id}"),
        jwks_uri: None,
        audiences: Vec::new(),
        verifies: false,
        sign_in: Some(SignIn::Cognito {
            domain,
            client_id: config.text("UserPoolClientId")?.to_owned(),
        }),
    })
}

fn oidc(config: &Object<'_>) -> Option<Pool> {
    let text = |key| Some(config.text(key)?.to_owned());
    let endpoints =
        [text("AuthorizationEndpoint")?, text("TokenEndpoint")?, text("UserInfoEndpoint")?];
    Some(Pool {
        issuer: text("Issuer")?,
        jwks_uri: None,
        audiences: Vec::new(),
        verifies: false,
        sign_in: Some(SignIn::Oidc { endpoints, client_id: text("ClientId")? }),
    })
}

/// The rule answers 503, which is told.
fn ignore_all(config: &Object<'_>) {
    config.ignore(&[
        "UserPoolArn",
        "UserPoolClientId",
        "UserPoolDomain",
        "Issuer",
        "AuthorizationEndpoint",
        "TokenEndpoint",
        "UserInfoEndpoint",
        "ClientId",
        "Scope",
        "SessionCookieName",
        "SessionTimeout",
        "OnUnauthenticatedRequest",
        "AuthenticationRequestExtraParams",
        "UseExistingClientSecret",
    ]);
}
