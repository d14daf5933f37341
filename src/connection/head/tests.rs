use super::*;

fn get(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
}

fn refusal(head: &str) -> Option<Refusal> {
    refusal_of_bytes(head.as_bytes())
}

fn refusal_of_bytes(head: &[u8]) -> Option<Refusal> {
    match read(head) {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Complete(length, _) => {
            assert_eq!(length, head.len());
            None
        }
        Outcome::Partial => panic!("not complete: {}", head.escape_ascii()),
    }
}

fn body(fields: &str) -> Body {
    match read(get(fields).as_bytes()) {
        Outcome::Complete(_, framing) => framing.body,
        other => panic!("{fields:?}: {other:?}"),
    }
}

#[test]
fn ordinary_heads_pass() {
    assert_eq!(body(""), Body::Absent);
    assert_eq!(body("Content-Length: 0\r\n"), Body::Absent);
    assert_eq!(body("Content-Length: 42\r\n"), Body::Length(42));
    assert_eq!(body("content-length:42\r\n"), Body::Length(42));
    assert_eq!(body("Content-Length: \t42 \t\r\n"), Body::Length(42));
    assert_eq!(body("Transfer-Encoding: chunked\r\n"), Body::Chunked);
    assert_eq!(body("transfer-encoding: CHUNKED \r\n"), Body::Chunked);
    assert_eq!(
        body("X_Underscore: 1\r\nX-Empty:\r\nX-Obs: \u{e9}\r\nX-Tab: a\tb\r\n"),
        Body::Absent
    );
    assert_eq!(refusal("GET / HTTP/1.0\r\n\r\n"), None);
    assert_eq!(refusal("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), None);
    assert_eq!(refusal("GET /?q=a|b{c}\"<> HTTP/1.1\r\nHost: a\r\n\r\n"), None);
}

#[test]
fn an_upgrade_is_noticed() {
    let head = get("Connection: Upgrade\r\nUPGRADE: websocket\r\n");
    let Outcome::Complete(_, framing) = read(head.as_bytes()) else { panic!() };
    assert!(framing.upgrade);
}

#[test]
fn only_the_first_head_is_read() {
    let head = get("");
    let both = format!("{head}GET /next HTTP/1.1\r\n\x00");
    let framing = Framing { body: Body::Absent, upgrade: false, is_head: false };
    assert_eq!(read(both.as_bytes()), Outcome::Complete(head.len(), framing));
}

#[test]
fn every_proper_beginning_of_a_head_is_partial() {
    let head = get("Accept: */*\r\nContent-Length: 1\r\n");
    for length in 0..head.len() {
        assert_eq!(read(&head.as_bytes()[..length]), Outcome::Partial, "{length}");
        assert_eq!(find_end(&head.as_bytes()[..length], 0), None, "{length}");
    }
    for from in 0..head.len() - 3 {
        assert_eq!(find_end(head.as_bytes(), from), Some(head.len()), "{from}");
    }
}

#[test]
fn two_framings_are_refused_in_either_order() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nX: y\r\ntransfer-encoding: chunked\r\n",
    ] {
        assert_eq!(refusal(&get(fields)), Some(Refusal::TransferEncoding), "{fields:?}");
    }
}

#[test]
fn a_length_is_plain_digits_once() {
    for value in [
        "",
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5.0",
        "5,5",
        "5, 5",
        "5 5",
        "05",
        "00",
        "٥",
        "5;",
        "\"5\"",
        "5e1",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        assert_eq!(refusal(&get(&fields)), Some(Refusal::ContentLength), "{value:?}");
    }
    for fields in
        ["Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n"]
    {
        assert_eq!(refusal(&get(fields)), Some(Refusal::ContentLength), "{fields:?}");
    }
    assert_eq!(body("Content-Length: 9223372036854775807\r\n"), Body::Length(i64::MAX as u64));
}

#[test]
fn a_transfer_coding_is_chunked_once() {
    for (value, expected) in [
        ("identity", Refusal::Coding),
        ("gzip", Refusal::Coding),
        ("gzip, chunked", Refusal::Coding),
        ("xchunked", Refusal::Coding),
        (",chunked", Refusal::TransferEncoding),
        ("chunked,", Refusal::TransferEncoding),
        ("chunked, chunked", Refusal::TransferEncoding),
        ("chunked, gzip", Refusal::TransferEncoding),
        ("\"chunked\"", Refusal::TransferEncoding),
        ("chunked;q=1", Refusal::TransferEncoding),
        ("chun ked", Refusal::TransferEncoding),
        ("", Refusal::TransferEncoding),
        ("\u{a0}chunked", Refusal::TransferEncoding),
        ("chunked\u{a0}", Refusal::TransferEncoding),
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(refusal(&get(&fields)), Some(expected), "{value:?}");
    }
    for value in ["\x0bchunked", "chunked\x0c", "chunked\0", "\rchunked", "chunked\x7f"] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert!(refusal(&get(&fields)).is_some(), "{value:?}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(refusal(&get(twice)), Some(Refusal::TransferEncoding));
    let split = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(refusal(&get(split)), Some(Refusal::Coding));
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(old), Some(Refusal::TransferEncoding));
}

#[test]
fn disguised_framing_fields_are_refused() {
    for name in ["Transfer_Encoding", "transfer_encoding", "Content_Length", "CONTENT_LENGTH"] {
        assert_eq!(refusal(&get(&format!("{name}: 5\r\n"))), Some(Refusal::Disguised), "{name}");
    }
}

#[test]
fn malformed_field_lines_are_refused() {
    for line in [
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "\tfolded",
        "X: a\r\n folded",
        "no colon",
        ": no name",
        "Tränsfer: 1",
        "Transfer Encoding: chunked",
        "X(y): 1",
        "X\"y: 1",
        "X@y: 1",
        "X/y: 1",
    ] {
        assert_eq!(refusal(&get(&format!("{line}\r\n"))), Some(Refusal::FieldLine), "{line:?}");
    }
    let first = "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n";
    assert_eq!(refusal(first), Some(Refusal::FieldLine));
}

#[test]
fn control_characters_and_bare_line_breaks_are_refused() {
    for head in [
        "GET / HTTP/1.1\nHost: a.test\n\n",
        "GET / HTTP/1.1\r\nHost: a.test\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
        "GET / HTTP/1.1\nHost: a.test\r\nX: 1\r2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: 1\r2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: \x1b[0m\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nX: \x7f\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /\t HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        assert!(refusal(head).is_some(), "{head:?}");
    }
}

#[test]
fn every_single_odd_byte_in_a_name_or_a_value_is_judged() {
    for byte in 0..=255u8 {
        let mut head = b"GET / HTTP/1.1\r\nHost: a.test\r\nX".to_vec();
        head.push(byte);
        head.extend(b"Y: v\r\n\r\n");
        let passes = is_token(byte) || byte == b':';
        assert_eq!(refusal_of_bytes(&head).is_none(), passes, "name with {byte:#x}");

        let mut head = b"GET / HTTP/1.1\r\nHost: a.test\r\nX: a".to_vec();
        head.push(byte);
        head.extend(b"b\r\n\r\n");
        let passes = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        assert_eq!(refusal_of_bytes(&head).is_none(), passes, "value with {byte:#x}");
    }
}

#[test]
fn the_request_line_has_one_spelling() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /  HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /",
        "GET",
        "G(T / HTTP/1.1",
        "GET\t/\tHTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/1",
        "GET / XTTP/1.1",
        " GET / HTTP/1.1",
    ] {
        let head = format!("{line}\r\nHost: a.test\r\n\r\n");
        assert_eq!(refusal(&head), Some(Refusal::RequestLine), "{line:?}");
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        let head = format!("GET / {version}\r\nHost: a.test\r\n\r\n");
        assert_eq!(refusal(&head), Some(Refusal::Version), "{version}");
    }
    assert_eq!(refusal("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), Some(Refusal::Target));
    assert_eq!(read(b"\x16\x03\x01\x02\x00"), Outcome::Refused(Refusal::RequestLine));
}

#[test]
fn two_hosts_are_refused() {
    assert_eq!(refusal(&get("HOST: a.test\r\n")), Some(Refusal::Host));
}

#[test]
fn sizes_are_bounded() {
    let line = |length: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length - "GET / HTTP/1.1".len()))
    };
    assert_eq!(refusal(&line(MAX_REQUEST_LINE)), None);
    assert_eq!(refusal(&line(MAX_REQUEST_LINE + 1)), Some(Refusal::LineTooLong));

    let fields = |number: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(number));
    assert_eq!(refusal(&fields(MAX_FIELDS)), None);
    assert_eq!(refusal(&fields(MAX_FIELDS + 1)), Some(Refusal::TooManyFields));

    let head = |length: usize| {
        let empty = get("X: \r\n").len();
        get(&format!("X: {}\r\n", "v".repeat(length - empty)))
    };
    assert_eq!(refusal(&head(MAX_HEAD)), None);
    assert_eq!(refusal(&head(MAX_HEAD + 1)), Some(Refusal::TooLarge));
}

#[test]
fn each_refusal_has_its_status() {
    assert_eq!(Refusal::TooSlow.status(), 408);
    assert_eq!(Refusal::LineTooLong.status(), 414);
    assert_eq!(Refusal::TooManyFields.status(), 431);
    assert_eq!(Refusal::Coding.status(), 501);
    assert_eq!(Refusal::Version.status(), 505);
    assert_eq!(Refusal::Control.status(), 400);
}

proptest::proptest! {
    /// Whatever passes, the engine's parser reads alike: same end, same fields, same values.
    #[test]
    fn what_passes_is_what_the_engine_reads(
        head in proptest::collection::vec(
            proptest::prop_oneof![
                proptest::prelude::Just("GET / HTTP/1.1\r\n".to_owned()),
                proptest::prelude::Just("Host: a\r\n".to_owned()),
                proptest::prelude::Just("\r\n".to_owned()),
                proptest::prelude::Just("Content-Length: 3\r\n".to_owned()),
                "[ -~\r\n\t]{0,12}",
            ],
            0..6,
        )
    ) {
        let head = head.concat();
        if let Outcome::Complete(length, _) = read(head.as_bytes()) {
            let mut fields = [httparse::EMPTY_HEADER; 256];
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(head.as_bytes());
            proptest::prop_assert_eq!(parsed, Ok(httparse::Status::Complete(length)));
            let lines = head[..length].split("\r\n").filter(|line| !line.is_empty()).count();
            proptest::prop_assert_eq!(request.headers.len() + 1, lines);
        }
    }
}
