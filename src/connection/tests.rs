//! The real engine behind real sockets, with a target of a few lines.

mod drain;
mod limits;
mod requests;
mod support;
mod tls;
