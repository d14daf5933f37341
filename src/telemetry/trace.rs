//! Identifiers of requests and traces, made fast and never twice.
//!
//! An identifier is a counter sent through a keyed permutation of 64-bit numbers: no two requests
//! of this process share one, and whoever sees some cannot tell how many requests lie between
//! them. They are names, not secrets. Reading and writing `traceparent` and `X-Amzn-Trace-Id` is
//! another module's business.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// 16 hexadecimal digits, also usable as a W3C `parent-id` (never all zero).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The digits, lower case.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The digits, lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `TID_` and 32 hexadecimal digits: a client connection, in the connection log and in each line of
/// the access log about a request that came by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId([u8; 36]);

impl ConnectionId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The source of identifiers; one for the process.
#[derive(Debug)]
pub struct Ids {
    next: AtomicU64,
    keys: [u64; 2],
}

impl Ids {
    /// Keyed by the operating system's randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut seed = [0; 16];
        if aws_lc_rs::rand::fill(&mut seed).is_err() {
            // Still unique within the process; a name that can be guessed harms nobody.
            seed[..8].copy_from_slice(&crate::clock::wall().0.to_le_bytes());
        }
        let (keys, _) = seed.as_chunks::<8>();
        Self::keyed(std::array::from_fn(|i| u64::from_le_bytes(keys[i])))
    }

    /// Keyed by the caller: the same keys give the same sequence.
    #[must_use]
    pub const fn keyed(keys: [u64; 2]) -> Self {
        Self { next: AtomicU64::new(1), keys }
    }

    /// A name for a request.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        RequestId(hex(self.number()))
    }

    /// A name for a client connection.
    #[must_use]
    pub fn connection_id(&self) -> ConnectionId {
        let mut text = *b"TID_00000000000000000000000000000000";
        text[4..20].copy_from_slice(&hex(self.number()));
        text[20..].copy_from_slice(&hex(self.number()));
        ConnectionId(text)
    }

    /// Bytes that nobody else has, for a trace header.
    #[must_use]
    pub fn trace_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for block in bytes.chunks_mut(8) {
            block.copy_from_slice(&self.number().to_le_bytes()[..block.len()]);
        }
        bytes
    }

    /// Never zero: the one input that gives zero is skipped.
    fn number(&self) -> u64 {
        loop {
            let number = self.permute(self.next.fetch_add(1, Ordering::Relaxed));
            if number != 0 {
                return number;
            }
        }
    }

    /// Two rounds of the SplitMix64 finalizer with a key before each: every step is invertible, so
    /// different inputs give different outputs.
    const fn permute(&self, number: u64) -> u64 {
        mix(mix(number ^ self.keys[0]) ^ self.keys[1])
    }
}

const fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

fn hex(number: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    digits[..8].copy_from_slice(&hex_half((number >> 32) as u32));
    digits[8..].copy_from_slice(&hex_half(number as u32));
    digits
}

/// Eight digits at once: each nibble moves into a byte of its own, then 10 to 15 are lifted from
/// behind `9` to `a`.
const fn hex_half(number: u32) -> [u8; 8] {
    let spread = number as u64;
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (spread + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (spread + 0x3030_3030_3030_3030 + letters * 0x27).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Ids;

    #[test]
    fn identifiers_never_repeat_and_do_not_follow_one_another() {
        let ids = Ids::random();
        let made: Vec<String> = (0..10_000).map(|_| ids.request_id().to_string()).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
        let leading: HashSet<&str> = made.iter().map(|id| &id[..2]).collect();
        assert_eq!(leading.len(), 256);
        assert!(made.iter().all(|id| id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            assert_eq!(super::hex(number), *format!("{number:016x}").as_bytes());
        }
    }

    #[test]
    fn the_key_decides_the_sequence() {
        let first = |keys| Ids::keyed(keys).request_id();
        assert_eq!(first([1, 2]), first([1, 2]));
        assert_ne!(first([1, 2]), first([2, 2]));
    }
}
