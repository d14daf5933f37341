//! The decisions of `/oauth2/token` and `/oauth2/revoke`.

use super::*;

const CALLER: ClientCredentials<'_> = ClientCredentials { id: MACHINE, secret: Some(SECRET) };

fn scope_given(asked: Option<&str>) -> Result<String, OAuthError> {
    let pool = pool();
    let tokens = pool.client_credentials(CALLER, asked, NOW, &mut Counting::default())?;
    let claims = verified(&pool.keys().jwks(), &tokens.access_token);
    Ok(claims["scope"].as_str().unwrap().to_owned())
}

#[test]
fn a_machine_gets_the_scopes_it_asks_for_and_all_when_it_asks_for_none() {
    assert_eq!(scope_given(Some("orders/write")).unwrap(), "orders/write");
    assert_eq!(scope_given(Some(" orders/write  orders/write ")).unwrap(), "orders/write");
    assert_eq!(scope_given(None).unwrap(), "orders/read orders/write");
    assert_eq!(scope_given(Some("")).unwrap(), "orders/read orders/write");
}

#[test]
fn a_scope_the_client_has_not_is_invalid_scope() {
    for asked in ["orders/delete", "orders/read orders/delete", "orders", "openid"] {
        assert_eq!(scope_given(Some(asked)), Err(OAuthError::InvalidScope), "{asked}");
    }
}

#[test]
fn a_client_that_proves_nothing_is_invalid_client() {
    let pool = pool();
    let callers = [
        ClientCredentials { id: "nobody", secret: Some(SECRET) },
        ClientCredentials { id: MACHINE, secret: Some("guess") },
        ClientCredentials { id: MACHINE, secret: Some("") },
        ClientCredentials { id: MACHINE, secret: None },
        ClientCredentials { id: PUBLIC, secret: None },
        ClientCredentials { id: PUBLIC, secret: Some("anything") },
    ];
    for caller in callers {
        let refused = pool.client_credentials(caller, None, NOW, &mut Counting::default());
        assert_eq!(refused.unwrap_err(), OAuthError::InvalidClient, "{caller:?}");
    }
}

#[test]
fn a_grant_the_client_has_not_is_unauthorized_client() {
    let pool = pool();
    let caller = ClientCredentials { id: CONFIDENTIAL, secret: Some(SECRET) };
    let refused = pool.client_credentials(caller, None, NOW, &mut Counting::default());
    assert_eq!(refused.unwrap_err(), OAuthError::UnauthorizedClient);
    let refused = pool.refresh_grant(CALLER, "x", NOW, &mut Counting::default());
    assert_eq!(refused.unwrap_err(), OAuthError::UnauthorizedClient);
}

#[test]
fn the_refresh_grant_gives_both_tokens_until_the_session_ends() {
    let pool = pool();
    let refresh = sign_in_alice(&pool).refresh_token.unwrap();
    let caller = ClientCredentials { id: PUBLIC, secret: None };
    let tokens = pool.refresh_grant(caller, &refresh, NOW, &mut Counting::default()).unwrap();
    let jwks = pool.keys().jwks();
    assert_eq!(verified(&jwks, &tokens.access_token)["token_use"], "access");
    assert_eq!(verified(&jwks, &tokens.id_token.unwrap())["token_use"], "id");
    pool.revoke_grant(caller, &refresh).unwrap();
    for token in [refresh.as_str(), "refresh.unknown"] {
        let refused = pool.refresh_grant(caller, token, NOW, &mut Counting::default());
        assert_eq!(refused.unwrap_err(), OAuthError::InvalidGrant, "{token}");
    }
}

#[test]
fn revoking_wants_a_refresh_token_and_does_not_mind_an_unknown_one() {
    let pool = pool();
    let caller = ClientCredentials { id: PUBLIC, secret: None };
    assert_eq!(pool.revoke_grant(caller, "refresh.unknown"), Ok(()));
    let jwt = sign_in_alice(&pool).access_token;
    assert_eq!(pool.revoke_grant(caller, &jwt), Err(OAuthError::UnsupportedTokenType));
    let stranger = ClientCredentials { id: CONFIDENTIAL, secret: None };
    assert_eq!(pool.revoke_grant(stranger, "refresh.x"), Err(OAuthError::InvalidClient));
}
