//! Bodies that are read before it is decided about their requests, and sent on when it is.
//!
//! Pingora sends on what its retry buffer holds when a body was read before there was a target, and
//! that is 64 KiB at most. So a longer one is read in two steps: its end goes into the buffer, to
//! have the filter of bodies called once, and the filter then puts the whole in its place. Where the
//! end is cannot be known without a `Content-Length`; such a body may have 64 KiB.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_error::Result;
use pingora_proxy::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::request::waits_to_be_told;
use crate::answer::Refusal;

/// What Pingora's retry buffer takes, and the most that it reads at once.
const RETRY_BUFFER: u64 = 64 << 10;

/// How long a body may take in all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Memory for all bodies that are held at a time.
const ROOM: usize = 256 << 20;

/// What room is given out in.
const PIECE: usize = 16 << 10;

/// Memory for the bodies that are held at a time.
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM / PIECE)))
    }
}

/// A whole body, and its part of the room while this lives.
pub(super) struct HeldBody {
    pub(super) bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl BodyRoom {
    /// Reads a body to its end.
    ///
    /// # Errors
    ///
    /// The client's connection failed. A body that is too long or does not come in time, and one
    /// that there is no room for, is a refusal.
    pub(super) async fn hold(
        &self,
        session: &mut Session,
        (declared, longest): (Option<u64>, u64),
    ) -> Result<Result<HeldBody, Refusal>> {
        if session.is_body_empty() || session.is_upgrade_req() {
            return Ok(Ok(HeldBody { bytes: Bytes::new(), _place: None }));
        }
        let longest = if declared.is_some() { longest } else { longest.min(RETRY_BUFFER) };
        if declared.is_some_and(|declared| declared > longest) {
            return Ok(Err(Refusal::BodyTooLarge));
        }
        if waits_to_be_told(session) {
            session.as_downstream_mut().write_continue_response().await?;
        }
        let reading = self.read(session, declared.unwrap_or_default(), longest);
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or(Ok(Err(Refusal::RequestTimeout)))
    }

    async fn read(
        &self,
        session: &mut Session,
        declared: u64,
        longest: u64,
    ) -> Result<Result<HeldBody, Refusal>> {
        let mut bytes = BytesMut::new();
        let mut place: Option<OwnedSemaphorePermit> = None;
        loop {
            if declared.saturating_sub(bytes.len() as u64) <= RETRY_BUFFER {
                session.as_downstream_mut().enable_retry_buffering();
            }
            let Some(piece) = session.as_downstream_mut().read_request_body().await? else { break };
            let length = bytes.len() + piece.len();
            if length as u64 > longest {
                return Ok(Err(Refusal::BodyTooLarge));
            }
            let has = place.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = u32::try_from(length.div_ceil(PIECE).saturating_sub(has));
            let more = more.ok().map(|more| Arc::clone(&self.0).try_acquire_many_owned(more));
            let Some(Ok(more)) = more else { return Ok(Err(Refusal::Overloaded)) };
            match &mut place {
                Some(place) => place.merge(more),
                None => place = Some(more),
            }
            bytes.extend_from_slice(&piece);
        }
        if !bytes.is_empty() && session.as_downstream().get_retry_buffer().is_none() {
            // It came in larger pieces than Pingora reads. Nothing would be sent on.
            return Ok(Err(Refusal::Internal));
        }
        Ok(Ok(HeldBody { bytes: bytes.freeze(), _place: place }))
    }
}
