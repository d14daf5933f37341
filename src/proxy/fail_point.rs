//! A place where a test makes a request fail as a defect of ours would: with a panic.
//!
//! Only in builds with debug assertions, and there only when the environment asks for it: the tests
//! run the one binary that `cargo test` builds, and what is released has nothing of it. A cargo
//! feature would need a second build of everything, or be on by accident (features add up).

use pingora_proxy::Session;

/// Where a request may be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Its head is here, and nothing was decided.
    Request,
    /// The head of the target's answer is here.
    Answer,
}

/// Goes on, as ever.
#[cfg(not(debug_assertions))]
pub(super) fn pass(_place: Place, _session: &Session) {}

/// Panics, if `PORTCULLIS_FAIL_POINTS` is set, for a request whose `x-fail-point` begins with the
/// name of this place. The message holds the whole value, as a defect might a secret.
#[cfg(debug_assertions)]
pub(super) fn pass(place: Place, session: &Session) {
    use std::sync::LazyLock;
    static IS_ON: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("PORTCULLIS_FAIL_POINTS").is_some());

    if !*IS_ON {
        return;
    }
    let Some(value) = session.req_header().headers.get("x-fail-point") else { return };
    let name = match place {
        Place::Request => "request",
        Place::Answer => "answer",
    };
    assert!(!value.as_bytes().starts_with(name.as_bytes()), "fail point {value:?}");
}
