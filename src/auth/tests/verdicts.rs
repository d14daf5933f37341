//! What a token must be: the table of observed verdicts and the points where we are stricter.

use aws_lc_rs::hmac;
use aws_lc_rs::signature as lc;
use serde_json::{Value, json};

use super::super::*;
use super::support::*;
use crate::config::model::*;

fn all_refused(gate: &Gate, tokens: impl IntoIterator<Item = (String, String)>) {
    for (what, token) in tokens {
        assert!(gate.refuses(&token).is_some(), "accepted: {what}");
    }
}

#[test]
fn valid_tokens_of_both_issuer_forms_are_allowed() {
    // 1, 2
    let gate = Gate::cognito();
    let identity = gate.identity(&Mint::access().sign());
    assert_eq!(identity.token.subject(), "aaaaaaaa-bbbb-cccc-dddd-example");
    assert_eq!(identity.token.client(), Some(CLIENT));
    assert_eq!(identity.pool.name().as_ref(), "customers");
    assert_eq!(gate.refuses(&Mint::access().claim("iss", UPDATED).sign()), None);
    assert!(gate.identity(&Mint::machine().sign()).token.is_machine());
    assert!(!identity.token.is_machine());
}

#[test]
fn an_issuer_form_that_is_not_configured_is_refused() {
    // 3
    let mut pool = cognito("customers");
    pool.issuers.truncate(1);
    let gate = Gate::new(vec![pool]);
    let token = Mint::access().claim("iss", UPDATED).sign();
    assert_eq!(gate.refuses(&token), Some(Reason::IssuerUnknown));
}

#[test]
fn no_algorithm_but_the_pool_s_is_accepted() {
    // 4, 5
    let gate = Gate::cognito();
    let good = Mint::access().sign();
    let signature = good.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", "rs256", "RS384", "", "HS256", "ES256"] {
        let token = Mint::access().header("alg", alg).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::AlgorithmNotAllowed), "{alg}");
        let signed = token.rsplit_once('.').unwrap().0;
        for end in ["", ".", ".AA", &format!(".{signature}")] {
            assert!(gate.refuses(&format!("{signed}{end}")).is_some(), "{alg} {end}");
        }
    }
    for alg in [json!(null), json!(["RS256"]), json!({}), json!(1)] {
        let token = Mint::access().header("alg", alg).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::TokenMalformed));
    }
}

#[test]
fn a_public_key_is_no_secret() {
    // 6
    let gate = Gate::cognito();
    let jwk = rsa_jwk(0, "access=");
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    for secret in [jwk.to_string(), modulus, "access=".into(), CLIENT.into(), String::new()] {
        for (alg, name) in [
            (hmac::HMAC_SHA256, "HS256"),
            (hmac::HMAC_SHA384, "HS384"),
            (hmac::HMAC_SHA256, "RS256"),
        ] {
            let signed = Mint::access().header("alg", name).sign();
            let signed = signed.rsplit_once('.').unwrap().0;
            let tag = hmac::sign(&hmac::Key::new(alg, secret.as_bytes()), signed.as_bytes());
            assert!(gate.refuses(&format!("{signed}.{}", b64(tag))).is_some());
        }
    }
}

#[test]
fn other_algorithms_are_refused_even_when_rightly_signed() {
    // 7
    let gate = Gate::cognito();
    let ways: [(&str, &'static dyn lc::RsaEncoding); 4] = [
        ("RS384", &lc::RSA_PKCS1_SHA384),
        ("RS512", &lc::RSA_PKCS1_SHA512),
        ("PS256", &lc::RSA_PSS_SHA256),
        ("RS256", &lc::RSA_PKCS1_SHA512),
    ];
    for (alg, how) in ways {
        let signed = Mint::access().header("alg", alg).sign();
        let signed = signed.rsplit_once('.').unwrap().0;
        let token = format!("{signed}.{}", b64(rsa_sign(0, how, signed.as_bytes())));
        assert!(gate.refuses(&token).is_some(), "{alg}");
    }
}

#[test]
fn a_pool_may_allow_other_algorithms_and_the_key_decides() {
    let mut pool = oidc("partners", "https://login.partner.example");
    pool.algorithms = vec![Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];
    let mut any_rsa = rsa_jwk(0, "rsa");
    any_rsa.as_object_mut().unwrap().remove("alg");
    let keys = [
        any_rsa,
        rsa_jwk(1, "rs256-only"),
        ec_jwk(p256(), "P-256", "p256"),
        ec_jwk(p384(), "P-384", "p384"),
        ed_jwk("ed"),
    ];
    let gate = Gate::with(vec![pool], &validation(1), &keys);
    let random = aws_lc_rs::rand::SystemRandom::new();
    let mint = |alg: &str, kid: &str| {
        let mint = Mint::access().claim("iss", "https://login.partner.example");
        let token = mint.claim("aud", "shop-api").header("alg", alg).header("kid", kid).sign();
        token.rsplit_once('.').unwrap().0.to_owned()
    };
    let sign = |alg: &str, kid: &str| {
        let signed = mint(alg, kid);
        let message = signed.as_bytes();
        let signature = match alg {
            "ES256" => p256().sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => p384().sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" => ed25519().sign(message).as_ref().to_vec(),
            _ => rsa_sign(0, &lc::RSA_PSS_SHA256, message),
        };
        format!("{signed}.{}", b64(signature))
    };
    for (alg, kid) in [("PS256", "rsa"), ("ES256", "p256"), ("ES384", "p384"), ("EdDSA", "ed")] {
        assert_eq!(gate.refuses(&sign(alg, kid)), None, "{alg}");
    }
    for (alg, kid) in
        [("PS256", "rs256-only"), ("ES256", "p384"), ("EdDSA", "p256"), ("ES256", "rsa")]
    {
        assert_eq!(gate.refuses(&sign(alg, kid)), Some(Reason::AlgorithmNotAllowed), "{alg} {kid}");
    }
    // CVE-2022-21449
    let zero = format!("{}.{}", mint("ES256", "p256"), b64([0; 64]));
    assert_eq!(gate.refuses(&zero), Some(Reason::SignatureInvalid));
    let rs256 = format!("{}.{}", mint("RS256", "rsa"), b64([0; 256]));
    assert_eq!(gate.refuses(&rs256), Some(Reason::AlgorithmNotAllowed));
}

#[test]
fn a_missing_or_strange_kid_is_refused() {
    // 8, 11, 12
    let gate = Gate::cognito();
    let mut without = Mint::access();
    without.header.remove("kid");
    assert_eq!(gate.refuses(&without.sign()), Some(Reason::KeyIdMissing));
    assert_eq!(gate.refuses(&Mint::access().header("kid", "").sign()), Some(Reason::KeyIdMissing));
    assert_eq!(gate.refuses(&Mint::access().header("kid", 1).sign()), Some(Reason::TokenMalformed));
    for kid in ["../access=", "access=\r\nx: y", "a\0", "' or 1=1", "ACCESS=", "access"] {
        let token = Mint::access().header("kid", kid).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::KeyUnknown), "{kid:?}");
    }
    let long = Mint::access().header("kid", "k".repeat(2900)).sign();
    assert_eq!(gate.refuses(&long), Some(Reason::KeyIdMissing));
    let long = Mint::access().header("kid", "k".repeat(10_000)).sign();
    assert_eq!(gate.refuses(&long), Some(Reason::TokenMalformed));
    let other = Mint::access().header("kid", "id=").sign();
    assert_eq!(gate.refuses(&other), Some(Reason::SignatureInvalid));
    // AWS separates the keys of access and ID tokens but promises nothing: as the reference.
    assert_eq!(gate.refuses(&Mint::access().header("kid", "id=").key(1).sign()), None);
}

#[test]
fn the_issuer_is_matched_exactly_and_before_any_key() {
    // 22
    let gate = Gate::cognito();
    let host = POOL.replace("amazonaws.com", "AMAZONAWS.com");
    for iss in [
        format!("{POOL}/"),
        POOL.replace("https", "http"),
        host,
        POOL.replace("AbC", "XyZ"),
        POOL.replace("eu-west-1.", "eu-west-2."),
        format!("{POOL}#"),
        format!("https://x@{}", &POOL[8..]),
        String::new(),
    ] {
        let token = Mint::access().claim("iss", iss.clone()).header("kid", "unknown").sign();
        assert_eq!(gate.refuses(&token), Some(Reason::IssuerUnknown), "{iss}");
    }
    let array = Mint::access().claim("iss", json!([POOL])).sign();
    assert_eq!(gate.refuses(&array), Some(Reason::ClaimFormatInvalid));
    assert_eq!(gate.refuses(&Mint::access().without("iss").sign()), Some(Reason::ClaimMissing));
}

#[test]
fn an_issuer_written_with_escapes_is_the_same_issuer() {
    let gate = Gate::cognito();
    let mint = Mint::access();
    let claims = Value::from(mint.claims).to_string().replace("https://", "https:\\/\\/");
    let header = Value::from(mint.header).to_string();
    assert!(claims.contains("\\/"));
    assert_eq!(gate.refuses(&sign_text(&header, &claims, 0)), None);
}

#[test]
fn one_issuer_s_key_never_proves_another_s_token() {
    // 23
    let partner = "https://login.partner.example";
    let pools = vec![cognito("customers"), oidc("partners", partner)];
    let authorizers = Authorizers::compile(&config(pools), None);
    let mono = crate::clock::monotonic();
    for source in authorizers.sources() {
        let is_partner = matches!(source.place(), KeySource::Url(url) if url.starts_with(partner));
        let key = rsa_jwk(usize::from(is_partner), "same");
        answer(source, Ok(key_set(&[key])), mono);
    }
    let check = authorizers.compile_validation(&validation(2), &[]);
    let gate = Gate { authorizers, check, mono, now: now() };
    let mint =
        |iss: &str| Mint::access().header("kid", "same").claim("iss", iss).claim("aud", "shop-api");
    assert_eq!(gate.refuses(&mint(POOL).key(0).sign()), None);
    assert_eq!(gate.refuses(&mint(partner).key(1).sign()), None);
    assert_eq!(gate.refuses(&mint(POOL).key(1).sign()), Some(Reason::SignatureInvalid));
    assert_eq!(gate.refuses(&mint(partner).key(0).sign()), Some(Reason::SignatureInvalid));
}

#[test]
fn a_pool_that_the_rule_does_not_name_is_refused() {
    let pools = vec![cognito("customers"), oidc("partners", "https://login.partner.example")];
    let gate = Gate::with(pools, &validation(1), &[rsa_jwk(0, "access=")]);
    let token = Mint::access().claim("iss", "https://login.partner.example");
    let token = token.claim("aud", "shop-api").sign();
    assert_eq!(gate.refuses(&token), Some(Reason::PoolNotAllowed));
}

#[test]
fn id_and_access_tokens_are_not_exchanged() {
    // 24, 25
    let gate = Gate::cognito();
    assert_eq!(gate.refuses(&Mint::id().sign()), Some(Reason::TokenUseWrong));
    let keys = [rsa_jwk(0, "access="), rsa_jwk(1, "id=")];
    let id_gate = Gate::with(vec![cognito("c")], &id_rule(), &keys);
    assert_eq!(id_gate.refuses(&Mint::id().sign()), None);
    assert_eq!(id_gate.refuses(&Mint::access().sign()), Some(Reason::TokenUseWrong));
    let any = JwtValidation { token_use: TokenUse::Any, ..validation(1) };
    let any = Gate::with(vec![cognito("c")], &any, &keys);
    assert_eq!(any.refuses(&Mint::id().sign()), None);
    assert_eq!(any.refuses(&Mint::access().sign()), None);
    let wrong = |value: Value| any.refuses(&Mint::access().claim("token_use", value).sign());
    assert_eq!(wrong(json!("refresh")), Some(Reason::TokenUseWrong));
    assert_eq!(wrong(json!(["access"])), Some(Reason::ClaimFormatInvalid));
    let absent = Mint::access().without("token_use").sign();
    assert_eq!(any.refuses(&absent), Some(Reason::ClaimMissing));
}

#[test]
fn an_access_token_s_client_is_client_id_and_nothing_else() {
    // 26
    let gate = Gate::cognito();
    for client in ["other", "1example2345678", "1example234567890", "1EXAMPLE23456789", ""] {
        let token = Mint::access().claim("client_id", client).claim("aud", CLIENT).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::ClientNotAllowed), "{client}");
    }
    let aud_only = Mint::access().without("client_id").claim("aud", CLIENT).sign();
    assert_eq!(gate.refuses(&aud_only), Some(Reason::ClaimMissing));
    let list = Mint::access().claim("client_id", json!([CLIENT])).sign();
    assert_eq!(gate.refuses(&list), Some(Reason::ClaimFormatInvalid));
    let any = UserPool { app_clients: AppClients::Any, ..cognito("c") };
    let token = Mint::access().claim("client_id", "other").sign();
    assert_eq!(Gate::new(vec![any]).refuses(&token), None);
}

#[test]
fn an_id_token_s_client_is_one_string_in_aud() {
    // 27
    let gate = Gate::with(vec![cognito("c")], &id_rule(), &[rsa_jwk(1, "id=")]);
    let with = |aud: Value| gate.refuses(&Mint::id().claim("aud", aud).sign());
    assert_eq!(with(json!("other")), Some(Reason::ClientNotAllowed));
    assert_eq!(with(json!([CLIENT])), Some(Reason::ClaimFormatInvalid));
    let absent = Mint::id().without("aud").claim("client_id", CLIENT).sign();
    assert_eq!(gate.refuses(&absent), Some(Reason::ClaimMissing));
}

#[test]
fn a_client_id_in_an_id_token_is_a_claim_like_any_other() {
    let gate = Gate::with(vec![cognito("c")], &id_rule(), &[rsa_jwk(1, "id=")]);
    for value in [json!("other"), json!([CLIENT]), json!(1), json!({}), json!(null)] {
        let token = Mint::id().claim("client_id", value.clone()).sign();
        assert_eq!(gate.refuses(&token), None, "{value}");
    }
}

#[test]
fn a_resource_audience_follows_the_pool_s_list() {
    // 28, 29
    let bound = || Mint::access().claim("aud", "https://api.example.com");
    assert_eq!(Gate::cognito().refuses(&bound().sign()), None);
    let listed = |required| {
        let audiences = vec!["https://api.example.com".into()];
        let pool = UserPool { audiences, require_resource_audience: required, ..cognito("c") };
        Gate::new(vec![pool])
    };
    assert_eq!(listed(false).refuses(&bound().sign()), None);
    let other = Mint::access().claim("aud", "https://other.example.com").sign();
    assert_eq!(listed(false).refuses(&other), Some(Reason::AudienceWrong));
    assert_eq!(listed(false).refuses(&Mint::access().sign()), None);
    assert_eq!(listed(true).refuses(&Mint::access().sign()), Some(Reason::AudienceWrong));
    assert_eq!(listed(true).refuses(&bound().sign()), None);
    let pool = UserPool { require_resource_audience: true, ..cognito("c") };
    assert_eq!(Gate::new(vec![pool]).refuses(&bound().sign()), Some(Reason::AudienceWrong));
}

#[test]
fn expiry_is_exact_to_the_second_and_to_the_skew() {
    // 30
    let gate = Gate::cognito();
    let skewed = |secs| {
        let clock_skew = std::time::Duration::from_secs(secs);
        Gate::new(vec![UserPool { clock_skew, ..cognito("c") }])
    };
    let ago = |secs: u64| Mint::access().claim("exp", NOW - secs).sign();
    assert_eq!(gate.refuses(&ago(1)), Some(Reason::TokenExpired));
    assert_eq!(gate.refuses(&ago(0)), Some(Reason::TokenExpired));
    assert_eq!(gate.refuses(&Mint::access().claim("exp", NOW + 1).sign()), None);
    assert_eq!(skewed(60).refuses(&ago(30)), None);
    assert_eq!(skewed(60).refuses(&ago(61)), Some(Reason::TokenExpired));
    assert_eq!(skewed(60).refuses(&ago(60)), Some(Reason::TokenExpired));
    let Outcome::Refused(refusal) = gate.ask(&ago(1)) else { panic!() };
    assert_eq!(refusal.challenge, Challenge::InvalidToken { expired: true });
    assert_eq!(refusal.error_reason(), "JWTClaimValueInvalid");
}

#[test]
fn exp_is_a_sane_number() {
    // 31, 32
    let gate = Gate::cognito();
    assert_eq!(gate.refuses(&Mint::access().without("exp").sign()), Some(Reason::ClaimMissing));
    let header = Value::from(Mint::access().header).to_string();
    let with = |exp: &str| {
        let claims = Value::from(Mint::access().without("exp").claims).to_string();
        let claims = format!("{{\"exp\":{exp},{}", &claims[1..]);
        gate.refuses(&sign_text(&header, &claims, 0))
    };
    for bad in [
        "\"1795395600\"",
        "null",
        "true",
        "[1795395600]",
        "{}",
        "1e400",
        "9007199254740993e3",
        "-1e400",
    ] {
        assert_eq!(with(bad), Some(Reason::ClaimFormatInvalid), "{bad}");
    }
    assert_eq!(with("9007199254740993.0"), Some(Reason::LifetimeTooLong));
    for past in ["0", "-1", "-0", "1e-400"] {
        assert_eq!(with(past), Some(Reason::TokenExpired), "{past}");
    }
    for malformed in ["NaN", "Infinity", "01795395600", "+1795395600", "0x6b"] {
        assert_eq!(with(malformed), Some(Reason::TokenMalformed), "{malformed}");
    }
    assert_eq!(with(&format!("{}.5", NOW + 100)), None);
    assert_eq!(with(&format!("{NOW}.5")), None);
    assert_eq!(with("1.7953956e9"), None);
}

#[test]
fn nbf_and_iat_are_judged() {
    // 33, 34, 35
    let gate = Gate::cognito();
    let skew = std::time::Duration::from_secs(60);
    let skewed = Gate::new(vec![UserPool { clock_skew: skew, ..cognito("c") }]);
    let nbf = |at: u64| Mint::access().claim("nbf", at).sign();
    assert_eq!(gate.refuses(&nbf(NOW)), None);
    assert_eq!(gate.refuses(&nbf(NOW + 1)), Some(Reason::TokenNotYetValid));
    assert_eq!(skewed.refuses(&nbf(NOW + 60)), None);
    assert_eq!(skewed.refuses(&nbf(NOW + 61)), Some(Reason::TokenNotYetValid));
    let iat = |at: u64| Mint::access().claim("iat", at).sign();
    assert_eq!(gate.refuses(&iat(NOW + 60)), None);
    assert_eq!(gate.refuses(&iat(NOW + 61)), Some(Reason::IssuedInFuture));
    assert_eq!(gate.refuses(&Mint::access().without("iat").sign()), Some(Reason::ClaimMissing));
    assert_eq!(
        gate.refuses(&Mint::access().claim("nbf", "x").sign()),
        Some(Reason::ClaimFormatInvalid)
    );
    assert_eq!(
        gate.refuses(&Mint::access().claim("iat", "x").sign()),
        Some(Reason::ClaimFormatInvalid)
    );
    let long = |life: u64| Mint::access().claim("iat", NOW - 1).claim("exp", NOW - 1 + life).sign();
    assert_eq!(gate.refuses(&long(86_400)), None);
    assert_eq!(gate.refuses(&long(86_401)), Some(Reason::LifetimeTooLong));
}

#[test]
fn headers_that_are_not_understood_are_refused() {
    // 36, 37, 41, 42
    let gate = Gate::cognito();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("exp")),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("enc", json!("A256GCM")),
    ] {
        let token = Mint::access().header(name, value).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::HeaderNotSupported), "{name}");
    }
    for typ in ["JWT", "jwt", "Jwt"] {
        assert_eq!(gate.refuses(&Mint::access().header("typ", typ).sign()), None);
    }
    for typ in [json!("at+jwt"), json!("dpop+jwt"), json!("logout+jwt"), json!(1), json!(null)] {
        let token = Mint::access().header("typ", typ).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::TypeWrong));
    }
}

#[test]
fn doubled_names_are_refused() {
    // 38
    let gate = Gate::cognito();
    let header = Value::from(Mint::access().header).to_string();
    let claims = Value::from(Mint::access().claims).to_string();
    let doubled_header = format!("{{\"alg\":\"none\",{}", &header[1..]);
    assert_eq!(gate.refuses(&sign_text(&doubled_header, &claims, 0)), Some(Reason::TokenMalformed));
    for double in ["\"sub\":\"x\"", "\"client_id\":\"x\"", "\"exp\":1", "\"\\u0073ub\":\"x\""] {
        let first = format!("{{{double},{}", &claims[1..]);
        let last = format!("{},{double}}}", &claims[..claims.len() - 1]);
        for claims in [first, last] {
            let token = sign_text(&header, &claims, 0);
            assert_eq!(gate.refuses(&token), Some(Reason::TokenMalformed), "{double}");
        }
    }
}

#[test]
fn keys_named_in_a_token_are_ignored() {
    // 39, 40
    let gate = Gate::cognito();
    let with_keys = |mint: Mint| {
        mint.header("jwk", rsa_jwk(2, "access="))
            .header("jku", "https://evil.example/jwks.json")
            .header("x5u", "https://evil.example/x.pem")
            .header("x5c", json!(["AAAA"]))
    };
    assert_eq!(gate.refuses(&with_keys(Mint::access()).sign()), None);
    let forged = with_keys(Mint::access()).key(2).sign();
    assert_eq!(gate.refuses(&forged), Some(Reason::SignatureInvalid));
}

#[test]
fn a_token_over_the_limit_is_not_read() {
    // 43
    let gate = Gate::cognito();
    let token = Mint::access().claim("x", "x".repeat(13_000)).sign();
    assert_eq!(gate.refuses(&token), Some(Reason::TokenTooLarge));
    assert_eq!(gate.refuses(&Mint::access().claim("x", "x".repeat(9_000)).sign()), None);
    let small = UserPool { max_token_size: 300, ..cognito("small") };
    let pools = vec![small, oidc("large", "https://login.partner.example")];
    assert_eq!(Gate::new(pools).refuses(&Mint::access().sign()), Some(Reason::TokenTooLarge));
}

#[test]
fn deep_payloads_are_refused_without_a_stack() {
    // 44
    let gate = Gate::cognito();
    let header = Value::from(Mint::access().header).to_string();
    let claims = Value::from(Mint::access().claims).to_string();
    let deep = |n: usize| {
        let nested = format!("{}1{}", "[".repeat(n), "]".repeat(n));
        sign_text(&header, &format!("{{\"x\":{nested},{}", &claims[1..]), 0)
    };
    assert_eq!(gate.refuses(&deep(31)), None);
    assert_eq!(gate.refuses(&deep(32)), Some(Reason::TokenMalformed));
    assert_eq!(gate.refuses(&deep(5000)), Some(Reason::TokenMalformed));
}

#[test]
fn a_token_has_one_spelling() {
    // 45, 46, 47, 48, 49
    let gate = Gate::cognito();
    let token = Mint::access().sign();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let respell = |part: &str| {
        let last = part.as_bytes()[part.len() - 1];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let index = alphabet.iter().position(|c| *c == last).unwrap();
        format!("{}{}", &part[..part.len() - 1], char::from(alphabet[index ^ 1]))
    };
    let mut cases = vec![
        ("padding", format!("{token}=")),
        ("padding", format!("{token}==")),
        ("padding in the middle", format!("{header}=.{payload}.{signature}")),
        ("unused bits", format!("{signed}.{}", respell(signature))),
        ("leading space", format!(" {token}")),
        ("trailing newline", format!("{token}\n")),
        ("tab inside", format!("{header}.\t{payload}.{signature}")),
        ("NUL", format!("{token}\0")),
        ("BOM", format!("\u{feff}{token}")),
        ("bearer inside", format!("Bearer {token}")),
        ("trailing dot", format!("{token}.")),
        ("leading dot", format!(".{token}")),
        ("two parts", signed.to_owned()),
        ("one part", header.to_owned()),
        ("four parts", format!("{token}.{signature}")),
        ("five parts", format!("{token}.{signature}.{signature}")),
        ("no signature", format!("{signed}.")),
        ("empty payload", format!("{header}..{signature}")),
        ("empty", String::new()),
        ("dots", ".".repeat(4000)),
        ("JSON form", format!("{{\"payload\":\"{payload}\"}}")),
    ];
    // A signed part of 3n+1 or 3n+2 bytes has unused bits; make one that has.
    for pad in ["", "x", "xx"] {
        let header = b64(Value::from(Mint::access().header("x", pad).header).to_string());
        if header.len() % 4 != 0 {
            cases.push(("unused bits, signed", sign_parts(&respell(&header), payload, 0)));
        }
    }
    let plus = Mint::access().claim("x", "\u{3fe}\u{3ff}>>>???").sign();
    assert_eq!(gate.refuses(&plus), None);
    if plus.contains(['-', '_']) {
        cases.push(("standard alphabet", plus.replace('-', "+").replace('_', "/")));
    }
    assert_eq!(gate.refuses(&token), None);
    all_refused(&gate, cases.into_iter().map(|(what, token)| (what.to_owned(), token)));
}

#[test]
fn payloads_that_are_not_one_json_object_are_refused() {
    // 52
    let gate = Gate::cognito();
    let header = Value::from(Mint::access().header).to_string();
    let claims = Value::from(Mint::access().claims).to_string();
    for bad in ["", "[]", "null", "\"x\"", "1", "{", "{}x", "{\"a\":}", "not json"] {
        assert!(gate.refuses(&sign_text(&header, bad, 0)).is_some(), "{bad}");
    }
    for (before, after) in [("\u{feff}", ""), ("", "x"), ("", "{}"), ("x", ""), ("", "\0")] {
        let token = sign_text(&header, &format!("{before}{claims}{after}"), 0);
        assert_eq!(gate.refuses(&token), Some(Reason::TokenMalformed));
    }
    assert_eq!(gate.refuses(&sign_text(&header, &format!(" {claims}\n"), 0)), None);
    let mut invalid = claims.into_bytes();
    let at = invalid.windows(5).position(|w| w == b"alice").unwrap();
    invalid[at] = 0xff;
    let token = sign_parts(&b64(&header), &b64(&invalid), 0);
    assert_eq!(gate.refuses(&token), Some(Reason::TokenMalformed));
    let token =
        sign_parts(&b64(b"{\"alg\":\"RS256\",\"kid\":\"access=\",\"x\":\"\xff\"}"), "e30", 0);
    assert_eq!(gate.refuses(&token), Some(Reason::TokenMalformed));
}

#[test]
fn signatures_of_another_length_are_refused() {
    // 54
    let gate = Gate::cognito();
    let token = Mint::access().sign();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    use base64::Engine;
    let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut longer = signature.clone();
    longer.insert(0, 0);
    let zero_and_one = [vec![0; 256], [vec![0; 255], vec![1]].concat()];
    let others = [
        signature[1..].to_vec(),
        signature[..255].to_vec(),
        longer,
        [&signature[..], &[0]].concat(),
        vec![0xff; 256],
        vec![0; 2000],
    ];
    for bad in others.iter().chain(&zero_and_one) {
        assert!(gate.refuses(&format!("{signed}.{}", b64(bad))).is_some(), "{}", bad.len());
    }
    let foreign = Mint::access().claim("jti", "k").sign();
    let foreign = foreign.rsplit_once('.').unwrap().1.to_owned();
    assert_eq!(gate.refuses(&format!("{signed}.{foreign}")), Some(Reason::SignatureInvalid));
}

#[test]
fn claims_have_their_types() {
    // 55, 56, 57
    let gate = Gate::cognito();
    for name in ["sub", "scope", "jti", "username", "client_id", "token_use"] {
        for value in [json!(1), json!(["x"]), json!({}), json!(null), json!(true)] {
            let token = Mint::access().claim(name, value.clone()).sign();
            assert_eq!(gate.refuses(&token), Some(Reason::ClaimFormatInvalid), "{name} {value}");
        }
    }
    for value in [json!("admin"), json!([1]), json!({}), json!([["admin"]]), json!(null)] {
        let token = Mint::access().claim("cognito:groups", value.clone()).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::ClaimFormatInvalid), "{value}");
    }
    for value in [json!(1), json!([1]), json!({})] {
        let token = Mint::access().claim("aud", value).sign();
        assert_eq!(gate.refuses(&token), Some(Reason::ClaimFormatInvalid));
    }
    assert_eq!(gate.refuses(&Mint::access().claim("sub", "not a uuid").sign()), None);
    for value in [json!({"a": [1, null]}), json!(null), json!(1.5), json!("x")] {
        assert_eq!(gate.refuses(&Mint::access().claim("unknown", value).sign()), None);
    }
    assert_eq!(gate.refuses(&Mint::access().without("sub").sign()), Some(Reason::ClaimMissing));
    let empty = Mint::access().claim("sub", "").sign();
    assert_eq!(gate.refuses(&empty), Some(Reason::ClaimFormatInvalid));
    let header = Value::from(Mint::access().header).to_string();
    let claims = Value::from(Mint::access().claims).to_string();
    let lone = claims.replace("\"alice\"", "\"\\ud800\"");
    assert_eq!(gate.refuses(&sign_text(&header, &lone, 0)), Some(Reason::ClaimFormatInvalid));
}

#[test]
fn rfc_9068_tokens_are_complete_and_typed() {
    // 63
    let iss = "https://login.partner.example";
    let pool = UserPool { profile: Profile::Rfc9068, ..oidc("partners", iss) };
    let gate = Gate::new(vec![pool]);
    let mint = || Mint::access().header("typ", "at+jwt").claim("iss", iss).claim("aud", "shop-api");
    assert_eq!(gate.refuses(&mint().sign()), None);
    assert_eq!(gate.refuses(&mint().header("typ", "Application/AT+JWT").sign()), None);
    assert_eq!(gate.refuses(&mint().claim("aud", json!(["x", "shop-api"])).sign()), None);
    for typ in ["JWT", "id+jwt"] {
        assert_eq!(gate.refuses(&mint().header("typ", typ).sign()), Some(Reason::TypeWrong));
    }
    for name in ["client_id", "jti", "iat", "exp", "sub", "iss", "aud"] {
        assert_eq!(
            gate.refuses(&mint().without(name).sign()),
            Some(Reason::ClaimMissing),
            "{name}"
        );
    }
    assert_eq!(gate.refuses(&mint().claim("aud", "other").sign()), Some(Reason::AudienceWrong));
}

#[test]
fn another_issuer_s_tokens_need_the_audience_and_no_token_use() {
    let iss = "https://login.partner.example";
    let gate = Gate::new(vec![oidc("partners", iss)]);
    let mint = || {
        let mint = Mint::access().without("token_use").without("iat").without("client_id");
        mint.claim("iss", iss).claim("aud", "shop-api")
    };
    assert_eq!(gate.refuses(&mint().sign()), None);
    assert_eq!(gate.refuses(&mint().without("aud").sign()), Some(Reason::ClaimMissing));
    assert_eq!(gate.refuses(&mint().claim("aud", json!([])).sign()), Some(Reason::ClaimMissing));
    let wrong = mint().claim("aud", json!(["x"])).sign();
    assert_eq!(gate.refuses(&wrong), Some(Reason::AudienceWrong));
    assert_eq!(gate.refuses(&mint().header("typ", "at+jwt").sign()), Some(Reason::TypeWrong));
    assert_eq!(gate.refuses(&mint().without("sub").sign()), Some(Reason::ClaimMissing));
}
