//! Routes that ask for a signature of AWS: who signed, what may be signed, and what that one may do.

use crate::support::sigv4::{BATCH, Signer};
use crate::support::{Gateway, Start, Target, wire};

const HOST: &str = "api.example.com";

/// An HTTP API and a REST API with the same routes. The user may `GET` all but `/secret`.
fn file(target: &Target, rest: &str) -> String {
    let api = |kind: &str, more: &str| {
        format!(
            "  {kind}:\n    type: {kind}\n    region: eu-west-1\n    account_id: \"123456789012\"\n{more}    \
             authorizer: aws_iam\n    routes:\n      \
             ANY /{{proxy+}}:\n        integration:\n          target_group: all\n          \
             request_parameters: {{ 'overwrite:header.x-arn': $context.identity.userArn, \
             'overwrite:header.x-account': $context.identity.accountId, \
             'overwrite:header.x-key': $context.identity.accessKey }}\n      \
             GET /open: {{ authorizer: none, integration: {{ target_group: all }} }}\n"
        )
    };
    format!(
        "admin: {{ address: 127.0.0.1:0 }}\n\
         aws_credentials:\n  batch:\n    access_key_id: AKIAIOSFODNN7EXAMPLE\n    \
         secret_access_key: ${{env:BATCH_SECRET}}\n    arn: arn:aws:iam::123456789012:user/batch\n    \
         policies:\n      - Statement:\n          \
         - {{ Effect: Allow, Action: 'execute-api:Invoke', Resource: 'arn:aws:execute-api:eu-west-1:123456789012:*/*/GET/*' }}\n          \
         - {{ Effect: Allow, Action: 'execute-api:Invoke', Resource: 'arn:aws:execute-api:eu-west-1:123456789012:*/*/PUT/*' }}\n          \
         - {{ Effect: Deny, Action: 'execute-api:*', Resource: '*/secret' }}\n  \
         role:\n    access_key_id: ASIAIOSFODNN7EXAMPLE\n    \
         secret_access_key: ${{env:BATCH_SECRET}}\n    session_token: ${{env:ROLE_TOKEN}}\n    \
         arn: arn:aws:sts::123456789012:assumed-role/web/one\n\
         target_groups:\n  all: {{ targets: [{address}] }}\n\
         listeners:\n  http:\n    address: 127.0.0.1:0\n    default_action: {{ api: http }}\n  \
         rest:\n    address: 127.0.0.1:0\n    default_action: {{ api: rest }}\n\
         apis:\n{http}{rest}",
        address = target.address(),
        http = api("http", ""),
        rest = api("rest", rest),
    )
}

fn start(target: &Target, rest: &str) -> Gateway {
    Start::with(&file(target, rest))
        .env("BATCH_SECRET", BATCH.secret)
        .env("ROLE_TOKEN", "the-session-token")
        .run()
}

fn send(
    gateway: &Gateway,
    flavour: &str,
    (method, target): (&str, &str),
    headers: &[(&str, String)],
    body: &[u8],
) -> wire::Response {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut connection = wire::Connection::open(gateway.listener(flavour));
    connection.send([head.as_bytes(), body].concat());
    connection.read()
}

fn signed(gateway: &Gateway, flavour: &str, signer: &Signer, target: &str) -> wire::Response {
    let path = target.to_owned();
    let headers = signer.sign("GET", &path, HOST, b"");
    send(gateway, flavour, ("GET", target), &headers, b"")
}

/// What a REST API says in its stage, and an HTTP API anywhere.
const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;

#[test]
fn who_signed_is_let_in_and_told_to_the_target_and_the_signature_is_not() {
    let target = Target::start();
    let gateway = start(&target, "");
    for flavour in ["http", "rest"] {
        let headers = BATCH.sign("GET", "/a%20b/c?x=1", HOST, b"");
        let answer = send(&gateway, flavour, ("GET", "/a%20b/c?x=1"), &headers, b"");
        assert_eq!(answer.status, 200, "{flavour}: {answer:?}");
        let got = target.next();
        assert_eq!(got.values("x-arn"), ["arn:aws:iam::123456789012:user/batch"]);
        assert_eq!(got.values("x-account"), ["123456789012"]);
        assert_eq!(got.values("x-key"), [BATCH.access_key_id]);
        assert_eq!(got.target(), "/a%20b/c?x=1");
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            assert!(got.values(name).is_empty(), "{name}: {got:?}");
        }
    }
    let lines = gateway.wait_access_log(|lines| lines.len() == 2);
    for line in lines {
        assert!(!line.to_string().contains("Signature="), "{line}");
        assert_eq!(line["subject"], "arn:aws:iam::123456789012:user/batch", "{line}");
    }
}

#[test]
fn a_client_cannot_say_who_signed() {
    let target = Target::start();
    let gateway = start(&target, "");
    let mut headers = BATCH.sign("GET", "/a", HOST, b"");
    headers.push(("X-Arn", "arn:aws:iam::123456789012:root".to_owned()));
    assert_eq!(send(&gateway, "http", ("GET", "/a"), &headers, b"").status, 200);
    assert_eq!(target.next().values("x-arn"), ["arn:aws:iam::123456789012:user/batch"]);
    let forged = [("x-arn", "arn:aws:iam::123456789012:root".to_owned())];
    assert_eq!(send(&gateway, "http", ("GET", "/open"), &forged, b"").status, 200);
    assert!(target.next().values("x-arn").is_empty());
}

#[test]
fn an_http_api_says_forbidden_whatever_is_wrong() {
    let target = Target::start();
    let gateway = start(&target, "");
    let other = Signer { secret: "another secret", ..BATCH };
    let unknown = Signer { access_key_id: "AKIAUNKNOWNUNKNOWN00", ..BATCH };
    let late = Signer { ahead: -400, ..BATCH };
    let early = Signer { ahead: 400, ..BATCH };
    let region = Signer { region: "us-east-1", ..BATCH };
    let service = Signer { service: "s3", ..BATCH };
    for signer in [other, unknown, late, early, region, service] {
        let answer = signed(&gateway, "http", &signer, "/a");
        assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN));
    }
    for headers in [vec![], vec![("Authorization", "Bearer x".to_owned())]] {
        let answer = send(&gateway, "http", ("GET", "/a"), &headers, b"");
        assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN));
        assert!(answer.header("www-authenticate").is_none());
    }
    for (method, path) in [("POST", "/a"), ("GET", "/secret")] {
        let headers = BATCH.sign(method, path, HOST, b"");
        let answer = send(&gateway, "http", (method, path), &headers, b"");
        assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN), "{method} {path}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_rest_api_says_what_is_wrong() {
    let target = Target::start();
    let gateway = start(&target, "");
    let told = |answer: &wire::Response| {
        let kind = answer.header("x-amzn-errortype").unwrap_or("-").to_owned();
        (answer.status, kind, answer.text())
    };
    let none = told(&send(&gateway, "rest", ("GET", "/a"), &[], b""));
    assert_eq!(none.1, "MissingAuthenticationTokenException");
    assert_eq!(none.2, r#"{"message":"Missing Authentication Token"}"#);
    let bearer = [("Authorization", "Bearer secret".to_owned())];
    let bearer = told(&send(&gateway, "rest", ("GET", "/a"), &bearer, b""));
    assert_eq!(bearer.1, "IncompleteSignatureException");
    assert!(!bearer.2.contains("secret"), "{bearer:?}");
    let unknown = Signer { access_key_id: "AKIAUNKNOWNUNKNOWN00", ..BATCH };
    let unknown = told(&signed(&gateway, "rest", &unknown, "/a"));
    assert_eq!(unknown.1, "UnrecognizedClientException");
    assert_eq!(
        unknown.2,
        r#"{"message":"The security token included in the request is invalid."}"#
    );
    let wrong = told(&signed(&gateway, "rest", &Signer { secret: "another", ..BATCH }, "/a"));
    assert_eq!(wrong.1, "InvalidSignatureException");
    assert!(wrong.2.contains("does not match the signature you provided"), "{wrong:?}");
    let late = told(&signed(&gateway, "rest", &Signer { ahead: -400, ..BATCH }, "/a"));
    assert_eq!(late.1, "InvalidSignatureException");
    assert!(late.2.contains("Signature expired"), "{late:?}");
    let headers = BATCH.sign("POST", "/a", HOST, b"");
    let denied = told(&send(&gateway, "rest", ("POST", "/a"), &headers, b""));
    assert_eq!(denied.1, "AccessDeniedException");
    assert_eq!(
        denied.2,
        r#"{"Message":"User: arn:aws:iam::123456789012:user/batch is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:eu-west-1:********9012:rest/prod/POST/a"}"#
    );
    let denied = told(&signed(&gateway, "rest", &BATCH, "/secret"));
    assert!(denied.2.ends_with("/secret with an explicit deny\"}"), "{denied:?}");
    for answer in [none, bearer, unknown, wrong, late, denied] {
        assert_eq!(answer.0, 403, "{answer:?}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_body_is_what_was_signed_or_the_target_gets_nothing() {
    let target = Target::start();
    let gateway = start(&target, "");
    for length in [0, 1, 70_000, 1 << 20] {
        let body = vec![b'x'; length];
        let headers = BATCH.sign("PUT", "/a", HOST, &body);
        let answer = send(&gateway, "http", ("PUT", "/a"), &headers, &body);
        assert_eq!(answer.status, 200, "{length}");
        assert_eq!(target.next().body.len(), length);
        let mut other = body.clone();
        match other.last_mut() {
            Some(last) => *last = b'y',
            None => other.push(b'y'),
        }
        let answer = send(&gateway, "http", ("PUT", "/a"), &headers, &other);
        assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN), "{length}");
        assert!(target.taken().is_empty());
    }
}

#[test]
fn temporary_credentials_are_good_with_their_token_and_denied_what_nobody_allows() {
    let target = Target::start();
    let gateway = start(&target, "");
    let role = Signer { access_key_id: "ASIAIOSFODNN7EXAMPLE", ..BATCH };
    let with = |token| signed(&gateway, "rest", &Signer { token, ..role }, "/a");
    let unknown = "UnrecognizedClientException";
    assert_eq!(with(None).header("x-amzn-errortype"), Some(unknown));
    assert_eq!(with(Some("another")).header("x-amzn-errortype"), Some(unknown));
    let denied = with(Some("the-session-token"));
    assert_eq!(denied.header("x-amzn-errortype"), Some("AccessDeniedException"), "{denied:?}");
    assert!(target.taken().is_empty());
}

#[test]
fn another_spelling_of_what_was_signed_is_judged_as_the_target_gets_it() {
    let target = Target::start();
    let gateway = start(&target, "");
    // The signature is good, and so is the path; the deny is for what the target would get.
    for target in ["/%73ecret", "/x/../secret", "//secret", "/secret"] {
        let clean = match target {
            "/x/../secret" | "//secret" => "/secret",
            other => other,
        };
        let headers = BATCH.sign("GET", clean, HOST, b"");
        let answer = send(&gateway, "http", ("GET", target), &headers, b"");
        assert_eq!(answer.status, 403, "{target}");
    }
    assert!(target.taken().is_empty());
}

#[test]
fn a_resource_policy_that_is_silent_denies_who_has_no_other_word() {
    let target = Target::start();
    let policy = |effect: &str, condition: &str| {
        format!(
            "    policy:\n      Statement:\n        - Effect: {effect}\n          Principal: '*'\n          \
             Action: execute-api:Invoke\n          Resource: execute-api:/*\n{condition}"
        )
    };
    let elsewhere = "          Condition: { IpAddress: { aws:SourceIp: 192.0.2.0/24 } }\n";
    let here = "          Condition: { IpAddress: { aws:SourceIp: 127.0.0.0/8 } }\n";
    let open = |gateway: &Gateway| send(gateway, "rest", ("GET", "/open"), &[], b"");
    let silent = start(&target, &policy("Allow", elsewhere));
    let answer = open(&silent);
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("x-amzn-errortype"), Some("AccessDeniedException"));
    assert!(answer.text().contains("User: anonymous is not authorized"), "{}", answer.text());
    // The user's own policy allows, which is enough in his own account.
    assert_eq!(signed(&silent, "rest", &BATCH, "/a").status, 200);
    let allowing = start(&target, &policy("Allow", here));
    assert_eq!(open(&allowing).status, 200);
    let headers = BATCH.sign("POST", "/a", HOST, b"");
    assert_eq!(send(&allowing, "rest", ("POST", "/a"), &headers, b"").status, 200);
    let denying = start(&target, &policy("Deny", here));
    let answer = signed(&denying, "rest", &BATCH, "/a");
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("with an explicit deny in a resource-based policy"),
        "{answer:?}"
    );
}
