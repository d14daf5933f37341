//! Command lines to paste, so that a newcomer sees the pool work before reading about it.

use std::fmt::Write as _;

use crate::config::model::{DevelopmentGrant, DevelopmentUserPool};

/// Lines of explanation and `curl`, for a pool that runs as `configuration` says. They show the
/// passwords of the file: a development pool has nothing to protect.
#[must_use]
pub fn sample_lines(configuration: &DevelopmentUserPool) -> String {
    let base = format!("http://{}", configuration.address);
    let issuer = super::issuer_of(configuration);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# its keys\ncurl -s {issuer}/.well-known/jwks.json");
    let _ = writeln!(
        text,
        "\n# any token, without a password (development only)\n\
         curl -s -X POST {base}/dev/token -d {}",
        quoted(&first_order(configuration).to_string()),
    );
    if let Some(body) = first_sign_in(configuration) {
        let _ = writeln!(
            text,
            "\n# sign in as an app does\n\
             curl -s {base}/ -H 'Content-Type: application/x-amz-json-1.1' \\\n  \
             -H 'X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth' \\\n  -d {}",
            quoted(&body.to_string()),
        );
    }
    if let Some(url) = first_page(&base, configuration) {
        let _ = writeln!(
            text,
            "\n# its sign-in page, for a browser; the code goes to the client's callback\n# {url}"
        );
    }
    if let Some((id, secret)) = first_machine(configuration) {
        let _ = writeln!(
            text,
            "\n# a machine's token\n\
             curl -s {base}/oauth2/token -u {} -d grant_type=client_credentials",
            quoted(&format!("{id}:{secret}")),
        );
    }
    let _ = writeln!(
        text,
        "\n# new signing keys; ?forget_old=true also withdraws the old ones\n\
         curl -s -X POST {base}/dev/rotate-keys"
    );
    text
}

fn first_order(configuration: &DevelopmentUserPool) -> serde_json::Value {
    let mut order = serde_json::Map::new();
    if let Some(user) = configuration.users.first() {
        order.insert("username".to_owned(), user.username.clone().into());
    }
    let scope = configuration.clients.iter().find_map(|client| client.scopes.first());
    if let Some(scope) = scope {
        order.insert("scope".to_owned(), scope.clone().into());
    }
    order.into()
}

fn first_sign_in(configuration: &DevelopmentUserPool) -> Option<serde_json::Value> {
    let user = configuration.users.first()?;
    let client = configuration
        .clients
        .iter()
        .find(|client| client.grants.contains(&DevelopmentGrant::UserPassword))?;
    let mut parameters = serde_json::json!({
        "USERNAME": user.username,
        "PASSWORD": user.password.expose(),
    });
    if let Some(secret) = &client.client_secret {
        let hash = super::secret_hash(secret.expose(), &user.username, &client.client_id);
        parameters["SECRET_HASH"] = hash.into();
    }
    Some(serde_json::json!({
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": client.client_id,
        "AuthParameters": parameters,
    }))
}

/// The sign-in page of the first client that has one.
fn first_page(base: &str, configuration: &DevelopmentUserPool) -> Option<String> {
    let client = configuration
        .clients
        .iter()
        .find(|client| client.grants.contains(&DevelopmentGrant::AuthorizationCode))?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.client_id)
        .append_pair("redirect_uri", client.callback_urls.first()?)
        .append_pair("response_type", "code")
        .finish();
    Some(format!("{base}/oauth2/authorize?{query}"))
}

fn first_machine(configuration: &DevelopmentUserPool) -> Option<(&str, &str)> {
    configuration.clients.iter().find_map(|client| {
        let secret = client.client_secret.as_ref()?;
        client
            .grants
            .contains(&DevelopmentGrant::ClientCredentials)
            .then_some((client.client_id.as_str(), secret.expose()))
    })
}

/// As one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
