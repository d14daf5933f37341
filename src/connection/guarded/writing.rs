//! The way out: small writes are gathered, the status of each answer is noted.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use pingora_core::protocols::http::date;

use super::super::facts::{HttpVersion, Stage, add};
use super::super::head::Framing;
use super::super::websocket::{Frames, GOING_AWAY, IDENTITY_ENDED};
use super::Guarded;
use crate::answer::{Answer as Page, Caller};

/// What is gathered before it is sent without being asked: a head and a small body go as one.
const GATHER: usize = 4096;

/// Bytes on their way to the client.
#[derive(Default)]
pub(super) struct Writing {
    /// Accepted and not yet sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    answer: Answer,
    is_blocked: bool,
    has_written: bool,
    tunnel: Option<Tunnel>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// None is due, or its status is known.
    #[default]
    Known,
    /// The next head of an answer is still to be seen.
    Due { upgrade: bool, is_head: bool },
    /// We gave it ourselves: what the engine says is not for the client.
    Given,
}

#[derive(Default)]
struct Tunnel {
    frames: Frames,
    /// We have sent a close frame: nothing may follow it.
    is_closed: bool,
}

impl Writing {
    pub(super) fn expect_answer(&mut self, framing: Framing) {
        self.answer = Answer::Due { upgrade: framing.upgrade, is_head: framing.is_head };
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.sent < self.out.len()
    }

    pub(super) fn has_written(&self) -> bool {
        self.has_written
    }

    /// An answer of ours, after which nothing is said.
    pub(super) fn put_last_words(&mut self, answer: &Page) {
        self.answer = Answer::Given;
        self.out.extend_from_slice(&answer.to_last_words(&date::get_cached_date()));
        self.has_written = true;
    }

    fn unsent(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// So many bytes of `out` were sent.
    fn advance(&mut self, written: usize) {
        self.sent += written;
        if self.sent >= self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }
}

/// The status in the first line of an answer.
fn status_of(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [_, b' ', hundreds, tens, ones, ..] = rest else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    Some(digit(hundreds)? * 100 + digit(tens)? * 10 + digit(ones)?)
}

impl Guarded {
    pub(super) fn poll_writing(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.facts.http == HttpVersion::Http2 {
            return self.poll_passing(cx, &[IoSlice::new(buf)]);
        }
        if self.writing.tunnel.is_some() {
            return self.poll_tunnelling(cx, buf);
        }
        if self.writing.answer == Answer::Given {
            return Poll::Ready(Ok(buf.len()));
        }
        if matches!(self.writing.answer, Answer::Due { .. }) && self.note_answer(buf) {
            // The head of a 101 is taken whole: what follows it are frames.
            if self.writing.answer != Answer::Given {
                self.take(buf);
            }
            return Poll::Ready(Ok(buf.len()));
        }
        if self.writing.out.len() + buf.len() <= GATHER {
            self.take(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        self.poll_through(cx, buf)
    }

    /// Puts a page of ours in the way of whatever the engine would say, as the listener words it.
    pub(super) fn say_last(&mut self, status: u16, is_head: bool) {
        let caller = Caller { is_head, is_grpc: false };
        let page = Page::page(status).for_caller(caller);
        // The request has no name of its own yet.
        let id = self.facts.id.as_str();
        let answer = self.facts.settings.style.dress(page, caller, id);
        self.writing.put_last_words(&answer);
    }

    fn take(&mut self, buf: &[u8]) {
        self.writing.has_written = true;
        self.writing.out.extend_from_slice(buf);
        add(&self.facts.life.bytes_out, u64::try_from(buf.len()).unwrap_or_default());
    }

    /// Notes the status, if `buf` begins the head of an answer. True for a 101 that opens a tunnel,
    /// and for an answer of the engine's own, in whose place the client gets ours.
    fn note_answer(&mut self, buf: &[u8]) -> bool {
        let Answer::Due { upgrade, is_head } = self.writing.answer else { return false };
        let Some(status) = status_of(buf) else { return false };
        if status == 101 && upgrade {
            self.writing.answer = Answer::Known;
            self.writing.tunnel = Some(Tunnel::default());
            self.reading.enter_tunnel();
            self.facts.life.enter(Stage::Tunnel, self.book.now());
            return true;
        }
        if status >= 200 {
            self.writing.answer = Answer::Known;
            if !self.facts.life.began.load(Relaxed) {
                let (peer, listener) = (self.facts.source, self.facts.listener);
                self.book.stats.engine_answered(self.book.now(), peer, listener, status);
                self.say_last(status, is_head);
                return true;
            }
        }
        false
    }

    /// What was gathered and `buf` in one go, as far as the socket takes it.
    fn poll_through(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(transport) = self.transport.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        self.writing.has_written = true;
        loop {
            let unsent = self.writing.unsent().len();
            let written = if unsent == 0 {
                ready!(transport.poll_write(cx, buf))?
            } else {
                let both = [IoSlice::new(self.writing.unsent()), IoSlice::new(buf)];
                ready!(transport.poll_write_vectored(cx, &both))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writing.advance(written.min(unsent));
            if let Some(of_buf) = written.checked_sub(unsent).filter(|&of_buf| of_buf > 0) {
                add(&self.facts.life.bytes_out, u64::try_from(of_buf).unwrap_or_default());
                return Poll::Ready(Ok(of_buf));
            }
        }
    }

    /// HTTP/2: past the guard.
    pub(super) fn poll_passing(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(transport) = self.transport.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        self.writing.has_written = true;
        let written = ready!(transport.poll_write_vectored(cx, bufs))?;
        add(&self.facts.life.bytes_out, u64::try_from(written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    /// A target's frames go out at once: nothing tells when the next one comes.
    fn poll_tunnelling(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.facts.life.enter(Stage::Tunnel, self.book.now());
        self.poll_going_away(cx);
        let is_drained = self.facts.life.is_drained();
        let Some(tunnel) = self.writing.tunnel.as_ref() else { return Poll::Ready(Ok(0)) };
        if tunnel.is_closed {
            return Poll::Ready(Ok(buf.len()));
        }
        // While draining, no further than the end of the frame that is under way.
        let mut frames = tunnel.frames;
        let end = if is_drained { frames.walk(buf, true) } else { buf.len() };
        let piece = buf.get(..end).unwrap_or_default();
        let written = ready!(self.poll_through(cx, piece))?;
        if let Some(tunnel) = self.writing.tunnel.as_mut() {
            tunnel.frames.walk(piece.get(..written).unwrap_or_default(), false);
        }
        Poll::Ready(Ok(written))
    }

    /// Tells a WebSocket client that we go away, as soon as no frame is under way.
    pub(super) fn poll_going_away(&mut self, cx: &mut Context<'_>) {
        if !self.facts.life.is_drained() {
            return;
        }
        let Some(tunnel) = self.writing.tunnel.as_mut() else { return };
        if !tunnel.is_closed && !tunnel.frames.has_closed() && tunnel.frames.is_at_boundary() {
            tunnel.is_closed = true;
            let has_ended = self.facts.life.has_ended();
            let frame = if has_ended { IDENTITY_ENDED } else { GOING_AWAY };
            self.writing.out.extend_from_slice(&frame);
        }
        if tunnel.is_closed {
            // A full socket is tried again with the next read, write or verdict.
            let _ = self.poll_flushing(cx);
        }
    }

    pub(super) fn poll_flushing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(transport) = self.transport.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        while !self.writing.unsent().is_empty() {
            let written = ready!(transport.poll_write(cx, self.writing.unsent()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writing.advance(written);
        }
        transport.poll_flush(cx)
    }

    /// Keeps account of how long the client takes no bytes.
    pub(super) fn note_blocked(&mut self, cx: &mut Context<'_>, is_pending: bool) {
        if is_pending {
            self.facts.life.register(cx.waker());
        }
        if is_pending != self.writing.is_blocked {
            self.writing.is_blocked = is_pending;
            let since = if is_pending { self.book.now() } else { 0 };
            self.facts.life.write_blocked.store(since, Relaxed);
        }
    }
}
