//! A backend of the tests: a thread that answers what it is told and keeps what it received.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering};

use super::process::PATIENCE;

/// What a target received.
#[derive(Debug, Clone)]
pub struct Received {
    /// `GET /x HTTP/1.1`.
    pub request_line: String,
    /// Names as sent, with values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, chunks still in their framing.
    pub body: Vec<u8>,
}

impl Received {
    /// All values of a header, whatever its case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Path and query as sent.
    pub fn target(&self) -> &str {
        self.request_line.split(' ').nth(1).unwrap_or_default()
    }
}

/// A running target.
pub struct Target {
    address: SocketAddr,
    received: Receiver<Received>,
    connections: Arc<AtomicUsize>,
}

impl Target {
    /// Answers each request with 200 and `ok`. Health checks are answered and not kept.
    pub fn start() -> Self {
        Self::answering(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
    }

    /// Answers each request with the bytes that the function returns; no bytes: closes.
    pub fn answering(answer: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::speaking(move |received, stream| {
            let bytes = answer(received);
            !bytes.is_empty() && stream.write_all(&bytes).is_ok()
        })
    }

    /// Hands each request and its connection to the function; false closes the connection.
    pub fn speaking(
        speak: impl Fn(&Received, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, received) = channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let speak = Arc::new(speak);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { break };
                count.fetch_add(1, Ordering::Relaxed);
                let (tell, speak) = (tell.clone(), Arc::clone(&speak));
                std::thread::spawn(move || serve(stream, &tell, &*speak));
            }
        });
        Self { address, received, connections }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next request that it received.
    pub fn next(&self) -> Received {
        self.received.recv_timeout(PATIENCE).expect("the target receives a request")
    }

    /// All requests that have arrived and were not taken yet.
    pub fn taken(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }

    /// Connections it has accepted so far, health checks included.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn serve(
    mut stream: TcpStream,
    tell: &Sender<Received>,
    speak: &(dyn Fn(&Received, &mut TcpStream) -> bool + Send + Sync),
) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    while let Some(received) = read_request(&mut reader) {
        let is_probe =
            received.values("user-agent").first().is_some_and(|v| v.starts_with("ELB-Health"));
        if !is_probe && tell.send(received.clone()).is_err() {
            return;
        }
        if !speak(&received, &mut stream) {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let request_line = read_line(reader)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut received = Received { request_line, headers, body: Vec::new() };
    let length = received.values("content-length").first().and_then(|v| v.parse::<u64>().ok());
    if let Some(length) = length {
        reader.take(length).read_to_end(&mut received.body).ok()?;
    } else if !received.values("transfer-encoding").is_empty() {
        while !received.body.ends_with(b"0\r\n\r\n") {
            let mut byte = [0];
            reader.read_exact(&mut byte).ok()?;
            received.body.push(byte[0]);
        }
    }
    Some(received)
}

fn read_line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}
