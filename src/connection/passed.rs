//! Listening sockets that the service manager holds and passes on (`LISTEN_FDS`).
//!
//! A listener of the file whose address is a passed socket's uses that one; the others are bound as
//! ever. The manager keeps the socket open over a restart, so that the kernel has somebody to
//! complete connections for while the old process drains and the new one starts.

use std::env;
use std::io;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;

use super::listener::{BindError, BoundListener, bind, take_over};

/// What was passed and not used yet.
#[derive(Debug, Default)]
pub struct PassedSockets(Vec<(SocketAddr, TcpListener)>);

impl PassedSockets {
    /// Takes what the manager passed to this process. Call it before there are threads: the
    /// variables are removed, so that no child believes them.
    ///
    /// # Errors
    /// Something was passed that is no TCP socket.
    pub fn of_environment() -> io::Result<Self> {
        // The crate would take sockets that are not said to be this process's.
        if env::var_os("LISTEN_PID").is_none() {
            return Ok(Self::default());
        }
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            if let Some(socket) = passed.take_tcp_listener(index)? {
                sockets.push((socket.local_addr()?, socket));
            }
        }
        Ok(Self(sockets))
    }

    /// The passed socket of this address, or a new one.
    ///
    /// # Errors
    /// As [`bind`].
    pub fn bind(&mut self, address: SocketAddr) -> Result<BoundListener, BindError> {
        match self.0.iter().position(|(passed, _)| *passed == address) {
            Some(index) => take_over(self.0.swap_remove(index).1, address),
            None => bind(address),
        }
    }

    /// Sockets that none of these addresses will use.
    pub fn unused<'a>(&'a self, wanted: &'a [SocketAddr]) -> impl Iterator<Item = SocketAddr> + 'a {
        self.0.iter().map(|(address, _)| *address).filter(|address| !wanted.contains(address))
    }
}
