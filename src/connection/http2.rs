//! HTTP/2 limits of client connections.

use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::default_h2_options;
use pingora_proxy::HttpProxy;

/// Requests at a time on one connection (alb.md 2.1).
const MAX_STREAMS: u32 = 128;
/// Streams that a client may open and take back before we have looked at them.
const MAX_TAKEN_BACK: usize = 32;
/// Streams that a client may provoke us to reset.
const MAX_PROVOKED: usize = 100;

/// Sets the limits that the HTTP engine enforces by itself. To be called once, before the proxy is
/// shared. Its idle timeout is not among them: it knows but one for all listeners, and forgets it
/// once it has said GOAWAY. The watch keeps ours.
pub fn prepare<SV>(proxy: &mut HttpProxy<SV>) {
    // The engine's own defaults bound the header list to 64 KiB.
    let mut http2 = default_h2_options();
    http2
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_TAKEN_BACK)
        .max_local_error_reset_streams(Some(MAX_PROVOKED));
    proxy.h2_options = Some(http2);
    let mut options = HttpServerOptions::default();
    // Not to proxy it: to have it refused like any other method, with `Allow` and a line in the log.
    options.allow_connect_method_proxying = true;
    proxy.server_options = Some(options);
}
