use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    parse(bytes, ProxyProtocol::Any)
}

fn source(bytes: &[u8]) -> Option<String> {
    let header = read(bytes).unwrap().expect("complete");
    assert_eq!(header.length, bytes.len());
    header.source.map(|source| source.to_string())
}

/// A header of version 2.
fn binary(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_and_command, family], &length, rest].concat()
}

/// 192.0.2.1:5000 to 192.0.2.2:443.
const FOUR: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0x88, 0x01, 0xbb];

fn six() -> Vec<u8> {
    let address = |last: u8| [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [&address(1)[..], &address(2), &[0x13, 0x88, 0x01, 0xbb]].concat()
}

/// Appends a field with the checksum of the whole.
fn with_checksum(family: u8, addresses: &[u8], more: &[u8]) -> Vec<u8> {
    let rest = [addresses, more, &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat();
    let mut header = binary(0x21, family, &rest);
    let sum = crc32c(&header, 0..0).to_be_bytes();
    let at = header.len() - 4;
    header[at..].copy_from_slice(&sum);
    header
}

#[test]
fn a_line_tells_the_client() {
    let four = source(b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n");
    assert_eq!(four.as_deref(), Some("192.0.2.1:5000"));
    let six = source(b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n");
    assert_eq!(six.as_deref(), Some("[2001:db8::1]:5000"));
    assert_eq!(source(b"PROXY UNKNOWN\r\n"), None);
    assert_eq!(source(b"PROXY UNKNOWN ffff::1 whatever\r\n"), None);
    let longest = b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
        ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert!(source(longest).is_some());
}

#[test]
fn what_follows_a_header_is_not_its_own() {
    let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n";
    let whole = [&line[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(read(&whole).unwrap().unwrap().length, line.len());
    let header = binary(0x21, 0x11, &FOUR);
    let whole = [&header[..], &[0x16, 3, 1]].concat();
    assert_eq!(read(&whole).unwrap().unwrap().length, header.len());
}

#[test]
fn a_line_in_any_other_spelling_is_refused() {
    for bad in [
        "PROXY  TCP4 192.0.2.1 192.0.2.2 5000 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 \r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\n",
        "PROXY TCP4 192.0.2.1\t192.0.2.2 5000 443\r\n",
        "PROXY TCP4 192.0.2.01 192.0.2.2 5000 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 05000 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +5000 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2  443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 5000 443\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 5000 443\r\n",
        "PROXY TCP6 [2001:db8::1] [2001:db8::2] 5000 443\r\n",
        "PROXY TCP6 fe80::1%1 fe80::2 5000 443\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 5000 443\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 5000 443\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.1\r 192.0.2.2 5000 443\r\n",
    ] {
        assert!(matches!(read(bad.as_bytes()), Err(Fault::Line)), "{bad:?}");
    }
    for other in ["proxy TCP4 ", "PROXYTCP4", "GET / HTTP/1.1\r\n", "\x16\x03\x01", "\r\n\r\nX"] {
        assert!(matches!(read(other.as_bytes()), Err(Fault::Missing)), "{other:?}");
    }
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    assert!(matches!(read(long.as_bytes()), Err(Fault::TooLong)));
    assert!(matches!(read(&long.as_bytes()[..107]), Err(Fault::TooLong)));
}

#[test]
fn a_binary_header_tells_the_client() {
    assert_eq!(source(&binary(0x21, 0x11, &FOUR)).as_deref(), Some("192.0.2.1:5000"));
    assert_eq!(source(&binary(0x21, 0x21, &six())).as_deref(), Some("[2001:db8::1]:5000"));
    let fields = [&FOUR[..], &[0x02, 0, 6], b"a.test", &[0xea, 0, 1, 9], &[0x04, 0, 0]].concat();
    assert_eq!(source(&binary(0x21, 0x11, &fields)).as_deref(), Some("192.0.2.1:5000"));
}

#[test]
fn a_proxy_that_speaks_for_itself_tells_nobody() {
    assert_eq!(source(&binary(0x20, 0x00, &[])), None);
    assert_eq!(source(&binary(0x20, 0x11, &FOUR)), None);
    assert_eq!(source(&binary(0x21, 0x00, &[1, 2, 3][..0])), None);
}

#[test]
fn a_binary_header_that_is_not_of_tcp_or_not_whole_is_refused() {
    let short = FOUR.get(..11).unwrap();
    let overrun = [&FOUR[..], &[0x02, 0, 9, 1]].concat();
    let cut = [&FOUR[..], &[0x02, 0]].concat();
    let narrow = [&FOUR[..], &[CHECKSUM, 0, 3, 0, 0, 0]].concat();
    for (command, family, rest) in [
        (0x11, 0x11, &FOUR[..]),
        (0x31, 0x11, &FOUR),
        (0x22, 0x11, &FOUR),
        (0x21, 0x12, &FOUR),
        (0x21, 0x31, &[0; 216]),
        (0x21, 0x41, &FOUR),
        (0x21, 0x10, &FOUR),
        (0x21, 0x11, short),
        (0x21, 0x21, &FOUR),
        (0x21, 0x11, &overrun),
        (0x21, 0x11, &cut),
        (0x21, 0x11, &narrow),
    ] {
        let header = binary(command, family, rest);
        assert!(matches!(read(&header), Err(Fault::Binary)), "{command:x} {family:x} {rest:?}");
    }
    let long = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    assert!(matches!(read(&long), Err(Fault::TooLong)), "before it has come");
}

#[test]
fn a_checksum_is_checked_when_there_is_one() {
    // RFC 3720 B.4.
    assert_eq!(crc32c(&[0; 32], 0..0), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32], 0..32), 0x8a91_36aa);
    let good = with_checksum(0x21, &six(), &[0x04, 0, 1, 0]);
    assert_eq!(source(&good).as_deref(), Some("[2001:db8::1]:5000"));
    // (The type of the field that holds it is not protected: another one is not read.)
    for at in (FIXED..good.len()).filter(|at| *at != good.len() - 7) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(read(&bad).is_err(), "byte {at}");
    }
    let twice = [&FOUR[..], &[CHECKSUM, 0, 4, 0, 0, 0, 0], &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat();
    assert!(matches!(read(&binary(0x21, 0x11, &twice)), Err(Fault::Binary)));
}

#[test]
fn only_the_version_that_is_asked_for_passes() {
    let line = b"PROXY UNKNOWN\r\n";
    let header = binary(0x20, 0, &[]);
    assert!(matches!(parse(line, ProxyProtocol::V2), Err(Fault::Version)));
    assert!(matches!(parse(&header, ProxyProtocol::V1), Err(Fault::Version)));
    assert!(parse(line, ProxyProtocol::V1).unwrap().is_some());
    assert!(parse(&header, ProxyProtocol::V2).unwrap().is_some());
}

#[test]
fn a_header_may_come_byte_by_byte() {
    for whole in
        [b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n".to_vec(), with_checksum(0x11, &FOUR, &[])]
    {
        for end in 1..whole.len() {
            assert!(read(&whole[..end]).unwrap().is_none(), "{end} of {whole:?}");
        }
        assert!(read(&whole).unwrap().is_some());
    }
}

proptest! {
    #[test]
    fn whatever_comes_is_judged_and_a_header_is_never_longer_than_what_came(
        start in prop::sample::select(vec![&b""[..], LINE_START, b"PROXY TCP4 ", SIGNATURE]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [start, &rest].concat();
        if let Ok(Some(header)) = super::parse(&bytes, ProxyProtocol::Any) {
            prop_assert!(header.length <= bytes.len());
            // The same header with anything behind it is the same header.
            let alone = super::parse(&bytes[..header.length], ProxyProtocol::Any);
            prop_assert_eq!(alone.unwrap(), Some(header));
        }
    }
}
