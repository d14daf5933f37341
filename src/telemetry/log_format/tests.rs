use proptest::prelude::*;

use super::*;

fn line(format: &str, agent: &[u8]) -> String {
    let format = LogFormat::parse(format).unwrap();
    let mut out = Vec::new();
    let value = |variable: &Variable| match variable {
        Variable::RequestId => Some(Value::Text(b"id"[..].into())),
        Variable::Status => Some(Value::Number(200)),
        Variable::UserAgent => Some(Value::Text(agent.to_vec().into())),
        Variable::Claim(name) => Some(Value::Text(name.as_bytes().to_vec().into())),
        _ => None,
    };
    format.write(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn variables_are_put_in_and_what_is_not_known_is_a_dash() {
    let shown =
        line("$context.requestId $context.status. $context.stage $context.nonsense $5", b"");
    assert_eq!(shown, "id 200. - - $5\n");
    assert_eq!(
        line("$context.requestId:$context.authorizer.claims.cognito:groups,x", b""),
        "id:cognito:groups,x\n"
    );
}

#[test]
fn a_format_without_an_id_is_none_and_unknown_names_are_told() {
    assert_eq!(LogFormat::parse("$context.status"), Err(FormatError::NoRequestId));
    assert_eq!(LogFormat::parse("$context.requestIdentity"), Err(FormatError::NoRequestId));
    assert_eq!(LogFormat::parse("$context.requestId\n"), Err(FormatError::NotALine));
    assert_eq!(LogFormat::parse(&"x".repeat(3073)), Err(FormatError::TooLong));
    let format = LogFormat::parse("$context.extendedRequestId $context.routekey").unwrap();
    assert_eq!(format.unknown().collect::<Vec<_>>(), ["routekey"]);
}

#[test]
fn every_stock_format_is_one_and_has_no_unknown_name() {
    for name in ["clf", "json", "csv", "xml"] {
        for is_rest in [false, true] {
            let format = LogFormat::parse(stock(name, is_rest).unwrap()).unwrap();
            assert_eq!(format.unknown().count(), 0, "{name}");
            assert_eq!(format.style == Style::Json, name == "json", "{name}");
            assert_eq!(format.style == Style::Xml, name == "xml", "{name}");
        }
    }
    assert_eq!(stock("alb", false), None);
}

#[test]
fn nobody_gets_out_of_a_value() {
    let attack = b"a\" b\\\n\r\x1b{\"admin\":true}, 1 </ua>\xff";
    let text = line("$context.requestId \"$context.identity.userAgent\"", attack);
    assert_eq!(text, "id \"a\\\" b\\\\\\x0a\\x0d\\x1b{\\\"admin\\\":true}, 1 </ua>\\xff\"\n");
    let xml = line("<r id=\"$context.requestId\">$context.identity.userAgent</r>", attack);
    assert_eq!(xml.matches('<').count(), 2);
    assert_eq!(xml.matches('"').count(), 2);
}

proptest! {
    #[test]
    fn a_line_of_a_json_format_is_json_with_the_members_of_the_format(
        agent in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let format = "{\"id\":\"$context.requestId\",\"ua\":\"<$context.identity.userAgent>\",\
                      \"bare\":$context.identity.userAgent,\"list\":[$context.identity.userAgent],\
                      \"status\":$context.status,\"none\":$context.stage}";
        let line = line(format, &agent);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(value.as_object().unwrap().len(), 6);
        prop_assert_eq!(value["list"].as_array().unwrap().len(), 1);
        prop_assert_eq!(&value["status"], 200);
        prop_assert_eq!(&value["none"], "-");
    }
}
