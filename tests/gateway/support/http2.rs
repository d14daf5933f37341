//! An HTTP/2 client that sends frames as it is told to, right or wrong.
//!
//! Header blocks are literals without indexing (RFC 7541 6.2.2) and without Huffman coding, so that
//! every octet of a name or a value is the test's own.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::process::PATIENCE;
use super::tls::Authority;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame as it came.
#[derive(Debug, Clone)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub payload: Vec<u8>,
}

/// A connection that has said its preface.
pub struct Client {
    tls: StreamOwned<ClientConnection, TcpStream>,
    ahead: Vec<u8>,
    statuses: HashMap<u32, u16>,
    is_over: HashSet<u32>,
    /// The error code of the GOAWAY that came.
    pub goaway: Option<u32>,
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a length").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A HEADERS frame with a whole block.
pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// A header block.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            put_length(&mut bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

/// The fields of an ordinary request.
pub fn head<'a>(
    method: &'a str,
    host: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut fields =
        vec![(":method", method), (":scheme", "https"), (":authority", host), (":path", path)];
    fields.extend(more);
    fields
}

fn put_length(bytes: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return bytes.push(u8::try_from(length).expect("small"));
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("small") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("small"));
}

impl Client {
    /// Connects by TLS with SNI `name`, and says preface and SETTINGS. Our header table has no
    /// room, so that answers come as literals and entries of the static table.
    pub fn connect(gateway: SocketAddr, authority: &Authority, name: &str) -> Self {
        Self::connect_with(gateway, authority.client(&["h2"]), name)
    }

    /// The same with more of its own choice.
    pub fn connect_with(gateway: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Self {
        let tcp = TcpStream::connect_timeout(&gateway, PATIENCE).expect("a connection");
        tcp.set_read_timeout(Some(PATIENCE)).expect("a limit");
        tcp.set_write_timeout(Some(PATIENCE)).expect("a limit");
        tcp.set_nodelay(true).expect("no delay");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(config, name).expect("TLS");
        let mut client = Self {
            tls: StreamOwned::new(session, tcp),
            ahead: Vec::new(),
            statuses: HashMap::new(),
            is_over: HashSet::new(),
            goaway: None,
        };
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]));
        client.send(&hello);
        client
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        assert!(self.try_send(bytes), "the connection is gone");
    }

    /// Sends bytes; false when the connection is gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.tls.write_all(bytes).and_then(|()| self.tls.flush()).is_ok()
    }

    /// The status of a stream; `None` when it was reset or the connection has ended.
    pub fn status(&mut self, stream: u32) -> Option<u16> {
        loop {
            if let Some(status) = self.statuses.get(&stream) {
                return Some(*status);
            }
            if self.is_over.contains(&stream) || self.next().is_none() {
                return None;
            }
        }
    }

    /// Reads until the connection ends.
    pub fn wait_end(&mut self) {
        while self.next().is_some() {}
    }

    /// The next frame; `None` at the end of the connection. SETTINGS and PING are acknowledged.
    pub fn next(&mut self) -> Option<Frame> {
        let head = self.take(9)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = self.take(length)?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let frame = Frame { kind: head[3], flags: head[4], payload };
        match frame.kind {
            SETTINGS if frame.flags & 1 == 0 => {
                let _ = self.try_send(&self::frame(SETTINGS, 1, 0, &[]));
            }
            PING if frame.flags & 1 == 0 => {
                let _ = self.try_send(&self::frame(PING, 1, 0, &frame.payload));
            }
            GOAWAY => {
                let code = frame.payload.get(4..8).and_then(|bytes| bytes.try_into().ok());
                self.goaway = code.map(u32::from_be_bytes);
            }
            RST_STREAM => {
                self.is_over.insert(stream);
            }
            HEADERS => {
                if let Some(status) = read_status(&frame.payload) {
                    self.statuses.entry(stream).or_insert(status);
                }
            }
            _ => {}
        }
        if matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0 {
            self.is_over.insert(stream);
        }
        Some(frame)
    }

    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            let mut buffer = [0; 16 * 1024];
            match self.tls.read(&mut buffer) {
                Ok(0) => return None,
                Ok(got) => self.ahead.extend_from_slice(&buffer[..got]),
                Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("waited for a frame")
                }
                Err(_) => return None,
            }
        }
        Some(self.ahead.drain(..count).collect())
    }
}

/// The status, which is the first field of an answer's block; `None` for trailers.
fn read_status(block: &[u8]) -> Option<u16> {
    // Changes of the table's size (RFC 7541 6.3) may stand in front.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20)?;
    let block = block.get(start..)?;
    match block {
        [0x88, ..] => Some(200),
        [0x89, ..] => Some(204),
        [0x8a, ..] => Some(206),
        [0x8b, ..] => Some(304),
        [0x8c, ..] => Some(400),
        [0x8d, ..] => Some(404),
        [0x8e, ..] => Some(500),
        // A literal whose name is entry 8 of the static table.
        [0x08 | 0x18 | 0x48, length, value @ ..] => {
            let text = value.get(..usize::from(length & 0x7f))?;
            if length & 0x80 == 0 {
                return std::str::from_utf8(text).ok()?.parse().ok();
            }
            Some(huffman_digits(text))
        }
        _ => None,
    }
}

/// A number in Huffman coding (RFC 7541, appendix B): 0 to 2 have five bits, 3 to 9 six.
fn huffman_digits(text: &[u8]) -> u16 {
    let bits: Vec<u16> = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| u16::from(byte >> at & 1)))
        .collect();
    let value = |from: usize, count: usize| {
        bits.get(from..from + count).map(|bits| bits.iter().fold(0, |all, bit| all << 1 | bit))
    };
    let (mut at, mut number) = (0, 0);
    while let Some(five) = value(at, 5) {
        let (digit, length) = match (five, value(at, 6)) {
            (0..=2, _) => (five, 5),
            (_, Some(six @ 25..=31)) => (six - 22, 6),
            _ => break,
        };
        number = number * 10 + digit;
        at += length;
    }
    number
}
