use super::*;
use crate::telemetry::record::{Timings, Tls};
use crate::telemetry::trace::Ids;

const NAME: &str = "app/edge/50dc6c495c0c9188";

fn record() -> Record<'static> {
    let peer = "192.0.2.7:51234".parse().unwrap();
    let id = Ids::keyed([1, 2]).request_id();
    Record {
        trace_id: b"Root=1-69215e40-c0ffee00c0ffee00c0ffee00",
        method: b"GET",
        host: b"api.example.com",
        protocol: "HTTP/1.1",
        status: 200,
        target_group: "orders",
        target: Some("10.0.1.10:8080".parse().unwrap()),
        timings: Timings {
            connect: Some(Duration::from_millis(1)),
            first_byte: Some(Duration::from_millis(49)),
            total: Duration::from_micros(50_250),
            ..Timings::default()
        },
        bytes_in: 0,
        bytes_out: 57,
        user_agent: b"curl/8.14.1",
        ..Record::new(UnixMillis(1_795_395_735_007), id, "public", peer)
    }
}

fn exchange() -> Exchange<'static> {
    Exchange {
        kind: "http",
        local: "192.0.2.1:8080".parse().unwrap(),
        priority: Some(3),
        path: b"/orders/4711",
        server_name: "",
        target_status: Some(200),
        heads: (34, 309),
        redirect_url: b"",
        actions: ["jwt-validation", "", "forward"],
        cipher: "",
    }
}

fn line(record: &Record<'_>, exchange: &Exchange<'_>) -> String {
    let mut out = Vec::new();
    record.write_alb(exchange, NAME, &mut out);
    String::from_utf8(out).unwrap()
}

/// Fields as a reader of AWS's logs takes a line apart.
fn fields(line: &str) -> Vec<String> {
    let shape = regex::Regex::new(r#""([^"]*)"|([^ "]+)"#).unwrap();
    let field =
        |found: regex::Captures<'_>| found.get(1).or(found.get(2)).unwrap().as_str().to_owned();
    shape.captures_iter(line.trim_end()).map(field).collect()
}

#[test]
fn a_forwarded_request_has_all_fields_in_alb_s_order() {
    insta::assert_snapshot!(line(&record(), &exchange()).trim_end(), @r#"http 2026-11-23T01:02:15.057250Z app/edge/50dc6c495c0c9188 192.0.2.7:51234 10.0.1.10:8080 0.001 0.048 0.000 200 200 34 366 "GET http://api.example.com:8080/orders/4711 HTTP/1.1" "curl/8.14.1" - - targetgroup/orders "Root=1-69215e40-c0ffee00c0ffee00c0ffee00" "-" "-" 3 2026-11-23T01:02:15.007000Z "jwt-validation,forward" "-" "-" "10.0.1.10:8080" "200" "-" "-" - "-" "-" "-" 192.0.2.1"#);
    assert_eq!(fields(&line(&record(), &exchange())).len(), 34);
}

#[test]
fn a_refused_request_over_tls_has_dashes_where_nothing_is_known() {
    let mut record = record();
    record.status = 401;
    record.protocol = "HTTP/2";
    record.target_group = "";
    record.target = None;
    record.error_reason = "JWTHeaderNotPresent";
    record.trace_id = b"";
    record.timings = Timings::default();
    record.tls = Some(Tls { version: "TLSv1.2", cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" });
    let exchange = Exchange {
        kind: "h2",
        cipher: "ECDHE-RSA-AES128-GCM-SHA256",
        server_name: "api.example.com",
        target_status: None,
        actions: ["jwt-validation", "", ""],
        priority: Some(0),
        ..exchange()
    };
    insta::assert_snapshot!(line(&record, &exchange).trim_end(), @r#"h2 2026-11-23T01:02:15.007000Z app/edge/50dc6c495c0c9188 192.0.2.7:51234 - -1 -1 -1 401 - 34 366 "GET https://api.example.com:8080/orders/4711 HTTP/2.0" "curl/8.14.1" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 - "-" "api.example.com" "-" 0 2026-11-23T01:02:15.007000Z "jwt-validation" "-" "JWTHeaderNotPresent" "-" "-" "-" "-" - "-" "-" "-" 192.0.2.1"#);
}

#[test]
fn a_redirect_has_its_location() {
    let exchange = Exchange {
        redirect_url: b"https://example.com:443/a",
        actions: ["", "", "redirect"],
        ..exchange()
    };
    let fields = fields(&line(&record(), &exchange));
    assert_eq!((&*fields[22], &*fields[23]), ("redirect", "https://example.com:443/a"));
}

#[test]
fn ipv6_addresses_stand_in_brackets_and_a_port_in_the_host_is_not_doubled() {
    let mut record = record();
    record.client = "2001:db8::7".parse().unwrap();
    record.client_port = Some(51234);
    record.target = Some("[fd00::1]:8080".parse().unwrap());
    record.host = b"[2001:db8::1]:8080";
    let fields = fields(&line(&record, &exchange()));
    assert_eq!(fields[3], "[2001:db8::7]:51234");
    assert_eq!((&*fields[4], &*fields[25]), ("[fd00::1]:8080", "[fd00::1]:8080"));
    assert_eq!(fields[12], "GET http://[2001:db8::1]:8080/orders/4711 HTTP/1.1");
}

proptest::proptest! {
    #[test]
    fn no_byte_of_a_client_moves_a_field_or_starts_a_line(
        path in proptest::collection::vec(0..=255_u8, 0..64),
        agent in proptest::collection::vec(0..=255_u8, 0..64),
        host in proptest::collection::vec(0..=255_u8, 0..64),
    ) {
        let mut record = record();
        record.host = &host;
        record.user_agent = &agent;
        let exchange = Exchange { path: &path, ..exchange() };
        let line = line(&record, &exchange);
        proptest::prop_assert_eq!(line.matches('\n').count(), 1);
        proptest::prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')));
        proptest::prop_assert_eq!(fields(&line).len(), 34);
    }
}

#[test]
fn no_token_is_written_and_long_texts_are_cut() {
    let mut record = record();
    record.user_agent = b"x eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln y";
    record.query = Some(b"code=secret&a=1");
    let text = line(&record, &exchange());
    assert!(text.contains("\"x [redacted] y\""), "{text}");
    assert!(!text.contains("secret") && text.contains("a=1"), "{text}");
    let agent = vec![b'a'; 10_000];
    record.user_agent = &agent;
    assert_eq!(fields(&line(&record, &exchange()))[13].len(), LONGEST_USER_AGENT);
}
