//! Follows a chunked request body to its exact end, and refuses every loose spelling of it.
//!
//! The HTTP engine decodes the chunks; this only walks along. It matters because a body that two
//! parsers end at different bytes is a second, hidden request (RFC 9112 section 7.1).

#[cfg(test)]
mod tests;

use super::head::is_token;

/// Longest chunk-size line in bytes, extensions included.
const MAX_SIZE_LINE: usize = 256;
/// Most extension bytes in one body.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Most trailer bytes.
const MAX_TRAILERS: usize = 8 * 1024;

/// Trailers that would change what was already decided about the request.
const FORBIDDEN_TRAILERS: [&str; 10] = [
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "content-type",
    "host",
    "authorization",
    "cookie",
    "te",
    "trailer",
    "connection",
];

/// The body is not spelled as RFC 9112 section 7.1 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not plain hexadecimal digits, or too many of them.
    #[error("malformed chunk size")]
    Size,
    /// A chunk extension that is too long or has control characters.
    #[error("malformed chunk extension")]
    Extension,
    /// A line or a chunk's data that does not end in CRLF.
    #[error("chunk does not end in CRLF")]
    LineBreak,
    /// A trailer that is malformed, too long, or may not be a trailer.
    #[error("malformed or forbidden trailer")]
    Trailer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    End,
}

/// Position in a chunked body.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Digits seen of the size line, then bytes of it.
    line: usize,
    /// What is left of the current chunk.
    left: u64,
    extensions: usize,
    trailers: usize,
    name: Vec<u8>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { at: At::Size, line: 0, left: 0, extensions: 0, trailers: 0, name: Vec::new() }
    }
}

impl Chunks {
    /// Whether the last byte of the body has been seen.
    #[must_use]
    pub(super) fn is_done(&self) -> bool {
        self.at == At::End
    }

    /// Walks over `bytes` and says how many belong to the body: all of them, unless it ends here.
    ///
    /// # Errors
    /// [`ChunkError`]; the body cannot be trusted from there on.
    pub(super) fn walk(&mut self, bytes: &[u8]) -> Result<usize, ChunkError> {
        let mut index = 0;
        while let Some(&byte) = bytes.get(index) {
            match self.at {
                At::End => return Ok(index),
                At::Data => {
                    let here = u64::try_from(bytes.len() - index).unwrap_or(u64::MAX);
                    let step = here.min(self.left);
                    self.left -= step;
                    index += usize::try_from(step).unwrap_or(usize::MAX);
                    if self.left == 0 {
                        self.at = At::DataCr;
                    }
                    continue;
                }
                At::Size | At::Extension | At::SizeLf => self.size_line(byte)?,
                At::DataCr => self.expect(byte, b'\r', At::DataLf)?,
                At::DataLf => self.expect(byte, b'\n', At::Size)?,
                At::TrailerLf => self.expect(byte, b'\n', At::TrailerStart)?,
                At::LastLf => self.expect(byte, b'\n', At::End)?,
                At::TrailerStart | At::TrailerName | At::TrailerValue => self.trailer(byte)?,
            }
            index += 1;
        }
        Ok(index)
    }

    fn expect(&mut self, byte: u8, wanted: u8, next: At) -> Result<(), ChunkError> {
        if byte != wanted {
            return Err(ChunkError::LineBreak);
        }
        self.at = next;
        Ok(())
    }

    fn size_line(&mut self, byte: u8) -> Result<(), ChunkError> {
        match (self.at, byte) {
            (At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // 15 digits stay below 2^60: no sum with it can overflow.
                if self.line >= 15 {
                    return Err(ChunkError::Size);
                }
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                self.left = self.left * 16 + u64::from(digit);
            }
            (At::Size, b';') if self.line > 0 => self.at = At::Extension,
            (At::Size, b'\r') if self.line > 0 => self.at = At::SizeLf,
            (At::Size, _) => return Err(ChunkError::Size),
            (At::SizeLf, b'\n') => {
                self.at = if self.left == 0 { At::TrailerStart } else { At::Data };
                self.line = 0;
                return Ok(());
            }
            (At::SizeLf, _) => return Err(ChunkError::LineBreak),
            (_, b'\r') => self.at = At::SizeLf,
            (_, b'\t' | b' '..=b'~') => {
                self.extensions += 1;
                if self.extensions > MAX_EXTENSIONS {
                    return Err(ChunkError::Extension);
                }
            }
            _ => return Err(ChunkError::Extension),
        }
        self.line += 1;
        if self.line > MAX_SIZE_LINE { Err(ChunkError::Extension) } else { Ok(()) }
    }

    fn trailer(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.trailers += 1;
        if self.trailers > MAX_TRAILERS {
            return Err(ChunkError::Trailer);
        }
        match (self.at, byte) {
            (At::TrailerStart, b'\r') => self.at = At::LastLf,
            (At::TrailerStart | At::TrailerName, byte) if is_token(byte) => {
                self.at = At::TrailerName;
                self.name.push(byte.to_ascii_lowercase());
            }
            (At::TrailerName, b':') => {
                if FORBIDDEN_TRAILERS.iter().any(|name| name.as_bytes() == self.name) {
                    return Err(ChunkError::Trailer);
                }
                self.name.clear();
                self.at = At::TrailerValue;
            }
            (At::TrailerValue, b'\r') => self.at = At::TrailerLf,
            (At::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {}
            _ => return Err(ChunkError::Trailer),
        }
        Ok(())
    }
}
