//! What a failed attempt means: ALB's status, and whether another is allowed.
//!
//! Pure. `peer` translates Pingora's errors into a [`Cause`].

/// Why a target did not answer a request, from finding one to the end of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The group has no target that may receive requests.
    NoTarget,
    /// The target refused the connection, or reset it while it was made.
    ConnectRefused,
    /// No route to the target.
    ConnectUnreachable,
    /// The connection, or its TLS handshake, was not made in time.
    ConnectTimeout,
    /// The TLS handshake failed: protocol, certificate or name.
    TlsFailed,
    /// We had no socket, port or memory for another connection.
    Exhausted,
    /// The target closed or reset the connection although it owed an answer.
    Closed,
    /// The target stopped acknowledging what we sent: it, or the way to it, is gone.
    Vanished,
    /// HTTP/2: the target said that it did not look at the request (`REFUSED_STREAM`, `GOAWAY`).
    Refused,
    /// The connection failed while the request was sent.
    SendFailed,
    /// The target did not take bytes in time.
    SendTimeout,
    /// The target was silent for too long.
    ResponseTimeout,
    /// What the target sent is not HTTP.
    Malformed,
    /// The connection failed in another way.
    Broken,
}

impl Cause {
    /// ALB's answer, if none was begun (alb.md 14.1).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::NoTarget | Self::Exhausted => 503,
            Self::ConnectTimeout | Self::Vanished | Self::SendTimeout | Self::ResponseTimeout => {
                504
            }
            Self::ConnectRefused
            | Self::ConnectUnreachable
            | Self::TlsFailed
            | Self::Closed
            | Self::Refused
            | Self::SendFailed
            | Self::Malformed
            | Self::Broken => 502,
        }
    }

    /// The target cannot have acted on the request.
    const fn is_provably_unsent(self) -> bool {
        matches!(
            self,
            Self::ConnectRefused
                | Self::ConnectUnreachable
                | Self::ConnectTimeout
                | Self::TlsFailed
                | Self::Refused
        )
    }

    /// What it looks like when a kept connection died while it was unused.
    const fn is_idle_race(self) -> bool {
        matches!(self, Self::Closed | Self::SendFailed | Self::Vanished)
    }
}

/// The circumstances of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// RFC 9110 section 9.2.2, by method.
    pub idempotent: bool,
    /// The connection had served another request before.
    pub reused: bool,
    /// A byte of the answer went to the client.
    pub response_started: bool,
    /// All of the request body that was read is still held, or none was read.
    pub body_replayable: bool,
    /// Attempts that failed before this one.
    pub retries: u8,
}

/// Whether the request may be sent once more: at most once, and only where the target cannot have
/// acted on it or where acting twice is harmless.
#[must_use]
pub const fn may_retry(cause: Cause, attempt: Attempt) -> bool {
    if attempt.retries > 0 || attempt.response_started || !attempt.body_replayable {
        return false;
    }
    cause.is_provably_unsent() || (cause.is_idle_race() && attempt.reused && attempt.idempotent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Attempt = Attempt {
        idempotent: true,
        reused: true,
        response_started: false,
        body_replayable: true,
        retries: 0,
    };

    #[test]
    fn unsent_requests_are_retried_whatever_the_method() {
        let post = Attempt { idempotent: false, reused: false, ..GET };
        for cause in
            [Cause::ConnectRefused, Cause::ConnectTimeout, Cause::TlsFailed, Cause::Refused]
        {
            assert!(may_retry(cause, post), "{cause:?}");
        }
    }

    #[test]
    fn post_on_a_connection_that_died_is_not_retried() {
        assert!(may_retry(Cause::Closed, GET));
        assert!(!may_retry(Cause::Closed, Attempt { idempotent: false, ..GET }));
        assert!(!may_retry(Cause::SendFailed, Attempt { idempotent: false, ..GET }));
    }

    #[test]
    fn new_connection_that_closes_is_not_retried() {
        assert!(!may_retry(Cause::Closed, Attempt { reused: false, ..GET }));
    }

    #[test]
    fn nothing_is_retried_twice_or_after_the_answer_began_or_without_the_body() {
        for spoiled in [
            Attempt { retries: 1, ..GET },
            Attempt { response_started: true, ..GET },
            Attempt { body_replayable: false, ..GET },
        ] {
            assert!(!may_retry(Cause::ConnectRefused, spoiled));
            assert!(!may_retry(Cause::Closed, spoiled));
        }
    }

    #[test]
    fn silence_and_nonsense_are_never_retried() {
        for cause in [
            Cause::ResponseTimeout,
            Cause::SendTimeout,
            Cause::Malformed,
            Cause::Broken,
            Cause::Exhausted,
            Cause::NoTarget,
        ] {
            assert!(!may_retry(cause, GET), "{cause:?}");
        }
    }
}
