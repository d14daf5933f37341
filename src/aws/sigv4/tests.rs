//! AWS's own test vectors, and what must not pass.

use ::http::{HeaderName, HeaderValue};

use super::*;
use crate::config::model::{AwsCredential, Secret};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z
const NOW: UnixMillis = UnixMillis(1_440_938_160_000);

fn credentials(session_token: Option<&str>) -> Credentials {
    Credentials::compile(&[AwsCredential {
        name: "batch".into(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new(SECRET.to_owned()),
        session_token: session_token.map(|token| Secret::new(token.to_owned())),
        arn: "arn:aws:iam::123456789012:user/batch".to_owned(),
        user_id: None,
        policies: Vec::new(),
    }])
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

fn received<'a>(method: &'a str, target: &'a str, headers: &'a HeaderMap) -> Received<'a> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    Received { method, path, query, host: "example.amazonaws.com", headers }
}

/// A request signed as a client would, by what is verified with: whoever changes it afterwards
/// must fail. That clients sign alike is shown by AWS's vectors below and by botocore.
pub(super) fn sign(
    method: &str,
    target: &str,
    pairs: &[(&str, &str)],
    signed: &str,
    body: &[u8],
) -> HeaderMap {
    let mut headers = headers(pairs);
    headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
    let credential = "AKIDEXAMPLE/20150830/us-east-1/execute-api/aws4_request";
    let unsigned = format!(
        "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={}",
        "0".repeat(64)
    );
    headers.insert("authorization", HeaderValue::try_from(unsigned).unwrap());
    let request = received(method, target, &headers);
    let presented = Presented::of(&headers, request.query).unwrap();
    let hash = hex(digest(&SHA256, body).as_ref());
    let text = canonical::string_to_sign(&request, &presented, &hash).unwrap();
    let key = signing_key(credentials(None).find("AKIDEXAMPLE").unwrap(), &presented);
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
    );
    headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
    headers
}

fn judged(method: &str, target: &str, headers: &HeaderMap, body: &[u8]) -> Result<(), Refused> {
    judged_at(method, target, headers, body, NOW)
}

fn judged_at(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: UnixMillis,
) -> Result<(), Refused> {
    let request = received(method, target, headers);
    match verify(request, &credentials(None), None, now, Some(body)) {
        Verdict::Signed(credential) => {
            assert_eq!(&*credential.account, "123456789012");
            Ok(())
        }
        Verdict::Refused(refused) => Err(refused),
        Verdict::NeedsBody => panic!("there is one"),
    }
}

/// The vectors are for a service of that name.
fn vector(method: &str, target: &str, pairs: &[(&str, &str)], signed: &str, body: &[u8]) -> String {
    let mut all = vec![("x-amz-date", "20150830T123600Z")];
    all.extend(pairs);
    let mut headers = headers(&all);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders={signed}, Signature={}",
        "0".repeat(64)
    );
    headers.insert("authorization", HeaderValue::try_from(authorization).unwrap());
    let request = received(method, target, &headers);
    let presented = Presented::of(&headers, request.query).unwrap();
    let hash = hex(digest(&SHA256, body).as_ref());
    let text = canonical::string_to_sign(&request, &presented, &hash).unwrap();
    let key = signing_key(credentials(None).find("AKIDEXAMPLE").unwrap(), &presented);
    hex(hmac::sign(&key, text.as_bytes()).as_ref())
}

#[test]
fn signatures_are_those_of_awss_test_suite() {
    assert_eq!(
        vector("GET", "/", &[], "host;x-amz-date", b""),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    assert_eq!(
        vector("GET", "/?Param2=value2&Param1=value1", &[], "host;x-amz-date", b""),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    );
    assert_eq!(
        vector(
            "POST",
            "/",
            &[("content-type", "application/x-www-form-urlencoded")],
            "content-type;host;x-amz-date",
            b"Param1=value1"
        ),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    );
}

const SIGNED: &str = "host;x-amz-date";

#[test]
fn what_was_signed_passes_and_nothing_else() {
    let signed = sign("GET", "/dev/a%20b?x=1&y=2", &[], SIGNED, b"");
    let judge = |method, target| judged(method, target, &signed, b"");
    assert_eq!(judge("GET", "/dev/a%20b?x=1&y=2"), Ok(()));
    assert_eq!(judge("GET", "/dev/a%20b?y=2&x=1"), Ok(()), "parameters have no order");
    for (method, target) in [
        ("POST", "/dev/a%20b?x=1&y=2"),
        ("GET", "/dev/a b?x=1&y=2"),
        ("GET", "/dev/a%2520b?x=1&y=2"),
        ("GET", "/dev/A%20b?x=1&y=2"),
        ("GET", "/dev/a%20b/?x=1&y=2"),
        ("GET", "/dev/a%20b?x=1"),
        ("GET", "/dev/a%20b?x=1&y=2&z"),
        ("GET", "/dev/a%20b?x=2&y=1"),
        ("GET", "/dev/a%20b?x=1&x=1&y=2"),
    ] {
        assert_eq!(judge(method, target), Err(Refused::Wrong), "{method} {target}");
    }
    assert_eq!(judged("GET", "/dev/a%20b?x=1&y=2", &signed, b"x"), Err(Refused::Wrong));
}

#[test]
fn a_changed_signature_is_wrong_in_every_bit() {
    let signed = sign("GET", "/", &[], SIGNED, b"");
    let text = signed["authorization"].to_str().unwrap().to_owned();
    let at = text.len() - 64;
    for place in 0..64 {
        for bit in [1_u8, 2, 4, 8] {
            let digit = u8::from_str_radix(&text[at + place..=at + place], 16).unwrap() ^ bit;
            let mut changed = text.clone();
            changed.replace_range(at + place..=at + place, &format!("{digit:x}"));
            let mut headers = signed.clone();
            headers.insert("authorization", HeaderValue::try_from(changed).unwrap());
            assert_eq!(judged("GET", "/", &headers, b""), Err(Refused::Wrong), "{place} {bit}");
        }
    }
}

#[test]
fn signed_headers_cannot_be_changed_and_awss_own_must_be_signed() {
    let pairs = [("x-amz-tagging", "a"), ("content-type", "text/plain")];
    let signed = sign("GET", "/", &pairs, "content-type;host;x-amz-date;x-amz-tagging", b"");
    assert_eq!(judged("GET", "/", &signed, b""), Ok(()));
    for (name, value) in [("content-type", "text/html"), ("x-amz-tagging", "b")] {
        let mut changed = signed.clone();
        changed.insert(name, HeaderValue::from_static(value));
        assert_eq!(judged("GET", "/", &changed, b""), Err(Refused::Wrong), "{name}");
        changed.remove(name);
        assert_eq!(judged("GET", "/", &changed, b""), Err(Refused::Wrong), "without {name}");
        let mut doubled = signed.clone();
        doubled.append(name, HeaderValue::from_static(value));
        assert_eq!(judged("GET", "/", &doubled, b""), Err(Refused::Wrong), "{name} twice");
    }
    let mut added = sign("GET", "/", &[], SIGNED, b"");
    added.insert("x-amz-target", HeaderValue::from_static("evil"));
    let unsigned = Err(Refused::Unsigned("x-amz-target".to_owned()));
    assert_eq!(judged("GET", "/", &added, b""), unsigned);
    let without_host = sign("GET", "/", &[], "x-amz-date", b"");
    assert_eq!(judged("GET", "/", &without_host, b""), Err(Refused::Unsigned("host".to_owned())));
}

#[test]
fn a_signature_is_good_for_five_minutes_either_way() {
    let signed = sign("GET", "/", &[], SIGNED, b"");
    for (offset, is_good) in
        [(-300_000, true), (-301_000, false), (300_000, true), (301_000, false)]
    {
        let now = UnixMillis(NOW.0.saturating_add_signed(offset));
        let judged = judged_at("GET", "/", &signed, b"", now);
        assert_eq!(judged.is_ok(), is_good, "{offset}: {judged:?}");
    }
}

#[test]
fn a_body_is_held_against_its_hash() {
    let hash = hex(digest(&SHA256, b"body").as_ref());
    let pairs = [("x-amz-content-sha256", hash.as_str())];
    let signed = sign("POST", "/", &pairs, "host;x-amz-content-sha256;x-amz-date", b"body");
    assert_eq!(judged("POST", "/", &signed, b"body"), Ok(()));
    assert_eq!(judged("POST", "/", &signed, b"Body"), Err(Refused::BodyWrong));
    let first = |headers: &HeaderMap| {
        let request = received("POST", "/", headers);
        verify(request, &credentials(None), None, NOW, None)
    };
    assert!(matches!(first(&signed), Verdict::NeedsBody), "the signature is good so far");
    let mut forged = signed.clone();
    forged.insert("x-amz-content-sha256", HeaderValue::try_from("0".repeat(64)).unwrap());
    assert!(matches!(first(&forged), Verdict::Refused(Refused::Wrong)), "no body is read for it");
    for loose in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""] {
        let pairs = [("x-amz-content-sha256", loose)];
        let signed = sign("POST", "/", &pairs, "host;x-amz-content-sha256;x-amz-date", b"");
        assert_eq!(judged("POST", "/", &signed, b""), Err(Refused::BodyWrong), "{loose}");
    }
}

#[test]
fn temporary_credentials_need_their_token_and_others_have_none() {
    let pairs = [("x-amz-security-token", "token")];
    let signed = sign("GET", "/", &pairs, "host;x-amz-date;x-amz-security-token", b"");
    let request = received("GET", "/", &signed);
    let judge = |token| verify(request, &credentials(token), None, NOW, Some(b""));
    assert!(matches!(judge(Some("token")), Verdict::Signed(_)));
    assert!(matches!(judge(Some("other")), Verdict::Refused(Refused::KeyUnknown)));
    assert!(matches!(judge(None), Verdict::Refused(Refused::KeyUnknown)));
    let bare = sign("GET", "/", &[], SIGNED, b"");
    let request = received("GET", "/", &bare);
    let judged = verify(request, &credentials(Some("token")), None, NOW, Some(b""));
    assert!(matches!(judged, Verdict::Refused(Refused::KeyUnknown)));
}

#[test]
fn another_region_service_or_algorithm_is_refused() {
    let signed = sign("GET", "/", &[], SIGNED, b"");
    let request = received("GET", "/", &signed);
    let judge = |region| verify(request, &credentials(None), Some(region), NOW, Some(b""));
    assert!(matches!(judge("us-east-1"), Verdict::Signed(_)));
    assert!(matches!(judge("eu-west-1"), Verdict::Refused(Refused::ScopeWrong)));
    let text = signed["authorization"].to_str().unwrap().to_owned();
    for (from, to, refused) in [
        ("execute-api", "s3", Refused::ScopeWrong),
        ("20150830/", "20150831/", Refused::ScopeWrong),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Refused::ScopeWrong),
        ("AKIDEXAMPLE", "AKIDEXAMPLF", Refused::KeyUnknown),
        ("us-east-1", "us-east-2", Refused::Wrong),
    ] {
        let mut headers = signed.clone();
        headers.insert("authorization", HeaderValue::try_from(text.replace(from, to)).unwrap());
        assert_eq!(judged("GET", "/", &headers, b""), Err(refused), "{to}");
    }
}

#[test]
fn what_is_spelled_otherwise_is_told_how() {
    let date = ("x-amz-date", "20150830T123600Z");
    for (value, part) in [
        ("Bearer abc", "Invalid key=value pair (missing equal-sign)"),
        ("AWS4-HMAC-SHA256 x", "Invalid key=value pair (missing equal-sign)"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x", "'Credential'"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, Signature=x", "'SignedHeaders'"),
        ("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host", "'Signature'"),
    ] {
        let headers = headers(&[("authorization", value), date]);
        let Err(Refused::Malformed(text)) = judged("GET", "/", &headers, b"") else {
            panic!("{value}")
        };
        assert!(text.contains(part), "{text}");
        assert!(!text.contains("abc"), "{text}");
    }
    assert_eq!(judged("GET", "/", &headers(&[date]), b""), Err(Refused::Missing));
    let twice = headers(&[("authorization", "AWS4-x a"), ("authorization", "AWS4-x b"), date]);
    assert_eq!(judged("GET", "/", &twice, b""), Err(Refused::Twice));
    let both = sign("GET", "/", &[], SIGNED, b"");
    assert_eq!(judged("GET", "/?X-Amz-Signature=1", &both, b""), Err(Refused::Twice));
}

#[test]
fn presigned_urls_are_good_for_as_long_as_they_say() {
    let unsigned = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2F\
                    us-east-1%2Fexecute-api%2Faws4_request&X-Amz-Date=20150830T123600Z\
                    &X-Amz-Expires=3600&X-Amz-SignedHeaders=host";
    let none = HeaderMap::new();
    let target = |signature: &str| format!("/a?{unsigned}&X-Amz-Signature={signature}");
    let first = target(&"0".repeat(64));
    let request = received("GET", &first, &none);
    let presented = Presented::of(&none, request.query).unwrap();
    let hash = hex(digest(&SHA256, b"").as_ref());
    let text = canonical::string_to_sign(&request, &presented, &hash).unwrap();
    let key = signing_key(credentials(None).find("AKIDEXAMPLE").unwrap(), &presented);
    let target = target(&hex(hmac::sign(&key, text.as_bytes()).as_ref()));
    let judge = |target: &str, seconds: u64| {
        judged_at("GET", target, &none, b"", UnixMillis(NOW.0 + seconds * 1000))
    };
    assert_eq!(judge(&target, 0), Ok(()));
    assert_eq!(judge(&target, 3600), Ok(()));
    assert_eq!(judge(&target, 3601), Err(Refused::Expired));
    assert_eq!(judge(&target.replace("=3600", "=7200"), 0), Err(Refused::Wrong));
    assert_eq!(judge(&format!("{target}&more=1"), 0), Err(Refused::Wrong));
    assert_eq!(judge(&format!("{target}&X-Amz-Expires=9"), 0), Err(Refused::Twice));
    for bad in ["0", "604801", "-1", "+5", "x", ""] {
        let target = target.replace("=3600", &format!("={bad}"));
        assert!(matches!(judge(&target, 0), Err(Refused::Malformed(_))), "{bad}");
    }
}
