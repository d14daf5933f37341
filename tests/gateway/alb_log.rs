//! The access log in the format of an Application Load Balancer, as its readers take it apart.

use std::fs;
use std::io::Read as _;

use regex::Regex;

use crate::authorization::protected;
use crate::support::process::portcullis;
use crate::support::{Connection, Gateway, Issuer, Target, eventually, wire};

const LOG: &str = "access_log:\n  destination: off\n  query: true\n  \
    alb: { destination: alb.log, load_balancer: app/edge/50dc6c495c0c9188 }\n";

/// Fields by their place in AWS's table, the first is 1.
struct Line(Vec<String>);

impl Line {
    fn field(&self, number: usize) -> &str {
        &self.0[number - 1]
    }
}

/// The only line whose request line holds a text.
fn line_of(gateway: &Gateway, text: &str) -> Line {
    let shape = Regex::new(r#""([^"]*)"|([^ "]+)"#).expect("a regular expression");
    let field = |found: regex::Captures<'_>| {
        found.get(1).or(found.get(2)).expect("one of them").as_str().to_owned()
    };
    eventually("the line is there", || {
        let log = fs::read_to_string(gateway.folder().join("alb.log")).ok()?;
        let mut lines = log.lines().filter(|line| line.contains(text));
        let line = lines.next()?;
        assert_eq!(lines.next(), None, "two lines of {text}");
        let fields: Vec<String> = shape.captures_iter(line).map(field).collect();
        assert_eq!(fields.len(), 34, "{line}");
        Some(Line(fields))
    })
}

#[test]
fn a_forwarded_request_has_every_field_in_its_place() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&(protected(&issuer, &target) + LOG));
    let bearer = format!("Bearer {}", issuer.token());
    let headers = [("Authorization", &*bearer), ("User-Agent", "te\"st \u{e9}")];
    let answer = wire::request(gateway.address(), "GET", "/orders/1?a=1&token=secret", &headers);
    assert_eq!(answer.status, 200);
    let line = line_of(&gateway, "/orders/1");
    let (target, port) = (target.address().to_string(), gateway.address().port());
    let is_time = Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$").expect("a regex");
    assert_eq!((line.field(1), line.field(3)), ("http", "app/edge/50dc6c495c0c9188"));
    assert!(is_time.is_match(line.field(2)) && is_time.is_match(line.field(22)));
    assert!(line.field(22) <= line.field(2), "created before it was answered");
    assert!(line.field(4).starts_with("127.0.0.1:"));
    assert_eq!((line.field(5), line.field(26)), (&*target, &*target));
    for number in 6..=8 {
        assert!(line.field(number).parse::<f64>().expect("seconds") >= 0.0);
    }
    assert_eq!((line.field(9), line.field(10), line.field(27)), ("200", "200", "200"));
    assert!(line.field(11).parse::<u64>().expect("bytes") > bearer.len() as u64);
    assert!(line.field(12).parse::<u64>().expect("bytes") > 2);
    assert_eq!(
        line.field(13),
        format!("GET http://127.0.0.1:{port}/orders/1?a=1&token=[redacted] HTTP/1.1")
    );
    assert_eq!(line.field(14), "te\\x22st \\xc3\\xa9");
    assert_eq!((line.field(15), line.field(16)), ("-", "-"));
    assert_eq!(line.field(17), "targetgroup/orders");
    assert!(line.field(18).starts_with("Root=1-"));
    assert_eq!((line.field(21), line.field(23)), ("1", "jwt-validation,forward"));
    assert_eq!((line.field(24), line.field(25)), ("-", "-"));
    assert_eq!(line.field(34), "127.0.0.1");
}

#[test]
fn what_the_gateway_answers_by_itself_has_no_target_and_tells_why() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let routes = protected(&issuer, &target).replace(
        "    rules:\n",
        "    rules:\n      - name: moved\n        conditions: { path_pattern: [/moved] }\n        \
         redirect: { host: new.test, status_code: 301 }\n",
    );
    let gateway = Gateway::start(&(routes + LOG));
    assert_eq!(wire::get(gateway.address(), "/orders/1").status, 401);
    let line = line_of(&gateway, "/orders/1");
    assert_eq!((line.field(5), line.field(9), line.field(10)), ("-", "401", "-"));
    assert_eq!((line.field(6), line.field(7), line.field(8)), ("-1", "-1", "-1"));
    assert_eq!((line.field(21), line.field(23)), ("2", "jwt-validation"));
    assert_eq!(line.field(25), "JWTHeaderNotPresent");

    assert_eq!(wire::get(gateway.address(), "/else").status, 404);
    let line = line_of(&gateway, "/else");
    assert_eq!((line.field(21), line.field(23)), ("0", "fixed-response"));

    let location = wire::get(gateway.address(), "/moved").header("location").map(str::to_owned);
    let line = line_of(&gateway, "/moved");
    assert_eq!((line.field(9), line.field(23)), ("301", "redirect"));
    assert_eq!(Some(line.field(24).to_owned()), location);
}

#[test]
fn an_odd_head_has_its_class_and_its_reason_and_a_plain_one_has_none() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let gateway = Gateway::start(&(protected(&issuer, &target) + LOG));
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /open/odd HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(connection.read().status, 200);
    let line = line_of(&gateway, "/open/odd");
    assert_eq!((line.field(28), line.field(29)), ("Ambiguous", "UndefinedContentLengthSemantics"));
    assert_eq!(wire::get(gateway.address(), "/open/plain").status, 200);
    let line = line_of(&gateway, "/open/plain");
    assert_eq!((line.field(28), line.field(29)), ("-", "-"));
}

#[test]
fn a_client_that_leaves_is_460_and_a_dead_target_502_without_its_status() {
    let issuer = Issuer::start();
    let target = Target::speaking(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let gateway = Gateway::start(&(protected(&issuer, &target) + LOG));
    let mut connection = Connection::open(gateway.address());
    connection.send("GET /open/left HTTP/1.1\r\nHost: a.test\r\n\r\n");
    eventually("it is in flight", || {
        (gateway.metric("portcullis_requests_in_flight") == Some(1.0)).then_some(())
    });
    drop(connection);
    let line = line_of(&gateway, "/open/left");
    assert_eq!((line.field(9), line.field(10), line.field(23)), ("460", "-", "forward"));

    let target = Target::speaking(|_, _| false);
    let gateway = Gateway::start(&(protected(&issuer, &target) + LOG));
    assert_eq!(wire::get(gateway.address(), "/open/dead").status, 502);
    let line = line_of(&gateway, "/open/dead");
    assert_eq!((line.field(9), line.field(10), line.field(23)), ("502", "-", "forward"));
}

#[test]
fn both_formats_may_be_written_but_not_to_one_place() {
    let (issuer, target) = (Issuer::start(), Target::start());
    let both = LOG.replace("destination: off", "destination: stdout");
    let gateway = Gateway::start(&(protected(&issuer, &target) + &both));
    assert_eq!(wire::get(gateway.address(), "/both").status, 404);
    gateway.wait_access_log(|lines| lines.iter().any(|line| line["path"] == "/both"));
    line_of(&gateway, "/both");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("routes.yaml");
    let one = both.replace("alb.log", "stdout").replace("app/edge/50dc6c495c0c9188", "edge");
    fs::write(&file, protected(&issuer, &target) + &one).expect("it is written");
    let output = portcullis(&["check", "--portable", file.to_str().expect("UTF-8")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("both formats would be written to the same place"), "{said}");
    assert!(said.contains("`edge` is not the name of a load balancer"), "{said}");
}
