//! Requests that last: a WebSocket, a stream, a long download. They end when the identity that
//! opened them does, by its expiry or by the deny list, unless the rule says otherwise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora_error::Result;
use pingora_proxy::Session;

use super::Gateway;
use super::context::{Begun, Context};
use crate::answer::Refusal;
use crate::auth::Identity;
use crate::auth::VerifiedToken;
use crate::clock;
use crate::connection::ConnectionFacts;

/// How often the deny list is looked at, where bytes flow.
const LOOK: Duration = Duration::from_secs(1);
/// Identities that began together do not end together: each ends up to so much early.
const JITTER: Duration = Duration::from_secs(5);

/// Whoever began with a good token has so long to end a request that is no tunnel.
const SHORTEST: Duration = Duration::from_secs(10);

/// A request whose caller is known.
pub(super) struct Lasting {
    token: Arc<VerifiedToken>,
    ends: Instant,
    began: Instant,
    next_look: Instant,
    /// Whether the end was seen while a body was sent to the target.
    is_over: bool,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToTarget,
    ToClient,
}

impl Lasting {
    pub(super) fn new(identity: &Identity, begun: &Begun) -> Self {
        let end = identity.token.expires().plus(identity.pool.clock_skew());
        let left = end.0.saturating_sub(begun.wall.0);
        // Of a short life a twentieth at most.
        let jitter = JITTER.min(Duration::from_millis(left / 20));
        let early = jitter.mul_f64(f64::from(begun.random()) / f64::from(u32::MAX));
        let left = Duration::from_millis(left).saturating_sub(early);
        // What lasts longer than a year is as good as for ever.
        let left = left.min(Duration::from_secs(366 * 24 * 3600));
        let ends = begun.mono + left;
        Self {
            token: Arc::clone(&identity.token),
            ends,
            began: begun.mono,
            next_look: ends.min(begun.mono + LOOK),
            is_over: false,
        }
    }

    /// From now on the connection is a tunnel: who sweeps the connections ends it politely.
    pub(super) fn becomes_tunnel(&self, facts: &ConnectionFacts) {
        facts.ends_at(self.ends);
    }
}

impl Gateway {
    /// Ends the request when its caller's identity has.
    ///
    /// # Errors
    ///
    /// An error by which Pingora cuts it.
    pub(super) fn check_identity(
        &self,
        session: &Session,
        context: &mut Context,
        way: Way,
    ) -> Result<()> {
        let Some(lasting) = &mut context.lasting else { return Ok(()) };
        let now = clock::monotonic();
        let is_over = lasting.is_over && way == Way::ToClient;
        if now < lasting.next_look && !is_over {
            return Ok(());
        }
        let snapshot = self.snapshot.load();
        let deny_list = snapshot.authorizers.deny_list();
        let ends = if session.was_upgraded() {
            lasting.ends
        } else {
            lasting.ends.max(lasting.began + SHORTEST)
        };
        lasting.next_look = ends.min(now + LOOK);
        if !is_over && now < ends && !deny_list.denies(&lasting.token, clock::wall()) {
            return Ok(());
        }
        // Pingora takes an error on this way for the end of the request's body, and waits for the
        // answer: what comes the other way ends both, if it comes soon.
        if way == Way::ToTarget && !session.was_upgraded() && !lasting.is_over {
            lasting.is_over = true;
            lasting.next_look = now + LOOK;
            return Ok(());
        }
        match ConnectionFacts::of(session) {
            Some(facts) if session.was_upgraded() => {
                facts.ends_at(now);
                Ok(())
            }
            _ => Err(context.refuse(Refusal::IdentityEnded)),
        }
    }
}
