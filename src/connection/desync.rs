//! Classifies raw HTTP/1 heads as ALB does: how far may two parsers read one head differently?
//!
//! [`super::head`] has already refused whatever cannot be read in one way only, in every mode. What
//! passes there may still be odd (a `GET` with a body, bytes that are no ASCII), and the listener's
//! `desync_mitigation_mode` decides about that. The analyser is ALB's own, `http_desync_guardian`.
//!
//! It costs more than all our own judging of a head, and nearly every head is plain. So a plain one
//! is told by a look that never calls plain what the analyser calls otherwise.

#[cfg(test)]
mod tests;

use http_desync_guardian::RequestSafetyTier;
use http_desync_guardian::request_analyzer::HttpRequestData;

use crate::config::model::DesyncMitigationMode as Mode;

/// How odd a head is; worse comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Against the standard, and no known danger.
    Acceptable,
    /// Parsers may find its end in different places.
    Ambiguous,
    /// Malformed, or made to deceive.
    Severe,
}

impl Class {
    /// ALB's word for it, as logged.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
            Self::Severe => "Severe",
        }
    }
}

/// What the analyser found in a head that is not compliant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// How odd it is.
    pub class: Class,
    /// Position in [`REASONS`].
    reason: u8,
}

/// ALB's codes, as logged; the last one stands for a code that a later analyser may bring.
const REASONS: [&str; 27] = [
    "EmptyHeader",
    "SuspiciousHeader",
    "NonCompliantHeader",
    "BadHeader",
    "AmbiguousUri",
    "SpaceInUri",
    "BadUri",
    "NonCompliantVersion",
    "BadVersion",
    "GetHeadZeroContentLength",
    "UndefinedContentLengthSemantics",
    "MultipleContentLength",
    "DuplicateContentLength",
    "BadContentLength",
    "UndefinedTransferEncodingSemantics",
    "MultipleTransferEncodingChunked",
    "BadTransferEncoding",
    "BothTeClPresent",
    "BadMethod",
    "NonCrLfLineTermination",
    "MultilineHeader",
    "PartialHeaderLine",
    "MissingLastEmptyLine",
    "MissingHeaderColon",
    "MissingUri",
    "SuspiciousTeClPresent",
    "Unknown",
];

impl Finding {
    /// ALB's code for it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        REASONS.get(usize::from(self.reason)).copied().unwrap_or("Unknown")
    }

    /// Whether a listener in `mode` refuses such a head.
    #[must_use]
    pub const fn is_blocked_in(self, mode: Mode) -> bool {
        match mode {
            Mode::Monitor => false,
            Mode::Defensive => matches!(self.class, Class::Severe),
            Mode::Strictest => true,
        }
    }

    /// Whether both connections are closed once such a request is answered.
    #[must_use]
    pub const fn closes_in(self, mode: Mode) -> bool {
        matches!((mode, self.class), (Mode::Defensive, Class::Ambiguous))
    }

    /// Class and reason in one byte, never 0.
    pub(super) const fn code(self) -> u8 {
        (self.class as u8 + 1) << 5 | self.reason
    }

    pub(super) const fn of_code(code: u8) -> Option<Self> {
        let class = match code >> 5 {
            1 => Class::Acceptable,
            2 => Class::Ambiguous,
            3 => Class::Severe,
            _ => return None,
        };
        Some(Self { class, reason: code & 0x1f })
    }
}

/// Classifies a complete head that [`super::head::read`] has let pass. `None` when it is compliant.
#[must_use]
pub(super) fn classify(head: &[u8]) -> Option<Finding> {
    if is_plain(head) { None } else { analyse(head) }
}

/// Classifies a refused head, as far as it came.
pub(super) fn classify_refused(head: &[u8]) -> Option<Finding> {
    (!head.is_empty()).then(|| analyse(head)).flatten()
}

fn analyse(head: &[u8]) -> Option<Finding> {
    let verdict = HttpRequestData::analyze_raw_request(head);
    let class = match verdict.tier {
        RequestSafetyTier::Compliant => return None,
        RequestSafetyTier::Acceptable => Class::Acceptable,
        RequestSafetyTier::Ambiguous => Class::Ambiguous,
        RequestSafetyTier::Severe => Class::Severe,
    };
    let code = format!("{:?}", verdict.reason);
    let reason = REASONS.iter().position(|reason| *reason == code).unwrap_or(REASONS.len() - 1);
    Some(Finding { class, reason: u8::try_from(reason).unwrap_or_default() })
}

/// Whether a head that [`super::head::read`] has let pass is certainly compliant.
fn is_plain(head: &[u8]) -> bool {
    if !head.is_ascii() {
        return false;
    }
    let mut start = 0;
    let mut has_body = true;
    for end in memchr::memchr_iter(b'\n', head) {
        let line = head.get(start..end.saturating_sub(1)).unwrap_or_default();
        let is_first = start == 0;
        start = end + 1;
        if is_first {
            let Some(target) = plain_target(line) else { return false };
            if !target.iter().all(|&byte| IN_TARGET[byte as usize]) {
                return false;
            }
            has_body = !(line.starts_with(b"GET ") || line.starts_with(b"HEAD "));
        } else if !line.is_empty() && !is_plain_field(line, has_body) {
            return false;
        }
    }
    true
}

/// What stands between the two spaces of a request line.
fn plain_target(line: &[u8]) -> Option<&[u8]> {
    let from = memchr::memchr(b' ', line)? + 1;
    line.strip_suffix(b" HTTP/1.1").or_else(|| line.strip_suffix(b" HTTP/1.0"))?.get(from..)
}

/// The analyser compares names with `content-length` and `transfer-encoding` by their letters and
/// digits alone. None that begins with another letter, or is shorter, can be like them.
fn is_plain_field(line: &[u8], may_have_body: bool) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let (name, value) = line.split_at(colon);
    match name.first() {
        None => return false,
        Some(b'c' | b'C' | b't' | b'T') if name.len() >= 14 => {}
        Some(first) => return first.is_ascii_alphanumeric(),
    }
    let is_framing = name.eq_ignore_ascii_case(b"content-length")
        && value.strip_prefix(b": ").is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
        || name.eq_ignore_ascii_case(b"transfer-encoding") && value == b": chunked";
    is_framing && may_have_body
}

/// RFC 3986: what a path and a query are made of, written out or escaped.
static IN_TARGET: [bool; 256] = in_target();

const fn in_target() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0usize;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'/'
                    | b'%'
                    | b'?'
                    | b'='
                    | b'&'
                    | b'+'
                    | b','
                    | b':'
                    | b'@'
                    | b';'
                    | b'!'
                    | b'*'
            );
        byte += 1;
    }
    table
}
