//! Tokens as attackers make them, row by row of the attack catalogue. Each is refused with the
//! same words, reaches no target, and has its true reason in the access log only.

use std::io::ErrorKind;
use std::net::TcpListener;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::support::Verdict::{Expired, Invalid, NoToken, Passes, WantsGroup, WantsScope};
use crate::support::issuer::{CLIENT, Key, now, payload};
use crate::support::{Gateway, Issuer, Target, Trials, wire};

/// `/orders/*` wants an access token with `orders/read`, `/id/*` an ID token, `/any/*` either,
/// `/staff/*` the group `staff`.
fn guarded(issuer: &Issuer, target: &Target) -> Gateway {
    let rule = |name: &str, demands: &str| {
        format!(
            "      - name: {name}\n        conditions: {{ path_pattern: [/{name}/*] }}\n        \
             jwt_validation: {{ user_pools: [customers]{demands} }}\n        forward: all\n"
        )
    };
    Gateway::start(&format!(
        "admin: {{ address: 127.0.0.1:0 }}\nuser_pools:\n{pool}    max_token_size: 12KiB\n\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  public:\n    address: 127.0.0.1:0\n    rules:\n{orders}{id}{any}{staff}    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n",
        pool = issuer.pool("customers"),
        address = target.address(),
        orders = rule("orders", ", scopes: [orders/read]"),
        id = rule("id", ", token_use: id"),
        any = rule("any", ", token_use: any"),
        staff = rule("staff", ", groups: [staff]"),
    ))
}

/// Holds the trials that are made of an issuer, between two good tokens.
fn hold(make: impl FnOnce(&Issuer, &mut Trials)) {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = guarded(&issuer, &target);
    let mut trials = Trials::new();
    trials.token("a good token before all others", issuer.token(), Passes);
    make(&issuer, &mut trials);
    trials.token("a good token after all others", issuer.token(), Passes);
    trials.hold(&gateway, &target);
}

/// The three parts of a token.
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

/// A token with any bytes in the place of its signature.
fn with_signature(token: &str, signature: &[u8]) -> String {
    let [header, payload, _] = parts(token);
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn signature(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(parts(token)[2]).expect("base64url")
}

#[test]
fn a1_no_token_is_its_own_warrant() {
    hold(|issuer, trials| {
        let kid = Key::number(0).kid;
        let claims = issuer.claims().to_string();
        for alg in ["none", "None", "NONE", "nOnE", "", "none ", "NONE\\u0000", "null"] {
            let header = format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#);
            let signed = Key::number(0).sign_texts(&header, &claims);
            let what = format!("alg {alg:?}");
            trials.token(&what, &signed, Invalid("algorithm_not_allowed"));
            let [head, body, _] = parts(&signed);
            trials.token(&what, format!("{head}.{body}.AA"), Invalid("algorithm_not_allowed"));
            trials.token(&what, format!("{head}.{body}."), Invalid("token_malformed"));
        }
        for (what, alg, reason) in [
            ("missing", "", "algorithm_not_allowed"),
            ("null", r#""alg":null,"#, "token_malformed"),
            ("an array", r#""alg":["RS256"],"#, "token_malformed"),
            ("an object", r#""alg":{"RS256":1},"#, "token_malformed"),
            ("a number", r#""alg":256,"#, "token_malformed"),
            ("doubled", r#""alg":"none","alg":"RS256","#, "token_malformed"),
            ("doubled the other way", r#""alg":"RS256","alg":"none","#, "token_malformed"),
            ("doubled by an escape", r#""alg":"RS256","\u0061lg":"none","#, "token_malformed"),
            ("in another case only", r#""ALG":"RS256","#, "algorithm_not_allowed"),
        ] {
            let header = format!(r#"{{{alg}"kid":"{kid}"}}"#);
            let token = Key::number(0).sign_texts(header, &claims);
            trials.token(&format!("alg {what}"), token, Invalid(reason));
        }
    });
}

#[test]
fn a2_a_public_key_is_no_shared_secret() {
    hold(|issuer, trials| {
        let key = Key::number(0);
        let pem = |kind: &str, der: &[u8]| {
            let text = STANDARD.encode(der);
            let lines: Vec<&str> =
                text.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
            format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----", lines.join("\n"))
        };
        let info = pem("PUBLIC KEY", &key.public_info());
        let modulus = key.jwk()["n"].as_str().expect("n").to_owned();
        let secrets: Vec<(&str, Vec<u8>)> = vec![
            ("PEM", info.clone().into_bytes()),
            ("PEM with a line feed", format!("{info}\n").into_bytes()),
            ("PEM of PKCS#1", pem("RSA PUBLIC KEY", &key.public()).into_bytes()),
            ("DER", key.public_info()),
            ("DER of PKCS#1", key.public()),
            ("modulus", URL_SAFE_NO_PAD.decode(&modulus).expect("base64url")),
            ("modulus as text", modulus.into_bytes()),
            ("JWK", key.jwk().to_string().into_bytes()),
            ("kid", key.kid.clone().into_bytes()),
            ("app client", CLIENT.as_bytes().to_vec()),
            ("nothing", Vec::new()),
        ];
        let claims = URL_SAFE_NO_PAD.encode(issuer.claims().to_string());
        for (alg, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let header = json!({ "alg": alg, "kid": key.kid }).to_string();
            let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
            for (what, secret) in &secrets {
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
                let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
                let what = format!("{alg} keyed with the {what}");
                trials.token(&what, token, Invalid("algorithm_not_allowed"));
            }
            // The same MAC under a header that says what the pool expects.
            let input = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(key.header()));
            for (what, secret) in &secrets {
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
                let token = format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag));
                let what = format!("RS256 that is {alg} keyed with the {what}");
                trials.token(&what, token, Invalid("signature_invalid"));
            }
        }
    });
}

#[test]
fn a3_the_right_key_signs_by_its_own_algorithm_only() {
    hold(|issuer, trials| {
        let key = Key::number(0);
        let claims = issuer.claims().to_string();
        let header = |alg: &str| json!({ "alg": alg, "kid": key.kid }).to_string();
        let refused = Invalid("algorithm_not_allowed");
        trials.token("RS384", key.sign_as(&RSA_PKCS1_SHA384, header("RS384"), &claims), refused);
        trials.token("RS512", key.sign_as(&RSA_PKCS1_SHA512, header("RS512"), &claims), refused);
        trials.token("PS256", key.sign_as(&RSA_PSS_SHA256, header("PS256"), &claims), refused);
        for alg in ["ES256", "EdDSA", "rs256", "Rs256", "RS256 ", " RS256", "RSA", "RS1", "dir"] {
            trials.token(alg, key.sign_texts(header(alg), &claims), refused);
        }
        for (what, algorithm) in [("SHA-384", &RSA_PKCS1_SHA384), ("SHA-512", &RSA_PKCS1_SHA512)] {
            let token = key.sign_as(algorithm, key.header(), &claims);
            trials.token(&format!("RS256 with {what}"), token, Invalid("signature_invalid"));
        }
        let token = key.sign_as(&RSA_PSS_SHA256, key.header(), &claims);
        trials.token("RS256 with PSS", token, Invalid("signature_invalid"));
    });
}

#[test]
fn a4_a_token_brings_no_key_of_its_own() {
    hold(|issuer, trials| {
        let (right, own) = (Key::number(0), Key::number(1));
        let claims = issuer.claims().to_string();
        for (what, member) in [
            ("jwk", json!({ "jwk": own.jwk() })),
            ("jwk of the right name", json!({ "jwk": own.named(&right.kid).jwk() })),
            ("x5c", json!({ "x5c": [STANDARD.encode(own.public_info())] })),
            ("x5t", json!({ "x5t": "AAAA", "x5t#S256": "AAAA" })),
        ] {
            let header = |kid: &str| {
                let mut header = member.clone();
                header["alg"] = json!("RS256");
                header["kid"] = json!(kid);
                header.to_string()
            };
            let known = own.sign_texts(header(&right.kid), &claims);
            trials.token(&format!("{what}, known kid"), known, Invalid("signature_invalid"));
            let unknown = own.sign_texts(header(&own.kid), &claims);
            trials.token(&format!("{what}, own kid"), unknown, Invalid("key_unknown"));
            let ignored = right.sign_texts(header(&right.kid), &claims);
            trials.token(&format!("{what}, right signature"), ignored, Passes);
        }
        let mut header = json!({ "jwk": own.jwk(), "alg": "RS256" });
        let without = own.sign_texts(header.to_string(), &claims);
        trials.token("jwk instead of kid", without, Invalid("key_id_missing"));
        header["kid"] = json!("");
        let empty = own.sign_texts(header.to_string(), &claims);
        trials.token("jwk and an empty kid", empty, Invalid("key_id_missing"));
    });
}

#[test]
fn a5_nothing_that_a_token_names_is_ever_connected_to() {
    let trap = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = trap.local_addr().expect("an address");
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = guarded(&issuer, &target);
    let mut trials = Trials::new();
    let (right, own) = (Key::number(0), Key::number(1));
    let claims = issuer.claims().to_string();
    for name in ["jku", "x5u", "url", "iss", "jwks_uri"] {
        let header = |kid: &str| {
            let url = format!("http://{place}/.well-known/jwks.json");
            json!({ "alg": "RS256", "kid": kid, name: url }).to_string()
        };
        let forged = own.sign_texts(header(&own.kid), &claims);
        trials.token(&format!("{name}, own kid"), forged, Invalid("key_unknown"));
        let forged = own.sign_texts(header(&right.kid), &claims);
        trials.token(&format!("{name}, known kid"), forged, Invalid("signature_invalid"));
        trials.token(name, right.sign_texts(header(&right.kid), &claims), Passes);
    }
    let port = issuer.issuer();
    let known = port.strip_prefix("http://").and_then(|rest| rest.split('/').next()).expect("host");
    for iss in [
        format!("http://{place}"),
        format!("http://{place}/us-east-1_TestPool1"),
        format!("http://{known}@{place}/us-east-1_TestPool1"),
        format!("http://{place}/us-east-1_TestPool1#{port}"),
        format!("http://{place}/?{port}"),
    ] {
        let token = own.sign_texts(
            own.header(),
            payload(&issuer.claims(), &[("iss", &json!(iss).to_string())]),
        );
        trials.token(&format!("iss {iss}"), token, Invalid("issuer_unknown"));
    }
    let kid = own.named(&format!("http://{place}/key"));
    trials.token("kid is a URL", kid.sign(&issuer.claims()), Invalid("key_unknown"));
    trials.token("a good token after all others", issuer.token(), Passes);
    trials.hold(&gateway, &target);
    trap.set_nonblocking(true).expect("set");
    let caller = trap.accept();
    assert!(caller.as_ref().is_err_and(|e| e.kind() == ErrorKind::WouldBlock), "{caller:?}");
}

#[test]
fn a6_a_kid_is_a_name_to_look_up_and_nothing_else() {
    hold(|issuer, trials| {
        let key = Key::number(0);
        let claims = issuer.claims().to_string();
        for (what, kid, reason) in [
            ("missing", String::new(), "key_id_missing"),
            ("empty", r#","kid":"""#.into(), "key_id_missing"),
            ("a number", r#","kid":0"#.into(), "token_malformed"),
            ("an object", r#","kid":{"kid":"key-0+/="}"#.into(), "token_malformed"),
            ("an array", r#","kid":["key-0+/="]"#.into(), "token_malformed"),
            ("null", r#","kid":null"#.into(), "token_malformed"),
            ("doubled", r#","kid":"key-0+/=","kid":"x""#.into(), "token_malformed"),
            ("6 KB", format!(r#","kid":"{}""#, "k".repeat(6000)), "token_malformed"),
            ("257 bytes", format!(r#","kid":"{}""#, "k".repeat(257)), "key_id_missing"),
            ("a path", r#","kid":"../../../../dev/null""#.into(), "key_unknown"),
            ("SQL", r#","kid":"' UNION SELECT 'k';--""#.into(), "key_unknown"),
            ("a command", r#","kid":"$(id)|id`id`""#.into(), "key_unknown"),
            ("CRLF", r#","kid":"k\r\n{\"status\":200}\r\n""#.into(), "key_unknown"),
            ("NUL", r#","kid":"key-0+/=\u0000""#.into(), "key_unknown"),
            ("ANSI escapes", r#","kid":"\u001b[2J""#.into(), "key_unknown"),
            ("longer", r#","kid":"key-0+/==""#.into(), "key_unknown"),
            ("a prefix", r#","kid":"key-0+/""#.into(), "key_unknown"),
            ("in another case", r#","kid":"KEY-0+/=""#.into(), "key_unknown"),
            ("percent-encoded", r#","kid":"key-0%2B/=""#.into(), "key_unknown"),
        ] {
            let token = key.sign_texts(format!(r#"{{"alg":"RS256"{kid}}}"#), &claims);
            trials.token(&format!("kid {what}"), token, Invalid(reason));
        }
        let escaped = r#"{"alg":"RS256","kid":"\u006bey-0+\/="}"#;
        trials.token("kid with escapes", key.sign_texts(escaped, &claims), Passes);
        let other = Key::number(1).named(&key.kid).sign(&issuer.claims());
        trials.token("the right kid with another key", other, Invalid("signature_invalid"));
    });
}

#[test]
fn a7_a_header_that_changes_what_a_token_means_is_not_understood() {
    hold(|issuer, trials| {
        let kid = Key::number(0).kid;
        let claims = issuer.claims().to_string();
        let sign = |member: &str| {
            let header = format!(r#"{{"alg":"RS256","kid":"{kid}",{member}}}"#);
            Key::number(0).sign_texts(header, &claims)
        };
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":["x"],"x":1"#,
            r#""crit":["b64"],"b64":false"#,
            r#""crit":[]"#,
            r#""crit":"exp""#,
            r#""crit":null"#,
            r#""b64":false"#,
            r#""b64":true"#,
            r#""zip":"DEF""#,
            r#""enc":"A128GCM""#,
            r#""cty":"JWT""#,
            r#""\u0063rit":["exp"]"#,
        ] {
            trials.token(member, sign(member), Invalid("header_not_supported"));
        }
        for typ in ["\"at+jwt\"", "\"dpop+jwt\"", "\"logout+jwt\"", "\"JOSE\"", "\"\"", "1", "null"]
        {
            trials.token(typ, sign(&format!(r#""typ":{typ}"#)), Invalid("type_wrong"));
        }
        for member in [r#""typ":"JWT""#, r#""typ":"jwt""#, r#""unknown":{"a":[1,true,null]}"#] {
            trials.token(member, sign(member), Passes);
        }
    });
}

#[test]
fn a8_a_signature_is_right_to_the_last_bit() {
    hold(|issuer, trials| {
        let token = issuer.token();
        let good = signature(&token);
        let flipped = |n: usize| {
            let mut bytes = good.clone();
            bytes[n / 8] ^= 1 << (n % 8);
            bytes
        };
        let mut one = vec![0; good.len()];
        *one.last_mut().expect("a byte") = 1;
        let other = issuer.token_with(&json!({ "jti": "other" }));
        for (what, bytes) in [
            ("first bit", flipped(0)),
            ("a bit in the middle", flipped(1000)),
            ("last bit", flipped(good.len() * 8 - 1)),
            ("cut", good[..good.len() - 1].to_vec()),
            ("cut in front", good[1..].to_vec()),
            ("one byte", vec![0]),
            ("lengthened", [&good[..], &[0]].concat()),
            ("lengthened in front", [&[0], &good[..]].concat()),
            ("twice", [&good[..], &good[..]].concat()),
            ("zero", vec![0; good.len()]),
            ("one", one),
            ("all ones", vec![0xff; good.len()]),
            ("zeros of ES256", vec![0; 64]),
            ("another token's", signature(&other)),
        ] {
            trials.token(what, with_signature(&token, &bytes), Invalid("signature_invalid"));
        }
        let long = with_signature(&token, &[1; 2000]);
        trials.token("far too long", long, Invalid("token_malformed"));
        let header = json!({ "alg": "ES256", "kid": Key::number(0).kid }).to_string();
        let elliptic = Key::number(0).sign_texts(header, issuer.claims().to_string());
        let zeros = with_signature(&elliptic, &[0; 64]);
        trials.token("ES256 of zeros", zeros, Invalid("algorithm_not_allowed"));
        let [header, _, signature] = parts(&token);
        let changed = json!({ "iss": issuer.issuer(), "exp": now() + 60 }).to_string();
        let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed));
        trials.token("another payload", changed, Invalid("signature_invalid"));
    });
}

#[test]
fn a9_a_token_has_one_spelling() {
    hold(|issuer, trials| {
        // Signatures are deterministic, so another `jti` gives another one.
        let token =
            (0..).map(|n| issuer.token_with(&json!({ "jti": n.to_string() }))).find(|token| {
                let signature = parts(token)[2];
                signature.contains('-') && signature.contains('_')
            });
        let token = token.expect("a token");
        let [header, body, signature] = parts(&token);
        let malformed = Invalid("token_malformed");
        let spell = |signature: &str| format!("{header}.{body}.{signature}");
        trials.token("as it was signed", &token, Passes);
        trials.token("padding", spell(&format!("{signature}==")), malformed);
        trials.token("half a padding", spell(&format!("{signature}=")), malformed);
        let standard = signature.replace('-', "+").replace('_', "/");
        trials.token("the other alphabet", spell(&standard), malformed);
        let (left, right) = signature.split_at(20);
        for inner in [" ", "\t", "%0A", ",", "~"] {
            trials.token(inner, spell(&format!("{left}{inner}{right}")), malformed);
        }
        // 256 bytes leave four bits of the last character unused.
        let last = signature.chars().last().expect("a character");
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let at = ALPHABET.find(last).expect("base64url");
        for bits in [1, 8, 15] {
            let other = &ALPHABET[at + bits..=at + bits];
            let spelt = spell(&format!("{}{other}", &signature[..signature.len() - 1]));
            trials.token("unused bits", spelt, malformed);
        }
        // The same in the signed parts, with a signature over just that spelling.
        let key = Key::number(0);
        let resign = |input: &str| key.sign_input(&RSA_PKCS1_SHA256, input);
        // A length of 3n + 1 or 3n + 2 bytes leaves bits unused.
        let text = issuer.claims().to_string();
        let text = format!("{text}{}", " ".repeat((4 - text.len() % 3) % 3));
        let body = URL_SAFE_NO_PAD.encode(text);
        trials.token("white space at the end", resign(&format!("{header}.{body}")), Passes);
        trials.token("padded payload", resign(&format!("{header}.{body}==")), malformed);
        trials.token("padded header", resign(&format!("{header}==.{body}")), malformed);
        trials.token("broken payload", resign(&format!("{header}.{body}\t")), malformed);
        let last = body.chars().last().expect("a character");
        let at = ALPHABET.find(last).expect("base64url");
        let other = &ALPHABET[at + 1..=at + 1];
        let spelt = format!("{header}.{}{other}", &body[..body.len() - 1]);
        trials.token("unused bits of the payload", resign(&spelt), malformed);
    });
}

#[test]
fn a10_a_token_is_three_parts_and_nothing_around() {
    hold(|issuer, trials| {
        let token = issuer.token();
        let [header, body, signature] = parts(&token);
        let serialized = json!({ "protected": header, "payload": body, "signature": signature });
        let general = json!({ "payload": body, "signatures": [
            { "protected": header, "signature": signature },
        ] });
        let encrypted = json!({ "alg": "RSA-OAEP", "enc": "A256GCM" }).to_string();
        let encrypted = format!("{}.AA.AA.AA.AA", URL_SAFE_NO_PAD.encode(encrypted));
        for (what, token) in [
            ("one part", header.to_owned()),
            ("two parts", format!("{header}.{body}")),
            ("two parts and a dot", format!("{header}.{body}.")),
            ("a dot in front", format!(".{token}")),
            ("a dot behind", format!("{token}.")),
            ("four parts", format!("{token}.{signature}")),
            ("five parts", format!("{token}.{body}.{signature}")),
            ("no header", format!(".{body}.{signature}")),
            ("no payload", format!("{header}..{signature}")),
            ("dots", "..".to_owned()),
            ("4,000 dots", ".".repeat(4000)),
            ("5,000 parts", "a.".repeat(5000)),
            ("JSON", serialized.to_string()),
            ("general JSON", general.to_string()),
            ("quotes", format!("\"{token}\"")),
            ("a scheme within", format!("Bearer {token}")),
            ("two tokens", format!("{token},{token}")),
            ("a parameter", format!("{token}; a=b")),
        ] {
            trials.token(what, token, Invalid("token_malformed"));
        }
        trials.token("JWE", encrypted, Invalid("header_not_supported"));
        let long = issuer.token_with(&json!({ "x": "x".repeat(9 * 1024) }));
        trials.token("longer than 12 KiB", long, Invalid("token_too_large"));
        let full = issuer.token_with(&json!({ "x": "x".repeat(8 * 1024) }));
        trials.token("nearly 12 KiB", full, Passes);
    });
}

#[test]
fn a11_header_and_payload_are_each_one_sane_json_object() {
    hold(|issuer, trials| {
        let key = Key::number(0);
        let (header, claims) = (key.header(), issuer.claims().to_string());
        let inner = claims.strip_prefix('{').and_then(|c| c.strip_suffix('}')).expect("an object");
        let deep = |levels: usize| {
            format!("{{{inner},\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
        };
        let malformed = Invalid("token_malformed");
        for bad in ["", "x", "[]", "null", "1", "\"a\"", "{", "{}{}", "{\"a\":}", "{'a':1}"] {
            trials.token(bad, key.sign_texts(bad, &claims), malformed);
            trials.token(bad, key.sign_texts(&header, bad), malformed);
        }
        for (what, bad) in [
            ("a byte order mark", format!("\u{feff}{claims}")),
            ("bytes behind", format!("{claims}x")),
            ("another object behind", format!("{claims}{claims}")),
            ("a NUL behind", format!("{claims}\0")),
            ("a comment", format!("{claims}//")),
            ("a comma too many", format!("{{{inner},}}")),
            ("a line feed in a string", format!("{{{inner},\"x\":\"a\nb\"}}")),
            ("a doubled claim", format!("{{{inner},\"sub\":\"admin\"}}")),
            ("a claim doubled in front", format!("{{\"exp\":9,{inner}}}")),
            ("a claim doubled by an escape", format!("{{{inner},\"\\u0073ub\":\"admin\"}}")),
            ("NaN", format!("{{{inner},\"x\":NaN}}")),
            ("hexadecimal", format!("{{{inner},\"x\":0x10}}")),
            ("a leading zero", format!("{{{inner},\"x\":01}}")),
            ("a bad escape", format!("{{{inner},\"x\":\"\\x41\"}}")),
            ("3,000 levels", deep(3000)),
            ("32 levels and the object", deep(32)),
        ] {
            trials.token(what, key.sign_texts(&header, bad), malformed);
        }
        trials.token("31 levels and the object", key.sign_texts(&header, deep(31)), Passes);
        let utf8 = |bad: &[u8]| [b"{\"x\":\"", bad, b"\",", inner.as_bytes(), b"}"].concat();
        for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3"] {
            trials.token("bad UTF-8", key.sign_texts(&header, utf8(bad)), malformed);
        }
        let header = format!(r#"{{"alg":"RS256","kid":"{}","x":"{}"}}"#, key.kid, "\u{fffd}");
        let mut bytes = header.into_bytes();
        let at = bytes.iter().position(|byte| *byte == 0xef).expect("the character");
        bytes[at] = 0xff;
        trials.token("bad UTF-8 in the header", key.sign_texts(bytes, &claims), malformed);
        let header = format!(r#"{{"alg":"RS256","kid":"{}","x":{}"#, key.kid, "[".repeat(2900));
        trials.token("a header of brackets", key.sign_texts(header, &claims), malformed);
    });
}

#[test]
fn a12_a_token_is_in_time_by_sane_numbers() {
    hold(|issuer, trials| {
        let at = |seconds: i64| now().checked_add_signed(seconds).expect("a time").to_string();
        let format = Invalid("claim_format_invalid");
        for (exp, verdict) in [
            (at(-1), Expired),
            (at(0), Expired),
            (at(-1_000_000), Expired),
            (format!("{}.5", at(-2)), Expired),
            ("0".into(), Expired),
            ("-1".into(), Expired),
            ("-1e300".into(), Expired),
            ("1e3".into(), Expired),
            ("1e300".into(), format),
            ("1e400".into(), format),
            ("9007199254740994".into(), format),
            ("18446744073709551616".into(), format),
            ("null".into(), format),
            ("true".into(), format),
            (format!("\"{}\"", at(3600)), format),
            (format!("[{}]", at(3600)), format),
            (String::new(), Invalid("claim_missing")),
            (at(2 * 24 * 3600), Invalid("lifetime_too_long")),
            (format!("{}.75", at(600)), Passes),
            (at(3600), Passes),
        ] {
            trials.token(&format!("exp {exp}"), issuer.token_texts(&[("exp", &exp)]), verdict);
        }
        for (nbf, verdict) in [
            (at(600), Invalid("token_not_yet_valid")),
            ("9007199254740992".into(), Invalid("token_not_yet_valid")),
            ("1e300".into(), format),
            ("\"0\"".into(), format),
            ("null".into(), format),
            (at(-1), Passes),
        ] {
            trials.token(&format!("nbf {nbf}"), issuer.token_texts(&[("nbf", &nbf)]), verdict);
        }
        for (iat, verdict) in [
            (at(600), Invalid("issued_in_future")),
            (at(-3600), Passes),
            (at(30), Passes),
            (String::new(), Invalid("claim_missing")),
            ("null".into(), format),
            ("\"1\"".into(), format),
        ] {
            trials.token(&format!("iat {iat}"), issuer.token_texts(&[("iat", &iat)]), verdict);
        }
    });
}

#[test]
fn a13_an_issuer_is_compared_byte_for_byte() {
    hold(|issuer, trials| {
        let iss = issuer.issuer();
        for look_alike in [
            iss.replace("TestPool1", "TestPool2"),
            iss.replace("us-east-1", "us-east-2"),
            iss.replace("TestPool1", "testpool1"),
            iss.replace("http:", "https:"),
            iss.replace("http:", "HTTP:"),
            iss.replace("http://", "http://user@"),
            iss.replace("http://", "//"),
            iss.replace("127.0.0.1", "127.0.0.1.evil.example"),
            iss.replace("127.0.0.1", "localhost"),
            iss.replace("us-", "%75s-"),
            format!("{iss}/"),
            format!("{iss}/.."),
            format!("{iss}?"),
            format!("{iss}#"),
            format!("{iss} "),
            format!(" {iss}"),
            format!("{iss}\0"),
            format!("{iss}/.well-known/jwks.json"),
            iss[..iss.len() - 1].to_owned(),
            "us-east-1_TestPool1".to_owned(),
            "customers".to_owned(),
            String::new(),
        ] {
            let token = issuer.token_with(&json!({ "iss": look_alike }));
            trials.token(&look_alike, token, Invalid("issuer_unknown"));
        }
        for (iss, reason) in [
            (format!("[{}]", json!(iss)), "claim_format_invalid"),
            ("null".into(), "claim_format_invalid"),
            ("{}".into(), "claim_format_invalid"),
            (String::new(), "claim_missing"),
        ] {
            trials.token(&iss, issuer.token_texts(&[("iss", &iss)]), Invalid(reason));
        }
        let escaped = json!(iss).to_string().replace('/', "\\/");
        trials.token("escaped slashes", issuer.token_texts(&[("iss", &escaped)]), Passes);
    });
}

#[test]
fn a15_a_token_of_one_use_is_not_taken_for_the_other() {
    hold(|issuer, trials| {
        let id = issuer.token_with(&json!({
            "token_use": "id", "aud": CLIENT, "client_id": null, "scope": null, "username": null,
        }));
        let scoped = issuer.token_with(&json!({ "token_use": "id", "aud": CLIENT }));
        let access = issuer.token();
        let wrong = Invalid("token_use_wrong");
        trials.token("an ID token for an access token", &id, wrong);
        trials.token("an ID token with client and scope", &scoped, wrong);
        trials.token_at("/id", "an access token for an ID token", &access, wrong);
        trials.token_at("/id", "an ID token", &id, Passes);
        trials.token_at("/any", "either: ID", &id, Passes);
        trials.token_at("/any", "either: access", &access, Passes);
        for folder in ["/orders", "/id", "/any"] {
            for value in ["\"refresh\"", "\"Access\"", "\"access \"", "\"\"", "\"access id\""] {
                let token = issuer.token_texts(&[("token_use", value)]);
                trials.token_at(folder, value, token, wrong);
            }
            for value in ["[\"access\"]", "[\"id\",\"access\"]", "null", "1", "{}"] {
                let token = issuer.token_texts(&[("token_use", value)]);
                trials.token_at(folder, value, token, Invalid("claim_format_invalid"));
            }
            let missing = issuer.token_texts(&[("token_use", "")]);
            trials.token_at(folder, "missing", missing, Invalid("claim_missing"));
        }
    });
}

#[test]
fn a16_a_client_is_one_of_the_pool_s_exactly() {
    hold(|issuer, trials| {
        let access = |client: &str| issuer.token_texts(&[("client_id", client)]);
        let upper = CLIENT.to_uppercase();
        for client in [
            "other",
            "",
            &CLIENT[..CLIENT.len() - 1],
            &CLIENT[1..],
            &upper,
            &format!("{CLIENT}0"),
            &format!("{CLIENT} "),
            &format!("{CLIENT}\0"),
            &format!("{CLIENT},other"),
            "*",
        ] {
            let token = access(&json!(client).to_string());
            trials.token(client, token, Invalid("client_not_allowed"));
            let id = issuer.token_with(&json!({
                "token_use": "id", "aud": client, "client_id": CLIENT,
            }));
            trials.token_at("/id", client, id, Invalid("client_not_allowed"));
        }
        let format = Invalid("claim_format_invalid");
        trials.token("a list", access(&json!([CLIENT]).to_string()), format);
        trials.token("null", access("null"), format);
        trials.token("a number", access("1"), format);
        trials.token("missing", access(""), Invalid("claim_missing"));
        let only = issuer.token_with(&json!({ "client_id": null, "aud": CLIENT }));
        trials.token("only in aud", only, Invalid("claim_missing"));
        let many = issuer.token_with(&json!({ "token_use": "id", "aud": [CLIENT, "other"] }));
        trials.token_at("/id", "aud is a list", many, format);
        let no_aud = issuer.token_with(&json!({ "token_use": "id" }));
        trials.token_at("/id", "no aud", no_aud, Invalid("claim_missing"));
        for (sub, verdict) in
            [("", Invalid("claim_missing")), ("\"\"", format), ("null", format), ("1", format)]
        {
            trials.token(&format!("sub {sub}"), issuer.token_texts(&[("sub", sub)]), verdict);
        }
    });
}

#[test]
fn a17_a_scope_is_a_whole_word() {
    hold(|issuer, trials| {
        let with = |scope: &str| issuer.token_texts(&[("scope", scope)]);
        for scope in [
            "",
            "\"\"",
            "\" \"",
            "\"orders/rea\"",
            "\"orders/reads\"",
            "\"xorders/read\"",
            "\"Orders/Read\"",
            "\"orders/read,profile\"",
            "\"orders/read\\tprofile\"",
            "\"profile\\norders/read\"",
            "\"profile\\u00a0orders/read\"",
            "\"orders read\"",
            "\"orders/\\u200bread\"",
            "\"orders/read/\"",
            "\"*\"",
            "\"orders/*\"",
            "\"orders%2Fread\"",
        ] {
            trials.token(&format!("scope {scope}"), with(scope), WantsScope("orders/read"));
        }
        // A scope of another type is no access token of Cognito's at all.
        for scope in ["[\"orders/read\"]", "{\"orders/read\":true}", "null", "true"] {
            trials.token(scope, with(scope), Invalid("claim_format_invalid"));
        }
        let scp = issuer.token_texts(&[("scope", ""), ("scp", "[\"orders/read\"]")]);
        trials.token("scp", scp, WantsScope("orders/read"));
        for scope in
            ["\"orders/read\"", "\"a  orders/read\"", "\" orders/read \"", "\"orders\\/read\""]
        {
            trials.token(scope, with(scope), Passes);
        }
    });
}

#[test]
fn a18_a_group_is_an_element_of_the_list() {
    hold(|issuer, trials| {
        let with = |groups: &str| issuer.token_texts(&[("cognito:groups", groups)]);
        for groups in [
            "",
            "[]",
            "[\"\"]",
            "[\"staf\"]",
            "[\"staffs\"]",
            "[\"Staff\"]",
            "[\"staff,admin\"]",
            "[\"staff \"]",
            "[\"staff\\u0000\"]",
            "[\"admin staff\"]",
            "[\"*\"]",
        ] {
            trials.token_at("/staff", groups, with(groups), WantsGroup);
        }
        for groups in [
            "\"staff\"",
            "\"staff,admin\"",
            "[[\"staff\"]]",
            "{\"staff\":true}",
            "null",
            "true",
            "[\"staff\",1]",
            "[\"staff\",null]",
        ] {
            trials.token_at("/staff", groups, with(groups), Invalid("claim_format_invalid"));
        }
        for claim in
            ["groups", "cognito:Groups", "cognito:groups ", "custom:groups", "cognito_groups"]
        {
            let token = issuer.token_texts(&[("cognito:groups", ""), (claim, "[\"staff\"]")]);
            trials.token_at("/staff", claim, token, WantsGroup);
        }
        trials.token_at("/staff", "one of two", with("[\"a\",\"st\\u0061ff\"]"), Passes);
    });
}

#[test]
fn a20_a_token_is_looked_for_in_its_header_only() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = guarded(&issuer, &target);
    let token = issuer.token();
    let cookie = format!("access_token={token}; id_token={token}; Authorization=Bearer {token}");
    let mut trials = Trials::new();
    for (name, value) in [
        ("Cookie", cookie.as_str()),
        ("X-Authorization", &format!("Bearer {token}")),
        ("Proxy-Authorization", &format!("Bearer {token}")),
        ("X-Amzn-Oidc-Accesstoken", &token),
        ("X-Forwarded-Access-Token", &token),
        ("Access-Token", &token),
    ] {
        trials.headers_at("/orders", name, &[(name, value)], NoToken("token_missing"));
    }
    trials.hold(&gateway, &target);
    let query = format!("/orders/1?access_token={token}&token={token}");
    assert_eq!(wire::get(gateway.address(), &query).status, 401);
    let form = format!("access_token={token}");
    let mut connection = wire::Connection::open(gateway.address());
    connection.send(format!(
        "POST /orders/1 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    ));
    let answer = connection.read();
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    assert!(target.taken().is_empty());
}

#[test]
fn a21_there_is_exactly_one_bearer() {
    hold(|issuer, trials| {
        let token = issuer.token();
        let bearer = format!("Bearer {token}");
        let mut at = |what: &str, values: &[&str], verdict| {
            let headers: Vec<_> = values.iter().map(|value| ("Authorization", *value)).collect();
            trials.headers_at("/orders", what, &headers, verdict);
        };
        at("none", &[], NoToken("token_missing"));
        at("two", &[&bearer, &bearer], Invalid("token_repeated"));
        at("two, the first bad", &["Bearer x", &bearer], Invalid("token_repeated"));
        at("two, the second bad", &[&bearer, "Bearer x"], Invalid("token_repeated"));
        at("two, one empty", &["", &bearer], Invalid("token_repeated"));
        at("basic and bearer", &["Basic YTpi", &bearer], Invalid("token_repeated"));
        at("a list", &[&format!("{bearer}, {bearer}")], Invalid("token_malformed"));
        at(
            "a list of two schemes",
            &[&format!("Basic YTpi, {bearer}")],
            NoToken("scheme_not_bearer"),
        );
        at("basic", &["Basic YTpi"], NoToken("scheme_not_bearer"));
        at("DPoP", &[&format!("DPoP {token}")], NoToken("scheme_not_bearer"));
        at("no scheme", &[&token], NoToken("scheme_not_bearer"));
        at("a scheme that begins so", &[&format!("Bearers {token}")], NoToken("scheme_not_bearer"));
        at("the scheme alone", &["Bearer"], Invalid("token_malformed"));
        at("empty", &[""], Invalid("token_malformed"));
        at("two spaces", &[&format!("Bearer  {token}")], Invalid("token_malformed"));
        at("a tab", &[&format!("Bearer\t{token}")], Invalid("token_malformed"));
        at("an equals sign", &[&format!("Bearer={token}")], Invalid("token_malformed"));
        at("quoted", &[&format!("Bearer \"{token}\"")], Invalid("token_malformed"));
        at("lower case", &[&format!("bearer {token}")], Passes);
        at("upper case", &[&format!("BEARER {token}")], Passes);
        at("space around the value", &[&format!("  {bearer}  ")], Passes);
    });
}
