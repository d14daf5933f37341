//! JSON text written straight into a buffer.
//!
//! For lines that are written once a request: no intermediate values, no formatting machinery.
//! Strings come as bytes because clients send what they like. A written string is ASCII-safe for
//! terminals and log viewers (no control, no line separator, no change of text direction survives
//! unescaped), is cut at [`LONGEST`] bytes, and never holds a JSON web token: `eyJ` and what
//! follows it becomes `[redacted]`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::UnixMillis;

/// Bytes of a string that are written; longer ones end in `…`.
pub const LONGEST: usize = 2048;

const REDACTED: &[u8] = b"[redacted]";

/// Appends `text` as a JSON string with its quotes.
pub fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a JSON string.
pub fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let (text, is_cut) = match text.get(..LONGEST) {
        Some(head) if text.len() > LONGEST => (whole_characters(head), true),
        _ => (text, false),
    };
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        for chunk in text.utf8_chunks() {
            push_characters(out, chunk.valid());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
    if is_cut {
        out.extend_from_slice("…".as_bytes());
    }
}

/// Drops the beginning of a character at the end of a cut text.
fn whole_characters(text: &[u8]) -> &[u8] {
    let tail = text.iter().rev().take(3).position(|byte| byte & 0xc0 == 0xc0);
    match tail {
        Some(back) => &text[..text.len() - back - 1],
        None => text,
    }
}

/// Whether a text needs no second look: printable ASCII without `"`, `\` and `J`.
///
/// `J` is in because it is the rarest letter of `eyJ`. Sixteen bytes at a time and without
/// branches, so that the compiler makes vector instructions of it: most of a line's bytes pass here.
fn is_plain(text: &[u8]) -> bool {
    let mut special = [0; 16];
    for block in text.as_chunks::<16>().0 {
        mark_special(&mut special, block);
    }
    if !text.len().is_multiple_of(16) {
        mark_special(&mut special, &last_block(text));
    }
    u128::from_ne_bytes(special) == 0
}

fn mark_special(special: &mut [u8; 16], block: &[u8; 16]) {
    for (mark, byte) in special.iter_mut().zip(*block) {
        *mark |= u8::from(byte.wrapping_sub(0x20) >= 0x5f)
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
            | u8::from(byte == b'J');
    }
}

/// The last sixteen bytes of a text, or all of it with some of them twice.
fn last_block(text: &[u8]) -> [u8; 16] {
    if let Some(block) = text.last_chunk() {
        return *block;
    }
    let mut block = [b' '; 16];
    if let (Some(head), Some(tail)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        block[..8].copy_from_slice(head);
        block[8..].copy_from_slice(tail);
    } else if let (Some(head), Some(tail)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        block[..4].copy_from_slice(head);
        block[4..8].copy_from_slice(tail);
    } else {
        block.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    }
    block
}

fn push_characters(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some((at, c)) = rest
        .char_indices()
        .find(|(at, c)| needs_escape(*c) || (*c == 'J' && rest.as_bytes()[..*at].ends_with(b"ey")))
    {
        let (before, after) = (&rest.as_bytes()[..at], &rest[at + c.len_utf8()..]);
        if c == 'J' {
            out.extend_from_slice(&before[..at - 2]);
            out.extend_from_slice(REDACTED);
            rest = &after[token_length(after.as_bytes())..];
        } else {
            out.extend_from_slice(before);
            push_escape(out, c);
            rest = after;
        }
    }
    out.extend_from_slice(rest.as_bytes());
}

/// How many of the first bytes may belong to a token in compact form.
pub(super) fn token_length(text: &[u8]) -> usize {
    let is_outside = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"-_.=%".contains(byte));
    text.iter().position(is_outside).unwrap_or(text.len())
}

/// A text without its tokens.
#[must_use]
pub fn redacted(text: &str) -> Cow<'_, str> {
    if !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("eyJ") {
        clean.push_str(before);
        clean.push_str("[redacted]");
        rest = after.get(token_length(after.as_bytes())..).unwrap_or_default();
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

pub(super) const fn needs_escape(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '"' | '\\' | '\x7f'..='\u{9f}'
        | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        other => {
            let code = u32::from(other);
            out.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                out.push(HEX[(code >> shift & 0xf) as usize]);
            }
        }
    }
}

pub(super) const HEX: &[u8; 16] = b"0123456789abcdef";

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

fn pair(number: u64) -> [u8; 2] {
    PAIRS[(number % 100) as usize]
}

/// Appends a whole number.
pub fn push_number(out: &mut Vec<u8>, number: u64) {
    if number < 10 {
        return out.push(b'0' + number as u8);
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    while rest >= 10 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&pair(rest));
        rest /= 100;
    }
    if rest > 0 {
        at -= 1;
        digits[at] = b'0' + rest as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a duration as milliseconds with three decimals.
pub fn push_millis(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::from(duration.subsec_micros());
    push_number(out, duration.as_secs().saturating_mul(1000).saturating_add(micros / 1000));
    let [tens, ones] = pair(micros % 1000 % 100);
    out.extend_from_slice(&[b'.', b'0' + (micros % 1000 / 100) as u8, tens, ones]);
}

/// Appends a duration as seconds with three decimals.
pub fn push_seconds(out: &mut Vec<u8>, duration: Duration) {
    let millis = u64::from(duration.subsec_millis());
    push_number(out, duration.as_secs());
    let [tens, ones] = pair(millis % 100);
    out.extend_from_slice(&[b'.', b'0' + (millis / 100) as u8, tens, ones]);
}

/// Appends a moment as RFC 3339 in UTC with microseconds, without quotes.
pub fn push_moment(out: &mut Vec<u8>, time: UnixMillis, past: Duration) {
    let micros = time.0.saturating_mul(1000).saturating_add(past.as_micros() as u64);
    let start = out.len();
    push_time(out, UnixMillis(micros / 1000));
    // The quote in front goes, and three more digits take the place of `Z` and the one behind.
    out.remove(start);
    out.truncate(out.len().saturating_sub(2));
    let [tens, ones] = pair(micros % 100);
    out.extend_from_slice(&[b'0' + (micros / 100 % 10) as u8, tens, ones, b'Z']);
}

/// Appends a moment as an RFC 3339 string in UTC with milliseconds and its quotes.
pub fn push_time(out: &mut Vec<u8>, time: UnixMillis) {
    let seconds = time.seconds() % (24 * 60 * 60);
    let (year, month, day) = civil_date(time.seconds() / (24 * 60 * 60));
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let mut put = |at: usize, number: u64| text[at..at + 2].copy_from_slice(&pair(number));
    put(1, year / 100);
    put(3, year);
    put(6, month);
    put(9, day);
    put(12, seconds / 3600);
    put(15, seconds / 60 % 60);
    put(18, seconds % 60);
    put(22, time.0 % 1000);
    text[21] = b'0' + (time.0 % 1000 / 100) as u8;
    out.extend_from_slice(&text);
}

/// Year, month and day of a number of days since 1970, by Howard Hinnant's `civil_from_days`.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// Appends an address without quotes.
pub fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let mut text = [b'.'; 16];
            let mut end = 0;
            for octet in v4.octets() {
                let [tens, ones] = pair(u64::from(octet));
                text[end] = b'0' + octet / 100;
                end += usize::from(octet >= 100);
                text[end] = tens;
                end += usize::from(octet >= 10);
                text[end] = ones;
                text[end + 1] = b'.';
                end += 2;
            }
            out.extend_from_slice(&text[..end - 1]);
        }
        IpAddr::V6(v6) => {
            use std::io::Write;
            let _ = write!(out, "{v6}");
        }
    }
}

#[cfg(test)]
mod tests;
