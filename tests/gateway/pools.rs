//! Several pools and issuers behind one rule: a token's `iss` chooses who judges it, and by which
//! profile.

use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512,
    RsaEncoding,
};
use serde_json::{Value, json};

use crate::support::Verdict::{Invalid, Passes, WantsGroup, WantsScope};
use crate::support::issuer::{CLIENT, Key, Mode, payload};
use crate::support::{Gateway, Issuer, Target, Trials};

/// A gateway of these `user_pools`, with a rule for each name and its `jwt_validation`.
fn gateway(pools: &str, rules: &[(&str, &str)], target: &Target) -> Gateway {
    let rules: String = rules
        .iter()
        .map(|(name, demands)| {
            format!(
                "      - name: {name}\n        conditions: {{ path_pattern: [/{name}/*] }}\n        \
                 jwt_validation: {{ {demands} }}\n        forward: all\n"
            )
        })
        .collect();
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pools}\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n{rules}    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        address = target.address(),
    ))
}

/// A pool of another kind than Cognito's, for the audience `https://api.example`.
fn other(name: &str, issuer: &Issuer, profile: &str) -> String {
    format!(
        "  {name}:\n    issuer: {}\n    jwks_uri: {}\n    profile: {profile}\n    \
         audiences: [https://api.example, second]\n",
        issuer.issuer(),
        issuer.jwks_uri(),
    )
}

/// Claims changed: null removes one.
fn with(claims: &Value, changes: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// Claims of an issuer that knows nothing of Cognito.
fn plain_claims(issuer: &Issuer) -> Value {
    let cognito = issuer.claims();
    json!({
        "iss": cognito["iss"], "sub": "user", "aud": "https://api.example",
        "exp": cognito["exp"], "iat": cognito["iat"],
    })
}

fn sign(key: &Key, typ: &str, claims: &Value) -> String {
    let header = json!({ "alg": "RS256", "kid": key.kid, "typ": typ });
    key.sign_texts(header.to_string(), claims.to_string())
}

#[test]
fn each_token_is_judged_by_the_pool_of_its_issuer_under_that_pool_s_keys() {
    let issuers = [Issuer::start(), Issuer::start(), Issuer::start(), Issuer::start()];
    let [first, second, partner, strict] = &issuers;
    // The same `kid` everywhere, and everywhere another key.
    let keys: Vec<Key> = (0..4).map(|n| Key::number(n).named("1")).collect();
    for (issuer, key) in issuers.iter().zip(&keys) {
        issuer.serve(std::slice::from_ref(key));
    }
    let target = Target::start();
    let pools = [
        first.pool("first"),
        second.pool("second"),
        other("partner", partner, "oidc"),
        other("strict", strict, "rfc9068"),
    ];
    let gateway = gateway(
        &pools.concat(),
        &[
            ("orders", "user_pools: [first, second, partner, strict]"),
            ("own", "user_pools: [first]"),
            ("partners", "user_pools: [partner, strict]"),
        ],
        &target,
    );
    let complete = with(&plain_claims(strict), &json!({ "client_id": "c", "jti": "1" }));
    let tokens = [
        keys[0].sign(&first.claims()),
        keys[1].sign(&second.claims()),
        sign(&keys[2], "JWT", &plain_claims(partner)),
        sign(&keys[3], "at+jwt", &complete),
    ];
    let mut trials = Trials::new();
    for (n, token) in tokens.iter().enumerate() {
        let not_allowed = Invalid("pool_not_allowed");
        trials.token(&format!("issuer {n}"), token, Passes);
        trials.token_at("/own", "own", token, if n == 0 { Passes } else { not_allowed });
        trials.token_at("/partners", "partners", token, if n > 1 { Passes } else { not_allowed });
    }
    // A14: every other issuer's key of the same name.
    for (of, issuer) in issuers.iter().enumerate().take(2) {
        for (by, key) in keys.iter().enumerate().filter(|(by, _)| *by != of) {
            let forged = key.sign(&issuer.claims());
            let what = format!("of {of}, signed by {by}");
            trials.token(&what, &forged, Invalid("signature_invalid"));
            trials.token_at("/partners", &what, forged, Invalid("pool_not_allowed"));
        }
    }
    // One issuer's claims under the other's profile.
    let as_cognito = sign(
        &keys[2],
        "JWT",
        &with(
            &first.claims(),
            &json!({
                "iss": partner.issuer(),
            }),
        ),
    );
    trials.token("Cognito's claims from the partner", as_cognito, Invalid("claim_missing"));
    let as_plain = keys[0].sign(&with(&plain_claims(partner), &json!({ "iss": first.issuer() })));
    trials.token("the partner's claims from Cognito", as_plain, Invalid("claim_missing"));
    trials.token(
        "typ of RFC 9068 from Cognito",
        sign(&keys[0], "at+jwt", &first.claims()),
        Invalid("type_wrong"),
    );
    trials.hold(&gateway, &target);
    assert!(issuers.iter().all(|issuer| issuer.fetches() == 1));
}

#[test]
fn a_cognito_pool_has_two_issuers_unless_the_file_names_one() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let pool = |name: &str, id: &str, more: &str| {
        format!(
            "  {name}:\n    user_pool_id: {id}\n    jwks_uri: {}\n    app_clients: [{CLIENT}]\n{more}",
            issuer.jwks_uri()
        )
    };
    let pools = [
        pool("both", "eu-west-1_Both00001", ""),
        pool("old", "eu-west-1_Old000001", "    issuer_type: original\n"),
        pool("new", "us-gov-west-1_New000001", "    issuer_type: updated\n"),
    ];
    let all = [("orders", "user_pools: [both, old, new]")];
    let gateway = gateway(&pools.concat(), &all, &target);
    let mut trials = Trials::new();
    for (iss, verdict) in [
        ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Both00001", Passes),
        ("https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Both00001", Passes),
        ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Old000001", Passes),
        ("https://issuer-cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_New000001", Passes),
        (
            "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Old000001",
            Invalid("issuer_unknown"),
        ),
        (
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_New000001",
            Invalid("issuer_unknown"),
        ),
        (
            "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-1_Both00001",
            Invalid("issuer_unknown"),
        ),
        (
            "https://cognito-idp.eu-west-1.amazonaws.com.cn/eu-west-1_Both00001",
            Invalid("issuer_unknown"),
        ),
        (
            "https://cognito-idp-fips.eu-west-1.amazonaws.com/eu-west-1_Both00001",
            Invalid("issuer_unknown"),
        ),
        ("https://cognito-idp.eu-west-1.amazonaws.com/", Invalid("issuer_unknown")),
    ] {
        trials.token(iss, issuer.token_with(&json!({ "iss": iss })), verdict);
    }
    trials.hold(&gateway, &target);
    assert_eq!(issuer.fetches(), 1, "one place of keys is asked once, whoever shares it");
}

#[test]
fn where_a_pool_allows_several_algorithms_the_key_says_which_is_its_own() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let pool = format!("{}    algorithms: [RS256, RS512, PS256]\n", issuer.pool("first"));
    // One key says RS256, the other says nothing.
    let (bound, free) = (Key::number(0), Key::number(1));
    let mut unbound = free.jwk();
    unbound.as_object_mut().expect("a key").remove("alg");
    let keys = json!({ "keys": [bound.jwk(), unbound] }).to_string().into_bytes();
    issuer.set(Mode::Say(200, "application/json", keys));
    let gateway = gateway(&pool, &[("orders", "user_pools: [first]")], &target);
    let claims = issuer.claims().to_string();
    let wrong = Invalid("algorithm_not_allowed");
    let algorithms: [(&str, &'static dyn RsaEncoding, _, _); 5] = [
        ("RS256", &RSA_PKCS1_SHA256, Passes, Passes),
        ("RS512", &RSA_PKCS1_SHA512, wrong, Passes),
        ("PS256", &RSA_PSS_SHA256, wrong, Passes),
        ("RS384", &RSA_PKCS1_SHA384, wrong, wrong),
        ("PS512", &RSA_PSS_SHA512, wrong, wrong),
    ];
    let mut trials = Trials::new();
    for (alg, algorithm, of_bound, of_free) in algorithms {
        for (key, verdict) in [(&bound, of_bound), (&free, of_free)] {
            let header = json!({ "alg": alg, "kid": key.kid }).to_string();
            let token = key.sign_as(algorithm, header, &claims);
            trials.token(&format!("{alg} by {}", key.kid), token, verdict);
        }
        // What the header says is what is checked.
        let header = json!({ "alg": "RS256", "kid": free.kid }).to_string();
        let verdict = if alg == "RS256" { Passes } else { Invalid("signature_invalid") };
        trials.token(alg, free.sign_as(algorithm, header, &claims), verdict);
    }
    trials.hold(&gateway, &target);
}

#[test]
fn an_access_token_may_be_bound_to_a_resource() {
    let issuers = [Issuer::start(), Issuer::start(), Issuer::start()];
    let target = Target::start();
    let audiences = "    audiences: [https://api.example]\n";
    let pools = [
        issuers[0].pool("ignores"),
        format!("{}{audiences}", issuers[1].pool("checks")),
        format!("{}{audiences}    require_resource_audience: true\n", issuers[2].pool("demands")),
    ];
    let all = [("orders", "user_pools: [ignores, checks, demands], token_use: any")];
    let gateway = gateway(&pools.concat(), &all, &target);
    let wrong = Invalid("audience_wrong");
    let mut trials = Trials::new();
    for (aud, verdicts) in [
        (Value::Null, [Passes, Passes, wrong]),
        (json!("https://api.example"), [Passes; 3]),
        (json!(["x", "https://api.example"]), [Passes; 3]),
        (json!("https://api.example/"), [Passes, wrong, wrong]),
        (json!(CLIENT), [Passes, wrong, wrong]),
        (json!([]), [Passes, Passes, wrong]),
        (json!(1), [Invalid("claim_format_invalid"); 3]),
        (json!(["https://api.example", 1]), [Invalid("claim_format_invalid"); 3]),
    ] {
        for (issuer, verdict) in issuers.iter().zip(verdicts) {
            trials.token(&aud.to_string(), issuer.token_with(&json!({ "aud": aud })), verdict);
        }
    }
    // A machine: no user name, no `aud`, its own subject. And an ID token, whose `aud` is a client.
    for (issuer, machine) in issuers.iter().zip([Passes, Passes, wrong]) {
        let token = issuer.token_with(&json!({
            "sub": CLIENT, "username": null, "cognito:groups": null, "origin_jti": null,
        }));
        trials.token("a machine", token, machine);
        let id = json!({ "token_use": "id", "aud": CLIENT, "client_id": null });
        trials.token("an ID token", issuer.token_with(&id), Passes);
    }
    trials.hold(&gateway, &target);
}

#[test]
fn a_machine_is_told_to_the_target_like_any_caller() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let all = [("orders", "user_pools: [first], scopes: [orders/write]")];
    let gateway = gateway(&issuer.pool("first"), &all, &target);
    let token = issuer.token_with(&json!({
        "sub": CLIENT, "username": null, "cognito:groups": null, "scope": "orders/write",
    }));
    let headers = [("Authorization", &*format!("Bearer {token}")), ("X-Auth-Groups", "admins")];
    let answer = crate::support::wire::request(gateway.address(), "GET", "/orders/1", &headers);
    assert_eq!(answer.status, 200);
    let received = target.next();
    assert_eq!(received.values("x-auth-subject"), [CLIENT]);
    assert_eq!(received.values("x-auth-client-id"), [CLIENT]);
    assert_eq!(received.values("x-auth-scope"), ["orders/write"]);
    assert!(received.values("x-auth-groups").is_empty());
    let log = gateway.wait_access_log(|lines| !lines.is_empty());
    assert_eq!((&log[0]["user_pool"], &log[0]["client_id"]), (&json!("first"), &json!(CLIENT)));
}

#[test]
fn an_oidc_issuer_s_tokens_are_for_one_of_the_audiences() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = gateway(
        &other("partner", &issuer, "oidc"),
        &[
            ("orders", "user_pools: [partner]"),
            ("read", "user_pools: [partner], scopes: [orders/read]"),
            ("staff", "user_pools: [partner], groups: [staff]"),
        ],
        &target,
    );
    let key = Key::number(0);
    let claims = plain_claims(&issuer);
    let mut trials = Trials::new();
    let format = Invalid("claim_format_invalid");
    for (changes, verdict) in [
        (json!({}), Passes),
        (json!({ "aud": ["x", "second"] }), Passes),
        (json!({ "iat": null }), Passes),
        (json!({ "token_use": ["whatever"], "cognito:groups": "staff" }), Passes),
        (json!({ "aud": null }), Invalid("claim_missing")),
        (json!({ "aud": [] }), Invalid("claim_missing")),
        (json!({ "aud": "https://api.example.evil" }), Invalid("audience_wrong")),
        (json!({ "aud": ["x", ""] }), Invalid("audience_wrong")),
        (json!({ "aud": { "second": true } }), format),
        (json!({ "aud": ["second", ["second"]] }), format),
        (json!({ "sub": null }), Invalid("claim_missing")),
        (json!({ "exp": null }), Invalid("claim_missing")),
        (json!({ "client_id": 1 }), format),
        (json!({ "scope": ["orders/read"] }), format),
    ] {
        trials.token(&changes.to_string(), key.sign(&with(&claims, &changes)), verdict);
    }
    for (changes, verdict) in [
        (json!({ "scope": "a orders/read" }), Passes),
        (json!({ "scp": "a orders/read" }), Passes),
        (json!({ "scp": ["a", "orders/read"] }), Passes),
        (json!({ "scp": ["a orders/read"] }), WantsScope("orders/read")),
        (json!({ "scope": "a", "scp": ["orders/read"] }), WantsScope("orders/read")),
        (json!({ "scp": ["orders/read", 1] }), format),
        (json!({}), WantsScope("orders/read")),
    ] {
        let token = key.sign(&with(&claims, &changes));
        trials.token_at("/read", &changes.to_string(), token, verdict);
    }
    for (changes, verdict) in [
        (json!({ "groups": ["x", "staff"] }), Passes),
        (json!({ "groups": "staff" }), WantsGroup),
        (json!({ "groups": ["staff", 1] }), WantsGroup),
        (json!({ "cognito:groups": ["staff"] }), WantsGroup),
    ] {
        let token = key.sign(&with(&claims, &changes));
        trials.token_at("/staff", &changes.to_string(), token, verdict);
    }
    for typ in ["at+jwt", "application/at+jwt", "logout+jwt", "secevent+jwt", "id+jwt"] {
        trials.token(typ, sign(&key, typ, &claims), Invalid("type_wrong"));
    }
    trials.hold(&gateway, &target);
}

#[test]
fn a_token_of_rfc_9068_is_typed_and_complete() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let all = [("orders", "user_pools: [strict]")];
    let gateway = gateway(&other("strict", &issuer, "rfc9068"), &all, &target);
    let key = Key::number(0);
    let claims = with(&plain_claims(&issuer), &json!({ "client_id": "c", "jti": "1" }));
    let mut trials = Trials::new();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        trials.token(typ, sign(&key, typ, &claims), Passes);
    }
    for typ in
        ["JWT", "", "at", "at+jwt ", "id+jwt", "application/jwt", "application/application/at+jwt"]
    {
        trials.token(typ, sign(&key, typ, &claims), Invalid("type_wrong"));
    }
    trials.token("no typ", key.sign(&claims), Invalid("type_wrong"));
    for claim in ["sub", "client_id", "jti", "iat", "exp", "aud"] {
        let token = sign(&key, "at+jwt", &with(&claims, &json!({ claim: null })));
        trials.token(claim, token, Invalid("claim_missing"));
    }
    let token = sign(&key, "at+jwt", &with(&claims, &json!({ "aud": "third" })));
    trials.token("aud", token, Invalid("audience_wrong"));
    let token = sign(&key, "at+jwt", &with(&claims, &json!({ "jti": 1 })));
    trials.token("jti is a number", token, Invalid("claim_format_invalid"));
    trials.hold(&gateway, &target);
}

#[test]
fn demands_on_claims_are_read_in_the_format_that_the_rule_names() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let rule = |format: &str, values: &str| {
        format!(
            "user_pools: [first], additional_claims: \
             [{{ name: \"https://example.com/x\", format: {format}, values: [{values}] }}]"
        )
    };
    let [single, array, words] = [
        rule("single_string", "a b, c"),
        rule("string_array", "a b, c"),
        rule("space_separated_values", "a, c"),
    ];
    let both = "user_pools: [first], additional_claims: [\
         { name: username, format: single_string, values: [alice] }, \
         { name: version, format: single_string, values: [\"2\"] }]";
    let gateway = gateway(
        &issuer.pool("first"),
        &[("single", &single), ("array", &array), ("words", &words), ("both", both)],
        &target,
    );
    let wrong = Invalid("claim_value_wrong");
    let format = Invalid("claim_format_invalid");
    let mut trials = Trials::new();
    for (value, verdicts) in [
        ("\"a b\"", [Passes, format, wrong]),
        ("\"c\"", [Passes, format, wrong]),
        ("\"\\u0063\"", [Passes, format, wrong]),
        ("\"a b c\"", [wrong, format, Passes]),
        ("\"c  x a\"", [wrong, format, Passes]),
        ("\"a,c\"", [wrong, format, wrong]),
        ("\"A C\"", [wrong, format, wrong]),
        ("\"\"", [wrong, format, wrong]),
        ("[\"x\",\"a b\"]", [format, Passes, format]),
        ("[\"a\",\"b\"]", [format, wrong, format]),
        ("[]", [format, wrong, format]),
        ("[\"c\",1]", [format; 3]),
        ("[[\"c\"]]", [format; 3]),
        ("{\"c\":true}", [format; 3]),
        ("true", [format; 3]),
        ("null", [format; 3]),
        ("", [Invalid("claim_missing"); 3]),
    ] {
        for (folder, verdict) in ["/single", "/array", "/words"].into_iter().zip(verdicts) {
            let token = issuer.token_texts(&[("https://example.com/x", value)]);
            trials.token_at(folder, value, token, verdict);
        }
    }
    // All must hold; and `2` is no string.
    trials.token_at("/both", "a number", issuer.token(), format);
    let fits = issuer.token_with(&json!({ "version": "2" }));
    trials.token_at("/both", "both", fits, Passes);
    let bob = issuer.token_with(&json!({ "version": "2", "username": "bob" }));
    trials.token_at("/both", "one of two", bob, wrong);
    trials.hold(&gateway, &target);
}

#[test]
fn scopes_and_groups_are_wanted_any_or_all() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = gateway(
        &issuer.pool("first"),
        &[
            ("any", "user_pools: [first], scopes: [a/r, a/w]"),
            ("all", "user_pools: [first], scopes: { all_of: [a/r, a/w] }"),
            ("any-group", "user_pools: [first], groups: { any_of: [ops, dev] }"),
            ("all-groups", "user_pools: [first], groups: { all_of: [ops, dev] }"),
            ("both", "user_pools: [first], scopes: [a/r], groups: [ops]"),
        ],
        &target,
    );
    let mut trials = Trials::new();
    let wants = WantsScope("a/r a/w");
    for (scope, any, all) in [
        ("a/r", Passes, wants),
        ("a/w a/x", Passes, wants),
        ("a/w a/r", Passes, Passes),
        ("a/x", wants, wants),
        ("", wants, wants),
    ] {
        let token = issuer.token_with(&json!({ "scope": scope }));
        trials.token_at("/any", scope, &token, any);
        trials.token_at("/all", scope, &token, all);
    }
    for (groups, any, all) in [
        (json!(["ops"]), Passes, WantsGroup),
        (json!(["x", "dev"]), Passes, WantsGroup),
        (json!(["dev", "ops"]), Passes, Passes),
        (json!(["ops dev"]), WantsGroup, WantsGroup),
        (json!([]), WantsGroup, WantsGroup),
    ] {
        let token = issuer.token_with(&json!({ "cognito:groups": groups }));
        trials.token_at("/any-group", &groups.to_string(), &token, any);
        trials.token_at("/all-groups", &groups.to_string(), &token, all);
    }
    let both = |scope: &str, group: &str| {
        issuer.token_with(&json!({ "scope": scope, "cognito:groups": [group] }))
    };
    trials.token_at("/both", "both", both("a/r", "ops"), Passes);
    trials.token_at("/both", "no group", both("a/r", "dev"), WantsGroup);
    trials.token_at("/both", "no scope", both("a/w", "ops"), WantsScope("a/r"));
    trials.token_at("/both", "neither", both("a/w", "dev"), WantsScope("a/r"));
    let late = payload(&both_claims(&issuer), &[("exp", "1")]);
    let late = Key::number(0).sign_texts(Key::number(0).header(), late);
    trials.token_at("/both", "expired as well", late, crate::support::Verdict::Expired);
    trials.hold(&gateway, &target);
}

/// Claims that no rule above admits.
fn both_claims(issuer: &Issuer) -> Value {
    with(&issuer.claims(), &json!({ "scope": "a/w", "cognito:groups": ["dev"] }))
}
