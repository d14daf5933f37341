//! A name server of the tests, on a loopback address of its own, and a gateway that asks it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Start;

/// What it does with a question.
#[derive(Debug, Clone, Copy)]
pub enum Manner {
    /// This address, whatever the name.
    Answer(Ipv4Addr),
    /// `SERVFAIL`.
    Fail,
    /// Nothing.
    Silent,
}

/// A running name server.
pub struct NameServer {
    address: Ipv4Addr,
    manner: Arc<Mutex<Manner>>,
}

impl NameServer {
    /// Starts one. `None` where the tests may not: it takes port 53 and a mount namespace.
    pub fn start(manner: Manner) -> Option<Self> {
        let may_mount = Command::new("unshare").args(["-m", "true"]).status();
        if !may_mount.is_ok_and(|status| status.success()) {
            return None;
        }
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let (address, socket) = (1..=250).find_map(|n| {
            let address = Ipv4Addr::new(127, n, high, low.max(1));
            UdpSocket::bind((address, 53)).ok().map(|socket| (address, socket))
        })?;
        let manner = Arc::new(Mutex::new(manner));
        let shared = Arc::clone(&manner);
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut packet) {
                let manner = *shared.lock();
                if let Some(answer) = packet.get(..length).and_then(|asked| answer(asked, manner)) {
                    let _: Result<usize, _> = socket.send_to(&answer, asker as SocketAddr);
                }
            }
        });
        Some(Self { address, manner })
    }

    /// Changes what it does.
    pub fn set(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    /// A gateway that asks this name server and no other.
    pub fn serve(&self, start: Start) -> Start {
        let hosts = "127.0.0.1 localhost\n";
        let resolver = format!("nameserver {}\noptions timeout:1 attempts:1\n", self.address);
        start.file("resolv.conf", resolver).file("hosts", hosts).after(
            "exec unshare -m sh -c 'mount --bind \"$FOLDER/resolv.conf\" /etc/resolv.conf && \
             mount --bind \"$FOLDER/hosts\" /etc/hosts && exec \"$0\" \"$@\"' \"$0\" \"$@\"",
        )
    }
}

/// RFC 1035 section 4.1: the question comes back, with an answer if it is for an `A` record.
fn answer(asked: &[u8], manner: Manner) -> Option<Vec<u8>> {
    let name_end = 12 + asked.get(12..)?.iter().position(|&byte| byte == 0)?;
    let question = asked.get(12..name_end + 5)?;
    let is_a = asked.get(name_end + 1..name_end + 3)? == [0, 1];
    let (code, address) = match manner {
        Manner::Silent => return None,
        Manner::Fail => (2, None),
        Manner::Answer(address) => (0, Some(address).filter(|_| is_a)),
    };
    let mut packet = asked.get(..2)?.to_vec();
    packet.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    packet.extend_from_slice(question);
    if let Some(address) = address {
        packet.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        packet.extend(address.octets());
    }
    Some(packet)
}
