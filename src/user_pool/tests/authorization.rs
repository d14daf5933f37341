//! What a request of a browser leads to.

use proptest::prelude::*;

use super::codes::{parameter, parameters};
use super::*;

/// The error that is sent to the client for a request with `rest`.
fn error(rest: &str) -> String {
    match pool().authorization(&parameters(rest)) {
        Err(Refusal::Sent(location)) => {
            assert!(location.starts_with(&format!("{CALLBACK}?error=")), "{location}");
            assert!(parameter(&location, "error_description").is_some(), "{location}");
            parameter(&location, "error").unwrap()
        }
        other => panic!("{rest}: {other:?}"),
    }
}

#[test]
fn mistakes_of_a_known_client_are_sent_to_its_callback() {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for (rest, code) in [
        ("scope=orders/delete", "invalid_scope"),
        ("scope=email", "invalid_scope"),
        ("scope=profile+orders/read", "invalid_scope"),
        ("scope=openid&scope=openid", "invalid_request"),
        ("state=a&state=b", "invalid_request"),
        ("x=a&x=b", "invalid_request"),
        (&format!("code_challenge={challenge}"), "invalid_request"),
        (&format!("code_challenge={challenge}&code_challenge_method=plain"), "invalid_request"),
        (&format!("code_challenge={challenge}&code_challenge_method=s256"), "invalid_request"),
        (&format!("code_challenge={challenge}=&code_challenge_method=S256"), "invalid_request"),
        // The last character's unused bits: another spelling of the same digest.
        (
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN&code_challenge_method=S256",
            "invalid_request",
        ),
        ("code_challenge=short&code_challenge_method=S256", "invalid_request"),
        ("code_challenge_method=S256", "invalid_request"),
        ("prompt=none+login", "invalid_request"),
        ("prompt=login+none", "invalid_request"),
        ("prompt=LOGIN", "invalid_request"),
        ("max_age=-1", "invalid_request"),
        ("max_age=%2B1", "invalid_request"),
        ("max_age=99999999999999999999", "invalid_request"),
        ("identity_provider=Google", "invalid_request"),
        ("resource=api", "invalid_request"),
        ("resource=http://api.example/", "invalid_request"),
        ("resource=https://api.example/%23x", "invalid_request"),
    ] {
        assert_eq!(error(rest), code, "{rest}");
    }
}

#[test]
fn other_response_types_are_refused_by_cognito_s_words() {
    for (kind, code) in [
        ("&response_type=token", "unauthorized_client"),
        ("&response_type=id_token", "invalid_request"),
        ("&response_type=code+token", "invalid_request"),
        ("&response_type=CODE", "invalid_request"),
        ("", "invalid_request"),
    ] {
        let text = format!("client_id={WEB}&redirect_uri={CALLBACK}{kind}&state=s");
        let refusal = pool().authorization(&Parameters::parse(text.as_bytes()).unwrap());
        let Err(Refusal::Sent(location)) = refusal else { panic!("{kind}: {refusal:?}") };
        assert_eq!(parameter(&location, "error").unwrap(), code, "{kind}");
        assert_eq!(parameter(&location, "state").unwrap(), "s");
    }
}

#[test]
fn whoever_is_not_known_to_ask_is_shown_a_page() {
    for text in [
        String::new(),
        format!("redirect_uri={CALLBACK}&response_type=code"),
        format!("client_id=nobody&redirect_uri={CALLBACK}&response_type=code"),
        format!("client_id={WEB}&response_type=code"),
        format!("client_id={WEB}&client_id={WEB}&redirect_uri={CALLBACK}&response_type=code"),
        // It has no callbacks at all.
        format!("client_id={PUBLIC}&redirect_uri={CALLBACK}&response_type=code"),
        format!("client_id={WEB}&redirect_uri={CALLBACK}/&response_type=code"),
    ] {
        let refusal = pool().authorization(&Parameters::parse(text.as_bytes()).unwrap());
        assert!(matches!(refusal, Err(Refusal::Shown(_))), "{text}: {refusal:?}");
    }
}

#[test]
fn the_answer_is_appended_to_the_callback_as_it_is_registered() {
    let refused = |callback: &str| {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", WEB),
                ("redirect_uri", callback),
                ("state", "a&b=<c>\r\n#"),
            ])
            .finish();
        match pool().authorization(&Parameters::parse(text.as_bytes()).unwrap()) {
            Err(Refusal::Sent(location)) => location,
            other => panic!("{other:?}"),
        }
    };
    let error = "error=invalid_request&error_description=response_type+must+be+code";
    let state = "state=a%26b%3D%3Cc%3E%0D%0A%23";
    for (callback, before) in [("https://app.example/cb?tenant=1", '&'), ("myapp://signed-in", '?')]
    {
        assert_eq!(refused(callback), format!("{callback}{before}{error}&{state}"));
    }
}

/// What a browser that signed in at [`NOW`] has to do `seconds` later.
fn step(rest: &str, seconds: u64) -> Step {
    let (pool, random) = (pool(), &mut Counting::default());
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let alice = ("alice", "Passw0rd!x");
    let cookie = pool.log_in(&request, alice, None, NOW, random).unwrap().cookie;
    let request = pool.authorization(&parameters(rest)).unwrap();
    let now = NOW.plus(Duration::from_secs(seconds));
    let step = pool.authorize(&request, Some(&cookie), now, random).unwrap();
    match step {
        Step::Return(location) if parameter(&location, "code").is_some() => {
            Step::Return("code".to_owned())
        }
        Step::Return(location) => Step::Return(parameter(&location, "error").unwrap()),
        Step::LogIn => Step::LogIn,
    }
}

#[test]
fn a_signed_in_browser_is_asked_again_when_the_request_or_the_hour_says_so() {
    let code = || Step::Return("code".to_owned());
    let required = || Step::Return("login_required".to_owned());
    for (rest, seconds, expected) in [
        ("", 0, code()),
        ("", 3599, code()),
        ("", 3600, Step::LogIn),
        ("prompt=none", 3599, code()),
        ("prompt=none", 3600, required()),
        ("prompt=login", 0, Step::LogIn),
        ("prompt=select_account", 0, Step::LogIn),
        ("prompt=consent", 0, code()),
        ("prompt=consent+login", 0, Step::LogIn),
        ("max_age=10", 10, code()),
        ("max_age=10", 11, Step::LogIn),
        ("max_age=0", 0, Step::LogIn),
        ("max_age=10&prompt=none", 11, required()),
    ] {
        assert_eq!(step(&format!("scope=openid&{rest}"), seconds), expected, "{rest} {seconds}");
    }
}

#[test]
fn a_silent_sign_in_keeps_the_time_of_the_password() {
    let (pool, random) = (pool(), &mut Counting::default());
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let alice = ("alice", "Passw0rd!x");
    let cookie = pool.log_in(&request, alice, None, NOW, random).unwrap().cookie;
    let later = NOW.plus(Duration::from_secs(1000));
    let Step::Return(location) = pool.authorize(&request, Some(&cookie), later, random).unwrap()
    else {
        panic!("signed in")
    };
    let code = parameter(&location, "code").unwrap();
    let exchange = CodeExchange { code: &code, redirect_uri: CALLBACK, code_verifier: None };
    let caller = ClientCredentials { id: WEB, secret: Some(SECRET) };
    let tokens = pool.code_grant(caller, exchange, later, random).unwrap();
    let claims = verified(&pool.keys().jwks(), &tokens.id_token.unwrap());
    assert_eq!(
        (&claims["auth_time"], &claims["iat"]),
        (&NOW.seconds().into(), &later.seconds().into())
    );
}

#[test]
fn signing_in_gives_a_new_cookie_and_ends_the_old_one() {
    let (pool, random) = (pool(), &mut Counting::default());
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let alice = ("alice", "Passw0rd!x");
    let fixed = Some("chosen-by-somebody-else");
    let first = pool.log_in(&request, alice, fixed, NOW, random).unwrap().cookie;
    assert_ne!(first, "chosen-by-somebody-else");
    assert_eq!(pool.authorize(&request, fixed, NOW, random).unwrap(), Step::LogIn);
    let second = pool.log_in(&request, alice, Some(&first), NOW, random).unwrap().cookie;
    assert_eq!(pool.authorize(&request, Some(&first), NOW, random).unwrap(), Step::LogIn);
    assert!(matches!(pool.authorize(&request, Some(&second), NOW, random), Ok(Step::Return(_))));
}

#[test]
fn a_locked_user_gets_in_with_no_password_through_the_page_either() {
    let (pool, random) = (pool(), &mut Counting::default());
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let mut log_in = |password| pool.log_in(&request, ("alice", password), None, NOW, random);
    for _ in 0..5 {
        assert!(matches!(log_in("guess"), Err(ApiError::WrongPassword)));
    }
    assert!(matches!(log_in("Passw0rd!x"), Err(ApiError::AttemptsExceeded)));
}

#[test]
fn signing_out_wants_a_registered_logout_url() {
    let (pool, random) = (pool(), &mut Counting::default());
    let request = pool.authorization(&parameters("scope=openid")).unwrap();
    let alice = ("alice", "Passw0rd!x");
    let cookie = pool.log_in(&request, alice, None, NOW, random).unwrap().cookie;
    let log_out = |text: String| {
        let parameters = Parameters::parse(text.as_bytes()).unwrap();
        pool.log_out(&parameters, Some(&cookie))
    };
    for bad in [
        "logout_uri=https://app.example/bye".to_owned(),
        format!("client_id={WEB}&logout_uri=https://app.example/bye/"),
        format!("client_id={WEB}&logout_uri={CALLBACK}"),
        format!("client_id={WEB}&logout_uri=https://app.example/bye&logout_uri=x"),
        format!("client_id={PUBLIC}&logout_uri=https://app.example/bye"),
    ] {
        assert!(log_out(bad.clone()).is_err(), "{bad}");
        assert!(matches!(
            pool.authorize(&request, Some(&cookie), NOW, random),
            Ok(Step::Return(_))
        ));
    }
    let good = format!("client_id={WEB}&logout_uri=https://app.example/bye");
    assert_eq!(log_out(good).unwrap(), "https://app.example/bye");
    assert_eq!(pool.authorize(&request, Some(&cookie), NOW, random).unwrap(), Step::LogIn);
}

/// Parameters as an attacker may combine them: known names, right values, and anything.
fn any_query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "resource",
        "identity_provider",
    ]);
    let known =
        vec![WEB, APP, PUBLIC, CALLBACK, "myapp://signed-in", "code", "openid", "none", "S256", ""];
    let value = prop_oneof![
        4 => prop::sample::select(known).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[a-z:/?#@.%\\\\\r\n]{0,24}".prop_map(|rest| format!("{CALLBACK}{rest}")),
    ];
    let pairs = prop::collection::vec((name, value), 0..8);
    pairs.prop_map(|pairs| {
        let right = [("client_id", WEB), ("redirect_uri", CALLBACK)];
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        // Half of them begin well, so that what comes later is reached.
        if pairs.len() % 2 == 0 {
            text.extend_pairs(right);
        }
        text.extend_pairs(pairs).finish()
    })
}

proptest! {
    #[test]
    fn whatever_is_asked_for_only_a_registered_place_hears_of_it(query in any_query()) {
        static POOL: std::sync::OnceLock<UserPool> = std::sync::OnceLock::new();
        let pool = POOL.get_or_init(pool);
        let parameters = Parameters::parse(query.as_bytes()).unwrap();
        let location = match pool.authorization(&parameters) {
            Err(Refusal::Shown(_)) => return Ok(()),
            Err(Refusal::Sent(location)) => location,
            Ok(request) => {
                let random = &mut SystemRandomness;
                pool.log_in(&request, ("bob", "Passw0rd!y"), None, NOW, random).unwrap().location
            }
        };
        prop_assert!(location.bytes().all(|b| b.is_ascii_graphic()), "{}", location);
        let registered = [
            format!("{CALLBACK}?"),
            "https://app.example/cb?tenant=1&".to_owned(),
            "myapp://signed-in?".to_owned(),
        ];
        let rest = registered.iter().find_map(|place| location.strip_prefix(place.as_str()));
        let rest = rest.expect("a registered place");
        prop_assert!(rest.starts_with("code=") || rest.starts_with("error="), "{}", location);
    }
}

#[test]
fn signed_in_browsers_are_bounded_and_the_oldest_goes_first() {
    use crate::user_pool::browsers::{Browsers, CAPACITY};
    use crate::user_pool::directory::UserIndex;
    let (mut browsers, mut random) = (Browsers::default(), SystemRandomness);
    let cookies: Vec<String> =
        (0..=CAPACITY).map(|_| browsers.sign_in(UserIndex(0), NOW, &mut random).unwrap()).collect();
    assert!(browsers.find(&cookies[0], NOW).is_none());
    assert!(browsers.find(&cookies[1], NOW).is_some());
    assert!(browsers.find(&cookies[CAPACITY], NOW).is_some());
}
