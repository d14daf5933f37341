//! A client that speaks raw bytes, so that a test says exactly what goes over the wire.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::process::PATIENCE;

/// A connection to the gateway.
pub struct Connection {
    stream: TcpStream,
    ahead: Vec<u8>,
}

/// An HTTP/1.1 answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// The line that says it.
    pub status_line: String,
    /// Names in lower case with their values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, de-chunked.
    pub body: Vec<u8>,
}

impl Response {
    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let value = values.next();
        assert!(values.next().is_none(), "{name} comes twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }
}

impl Connection {
    /// Opens one.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).expect("a connection")
    }

    /// Opens one; `None` when nobody listens any more.
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        let stream = match TcpStream::connect_timeout(&address, PATIENCE) {
            Err(why) if why.kind() == std::io::ErrorKind::ConnectionRefused => return None,
            connected => connected.expect("a connection"),
        };
        Some(Self::of(stream))
    }

    /// One that was opened already.
    pub fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, ahead: Vec::new() }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// Sends bytes; true unless the other side has gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends the sending side only.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    }

    /// Reads one answer to a request that was not HEAD.
    pub fn read(&mut self) -> Response {
        self.try_read(false).expect("an answer")
    }

    /// Reads one answer to a HEAD request.
    pub fn read_head(&mut self) -> Response {
        self.try_read(true).expect("an answer")
    }

    /// Reads one answer; `None` when the connection ends instead.
    pub fn try_read(&mut self, head_only: bool) -> Option<Response> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                return None;
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default().to_owned();
        let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
        let headers: Vec<(String, String)> = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a header");
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let mut response = Response { status, status_line, headers, body: Vec::new() };
        if !head_only && status >= 200 && status != 204 && status != 304 {
            response.body = self.read_body(&response)?;
        }
        Some(response)
    }

    /// Whether the other side has closed and nothing is left to read. Waits for either.
    pub fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && !self.fill()
    }

    /// All bytes until the other side closes.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.ahead)
    }

    /// Exactly this many bytes.
    pub fn read_exact(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.ahead.len() < count {
            if !self.fill() {
                return None;
            }
        }
        Some(self.ahead.drain(..count).collect())
    }

    fn read_body(&mut self, response: &Response) -> Option<Vec<u8>> {
        if response.header("transfer-encoding").is_some() {
            return self.read_chunks();
        }
        if let Some(length) = response.header("content-length") {
            return self.read_exact(length.parse().expect("a length"));
        }
        Some(self.read_to_end())
    }

    fn read_chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.read_exact(size)?);
            self.read_exact(2)?;
        }
    }

    fn read_line(&mut self) -> Option<String> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n") {
                break at + 2;
            }
            if !self.fill() {
                return None;
            }
        };
        let line: Vec<u8> = self.ahead.drain(..end).collect();
        Some(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.ahead.extend_from_slice(&buffer[..count]);
                true
            }
            Err(why) if why.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(why) => panic!("waited for bytes: {why}"),
        }
    }
}

/// One GET on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> Response {
    request(address, "GET", path, &[])
}

/// One request without a body on a connection of its own.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut connection = Connection::open(address);
    connection.send(text);
    connection.try_read(method == "HEAD").unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
