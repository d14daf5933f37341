//! A target that can be killed, and may come back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::process::eventually;

/// A target that can be killed: it stops listening, and its connections are reset or closed.
pub struct Mortal {
    /// Where it listens.
    pub address: SocketAddr,
    is_dead: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    /// Requests that it has answered.
    pub served: Arc<AtomicUsize>,
}

impl Mortal {
    /// Starts one at any port.
    pub fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Starts one where another was killed.
    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let mortal = Self {
            address,
            is_dead: Arc::default(),
            streams: Arc::default(),
            served: Arc::default(),
        };
        let (is_dead, streams) = (Arc::clone(&mortal.is_dead), Arc::clone(&mortal.streams));
        let served = Arc::clone(&mortal.served);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_dead.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { return };
                streams.lock().push(stream.try_clone().expect("a clone"));
                let served = Arc::clone(&served);
                std::thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut block = [0; 4096];
                    while let Ok(count @ 1..) = stream.read(&mut block) {
                        seen.extend_from_slice(&block[..count]);
                        // Requests have no body and come one at a time.
                        if seen.ends_with(b"\r\n\r\n") {
                            seen.clear();
                            served.fetch_add(1, Ordering::SeqCst);
                            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmortal";
                            if stream.write_all(answer).is_err() {
                                return;
                            }
                        }
                    }
                });
            }
        });
        mortal
    }

    /// Kills it.
    pub fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then lets go of the listener.
        drop(TcpStream::connect(self.address));
        eventually("nobody listens", || TcpStream::connect(self.address).is_err().then_some(()));
        for stream in self.streams.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
