//! The way in: one judged head, its body, and nothing more.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::super::chunked::Chunks;
use super::super::desync::{self, Finding};
use super::super::facts::{AGED, Stage, add};
use super::super::head::{self, Body, Framing, MAX_HEAD, MAX_REQUEST_LINE, Outcome, Refusal};
use super::{Guarded, MAX_LINGER};

/// How a request begins whose answer has no body.
const HEAD: &[u8] = b"HEAD ";

/// How far the client's bytes have been handed over.
pub(super) struct Reading {
    pub(super) at: At,
    /// Bytes of a head that did not come in one piece.
    held: Vec<u8>,
    /// What was sent ahead of its turn: a body behind its head, the next request behind this one.
    pub(super) ahead: Vec<u8>,
    /// Whether an empty line in front of the head was already forgiven.
    is_forgiven: bool,
    lingered: usize,
}

pub(super) enum At {
    /// Before or inside a head.
    Head,
    /// A complete head is in `held`; so much of it was handed over.
    Giving(usize, Framing),
    /// So many bytes of the body are to come.
    Body(u64),
    Chunked(Chunks),
    /// The request is complete. What comes now is the next one's.
    Done,
    /// Upgraded: all bytes pass.
    Tunnel,
    /// HTTP/2: all bytes pass; so many of the preface are to come.
    Http2(usize),
    /// Our own refusal is being written.
    Refusing(Refusal),
    /// It is written; the client may still read it.
    Refused,
    End,
}

impl Reading {
    pub(super) fn http1() -> Self {
        Self::new(At::Head)
    }

    pub(super) fn http2() -> Self {
        // RFC 9113 section 3.4: 24 bytes.
        Self::new(At::Http2(24))
    }

    fn new(at: At) -> Self {
        Self { at, held: Vec::new(), ahead: Vec::new(), is_forgiven: false, lingered: 0 }
    }

    pub(super) fn expect_head(&mut self) {
        self.at = At::Head;
        self.is_forgiven = false;
        self.held = std::mem::take(&mut self.ahead);
    }

    /// Whether some of the next head was sent ahead.
    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn enter_tunnel(&mut self) {
        self.at = At::Tunnel;
    }

    /// Whether the client may have sent bytes that nobody has read.
    pub(super) fn has_unread(&self) -> bool {
        !self.ahead.is_empty()
            || matches!(self.at, At::Body(_) | At::Chunked(_) | At::Refusing(_) | At::Refused)
    }

    /// The longest line that a partial head may begin with.
    fn judge_partial(&self) -> Result<(), Refusal> {
        if self.held.len() <= MAX_REQUEST_LINE {
            return Ok(());
        }
        let line = self.held.get(..MAX_REQUEST_LINE).unwrap_or_default();
        if memchr::memchr(b'\n', line).is_none() {
            return Err(Refusal::LineTooLong);
        }
        if self.held.len() >= MAX_HEAD { Err(Refusal::TooLarge) } else { Ok(()) }
    }
}

impl Guarded {
    pub(super) fn poll_reading(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match &mut self.reading.at {
                At::Head if self.reading.held.is_empty() => {
                    if let Some(done) = ready!(self.poll_whole_head(cx, buf)) {
                        return Poll::Ready(done);
                    }
                }
                At::Head => ready!(self.poll_partial_head(cx, buf))?,
                At::Giving(..) => {
                    self.give(buf);
                    return Poll::Ready(Ok(()));
                }
                At::Body(_) => return self.poll_body(cx, buf),
                At::Chunked(_) => return self.poll_chunks(cx, buf),
                At::Done => return self.poll_ahead(cx, buf),
                At::Tunnel => return self.poll_tunnel(cx, buf),
                At::Http2(_) => return self.poll_http2(cx, buf),
                At::Refusing(refusal) => {
                    let refusal = *refusal;
                    ready!(self.poll_refusal(cx, refusal));
                }
                At::Refused => {
                    ready!(self.poll_linger(cx));
                    self.reading.at = At::End;
                }
                At::End => return Poll::Ready(Ok(())),
            }
        }
    }

    /// The fast way: a whole head straight into the engine's buffer. `None` when it was not one.
    fn poll_whole_head(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Option<io::Result<()>>> {
        let before = buf.filled().len();
        let Poll::Ready(read) = self.poll_raw(cx, buf) else {
            if self.facts.life.is_expired() {
                self.reading.at = At::End;
                return Poll::Ready(None);
            }
            return Poll::Pending;
        };
        if let Err(error) = read {
            return Poll::Ready(Some(Err(error)));
        }
        let got = buf.filled().get(before..).unwrap_or_default();
        match got.first() {
            // The client is done.
            None => return Poll::Ready(Some(Ok(()))),
            Some(b'\r' | b'\n') => {}
            Some(_) => match head::read(got) {
                Outcome::Complete(length, framing) => {
                    let head = got.get(..length).unwrap_or_default();
                    if let Err((refusal, finding)) = self.admit(head) {
                        let is_head = head.starts_with(HEAD);
                        buf.set_filled(before);
                        self.refuse(refusal, finding, is_head);
                        return Poll::Ready(None);
                    }
                    if let Some(rest) = got.get(length..).filter(|rest| !rest.is_empty()) {
                        self.reading.ahead.extend_from_slice(rest);
                    }
                    buf.set_filled(before + length);
                    self.begin(framing);
                    return Poll::Ready(Some(Ok(())));
                }
                Outcome::Partial => {}
                Outcome::Refused(refusal) => {
                    let end = head::find_end(got, 0).unwrap_or(got.len());
                    let finding = desync::classify_refused(got.get(..end).unwrap_or_default());
                    let is_head = got.starts_with(HEAD);
                    buf.set_filled(before);
                    self.refuse(refusal, finding, is_head);
                    return Poll::Ready(None);
                }
            },
        }
        self.reading.held.extend_from_slice(got);
        buf.set_filled(before);
        self.facts.life.enter(Stage::Head, self.book.now());
        self.judge_held(0);
        Poll::Ready(None)
    }

    /// The slow way: collects a head that comes in pieces.
    fn poll_partial_head(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.facts.life.phase().stage() != Stage::Head {
            // The next request was sent ahead; it may be complete.
            self.facts.life.enter(Stage::Head, self.book.now());
            self.judge_held(0);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let Poll::Ready(read) = self.poll_raw(cx, buf) else {
            if self.facts.life.is_expired() {
                self.refuse_partial(Refusal::TooSlow);
                return Poll::Ready(Ok(()));
            }
            return Poll::Pending;
        };
        read?;
        let got = buf.filled().get(before..).unwrap_or_default();
        if got.is_empty() {
            self.reading.at = At::End;
            return Poll::Ready(Ok(()));
        }
        let from = self.reading.held.len().saturating_sub(3);
        self.reading.held.extend_from_slice(got);
        buf.set_filled(before);
        self.judge_held(from);
        Poll::Ready(Ok(()))
    }

    fn judge_held(&mut self, from: usize) {
        let reading = &mut self.reading;
        let mut from = from;
        if !reading.is_forgiven && reading.held.starts_with(b"\r\n") {
            // RFC 9112 section 2.2: one empty line in front of a request is forgiven.
            reading.held.drain(..2);
            reading.is_forgiven = true;
            from = 0;
        }
        if reading.held.is_empty() {
            self.facts.life.enter(Stage::Idle, self.book.now());
            return;
        }
        if reading.held == b"\r" {
            return;
        }
        let Some(end) = head::find_end(&reading.held, from) else {
            let judged = match reading.held.first() {
                Some(&first) if !head::is_token(first) => Err(Refusal::RequestLine),
                _ => reading.judge_partial(),
            };
            if let Err(refusal) = judged {
                self.refuse_partial(refusal);
            }
            return;
        };
        reading.ahead = reading.held.split_off(end);
        match head::read(&reading.held) {
            Outcome::Complete(_, framing) => match self.admit(&self.reading.held) {
                Ok(()) => self.reading.at = At::Giving(0, framing),
                Err((refusal, finding)) => {
                    let is_head = self.reading.held.starts_with(HEAD);
                    self.refuse(refusal, finding, is_head);
                }
            },
            Outcome::Partial => self.refuse_held(Refusal::Control),
            Outcome::Refused(refusal) => self.refuse_held(refusal),
        }
    }

    /// Has a head classified that can be read in one way only, and notes what was found: the
    /// listener may want more than that.
    fn admit(&self, head: &[u8]) -> Result<(), (Refusal, Option<Finding>)> {
        let finding = desync::classify(head);
        let life = &self.facts.life;
        life.desync.store(finding.map_or(0, Finding::code), Relaxed);
        let Some(found) = finding else { return Ok(()) };
        let mode = self.facts.settings.desync;
        if found.is_blocked_in(mode) {
            return Err((Refusal::Desync, finding));
        }
        self.book.stats.not_compliant();
        if found.closes_in(mode) {
            life.close(AGED);
        }
        Ok(())
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let At::Giving(given, framing) = self.reading.at else { return };
        let rest = self.reading.held.get(given..).unwrap_or_default();
        let step = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..step).unwrap_or_default());
        if step < rest.len() {
            self.reading.at = At::Giving(given + step, framing);
            return;
        }
        self.reading.held = Vec::new();
        self.begin(framing);
    }

    fn begin(&mut self, framing: Framing) {
        let life = &self.facts.life;
        life.began.store(false, Relaxed);
        life.enter(Stage::Serving, self.book.now());
        add(&life.requests, 1);
        self.writing.expect_answer(framing);
        self.reading.at = match framing.body {
            Body::Absent => At::Done,
            Body::Length(length) => {
                life.accept_body();
                At::Body(length)
            }
            Body::Chunked => {
                life.accept_body();
                At::Chunked(Chunks::default())
            }
        };
    }

    /// Refuses a head of which there is not enough to classify.
    fn refuse_partial(&mut self, refusal: Refusal) {
        self.refuse(refusal, None, self.reading.held.starts_with(HEAD));
    }

    /// Refuses the head that is held, and tells its class.
    fn refuse_held(&mut self, refusal: Refusal) {
        let finding = desync::classify_refused(&self.reading.held);
        self.refuse(refusal, finding, self.reading.held.starts_with(HEAD));
    }

    fn refuse(&mut self, refusal: Refusal, finding: Option<Finding>, is_head: bool) {
        let facts = &self.facts;
        if finding.is_some() {
            self.book.stats.not_compliant();
        }
        let from = (facts.source, facts.listener);
        self.book.stats.refused(self.book.now(), from, refusal, finding);
        facts.life.enter(Stage::Linger, self.book.now());
        self.reading.held = Vec::new();
        self.reading.ahead = Vec::new();
        self.say_last(refusal.status(), is_head);
        self.reading.at = At::Refusing(refusal);
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>, _refusal: Refusal) -> Poll<()> {
        let flushed = self.poll_flushing(cx);
        if flushed.is_pending() && !self.facts.life.is_expired() {
            return Poll::Pending;
        }
        self.is_shut = true;
        let shut = match (flushed, self.transport.as_mut()) {
            (Poll::Ready(Ok(())), Some(transport)) => transport.poll_shutdown(cx),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        self.reading.at = match shut {
            // Over TLS the close notice may not fit into the socket now: let it be.
            Poll::Ready(Ok(())) | Poll::Pending => At::Refused,
            Poll::Ready(Err(_)) => At::End,
        };
        Poll::Ready(())
    }

    /// Throws away what the client still sends, until it stops or the time is up.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match self.poll_raw(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.reading.lingered += buf.filled().len();
                    if self.reading.lingered > MAX_LINGER {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.facts.life.register(cx.waker());
                    let over = self.facts.life.is_expired() || self.check().is_err();
                    return if over { Poll::Ready(()) } else { Poll::Pending };
                }
            }
        }
    }

    /// The engine looks whether the client has gone. What the client sends now is for later.
    fn poll_ahead(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.reading.ahead.is_empty() {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(self.poll_raw(cx, buf))?;
        let got = buf.filled().get(before..).unwrap_or_default();
        if got.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.reading.ahead.extend_from_slice(got);
        buf.set_filled(before);
        Poll::Pending
    }

    fn poll_tunnel(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.reading.ahead.is_empty() {
            let step = buf.remaining().min(self.reading.ahead.len());
            buf.put_slice(self.reading.ahead.get(..step).unwrap_or_default());
            self.reading.ahead.drain(..step);
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(read) = self.poll_raw(cx, buf) {
            self.facts.life.enter(Stage::Tunnel, self.book.now());
            return Poll::Ready(read);
        }
        if self.facts.life.is_expired() {
            self.reading.at = At::End;
            return Poll::Ready(Ok(()));
        }
        self.poll_going_away(cx);
        Poll::Pending
    }

    fn poll_http2(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.poll_raw(cx, buf);
        let At::Http2(preface) = &mut self.reading.at else { return polled };
        if *preface == 0 {
            return polled;
        }
        if polled.is_ready() {
            *preface = preface.saturating_sub(buf.filled().len() - before);
            if *preface == 0 {
                self.facts.life.enter(Stage::Serving, self.book.now());
            }
            return polled;
        }
        if self.facts.life.is_expired() {
            self.book.stats.head_timeouts.fetch_add(1, Relaxed);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    pub(super) fn poll_raw(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let Some(transport) = self.transport.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let polled = transport.poll_read(cx, buf);
        if polled.is_ready() {
            let got = u64::try_from(buf.filled().len() - before).unwrap_or_default();
            add(&self.facts.life.bytes_in, got);
        }
        polled
    }
}
