use super::*;

fn written(text: &[u8]) -> String {
    let mut out = Vec::new();
    push_string(&mut out, text);
    String::from_utf8(out).unwrap()
}

#[test]
fn controls_escapes_and_direction_marks_do_not_reach_the_terminal() {
    assert_eq!(written(b"a\r\nb\tc\x1b[31md\x7f"), r#""a\r\nb\tc\u001b[31md\u007f""#);
    assert_eq!(written(br#"say "hi" \ there"#), r#""say \"hi\" \\ there""#);
    assert_eq!(written("\u{9b}1m\u{202e}gpj\u{2028}".as_bytes()), r#""\u009b1m\u202egpj\u2028""#);
    assert_eq!(written("grüße".as_bytes()), "\"grüße\"");
}

#[test]
fn invalid_utf_8_becomes_replacement_characters() {
    assert_eq!(written(b"a\xffb\xc3"), "\"a\u{fffd}b\u{fffd}\"");
    assert_eq!(written(b"\xc0\xaf"), "\"\u{fffd}\u{fffd}\"");
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let whole = "x".repeat(LONGEST);
    assert_eq!(written(whole.as_bytes()), format!("\"{whole}\""));
    let long = "x".repeat(LONGEST + 1);
    assert_eq!(written(long.as_bytes()), format!("\"{whole}…\""));
    for shift in 0..4 {
        let text = "x".repeat(shift) + &"😀".repeat(LONGEST);
        let line = written(text.as_bytes());
        assert!(!line.contains('\u{fffd}') && line.ends_with("😀…\""), "{shift}");
        assert!(line.len() <= LONGEST + 5);
    }
}

#[test]
fn tokens_are_redacted_wherever_they_stand() {
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln-_nature";
    assert_eq!(written(format!("/a/{token}/b").as_bytes()), "\"/a/[redacted]/b\"");
    assert_eq!(written(token.as_bytes()), "\"[redacted]\"");
    assert_eq!(written(format!("Joe {token} {token}").as_bytes()), "\"Joe [redacted] [redacted]\"");
    let late = "x".repeat(LONGEST - 3) + token;
    assert!(!written(late.as_bytes()).contains("eyJ"));
    assert_eq!(written(b"\n\xffeyJ\xff"), "\"\\n\u{fffd}[redacted]\u{fffd}\"");
    assert_eq!(written(b"/July/Joey/eYJ"), "\"/July/Joey/eYJ\"");
}

#[test]
fn many_redactions_leave_no_token() {
    let line = written("eyJ/".repeat(LONGEST).as_bytes());
    assert!(!line.contains("eyJ"));
}

#[test]
fn numbers_and_durations_are_exact() {
    let number = |number| {
        let mut out = Vec::new();
        push_number(&mut out, number);
        String::from_utf8(out).unwrap()
    };
    for value in [0, 7, 10, 99, 100, 101, 999, 1000, 65_535, u64::MAX] {
        assert_eq!(number(value), value.to_string());
    }
    let millis = |duration| {
        let mut out = Vec::new();
        push_millis(&mut out, duration);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(millis(Duration::from_micros(1_234_567)), "1234.567");
    assert_eq!(millis(Duration::from_micros(42)), "0.042");
    assert_eq!(millis(Duration::ZERO), "0.000");
}

#[test]
fn moments_are_rfc_3339() {
    let time = |millis| {
        let mut out = Vec::new();
        push_time(&mut out, UnixMillis(millis));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(time(0), "\"1970-01-01T00:00:00.000Z\"");
    assert_eq!(time(951_782_400_123), "\"2000-02-29T00:00:00.123Z\"");
    assert_eq!(time(1_795_395_735_007), "\"2026-11-23T01:02:15.007Z\"");
    assert_eq!(time(4_107_542_399_999), "\"2100-02-28T23:59:59.999Z\"");
}

#[test]
fn mapped_addresses_are_written_as_ipv4() {
    let address = |text: &str| {
        let mut out = Vec::new();
        push_address(&mut out, text.parse().unwrap());
        String::from_utf8(out).unwrap()
    };
    assert_eq!(address("192.168.0.255"), "192.168.0.255");
    assert_eq!(address("::ffff:10.0.0.1"), "10.0.0.1");
    assert_eq!(address("2001:db8::1"), "2001:db8::1");
}

#[test]
fn a_special_byte_is_seen_at_every_place_of_every_length() {
    for length in 1..70 {
        for at in 0..length {
            let mut text = vec![b'x'; length];
            text[at] = b'"';
            assert_eq!(written(&text).len(), length + 3, "{at} of {length}");
            text[at] = b'y';
            assert_eq!(written(&text).len(), length + 2);
        }
    }
}

#[test]
fn every_octet_is_written_as_the_standard_library_does() {
    for octet in 0..=255_u8 {
        let address = IpAddr::from([octet, 0, 255 - octet, octet]);
        let mut out = Vec::new();
        push_address(&mut out, address);
        assert_eq!(out, address.to_string().as_bytes());
    }
}
