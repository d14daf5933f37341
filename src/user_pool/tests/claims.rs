//! Tokens hold what Cognito's documented samples hold, with their types, in their order.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

fn header(token: &str) -> Value {
    let encoded = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

#[test]
fn an_access_token_of_a_password_sign_in_holds_exactly_cognitos_claims() {
    let pool = pool();
    let result = sign_in_alice(&pool);
    let claims = verified(&pool.keys().jwks(), &result.access_token);
    assert_eq!(
        names(&claims),
        [
            "sub",
            "cognito:groups",
            "iss",
            "client_id",
            "origin_jti",
            "event_id",
            "token_use",
            "scope",
            "auth_time",
            "exp",
            "iat",
            "jti",
            "username",
        ]
    );
    assert_eq!(claims["cognito:groups"], json!(["readers", "admins", "staff"]));
    assert_eq!(claims["iss"], "http://127.0.0.1:9902/eu-west-1_DevPool01");
    assert_eq!(claims["client_id"], PUBLIC);
    assert_eq!(claims["token_use"], "access");
    assert_eq!(claims["scope"], "aws.cognito.signin.user.admin");
    assert_eq!(claims["auth_time"], 1_795_392_000_u64);
    assert_eq!(claims["iat"], 1_795_392_000_u64);
    assert_eq!(claims["exp"], 1_795_395_600_u64);
    assert_eq!(claims["username"], "alice");
}

#[test]
fn an_id_token_holds_exactly_cognitos_claims() {
    let pool = pool();
    let result = sign_in_alice(&pool);
    let claims = verified(&pool.keys().jwks(), &result.id_token);
    assert_eq!(
        names(&claims),
        [
            "sub",
            "cognito:groups",
            "email_verified",
            "cognito:preferred_role",
            "iss",
            "cognito:username",
            "custom:team",
            "origin_jti",
            "cognito:roles",
            "aud",
            "event_id",
            "token_use",
            "auth_time",
            "exp",
            "iat",
            "jti",
            "email",
        ]
    );
    assert_eq!(claims["aud"], PUBLIC);
    assert_eq!(claims["token_use"], "id");
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(claims["email_verified"], true);
    assert_eq!(claims["custom:team"], "42", "a custom attribute is a string");
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/{name}");
    assert_eq!(claims["cognito:roles"], json!([role("admins"), role("staff")]));
    assert_eq!(claims["cognito:preferred_role"], role("admins"));
}

#[test]
fn attributes_of_the_file_cannot_replace_the_pools_own_claims() {
    let pool = pool();
    let result = sign_in_alice(&pool);
    let id = verified(&pool.keys().jwks(), &result.id_token);
    let access = verified(&pool.keys().jwks(), &result.access_token);
    assert_eq!(id["sub"], access["sub"]);
    assert_ne!(id["sub"], "forged");
    assert_eq!(id["cognito:groups"], access["cognito:groups"]);
}

#[test]
fn both_tokens_share_the_session_and_not_the_jti() {
    let pool = pool();
    let result = sign_in_alice(&pool);
    let access = verified(&pool.keys().jwks(), &result.access_token);
    let id = verified(&pool.keys().jwks(), &result.id_token);
    for shared in ["sub", "origin_jti", "event_id", "auth_time", "iss", "exp", "iat"] {
        assert_eq!(access[shared], id[shared], "{shared}");
    }
    assert_ne!(access["jti"], id["jti"]);
}

#[test]
fn the_header_is_kid_and_alg_and_each_use_has_its_own_key() {
    let pool = pool();
    let result = sign_in_alice(&pool);
    let (access, id) = (header(&result.access_token), header(&result.id_token));
    assert_eq!(access.as_object().unwrap().keys().collect::<Vec<_>>(), ["kid", "alg"]);
    assert_eq!(access["alg"], "RS256");
    assert!(access["kid"].as_str().unwrap().ends_with('='));
    assert_ne!(access["kid"], id["kid"]);
}

#[test]
fn a_user_without_groups_has_no_groups_claim() {
    let pool = pool();
    let parameters = [("USERNAME", "bob"), ("PASSWORD", "Passw0rd!y")];
    let request = request("USER_PASSWORD_AUTH", PUBLIC, &parameters);
    let result = pool.initiate_auth(&request, NOW, &mut Counting::default()).unwrap();
    let claims = verified(&pool.keys().jwks(), &result.id_token);
    for absent in ["cognito:groups", "cognito:roles", "cognito:preferred_role", "email_verified"] {
        assert!(!claims.contains_key(absent), "{absent}");
    }
}

#[test]
fn two_best_groups_with_different_roles_leave_no_preferred_role() {
    let pool = pool();
    let order = TokenOrder {
        username: Some("carol".to_owned()),
        token_use: TokenUse::Id,
        ..TokenOrder::default()
    };
    let token = pool.mint(&order, NOW, &mut Counting::default()).unwrap();
    let claims = verified(&pool.keys().jwks(), &token);
    assert_eq!(claims["cognito:roles"].as_array().unwrap().len(), 2);
    assert!(!claims.contains_key("cognito:preferred_role"));
}

#[test]
fn a_machine_token_holds_exactly_cognitos_claims() {
    let pool = pool();
    let caller = ClientCredentials { id: MACHINE, secret: Some(SECRET) };
    let tokens = pool.client_credentials(caller, None, NOW, &mut Counting::default()).unwrap();
    let claims = verified(&pool.keys().jwks(), &tokens.access_token);
    assert_eq!(
        names(&claims),
        [
            "sub",
            "token_use",
            "scope",
            "auth_time",
            "iss",
            "exp",
            "iat",
            "version",
            "jti",
            "client_id",
        ]
    );
    assert_eq!(claims["sub"], claims["client_id"]);
    assert_eq!(claims["version"], 2);
    assert_eq!(claims["scope"], "orders/read orders/write");
}

#[test]
fn a_users_sub_is_the_same_after_a_restart_and_a_uuid() {
    let sub = |pool: &UserPool| {
        let result = sign_in_alice(pool);
        verified(&pool.keys().jwks(), &result.access_token)["sub"].clone()
    };
    let first = sub(&pool());
    assert_eq!(first, sub(&pool()));
    let first = first.as_str().unwrap().to_owned();
    let lengths: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
}
