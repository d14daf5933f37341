//! The PROXY protocol, versions 1 and 2: what a proxy in front of us says about its client before
//! the first byte of TLS or HTTP (HAProxy's `proxy-protocol.txt`).
//!
//! Strict, since it is the address that everything else believes: one spelling passes, and what a
//! TCP connection cannot have is refused. Whose word is taken is not decided here.

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use crate::config::model::ProxyProtocol;

/// Longest line of version 1, with its line end.
const MAX_LINE: usize = 107;
/// Longest header of version 2. It may carry a client's certificate names; nobody needs more.
const MAX_BINARY: usize = 4096;
const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Type of the field that holds a CRC-32C of the whole header.
const CHECKSUM: u8 = 3;

/// Why a connection is closed before anything was read from its client.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It ended before it began.
    #[error("closed without a byte")]
    Silent,
    /// It ended inside the header.
    #[error("closed inside the header")]
    Closed,
    /// The header did not come within `head_timeout`.
    #[error("not complete in time")]
    TooSlow,
    /// It comes from somebody else than a trusted proxy.
    #[error("the peer is not a trusted proxy")]
    Untrusted,
    /// It begins otherwise.
    #[error("no PROXY header")]
    Missing,
    /// The other version than the listener takes.
    #[error("not the version that is taken here")]
    Version,
    /// The line of version 1 is not spelled as it must be.
    #[error("malformed line")]
    Line,
    /// The header of version 2 is not as it must be.
    #[error("malformed binary header")]
    Binary,
    /// Longer than anything sensible.
    #[error("too long")]
    TooLong,
    /// Its checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A complete header.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// In bytes.
    length: usize,
    /// The client's end; `None` when the proxy speaks for itself or does not know.
    source: Option<SocketAddr>,
}

/// Reads the header and not a byte more. `None` when the connection is the proxy's own.
pub(super) async fn receive(
    tcp: &mut TcpStream,
    accepted: ProxyProtocol,
) -> Result<Option<SocketAddr>, Fault> {
    let mut held = Vec::new();
    let mut buffer = [0; 256];
    loop {
        let seen = tcp.peek(&mut buffer).await?;
        if seen == 0 {
            return Err(if held.is_empty() { Fault::Silent } else { Fault::Closed });
        }
        let before = held.len();
        held.extend_from_slice(buffer.get(..seen).unwrap_or_default());
        let header = parse(&held, accepted)?;
        // As long as the header goes on, all that was seen is part of it.
        let end = header.as_ref().map_or(held.len(), |header| header.length);
        let part = buffer.get_mut(..end.saturating_sub(before)).unwrap_or_default();
        tcp.read_exact(part).await?;
        if let Some(header) = header {
            return Ok(header.source);
        }
    }
}

/// The header at the front of `bytes`; `None` when more of it is to come.
fn parse(bytes: &[u8], accepted: ProxyProtocol) -> Result<Option<Header>, Fault> {
    if begins(bytes, LINE_START) {
        return match accepted {
            ProxyProtocol::V2 => Err(Fault::Version),
            ProxyProtocol::V1 | ProxyProtocol::Any => parse_line(bytes),
        };
    }
    if begins(bytes, SIGNATURE) {
        return match accepted {
            ProxyProtocol::V1 => Err(Fault::Version),
            ProxyProtocol::V2 | ProxyProtocol::Any => parse_binary(bytes),
        };
    }
    Err(Fault::Missing)
}

/// Whether `bytes` begin with `start`, or are the beginning of it.
fn begins(bytes: &[u8], start: &[u8]) -> bool {
    let shared = bytes.len().min(start.len());
    bytes.get(..shared) == start.get(..shared)
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n`
fn parse_line(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let within = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', within) else {
        return if within.len() == MAX_LINE { Err(Fault::TooLong) } else { Ok(None) };
    };
    let line = within.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Fault::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| Fault::Line)?;
    let mut parts = line.split(' ');
    let family = parts.nth(1).ok_or(Fault::Line)?;
    let source = match family {
        // What follows is to be ignored.
        "UNKNOWN" => None,
        "TCP4" => Some(read_line_source::<Ipv4Addr>(&mut parts).ok_or(Fault::Line)?),
        "TCP6" => Some(read_line_source::<Ipv6Addr>(&mut parts).ok_or(Fault::Line)?),
        _ => return Err(Fault::Line),
    };
    Ok(Some(Header { length: end + 1, source }))
}

/// Source and destination address, source and destination port, and nothing else.
fn read_line_source<'a, A: std::str::FromStr + Into<IpAddr>>(
    parts: &mut impl Iterator<Item = &'a str>,
) -> Option<SocketAddr> {
    let source: A = parts.next()?.parse().ok()?;
    let _destination: A = parts.next()?.parse().ok()?;
    let port = read_port(parts.next()?)?;
    read_port(parts.next()?)?;
    parts.next().is_none().then(|| SocketAddr::new(source.into(), port))
}

fn read_port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn parse_binary(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some((fixed, rest)) = bytes.split_at_checked(FIXED) else { return Ok(None) };
    let [.., version_and_command, family, high, low] = fixed else { return Err(Fault::Binary) };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Fault::Binary),
    };
    let announced = usize::from(u16::from_be_bytes([*high, *low]));
    let length = FIXED + announced;
    if length > MAX_BINARY {
        return Err(Fault::TooLong);
    }
    let Some(rest) = rest.get(..announced) else { return Ok(None) };
    if is_local {
        // A health check of the proxy's own. Addresses, if any, mean nothing.
        return Ok(Some(Header { length, source: None }));
    }
    let (source, fields) = match family {
        0x00 => (None, rest),
        0x11 => split_source::<4>(rest).ok_or(Fault::Binary)?,
        0x21 => split_source::<16>(rest).ok_or(Fault::Binary)?,
        // Datagrams and Unix sockets: nothing that a TCP connection comes from.
        _ => return Err(Fault::Binary),
    };
    if let Some(checksum) = find_checksum(fields)? {
        // It counts as zero in its own sum.
        let at = length - fields.len() + checksum.at;
        let header = bytes.get(..length).unwrap_or_default();
        if crc32c(header, at..at + 4) != checksum.value {
            return Err(Fault::Checksum);
        }
    }
    Ok(Some(Header { length, source }))
}

/// Source and destination address of `N` bytes each, two ports, and what follows them.
fn split_source<const N: usize>(bytes: &[u8]) -> Option<(Option<SocketAddr>, &[u8])>
where
    [u8; N]: Into<IpAddr>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (_destination, rest) = rest.split_first_chunk::<N>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let (_destination, rest) = rest.split_first_chunk::<2>()?;
    let source = SocketAddr::new((*source).into(), u16::from_be_bytes(*port));
    Some((Some(source), rest))
}

struct Checksum {
    /// Where its value stands among the fields.
    at: usize,
    value: u32,
}

/// Walks through the fields that follow the addresses: type, length, value. Only one is read.
fn find_checksum(fields: &[u8]) -> Result<Option<Checksum>, Fault> {
    let mut found = None;
    let mut rest = fields;
    while !rest.is_empty() {
        let ([kind, high, low], after) = rest.split_first_chunk::<3>().ok_or(Fault::Binary)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = after.split_at_checked(length).ok_or(Fault::Binary)?;
        if *kind == CHECKSUM {
            let value = value.try_into().map_err(|_| Fault::Binary)?;
            let at = fields.len() - after.len() - 4;
            if found.replace(Checksum { at, value: u32::from_be_bytes(value) }).is_some() {
                return Err(Fault::Binary);
            }
        }
        rest = after;
    }
    Ok(found)
}

/// CRC-32C (RFC 3720 B.4) with the bytes in `zeroed` taken for zero. Bit by bit: it is asked for
/// once in a connection, for some fifty bytes.
fn crc32c(bytes: &[u8], zeroed: std::ops::Range<usize>) -> u32 {
    let mut crc = u32::MAX;
    for (at, &byte) in bytes.iter().enumerate() {
        crc ^= if zeroed.contains(&at) { 0 } else { u32::from(byte) };
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
