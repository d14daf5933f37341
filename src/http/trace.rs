//! Identifiers that follow a request through systems: kept when sound, replaced when not.
//!
//! `X-Amzn-Trace-Id` follows alb.md 10.3. `traceparent` is W3C Trace Context's, `X-Request-Id`
//! nobody's; both are only judged here. Time and randomness are arguments.

use ::http::HeaderValue;

/// A trace header longer than this is replaced. ALB's own with every known field is under 150.
const MAX_TRACE_ID: usize = 512;
/// Over this many bytes of headers ALB writes the trace header anew (alb.md 10.3).
const CROWDED_HEADERS: usize = 7 * 1024;
const MAX_TRACEPARENT: usize = 256;
const MAX_REQUEST_ID: usize = 128;

/// `X-Amzn-Trace-Id` for the target.
///
/// `received` is the client's, if it sent exactly one; `header_bytes` what
/// [`super::limits::check_headers`] counted. Without a `Root` one is made; with one, our own `Self`
/// goes in front and a `Self` that came in goes; other fields stay. A value that is too long, holds
/// odd bytes, or comes with more than 7 KiB of headers is replaced whole.
#[must_use]
pub fn amzn_trace_id(
    received: Option<&HeaderValue>,
    header_bytes: usize,
    unix_seconds: u64,
    random: [u8; 12],
) -> HeaderValue {
    let own = Id { unix_seconds, random };
    let received = received
        .filter(|_| header_bytes <= CROWDED_HEADERS)
        .and_then(|value| value.to_str().ok())
        .filter(|value| value.len() <= MAX_TRACE_ID && !value.trim().is_empty());
    let Some(received) = received else { return value_of(own.write("Root=", 0)) };
    let has_root = fields(received).any(|field| field.starts_with("Root="));
    let mut text = own.write(if has_root { "Self=" } else { "Root=" }, received.len() + 1);
    for field in fields(received).filter(|field| !field.starts_with("Self=")) {
        text.push(';');
        text.push_str(field);
    }
    value_of(text)
}

fn fields(value: &str) -> impl Iterator<Item = &str> {
    value.split(';').map(str::trim).filter(|field| !field.is_empty())
}

struct Id {
    unix_seconds: u64,
    random: [u8; 12],
}

impl Id {
    /// `Root=1-<8 hex of seconds>-<24 hex>`
    fn write(&self, field: &str, room: usize) -> String {
        let mut text = String::with_capacity(field.len() + 35 + room);
        text.push_str(field);
        text.push_str("1-");
        // Eight digits last until 2106.
        for byte in self.unix_seconds.to_be_bytes().iter().skip(4) {
            push_hex(&mut text, *byte);
        }
        text.push('-');
        for byte in self.random {
            push_hex(&mut text, byte);
        }
        text
    }
}

fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
    }
}

/// The texts made here are visible ASCII, so the fallback is never seen.
fn value_of(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Whether a `traceparent` may pass: lower-case hexadecimal of the right lengths, no all-zero id,
/// not version `ff` (W3C Trace Context 3.2). One that may not is removed with its `tracestate`.
#[must_use]
pub fn is_sound_traceparent(value: &[u8]) -> bool {
    if value.len() > MAX_TRACEPARENT {
        return false;
    }
    let mut parts = value.splitn(5, |&byte| byte == b'-');
    let mut hex = |length: usize| {
        parts.next().filter(|part| {
            part.len() == length
                && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (Some(version), Some(trace), Some(parent), Some(_flags)) =
        (hex(2), hex(32), hex(16), hex(2))
    else {
        return false;
    };
    let is_zero = |id: &[u8]| id.iter().all(|&byte| byte == b'0');
    let is_sound_version = match version {
        b"00" => parts.next().is_none(),
        b"ff" => false,
        _ => true,
    };
    is_sound_version && !is_zero(trace) && !is_zero(parent)
}

/// A new `traceparent`, not sampled, in the place of one that was not sound.
#[must_use]
pub fn new_traceparent(random: [u8; 24]) -> HeaderValue {
    let mut text = String::with_capacity(55);
    text.push_str("00-");
    for (position, byte) in random.into_iter().enumerate() {
        if position == 16 {
            text.push('-');
        }
        // An id of zeros would not be valid.
        push_hex(&mut text, if position % 16 == 0 { byte | 1 } else { byte });
    }
    text.push_str("-00");
    value_of(text)
}

/// Whether an `X-Request-Id` may pass: at most 128 visible ASCII bytes.
#[must_use]
pub fn is_sound_request_id(value: &[u8]) -> bool {
    (1..=MAX_REQUEST_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; 12] = [0xab, 0xcd, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const OWN: &str = "1-67891233-abcdef010203040506070809";

    fn sent_on(received: &'static str) -> String {
        let received = HeaderValue::from_static(received);
        let value = amzn_trace_id(Some(&received), 500, 0x6789_1233, RANDOM);
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_request_without_a_trace_gets_a_root() {
        let value = amzn_trace_id(None, 500, 0x6789_1233, RANDOM);
        assert_eq!(value, format!("Root={OWN}"));
    }

    #[test]
    fn a_root_is_kept_behind_our_own_self() {
        assert_eq!(
            sent_on("Root=1-a-b;CalledFrom=app"),
            format!("Self={OWN};Root=1-a-b;CalledFrom=app")
        );
    }

    #[test]
    fn a_self_that_came_in_is_replaced() {
        assert_eq!(sent_on("Self=1-x-y;Root=1-a-b"), format!("Self={OWN};Root=1-a-b"));
        assert_eq!(sent_on("Root=1-a-b; Self=1-x-y"), format!("Self={OWN};Root=1-a-b"));
    }

    #[test]
    fn unknown_fields_without_a_root_get_one() {
        assert_eq!(sent_on("Field=1"), format!("Root={OWN};Field=1"));
    }

    #[test]
    fn an_over_long_odd_or_crowded_trace_is_replaced() {
        let long = HeaderValue::from_str(&format!("Root={}", "a".repeat(600))).unwrap();
        let odd = HeaderValue::from_bytes(b"Root=\xff").unwrap();
        let good = HeaderValue::from_static("Root=1-a-b");
        for (received, header_bytes) in [(&long, 500), (&odd, 500), (&good, 7 * 1024 + 1)] {
            let value = amzn_trace_id(Some(received), header_bytes, 0x6789_1233, RANDOM);
            assert_eq!(value, format!("Root={OWN}"));
        }
    }

    #[test]
    fn only_a_sound_traceparent_passes() {
        let sound = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(is_sound_traceparent(sound.as_bytes()));
        assert!(is_sound_traceparent(sound.replacen("00", "01", 1).as_bytes()));
        assert!(is_sound_traceparent(format!("{}-more", sound.replacen("00", "cc", 1)).as_bytes()));
        for bad in [
            String::new(),
            sound.to_uppercase(),
            sound.replacen("00", "ff", 1),
            format!("{sound}-more"),
            sound.replace("b7ad6b7169203331", "0000000000000000"),
            sound.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            sound.replace("-01", ""),
            sound.replace('-', "_"),
            format!("{}-{}", sound.replacen("00", "cc", 1), "m".repeat(300)),
        ] {
            assert!(!is_sound_traceparent(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_new_traceparent_is_sound_whatever_the_randomness() {
        assert!(is_sound_traceparent(new_traceparent([0; 24]).as_bytes()));
        assert!(is_sound_traceparent(new_traceparent([255; 24]).as_bytes()));
    }

    #[test]
    fn a_request_id_is_short_and_visible() {
        assert!(is_sound_request_id(b"4bf92f35-77b3"));
        assert!(is_sound_request_id(&[b'a'; 128]));
        for bad in [&b""[..], b"a b", b"a\tb", b"caf\xc3\xa9", &[b'a'; 129]] {
            assert!(!is_sound_request_id(bad));
        }
    }
}
