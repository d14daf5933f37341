//! The way in, second part: a request body to its exact end, and the time a client takes over it.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::super::facts::{BodyRefusal, Stage, add};
use super::Guarded;
use super::reading::At;

impl Guarded {
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let At::Body(left) = self.reading.at else { return Poll::Ready(Ok(())) };
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(buf.remaining());
        let got = if !self.reading.ahead.is_empty() {
            let step = limit.min(self.reading.ahead.len());
            buf.put_slice(self.reading.ahead.get(..step).unwrap_or_default());
            self.reading.ahead.drain(..step);
            step
        } else if limit == buf.remaining() {
            let before = buf.filled().len();
            ready!(self.poll_body_raw(cx, buf))?;
            buf.filled().len() - before
        } else {
            // The engine asks for no more than the body has; this is for whoever would.
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
            ready!(self.poll_body_raw(cx, &mut part))?;
            let got = part.filled().len();
            buf.advance(got);
            got
        };
        let got = u64::try_from(got).unwrap_or(u64::MAX);
        add(&self.facts.life.body_bytes, got);
        self.reading.at = match left.saturating_sub(got) {
            0 => At::Done,
            left => At::Body(left),
        };
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_chunks(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.reading.ahead.is_empty() {
            ready!(self.poll_body_raw(cx, buf))?;
        } else {
            let step = buf.remaining().min(self.reading.ahead.len());
            buf.put_slice(self.reading.ahead.get(..step).unwrap_or_default());
            self.reading.ahead.drain(..step);
        }
        let At::Chunked(chunks) = &mut self.reading.at else { return Poll::Ready(Ok(())) };
        let got = buf.filled().get(before..).unwrap_or_default();
        match chunks.walk(got) {
            Ok(length) => {
                add(&self.facts.life.body_bytes, u64::try_from(length).unwrap_or_default());
                if chunks.is_done() {
                    let mut ahead = got.get(length..).unwrap_or_default().to_vec();
                    ahead.append(&mut self.reading.ahead);
                    self.reading.ahead = ahead;
                    buf.set_filled(before + length);
                    self.reading.at = At::Done;
                }
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                buf.set_filled(before);
                self.book.stats.malformed_bodies.fetch_add(1, Relaxed);
                self.facts.life.refuse_body(BodyRefusal::Malformed(error));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }

    /// Reads body bytes, and keeps account of how long the client lets us wait for them.
    fn poll_body_raw(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.poll_raw(cx, buf);
        let has_come = buf.filled().len() > before;
        let (life, now) = (&self.facts.life, self.book.now());
        let phase = life.phase();
        let is_waiting = phase.stage() == Stage::Body;
        if polled.is_ready() {
            if is_waiting {
                add(&life.body_waited, now.saturating_sub(phase.since()));
                life.enter(Stage::Serving, now);
            }
            if !has_come {
                life.refuse_body(BodyRefusal::CutShort);
            }
            return polled;
        }
        if !is_waiting {
            life.enter(Stage::Body, now);
        }
        if life.is_expired() {
            self.book.stats.slow_bodies.fetch_add(1, Relaxed);
            life.refuse_body(BodyRefusal::TooSlow);
            life.enter(Stage::Serving, now);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}
