//! What an authorization code is good for: once, soon, for its client, with its verifier.

use super::*;
use crate::user_pool::codes::VALIDITY;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier, from RFC 7636, appendix B.
const CHALLENGE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
                         &code_challenge_method=S256";
const CALLER: ClientCredentials<'_> = ClientCredentials { id: WEB, secret: Some(SECRET) };

pub(super) fn parameters(rest: &str) -> Parameters {
    let text = format!("client_id={WEB}&redirect_uri={CALLBACK}&response_type=code&{rest}");
    Parameters::parse(text.as_bytes()).unwrap()
}

pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(its, _)| its == name).map(|(_, value)| value.into_owned())
}

/// Alice's code, for a request with `rest`.
pub(super) fn code(pool: &UserPool, rest: &str, random: &mut Counting) -> String {
    let request = pool.authorization(&parameters(rest)).unwrap();
    let signed_in = pool.log_in(&request, ("alice", "Passw0rd!x"), None, NOW, random).unwrap();
    parameter(&signed_in.location, "code").unwrap()
}

fn exchange<'a>(code: &'a str, code_verifier: Option<&'a str>) -> CodeExchange<'a> {
    CodeExchange { code, redirect_uri: CALLBACK, code_verifier }
}

/// The tokens of a request with `rest`.
pub(super) fn tokens(pool: &UserPool, rest: &str) -> OAuthTokens {
    let random = &mut Counting::default();
    let code = code(pool, rest, random);
    pool.code_grant(CALLER, exchange(&code, None), NOW, random).unwrap()
}

#[test]
fn a_code_is_good_once_and_trying_it_again_ends_what_it_gave() {
    let (pool, random) = (pool(), &mut Counting::default());
    let code = code(&pool, "scope=openid", random);
    let tokens = pool.code_grant(CALLER, exchange(&code, None), NOW, random).unwrap();
    let refresh = tokens.refresh_token.unwrap();
    assert!(pool.user_info(&tokens.access_token, NOW).is_ok());
    assert!(pool.refresh_grant(CALLER, &refresh, NOW, random).is_ok());

    let again = pool.code_grant(CALLER, exchange(&code, None), NOW, random);
    assert_eq!(again.unwrap_err(), OAuthError::InvalidGrant);
    assert!(matches!(pool.user_info(&tokens.access_token, NOW), Err(ApiError::AccessTokenRevoked)));
    let refused = pool.refresh_grant(CALLER, &refresh, NOW, random).unwrap_err();
    assert_eq!(refused, OAuthError::InvalidGrant);
}

#[test]
fn a_code_lasts_five_minutes() {
    for (age, is_good) in
        [(VALIDITY.saturating_sub(Duration::from_millis(1)), true), (VALIDITY, false)]
    {
        let (pool, random) = (pool(), &mut Counting::default());
        let code = code(&pool, "scope=openid", random);
        let result = pool.code_grant(CALLER, exchange(&code, None), NOW.plus(age), random);
        assert_eq!(result.is_ok(), is_good, "{age:?}");
    }
    assert_eq!(VALIDITY, Duration::from_secs(300));
}

#[test]
fn another_client_can_neither_redeem_a_code_nor_spoil_it() {
    let (pool, random) = (pool(), &mut Counting::default());
    let code = code(&pool, "scope=openid", random);
    let other = ClientCredentials { id: APP, secret: None };
    let refused = pool.code_grant(other, exchange(&code, None), NOW, random).unwrap_err();
    assert_eq!(refused, OAuthError::InvalidGrant);
    for caller in [
        ClientCredentials { id: WEB, secret: None },
        ClientCredentials { id: WEB, secret: Some("guess") },
    ] {
        let refused = pool.code_grant(caller, exchange(&code, None), NOW, random).unwrap_err();
        assert_eq!(refused, OAuthError::InvalidClient);
    }
    assert!(pool.code_grant(CALLER, exchange(&code, None), NOW, random).is_ok());
}

#[test]
fn a_code_is_redeemed_with_the_redirect_uri_that_it_was_asked_for_with() {
    let (pool, random) = (pool(), &mut Counting::default());
    // Registered too, but not the one.
    for redirect_uri in ["https://app.example/cb?tenant=1", "", "https://evil.example/"] {
        let code = code(&pool, "scope=openid", random);
        let wrong = CodeExchange { redirect_uri, ..exchange(&code, None) };
        let refused = pool.code_grant(CALLER, wrong, NOW, random).unwrap_err();
        assert_eq!(
            (refused.code(), refused.to_string().as_str()),
            ("unauthorized_client", "invalid_redirect")
        );
        // There is no second try.
        let refused = pool.code_grant(CALLER, exchange(&code, None), NOW, random).unwrap_err();
        assert_eq!(refused, OAuthError::InvalidGrant);
    }
}

#[test]
fn the_verifier_must_be_the_challenge_s_and_can_be_guessed_once() {
    let plain = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let padded = format!("{VERIFIER}=");
    let cases = [
        (CHALLENGE, Some(VERIFIER), true),
        // Downgrades: without a verifier, by `plain`, and a challenge that got lost on its way.
        (CHALLENGE, None, false),
        (CHALLENGE, Some(plain), false),
        ("", Some(VERIFIER), false),
        ("", None, true),
        (CHALLENGE, Some(""), false),
        (CHALLENGE, Some(padded.as_str()), false),
        (CHALLENGE, Some("short"), false),
    ];
    for (challenge, verifier, is_good) in cases {
        let (pool, random) = (pool(), &mut Counting::default());
        let code = code(&pool, &format!("scope=openid&{challenge}"), random);
        let result = pool.code_grant(CALLER, exchange(&code, verifier), NOW, random);
        assert_eq!(result.is_ok(), is_good, "{challenge} {verifier:?}");
        let again = pool.code_grant(CALLER, exchange(&code, Some(VERIFIER)), NOW, random);
        assert_eq!(again.unwrap_err(), OAuthError::InvalidGrant);
    }
}

#[test]
fn a_client_without_the_grant_redeems_nothing() {
    let pool = pool();
    let caller = ClientCredentials { id: CONFIDENTIAL, secret: Some(SECRET) };
    let result = pool.code_grant(caller, exchange("x", None), NOW, &mut Counting::default());
    assert_eq!(result.unwrap_err(), OAuthError::UnauthorizedClient);
}

#[test]
fn nothing_is_granted_without_randomness() {
    let pool = pool();
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let result = pool.log_in(&request, ("alice", "Passw0rd!x"), None, NOW, &mut Exhausted);
    assert!(matches!(result, Err(ApiError::Internal)));
}

#[test]
fn an_id_token_comes_with_openid_only_and_shows_what_the_scopes_show() {
    let shown = |scope: &str| {
        let pool = pool();
        let tokens = tokens(&pool, &format!("scope={scope}"));
        let id = tokens.id_token.as_ref().map(|token| verified(&pool.keys().jwks(), token));
        let info = pool.user_info(&tokens.access_token, NOW).ok();
        let lists = |claims: Map<String, Value>| {
            ["email", "email_verified", "custom:team"].map(|name| claims.contains_key(name))
        };
        (id.map(lists), info.map(lists))
    };
    assert_eq!(shown("orders/read"), (None, None));
    let all = Some([true, true, true]);
    assert_eq!(shown("openid"), (all, all));
    assert_eq!(shown("openid+profile"), (all, all));
    let email = Some([true, true, false]);
    assert_eq!(shown("openid+email"), (email, email));
    let nothing = Some([false, false, false]);
    assert_eq!(shown("openid+phone"), (nothing, nothing));
}

#[test]
fn a_token_is_bound_to_one_api_by_resource_and_stays_so() {
    let (pool, random) = (pool(), &mut Counting::default());
    let rest = "scope=openid&resource=https%3A%2F%2Fapi.example%2F";
    let code = code(&pool, rest, random);
    let tokens = pool.code_grant(CALLER, exchange(&code, None), NOW, random).unwrap();
    let refresh = tokens.refresh_token.unwrap();
    let again = pool.refresh_grant(CALLER, &refresh, NOW, random).unwrap();
    let jwks = pool.keys().jwks();
    for token in [tokens.access_token, again.access_token] {
        let claims = verified(&jwks, &token);
        assert_eq!(
            (&claims["aud"], &claims["client_id"]),
            (&"https://api.example/".into(), &WEB.into())
        );
    }
    assert_eq!(verified(&jwks, &tokens.id_token.unwrap())["aud"], WEB);
}

#[test]
fn user_info_is_text_and_never_what_the_file_forged() {
    let pool = pool();
    let info = pool.user_info(&tokens(&pool, "scope=openid").access_token, NOW).unwrap();
    assert_eq!(info["email_verified"], "true");
    assert_eq!((&info["username"], &info["custom:team"]), (&"alice".into(), &"42".into()));
    assert_ne!(info["sub"], "forged");
    assert!(!info.contains_key("cognito:groups"));
    // A sign-in by API has no `openid`, and an ID token is no access token.
    let by_api = sign_in_alice(&pool);
    for token in [&by_api.access_token, &by_api.id_token, "x", ""] {
        assert!(pool.user_info(token, NOW).is_err(), "{token}");
    }
}

#[test]
fn rotation_replaces_the_refresh_token_for_what_is_left_of_its_life() {
    let (pool, random) = (pool(), &mut Counting::default());
    let caller = ClientCredentials { id: APP, secret: None };
    let text = format!("client_id={APP}&redirect_uri={CALLBACK}&response_type=code&scope=openid");
    let request = pool.authorization(&Parameters::parse(text.as_bytes()).unwrap()).unwrap();
    let alice = ("alice", "Passw0rd!x");
    let location = pool.log_in(&request, alice, None, NOW, random).unwrap().location;
    let code = parameter(&location, "code").unwrap();
    let first = pool.code_grant(caller, exchange(&code, None), NOW, random).unwrap();
    let first = first.refresh_token.unwrap();
    let mut refresh = |token: &str, now| {
        pool.refresh_grant(caller, token, now, random).map(|tokens| tokens.refresh_token.unwrap())
    };
    let at = |seconds| NOW.plus(Duration::from_secs(seconds));
    let second = refresh(&first, at(100)).unwrap();
    // Ten seconds of grace, and using them does not prolong them.
    let third = refresh(&first, at(105)).unwrap();
    assert_eq!(refresh(&first, at(110)).unwrap_err(), OAuthError::InvalidGrant);
    assert!(first != second && second != third);
    let last = at(REFRESH_TOKEN_VALIDITY.as_secs());
    assert_eq!(refresh(&second, last).unwrap_err(), OAuthError::InvalidGrant);
    // The API could not hand out a new one, so it has no part in this.
    let by_api =
        crate::user_pool::tests::request("REFRESH_TOKEN_AUTH", APP, &[("REFRESH_TOKEN", &third)]);
    let refused = pool.initiate_auth(&by_api, at(111), &mut Counting::default()).unwrap_err();
    assert_eq!(refused.name(), "InvalidParameterException");
    // Ending one ends them all.
    pool.revoke_grant(caller, &first).unwrap();
    assert_eq!(refresh(&third, at(111)).unwrap_err(), OAuthError::InvalidGrant);
}

#[test]
fn codes_are_bounded_and_the_oldest_goes_first() {
    use crate::user_pool::claims::SignIn;
    use crate::user_pool::codes::{CAPACITY, Codes, Grant, Redeemed};
    use crate::user_pool::directory::{ClientIndex, UserIndex};
    let (mut codes, mut random, client) = (Codes::default(), SystemRandomness, ClientIndex(0));
    let mut issue = || {
        let sign_in = SignIn::begin("s", true, 0, &mut random).unwrap();
        let (user, redirect_uri) = (UserIndex(0), CALLBACK.into());
        let grant = Grant { client, user, redirect_uri, sign_in, nonce: None, challenge: None };
        codes.issue(grant, NOW, &mut random).unwrap()
    };
    let issued: Vec<String> = (0..=CAPACITY).map(|_| issue()).collect();
    assert!(matches!(codes.redeem(&issued[0], client, NOW), Redeemed::Never));
    assert!(matches!(codes.redeem(&issued[1], client, NOW), Redeemed::Now(_)));
    assert!(matches!(codes.redeem(&issued[CAPACITY], client, NOW), Redeemed::Now(_)));
}
