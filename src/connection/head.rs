//! Judges the raw head of an HTTP/1 request before the HTTP engine may repair it.
//!
//! Two parsers that read one message differently are what request smuggling lives on. So a head
//! passes here only in the one spelling that every parser reads alike; anything else is refused,
//! however well-meant. What the fields mean (paths, authorities, identities) is judged elsewhere.

#[cfg(test)]
mod tests;

/// Longest head, from the method to the empty line, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Longest request line in bytes.
pub const MAX_REQUEST_LINE: usize = 16 * 1024;
/// Most header fields in a head.
pub const MAX_FIELDS: usize = 100;

/// What the head says about the bytes that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// How the body ends.
    pub body: Body,
    /// The request asks for another protocol on this connection.
    pub upgrade: bool,
    /// The method is HEAD: no answer to it has a body.
    pub is_head: bool,
}

/// How a request body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Absent,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk and its trailers.
    Chunked,
}

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The request line is not `METHOD SP target SP HTTP/1.x`.
    #[error("malformed request line")]
    RequestLine,
    /// The target has a fragment or a byte that no target may have.
    #[error("malformed request target")]
    Target,
    /// An HTTP version that is not spoken here.
    #[error("unsupported HTTP version")]
    Version,
    /// A bare CR, a bare LF, NUL or another control character.
    #[error("control character or bare line break in the head")]
    Control,
    /// A field line without a colon, without a name, folded, or with a name that is no token.
    #[error("malformed field line")]
    FieldLine,
    /// A name that some target would take for `Content-Length` or its like.
    #[error("disguised framing field")]
    Disguised,
    /// `Content-Length` twice, in a list, or not plain digits.
    #[error("ambiguous Content-Length")]
    ContentLength,
    /// `Transfer-Encoding` beside `Content-Length`, in HTTP/1.0, or spelled oddly.
    #[error("ambiguous Transfer-Encoding")]
    TransferEncoding,
    /// A transfer coding that is not `chunked`.
    #[error("unknown transfer coding")]
    Coding,
    /// More than one `Host`.
    #[error("more than one Host")]
    Host,
    /// Well-formed, but not what the listener's `desync_mitigation_mode` lets pass.
    #[error("refused by desync_mitigation_mode")]
    Desync,
    /// The request line exceeds [`MAX_REQUEST_LINE`].
    #[error("request line too long")]
    LineTooLong,
    /// The head exceeds [`MAX_HEAD`].
    #[error("head too large")]
    TooLarge,
    /// More than [`MAX_FIELDS`] fields.
    #[error("too many header fields")]
    TooManyFields,
    /// The head did not arrive within the listener's `head_timeout`.
    #[error("head not complete in time")]
    TooSlow,
}

impl Refusal {
    /// The status that is answered before the connection is closed.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooSlow => 408,
            Self::LineTooLong => 414,
            Self::TooLarge | Self::TooManyFields => 431,
            Self::Coding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}

/// What was found at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A complete head of so many bytes.
    Complete(usize, Framing),
    /// No end in sight yet.
    Partial,
    /// Nothing that may be served.
    Refused(Refusal),
}

/// Looks for one head at the front of `bytes` and judges it.
///
/// A malformed line is refused as soon as it is seen, before the head is complete.
#[must_use]
pub fn read(bytes: &[u8]) -> Outcome {
    match bytes.first() {
        None => return Outcome::Partial,
        Some(&first) if !is_token(first) => return Outcome::Refused(Refusal::RequestLine),
        Some(_) => {}
    }
    let mut scan = Scan::default();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes) {
        let Some(line) = bytes.get(start..end) else { return Outcome::Partial };
        let Some(line) = line.strip_suffix(b"\r") else {
            return Outcome::Refused(Refusal::Control);
        };
        start = end + 1;
        if line.is_empty() {
            return scan.finish(bytes.get(..start).unwrap_or(bytes));
        }
        if let Err(refusal) = scan.line(line) {
            return Outcome::Refused(refusal);
        }
    }
    Outcome::Partial
}

/// Where the head at the front of `bytes` ends, looking from `from` on. To call again with more
/// bytes, pass the earlier length less 3. A bare LF counts here: [`read`] refuses it, but it must
/// not hide the end.
#[must_use]
pub fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', tail).find_map(|at| match tail.get(at + 1..) {
        Some([b'\n', ..]) => Some(from + at + 2),
        Some([b'\r', b'\n', ..]) => Some(from + at + 3),
        _ => None,
    })
}

/// What has been seen on the way through a head.
#[derive(Default)]
struct Scan {
    lines: usize,
    http_1_0: bool,
    hosts: u8,
    upgrade: bool,
    is_head: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Scan {
    fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.lines += 1;
        if self.lines == 1 { self.request_line(line) } else { self.field_line(line) }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if line.len() > MAX_REQUEST_LINE {
            return Err(Refusal::LineTooLong);
        }
        let (method, rest) = split_at_space(line).ok_or(Refusal::RequestLine)?;
        let (target, version) = split_at_space(rest).ok_or(Refusal::RequestLine)?;
        if method.is_empty() || target.is_empty() || !method.iter().copied().all(is_token) {
            return Err(Refusal::RequestLine);
        }
        self.is_head = method == b"HEAD";
        // The engine cuts what follows a `#` and encodes a tab. The other controls are counted over
        // the whole head.
        if memchr::memchr2(b'#', b'\t', target).is_some() {
            return Err(Refusal::Target);
        }
        match version {
            b"HTTP/1.1" => Ok(()),
            b"HTTP/1.0" => {
                self.http_1_0 = true;
                Ok(())
            }
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                Err(Refusal::Version)
            }
            _ => Err(Refusal::RequestLine),
        }
    }

    fn field_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        if self.lines > MAX_FIELDS + 1 {
            return Err(Refusal::TooManyFields);
        }
        let mut classes = 0;
        let mut colon = None;
        for (at, &byte) in line.iter().enumerate() {
            if byte == b':' {
                colon = Some(at);
                break;
            }
            classes |= CLASS[byte as usize];
        }
        let colon = colon.filter(|&at| at > 0).ok_or(Refusal::FieldLine)?;
        if classes & OTHER != 0 {
            return Err(Refusal::FieldLine);
        }
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default();
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            14 | 17 if classes & UNDERSCORE != 0 && is_disguised(name) => Err(Refusal::Disguised),
            _ => Ok(()),
        }
    }

    fn host(&mut self) -> Result<(), Refusal> {
        self.hosts = self.hosts.saturating_add(1);
        if self.hosts > 1 { Err(Refusal::Host) } else { Ok(()) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let digits = trim(value);
        if self.length.is_some() {
            return Err(Refusal::ContentLength);
        }
        if self.chunked {
            return Err(Refusal::TransferEncoding);
        }
        self.length = Some(parse_length(digits).ok_or(Refusal::ContentLength)?);
        Ok(())
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let coding = trim(value);
        if self.chunked || self.length.is_some() || self.http_1_0 {
            return Err(Refusal::TransferEncoding);
        }
        if coding.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        // RFC 9112 section 6.1: 501 for a coding that is well said but not understood. A list in
        // which `chunked` is not the last, or not alone, is no honest mistake.
        let mut codings = coding.split(|&byte| byte == b',').map(trim).peekable();
        while let Some(one) = codings.next() {
            let is_last = codings.peek().is_none();
            let is_chunked = one.eq_ignore_ascii_case(b"chunked");
            if one.is_empty() || !one.iter().copied().all(is_token) || (is_chunked && !is_last) {
                return Err(Refusal::TransferEncoding);
            }
        }
        Err(Refusal::Coding)
    }

    /// The lines were fine; now the bytes between them.
    fn finish(&self, head: &[u8]) -> Outcome {
        // Each line was seen to end in CRLF, so these are two control characters a line and two for
        // the empty one. A CR elsewhere, or NUL, makes more.
        if self.lines == 0 || count_controls(head) != 2 * (self.lines + 1) {
            return Outcome::Refused(Refusal::Control);
        }
        if head.len() > MAX_HEAD {
            return Outcome::Refused(Refusal::TooLarge);
        }
        let body = match (self.chunked, self.length) {
            (true, _) => Body::Chunked,
            (false, None | Some(0)) => Body::Absent,
            (false, Some(length)) => Body::Length(length),
        };
        Outcome::Complete(
            head.len(),
            Framing { body, upgrade: self.upgrade, is_head: self.is_head },
        )
    }
}

/// Splits at the first space; both halves without it.
fn split_at_space(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', line)?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

/// Without optional whitespace (RFC 9110 section 5.6.3): spaces and tabs, nothing else.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Plain digits, no sign, no leading zero, below 2^63.
fn parse_length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || (digits.len() > 1 && digits.first() == Some(&b'0'))
    {
        return None;
    }
    let mut length = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        length = length.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    (length <= i64::MAX as u64).then_some(length)
}

/// A framing field's name once `_` is read as `-`, as CGI and its heirs do.
fn is_disguised(name: &[u8]) -> bool {
    let folded = |plain: &[u8]| {
        name.len() == plain.len()
            && name.iter().zip(plain).all(|(&byte, &want)| {
                byte.eq_ignore_ascii_case(&want) || (byte == b'_' && want == b'-')
            })
    };
    folded(b"content-length") || folded(b"transfer-encoding")
}

/// Control characters but the tab. In blocks, so that the compiler can use wide registers.
fn count_controls(bytes: &[u8]) -> usize {
    let mut total = 0;
    for block in bytes.chunks(128) {
        let mut controls = 0u8;
        for &byte in block {
            let is_control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
            controls = controls.wrapping_add(u8::from(is_control));
        }
        total += controls as usize;
    }
    total
}

const TOKEN: u8 = 0;
const UNDERSCORE: u8 = 1;
const OTHER: u8 = 2;

/// RFC 9110 section 5.6.2: which bytes make a token.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let mut byte = 0usize;
    while byte < 128 {
        let is_token = (byte as u8).is_ascii_alphanumeric()
            || matches!(
                byte as u8,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        if is_token {
            table[byte] = TOKEN;
        }
        byte += 1;
    }
    table[b'_' as usize] = UNDERSCORE;
    table
}

/// Whether `byte` may stand in a method or a field name.
#[must_use]
pub fn is_token(byte: u8) -> bool {
    CLASS[byte as usize] != OTHER
}
