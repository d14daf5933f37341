use super::*;

const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:shop/prod/GET/orders/7";
/// 2026-07-10T19:19:05Z
const NOW: UnixMillis = UnixMillis(1_783_711_145_000);

fn facts() -> Facts<'static> {
    Facts {
        source_ip: "203.0.113.9".parse().unwrap(),
        now: NOW,
        is_tls: true,
        referer: None,
        user_agent: Some("curl/8.1"),
        principal: None,
    }
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(text, Kind::Caller)
}

/// What a document with these statements says of a GET of an order.
fn say(statements: &str) -> Verdict {
    let policy = parse(&format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#)).unwrap();
    policy.evaluate(INVOKE, ARN, &facts())
}

fn statement(effect: &str, rest: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"execute-api:Invoke",{rest}}}"#)
}

fn condition(condition: &str) -> Verdict {
    say(&statement("Allow", &format!(r#""Resource":"*","Condition":{condition}"#)))
}

#[test]
fn an_explicit_deny_wins_and_silence_is_neither() {
    let allow = statement("Allow", r#""Resource":"*""#);
    let deny = statement("Deny", r#""Resource":["a","arn:*/GET/*"]"#);
    assert_eq!(say(&allow), Verdict::Allow);
    assert_eq!(say(&deny), Verdict::ExplicitDeny);
    assert_eq!(say(&format!("[{allow},{deny}]")), Verdict::ExplicitDeny);
    assert_eq!(say(&format!("[{deny},{allow}]")), Verdict::ExplicitDeny);
    assert_eq!(say("[]"), Verdict::Silent);
    assert_eq!(say(&statement("Allow", r#""Resource":"arn:*/POST/*""#)), Verdict::Silent);
}

#[test]
fn stars_cross_slashes_and_actions_have_no_case() {
    for (action, resource, expected) in [
        ("*", "arn:aws:execute-api:*:*:shop/*", Verdict::Allow),
        ("execute-api:*", "*/orders/?", Verdict::Allow),
        ("Execute-API:inv?ke", ARN, Verdict::Allow),
        ("execute-api:Invoke", "*/ORDERS/7", Verdict::Silent),
        ("execute-api:Invalidate*", "*", Verdict::Silent),
        ("s3:*", "*", Verdict::Silent),
    ] {
        let text =
            format!(r#"{{"Effect":"Allow","Action":["{action}"],"Resource":["{resource}"]}}"#);
        assert_eq!(say(&text), expected, "{text}");
    }
}

#[test]
fn not_action_and_not_resource_are_everything_else() {
    let deny = r#"{"Effect":"Deny","NotAction":"s3:*","NotResource":"*/GET/orders/8"}"#;
    assert_eq!(say(deny), Verdict::ExplicitDeny);
    let deny = r#"{"Effect":"Deny","NotAction":"execute-api:*","Resource":"*"}"#;
    assert_eq!(say(deny), Verdict::Silent);
    let deny = r#"{"Effect":"Deny","Action":"*","NotResource":"*/GET/orders/*"}"#;
    assert_eq!(say(deny), Verdict::Silent);
}

#[test]
fn conditions_are_compared_by_their_operator() {
    for holds in [
        r#"{"IpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.0/24"]}}"#,
        r#"{"IpAddress":{"AWS:sourceip":"203.0.113.9"}}"#,
        r#"{"NotIpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#,
        r#"{"Bool":{"aws:SecureTransport":"true"}}"#,
        r#"{"Bool":{"aws:SecureTransport":true}}"#,
        r#"{"StringLike":{"aws:UserAgent":["wget/*","curl/?.*"]}}"#,
        r#"{"StringNotEquals":{"aws:UserAgent":"wget"}}"#,
        r#"{"StringEqualsIgnoreCase":{"aws:UserAgent":"CURL/8.1"}}"#,
        r#"{"StringNotLike":{"aws:Referer":"https://evil.example/*"}}"#,
        r#"{"StringEqualsIfExists":{"aws:Referer":"https://a.example/"}}"#,
        r#"{"StringNotEquals":{"aws:SourceVpc":"vpc-1"}}"#,
        r#"{"Null":{"aws:SourceVpce":"true","aws:SourceIp":"false"}}"#,
        r#"{"DateLessThan":{"aws:CurrentTime":"2026-07-10T19:19:06Z"}}"#,
        r#"{"DateEquals":{"aws:CurrentTime":"2026-07-10T19:19:05Z"}}"#,
        r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-07-10"}}"#,
        r#"{"NumericGreaterThan":{"aws:EpochTime":1783711144}}"#,
        r#"{"NumericNotEquals":{"aws:EpochTime":["1"]}}"#,
        r#"{"DateLessThanEquals":{"aws:EpochTime":"1783711145"}}"#,
    ] {
        assert_eq!(condition(holds), Verdict::Allow, "{holds}");
    }
    for fails in [
        r#"{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}"#,
        r#"{"NotIpAddress":{"aws:SourceIp":["198.51.100.0/24","203.0.113.0/24"]}}"#,
        r#"{"Bool":{"aws:SecureTransport":"false"}}"#,
        r#"{"StringEquals":{"aws:UserAgent":"CURL/8.1"}}"#,
        r#"{"StringEquals":{"aws:Referer":"https://a.example/"}}"#,
        r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
        r#"{"ArnLike":{"aws:SourceArn":"*"}}"#,
        r#"{"DateLessThan":{"aws:CurrentTime":"2026-07-10T19:19:05Z"}}"#,
        r#"{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"Bool":{"aws:SecureTransport":"false"}}"#,
    ] {
        assert_eq!(condition(fails), Verdict::Silent, "{fails}");
    }
}

#[test]
fn an_address_of_ipv4_is_one_in_ipv6_too() {
    let text = statement(
        "Deny",
        r#""Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#,
    );
    let policy = parse(&format!(r#"{{"Statement":{text}}}"#)).unwrap();
    let facts = Facts { source_ip: "::ffff:203.0.113.9".parse().unwrap(), ..facts() };
    assert_eq!(policy.evaluate(INVOKE, ARN, &facts), Verdict::ExplicitDeny);
}

#[test]
fn what_is_not_understood_refuses_the_document() {
    let allow = statement("Allow", r#""Resource":"*""#);
    let of = |statement: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    let with = |rest: &str| of(&statement("Deny", &format!(r#""Resource":"*",{rest}"#)));
    for text in [
        String::new(),
        "null".into(),
        "{}".into(),
        of("null"),
        of("[]"),
        format!(r#"{{"Version":"2020-01-01","Statement":{allow}}}"#),
        format!(r#"{{"version":"2012-10-17","Statement":{allow}}}"#),
        format!(r#"{{"Statement":{allow},"Statement":[]}}"#),
        format!("{} x", of(&allow)),
        of(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#),
        of(r#"{"Effect":"Allow","Action":"*"}"#),
        of(r#"{"Effect":"Allow","Resource":"*"}"#),
        of(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#),
        of(r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#),
        of(r#"{"Effect":"Allow","Action":"*","Resource":""}"#),
        of(r#"{"Effect":"Allow","Action":"*","Resource":"*/${aws:username}"}"#),
        of(r#"{"Effect":"Allow","Action":"*","Resource":7}"#),
        of(&format!(r#"{{"Effect":"Allow","Action":"*","Resource":"{}"}}"#, "a".repeat(513))),
        with(r#""Principal":"*""#),
        with(r#""Unknown":"*""#),
        with(r#""Condition":{"StringEquals":{"aws:PrincipalArn":"a"}}"#),
        with(r#""Condition":{"StringSounds":{"aws:UserAgent":"a"}}"#),
        with(r#""Condition":{"ForAnyValue:StringEquals":{"aws:UserAgent":"a"}}"#),
        with(r#""Condition":{"StringEquals":{"aws:SourceIp":"a"}}"#),
        with(r#""Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}}"#),
        with(r#""Condition":{"IpAddress":{"aws:SourceIp":[]}}"#),
        with(r#""Condition":{"IpAddress":{"aws:SourceIp":"::/0","AWS:SourceIp":"::/0"}}"#),
        with(r#""Condition":{"Bool":{"aws:SecureTransport":["true","false"]}}"#),
        with(r#""Condition":{"DateLessThan":{"aws:CurrentTime":"2026-02-29T00:00:00Z"}}"#),
        with(r#""Condition":{"NumericLessThan":{"aws:CurrentTime":"7"}}"#),
        with(r#""Condition":{"StringLike":{"aws:UserAgent":"${aws:username}"}}"#),
        format!("{}{}", of(&allow), " ".repeat(LONGEST_DOCUMENT)),
    ] {
        assert!(parse(&text).is_err(), "{text}");
    }
    assert!(parse(&of(&allow)).is_ok());
}

#[test]
fn a_resource_policy_says_whom_it_is_about() {
    let own = "arn:aws:execute-api:eu-west-1:123456789012:shop";
    let judge = |principal: &str, caller| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{principal},
                "Action":"execute-api:Invoke","Resource":"execute-api:/prod/GET/*"}}}}"#
        );
        let policy = Policy::parse(&text, Kind::Resource { own })?;
        let facts = Facts { principal: caller, ..facts() };
        Ok::<_, PolicyError>(policy.evaluate(INVOKE, ARN, &facts))
    };
    let role = "arn:aws:sts::111122223333:assumed-role/reader/s";
    let caller = Some((role, "111122223333"));
    for (principal, caller, expected) in [
        (r#""*""#, None, Verdict::Allow),
        (r#"{"AWS":"*"}"#, caller, Verdict::Allow),
        (r#"{"AWS":["111122223333"]}"#, caller, Verdict::Allow),
        (r#"{"AWS":"arn:aws:iam::111122223333:root"}"#, caller, Verdict::Allow),
        (r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/reader/s"}"#, caller, Verdict::Allow),
        (r#"{"AWS":"arn:aws:iam::999922223333:root"}"#, caller, Verdict::Silent),
        (r#"{"AWS":"111122223333"}"#, None, Verdict::Silent),
    ] {
        assert_eq!(judge(principal, caller), Ok(expected), "{principal}");
    }
    for principal in
        [r#""arn""#, r#"{"Service":"a"}"#, r#"{"AWS":[]}"#, r#"{"AWS":"arn:aws:*"}"#, "null"]
    {
        assert!(judge(principal, None).is_err(), "{principal}");
    }
    let without = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert_eq!(Policy::parse(without, Kind::Resource { own }), Err(PolicyError::Principal));
}
