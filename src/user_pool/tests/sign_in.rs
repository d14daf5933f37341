//! `InitiateAuth`, `GetUser` and `RevokeToken`.

use super::*;
use crate::user_pool::sessions::CAPACITY;

fn refused(pool: &UserPool, request: &InitiateAuth, now: UnixMillis) -> (&'static str, String) {
    let error = pool.initiate_auth(request, now, &mut Counting::default()).unwrap_err();
    (error.name(), error.to_string())
}

fn by_password(client: &str, user: &str, password: &str) -> InitiateAuth {
    request("USER_PASSWORD_AUTH", client, &[("USERNAME", user), ("PASSWORD", password)])
}

fn by_refresh(client: &str, token: &str) -> InitiateAuth {
    request("REFRESH_TOKEN_AUTH", client, &[("REFRESH_TOKEN", token)])
}

fn with_hash(mut request: InitiateAuth, hash: String) -> InitiateAuth {
    request.auth_parameters.insert("SECRET_HASH".to_owned(), hash);
    request
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    let pool = pool();
    let wrong = refused(&pool, &by_password(PUBLIC, "alice", "no"), NOW);
    assert_eq!(wrong, ("NotAuthorizedException", "Incorrect username or password.".to_owned()));
    assert_eq!(refused(&pool, &by_password(PUBLIC, "nobody", "no"), NOW), wrong);
}

#[test]
fn the_right_password_does_not_help_while_the_account_is_locked() {
    let pool = pool();
    for _ in 0..5 {
        refused(&pool, &by_password(PUBLIC, "alice", "guess"), NOW);
    }
    let right = by_password(PUBLIC, "alice", "Passw0rd!x");
    let locked = ("NotAuthorizedException", "Password attempts exceeded".to_owned());
    assert_eq!(refused(&pool, &right, NOW), locked);
    let later = NOW.plus(Duration::from_secs(1));
    assert!(pool.initiate_auth(&right, later, &mut Counting::default()).is_ok());
}

#[test]
fn a_confidential_client_must_prove_its_secret() {
    let pool = pool();
    let asked = || by_password(CONFIDENTIAL, "alice", "Passw0rd!x");
    let (name, message) = refused(&pool, &asked(), NOW);
    assert_eq!(name, "NotAuthorizedException");
    assert!(message.contains("SECRET_HASH was not received"), "{message}");
    let wrong = with_hash(asked(), secret_hash("other", "alice", CONFIDENTIAL));
    assert!(refused(&pool, &wrong, NOW).1.contains("Unable to verify secret hash"));
    let right = with_hash(asked(), secret_hash(SECRET, "alice", CONFIDENTIAL));
    assert!(pool.initiate_auth(&right, NOW, &mut Counting::default()).is_ok());
}

#[test]
fn a_public_client_that_sends_a_secret_hash_is_refused() {
    let asked = by_password(PUBLIC, "alice", "Passw0rd!x");
    let asked = with_hash(asked, secret_hash("", "alice", PUBLIC));
    assert!(refused(&pool(), &asked, NOW).1.contains("Unable to verify secret hash"));
}

#[test]
fn what_is_missing_unknown_or_not_allowed_is_named() {
    let pool = pool();
    let cases = [
        (InitiateAuth::default(), "InvalidParameterException", "'authFlow'"),
        (by_password("nope", "alice", "x"), "ResourceNotFoundException", "nope does not exist"),
        (by_password(MACHINE, "alice", "x"), "InvalidParameterException", "not enabled"),
        (by_refresh(MACHINE, "x"), "InvalidParameterException", "not enabled"),
        (request("CUSTOM_AUTH", PUBLIC, &[]), "InvalidParameterException", "CUSTOM_AUTH"),
        (request("USER_PASSWORD_AUTH", PUBLIC, &[]), "InvalidParameterException", "USERNAME"),
        (request("REFRESH_TOKEN_AUTH", PUBLIC, &[]), "InvalidParameterException", "REFRESH_TOKEN"),
    ];
    for (asked, name, part) in cases {
        let answer = refused(&pool, &asked, NOW);
        assert_eq!(answer.0, name, "{asked:?}");
        assert!(answer.1.contains(part), "{answer:?}");
    }
}

#[test]
fn a_refresh_keeps_the_session_and_renews_the_tokens() {
    let pool = pool();
    let first = sign_in_alice(&pool);
    let asked = by_refresh(PUBLIC, first.refresh_token.as_deref().unwrap());
    let later = NOW.plus(Duration::from_secs(7200));
    let mut random = Counting(100);
    let second = pool.initiate_auth(&asked, later, &mut random).unwrap();
    assert!(second.refresh_token.is_none());
    let jwks = pool.keys().jwks();
    let (before, after) =
        (verified(&jwks, &first.access_token), verified(&jwks, &second.access_token));
    for kept in ["sub", "origin_jti", "auth_time", "scope", "client_id", "username"] {
        assert_eq!(before[kept], after[kept], "{kept}");
    }
    assert_eq!(after["iat"], later.seconds());
    assert_eq!(after["exp"], later.seconds() + 3600);
    assert_ne!(before["jti"], after["jti"]);
}

#[test]
fn a_refresh_of_a_confidential_client_takes_a_hash_over_user_name_or_sub() {
    let pool = pool();
    let asked = by_password(CONFIDENTIAL, "alice", "Passw0rd!x");
    let asked = with_hash(asked, secret_hash(SECRET, "alice", CONFIDENTIAL));
    let first = pool.initiate_auth(&asked, NOW, &mut Counting::default()).unwrap();
    let claims = verified(&pool.keys().jwks(), &first.access_token);
    let token = first.refresh_token.unwrap();
    for name in ["alice", claims["sub"].as_str().unwrap()] {
        let hash = secret_hash(SECRET, name, CONFIDENTIAL);
        let asked = with_hash(by_refresh(CONFIDENTIAL, &token), hash);
        assert!(pool.initiate_auth(&asked, NOW, &mut Counting::default()).is_ok(), "{name}");
    }
    let hash = secret_hash(SECRET, "bob", CONFIDENTIAL);
    let asked = with_hash(by_refresh(CONFIDENTIAL, &token), hash);
    assert!(refused(&pool, &asked, NOW).1.contains("Unable to verify secret hash"));
}

#[test]
fn a_refresh_token_is_opaque_single_client_and_mortal() {
    let pool = pool();
    let token = sign_in_alice(&pool).refresh_token.unwrap();
    assert!(!token.starts_with("eyJ"));
    let invalid = ("NotAuthorizedException", "Invalid Refresh Token".to_owned());
    assert_eq!(refused(&pool, &by_refresh(PUBLIC, "refresh.guess"), NOW), invalid);
    assert_eq!(refused(&pool, &by_refresh(CONFIDENTIAL, &token), NOW), invalid);
    let last = NOW.plus(REFRESH_TOKEN_VALIDITY);
    let expired = ("NotAuthorizedException", "Refresh Token has expired".to_owned());
    assert_eq!(refused(&pool, &by_refresh(PUBLIC, &token), last), expired);
    let before = UnixMillis(last.0 - 1);
    assert!(
        pool.initiate_auth(&by_refresh(PUBLIC, &token), before, &mut Counting::default()).is_ok()
    );
}

#[test]
fn sessions_are_bounded_and_the_oldest_goes_first() {
    use crate::user_pool::claims::SignIn;
    use crate::user_pool::directory::{ClientIndex, UserIndex};
    use crate::user_pool::sessions::{Session, Sessions};
    let sign_in = SignIn::begin("s", false, 0, &mut Counting::default()).unwrap();
    let (user, client) = (UserIndex(0), ClientIndex(0));
    let session = Session { user, client, sign_in, expires: NOW, superseded: None };
    let mut sessions = Sessions::default();
    let mut random = SystemRandomness;
    let tokens: Vec<String> =
        (0..=CAPACITY).map(|_| sessions.open(session.clone(), &mut random).unwrap()).collect();
    assert!(sessions.find(&tokens[0]).is_none());
    assert!(sessions.find(&tokens[1]).is_some());
    assert!(sessions.find(&tokens[CAPACITY]).is_some());
}

#[test]
fn revoked_sessions_are_bounded_and_what_is_forgotten_stays_dead() {
    use crate::user_pool::claims::SignIn;
    use crate::user_pool::directory::{ClientIndex, UserIndex};
    use crate::user_pool::sessions::{Session, Sessions};
    let sign_in = SignIn::begin("s", false, 0, &mut Counting::default()).unwrap();
    let first = sign_in.origin_jti.clone();
    let (user, client) = (UserIndex(0), ClientIndex(0));
    let session = Session { user, client, sign_in, expires: NOW, superseded: None };
    let mut sessions = Sessions::default();
    let token = sessions.open(session, &mut SystemRandomness).unwrap();
    sessions.revoke(&first);
    for number in 0..CAPACITY {
        sessions.revoke(&number.to_string().into());
    }
    assert!(!sessions.is_revoked(&first));
    assert!(sessions.find(&token).is_none());
}

#[test]
fn get_user_answers_the_holder_of_a_living_access_token() {
    let pool = pool();
    let user = pool.get_user(&sign_in_alice(&pool).access_token, NOW).unwrap();
    assert_eq!(user.username, "alice");
    let attributes: Vec<_> =
        user.user_attributes.iter().map(|a| (a.name.as_str(), a.value.as_str())).collect();
    assert_eq!(attributes[0].0, "sub");
    assert!(attributes.contains(&("email_verified", "true")));
    assert!(attributes.contains(&("custom:team", "42")));
    assert_eq!(attributes.iter().filter(|(name, _)| *name == "sub").count(), 1);
}

#[test]
fn get_user_refuses_what_is_not_a_living_access_token_of_a_sign_in() {
    let pool = pool();
    let tokens = sign_in_alice(&pool);
    let message = |token: &str, now| pool.get_user(token, now).unwrap_err().to_string();
    assert_eq!(message("junk", NOW), "Invalid Access Token");
    assert_eq!(message(&tokens.id_token, NOW), "Invalid Access Token");
    let end = NOW.plus(Duration::from_secs(3600));
    assert_eq!(message(&tokens.access_token, end), "Access Token has expired");
    let (signed, _) = tokens.access_token.rsplit_once('.').unwrap();
    let (_, other_signature) = tokens.id_token.rsplit_once('.').unwrap();
    assert_eq!(message(&format!("{signed}.{other_signature}"), NOW), "Invalid Access Token");
    let order = TokenOrder { scope: Some("orders/read".to_owned()), ..TokenOrder::default() };
    let token = pool.mint(&order, NOW, &mut Counting::default()).unwrap();
    assert_eq!(message(&token, NOW), "Access Token does not have required scopes");
}

#[test]
fn a_revoked_session_refreshes_no_more_and_its_access_tokens_are_refused() {
    let pool = pool();
    let tokens = sign_in_alice(&pool);
    let refresh = tokens.refresh_token.unwrap();
    pool.revoke_token(&refresh, PUBLIC, None).unwrap();
    pool.revoke_token(&refresh, PUBLIC, None).unwrap();
    let revoked = ("NotAuthorizedException", "Refresh Token has been revoked".to_owned());
    assert_eq!(refused(&pool, &by_refresh(PUBLIC, &refresh), NOW), revoked);
    let error = pool.get_user(&tokens.access_token, NOW).unwrap_err();
    assert_eq!(error.to_string(), "Access Token has been revoked");
}

#[test]
fn a_client_cannot_revoke_anothers_session_or_without_its_secret() {
    let pool = pool();
    let refresh = sign_in_alice(&pool).refresh_token.unwrap();
    let wrong = pool.revoke_token(&refresh, CONFIDENTIAL, Some("guess")).unwrap_err();
    assert_eq!(wrong.name(), "UnauthorizedException");
    pool.revoke_token(&refresh, CONFIDENTIAL, Some(SECRET)).unwrap();
    assert!(
        pool.initiate_auth(&by_refresh(PUBLIC, &refresh), NOW, &mut Counting::default()).is_ok()
    );
    let jwt = sign_in_alice(&pool).access_token;
    let unsupported = pool.revoke_token(&jwt, PUBLIC, None).unwrap_err();
    assert_eq!(unsupported.name(), "UnsupportedTokenTypeException");
}

#[test]
fn without_randomness_nothing_is_minted() {
    let pool = pool();
    let asked = by_password(PUBLIC, "alice", "Passw0rd!x");
    let error = pool.initiate_auth(&asked, NOW, &mut Exhausted).unwrap_err();
    assert_eq!((error.name(), error.status()), ("InternalErrorException", 500));
}
