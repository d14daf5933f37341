//! An issuer that signs somebody out: the one request whose body is for us.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use pingora_proxy::Session;

use super::Gateway;
use super::request::waits_to_be_told;
use crate::engine::{self, Decision};
use crate::sign_in::logout::{LONGEST_BODY, LogoutRealm, token_of};
use crate::snapshot::Snapshot;

/// How long the body may take in all.
const PATIENCE: Duration = Duration::from_secs(10);

impl Gateway {
    /// Reads the logout token and has it dealt with.
    pub(super) async fn log_out(
        &self,
        session: &mut Session,
        snapshot: &Snapshot,
        realms: &[Arc<LogoutRealm>],
    ) -> Decision {
        let body = tokio::time::timeout(PATIENCE, read_body(session)).await.ok().flatten();
        let content_type = session.req_header().headers.get(CONTENT_TYPE);
        let content_type = content_type.map(::http::HeaderValue::as_bytes);
        let token = body.and_then(|body| token_of(content_type, &body));
        let posted = snapshot.authorizers.deny_list().posted();
        let outcome = self.logouts.log_out(realms, posted, token.as_deref()).await;
        engine::conclude_logout(outcome)
    }
}

/// All of it; `None` where it is too long or does not come.
async fn read_body(session: &mut Session) -> Option<Vec<u8>> {
    if waits_to_be_told(session) {
        session.as_downstream_mut().write_continue_response().await.ok()?;
    }
    let mut body = Vec::new();
    while let Some(bytes) = session.as_downstream_mut().read_request_body().await.ok()? {
        if body.len() + bytes.len() > LONGEST_BODY {
            return None;
        }
        body.extend_from_slice(&bytes);
    }
    Some(body)
}
