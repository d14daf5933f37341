//! Every open connection in one book, and the watch that ends what has lasted too long.
//!
//! A connection notes what it waits for and since when: two stores, no timer. A sweep a few times
//! a second compares that with the limits. So a request costs no timer at all, and whoever drains
//! or counts connections has the book to do it by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::facts::{AGED, ConnectionFacts, DRAINED, ENDED, HttpVersion, OPEN, Stage};
use super::memory::{Memory, MemoryLimit, Pressure};
use super::stats::ConnectionStats;
use crate::clock;

const SHARDS: usize = 8;
/// Connections that memory is never denied: without them nothing is served.
const FEWEST: usize = 16;

/// Limits that are not the operator's to set. All coarse: checked once a `sweep`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one sweep to the next.
    pub(super) sweep: Duration,
    /// For a TLS handshake.
    pub(super) handshake: Duration,
    /// While draining, how long an idle connection may still send a request that is on its way.
    pub(super) drain_grace: Duration,
    /// The same for a connection that never had a request: its client must take the end for an
    /// error, and a lost packet is sent again only after some 200 ms and a round trip.
    pub(super) newcomer_grace: Duration,
    /// Waiting for one request body after which its average rate counts.
    pub(super) body_grace: Duration,
    /// Least average rate of a request body after that, in bytes a second.
    pub(super) body_rate: u64,
    /// For the client to read our last answer, or to answer GOAWAY.
    pub(super) linger: Duration,
    /// While memory is short, how long a connection may stay unused, and while it is full, how long
    /// its client may take nothing.
    pub(super) short_idle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            sweep: Duration::from_millis(100),
            handshake: Duration::from_secs(5),
            drain_grace: Duration::from_millis(250),
            newcomer_grace: Duration::from_millis(800),
            body_grace: Duration::from_secs(20),
            body_rate: 240,
            linger: Duration::from_secs(2),
            short_idle: Duration::from_secs(1),
        }
    }
}

/// All open connections.
pub(super) struct Book {
    start: Instant,
    now: AtomicU64,
    pub(super) timing: Timing,
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicUsize,
    /// When draining began, in milliseconds; `u64::MAX` before.
    draining: AtomicU64,
    stop: watch::Sender<bool>,
    open: AtomicUsize,
    empty: Notify,
    swept: AtomicBool,
    memory: Memory,
    pub(super) stats: Arc<ConnectionStats>,
}

#[derive(Default)]
struct Shard {
    slots: Vec<Option<Arc<ConnectionFacts>>>,
    free: Vec<usize>,
}

impl Book {
    pub(super) fn new(timing: Timing, memory: MemoryLimit) -> Arc<Self> {
        Arc::new(Self {
            start: clock::monotonic(),
            now: AtomicU64::new(1),
            timing,
            shards: Default::default(),
            next: AtomicUsize::new(0),
            draining: AtomicU64::new(u64::MAX),
            stop: watch::Sender::new(false),
            open: AtomicUsize::new(0),
            empty: Notify::new(),
            swept: AtomicBool::new(false),
            memory: Memory::new(memory),
            stats: Arc::default(),
        })
    }

    /// Milliseconds since the start, as of the last sweep. Never 0.
    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// Counts a connection that was accepted.
    pub(super) fn admit(self: &Arc<Self>, permit: OwnedSemaphorePermit, at: Place) -> Admission {
        self.open.fetch_add(1, Relaxed);
        at.0.fetch_add(1, Relaxed);
        self.stats.accepted.fetch_add(1, Relaxed);
        self.stats.active.fetch_add(1, Relaxed);
        Admission { book: Arc::clone(self), place: at, slot: None, _permit: permit }
    }

    /// Resolves when no further connection shall be accepted.
    pub(super) fn stop_signal(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Sweeps until the task is dropped. Only the first call does anything.
    pub(super) async fn watch(self: Arc<Self>) {
        if self.swept.swap(true, Relaxed) {
            return;
        }
        let mut ticks = tokio::time::interval(self.timing.sweep);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep(clock::monotonic());
        }
    }

    fn sweep(&self, now: Instant) {
        let elapsed = millis(now.saturating_duration_since(self.start)).max(1);
        self.now.store(elapsed, Relaxed);
        if let Some((limit, used)) = self.memory.look() {
            self.stats.memory_limit.store(limit, Relaxed);
            self.stats.memory_used.store(used, Relaxed);
        }
        self.each(|facts| self.judge(facts, now, elapsed));
    }

    /// Whether connections must end for want of memory.
    fn is_short(&self) -> bool {
        self.memory.pressure() > Pressure::Low && self.open.load(Relaxed) > FEWEST
    }

    /// Whether there is no memory for one more connection, or for clients that take nothing.
    pub(super) fn is_full(&self) -> bool {
        self.memory.pressure() == Pressure::Full && self.open.load(Relaxed) >= FEWEST
    }

    fn each(&self, mut visit: impl FnMut(&ConnectionFacts)) {
        for shard in &self.shards {
            for facts in shard.lock().slots.iter().flatten() {
                visit(facts);
            }
        }
    }

    fn judge(&self, facts: &ConnectionFacts, now: Instant, elapsed: u64) {
        let life = &facts.life;
        let phase = life.phase();
        let waited = elapsed.saturating_sub(phase.since());
        if self.is_overdue(facts, phase.stage(), phase.since(), waited, elapsed) {
            life.expire(phase);
        }
        let blocked = life.write_blocked.load(Relaxed);
        // What waits for a client that takes nothing is most of what memory is needed for.
        let patience =
            if self.is_full() { self.timing.short_idle } else { facts.settings.idle_timeout };
        if blocked != 0 && elapsed.saturating_sub(blocked) > millis(patience) {
            life.kill();
        }
        if facts.http == HttpVersion::Http2 {
            self.judge_streams(facts, elapsed);
        }
        let age = now.saturating_duration_since(facts.accepted);
        self.judge_tunnel(facts, millis(age));
        if life.closing.load(Relaxed) == OPEN
            && (age > facts.settings.client_keep_alive || self.is_short())
        {
            life.close(AGED);
        }
    }

    /// A tunnel whose time has come gets a close frame between two others, and is cut off when its
    /// client does not answer that.
    fn judge_tunnel(&self, facts: &ConnectionFacts, age: u64) {
        let life = &facts.life;
        let ends = life.tunnel_ends.load(Relaxed);
        if ends == 0 || age < ends {
            return;
        }
        if !life.has_ended() {
            self.stats.identity_ended.fetch_add(1, Relaxed);
            life.close(ENDED);
        } else if age - ends > millis(self.timing.linger) {
            life.kill();
        }
    }

    /// An HTTP/2 connection without requests gets GOAWAY after the idle timeout. It ends when its
    /// client has answered that, or is cut off: who does not answer may be gone. Frames without a
    /// request (PING) are no activity, but what a slow client still takes of an answer is.
    fn judge_streams(&self, facts: &ConnectionFacts, elapsed: u64) {
        let life = &facts.life;
        let is_open = life.closing.load(Relaxed) == OPEN;
        let sent = if is_open { 0 } else { facts.bytes_out() };
        let seen = facts.requests().wrapping_add(sent);
        let is_busy = life.streams.load(Relaxed) > 0 || life.write_blocked.load(Relaxed) > 0;
        if life.last_seen.swap(seen, Relaxed) != seen || is_busy {
            life.quiet_since.store(elapsed, Relaxed);
            return;
        }
        let quiet = elapsed.saturating_sub(life.quiet_since.load(Relaxed));
        if !is_open && quiet > millis(self.timing.linger) {
            life.kill();
        } else if is_open && quiet > millis(facts.settings.idle_timeout) {
            life.close(AGED);
        }
    }

    fn is_overdue(
        &self,
        facts: &ConnectionFacts,
        stage: Stage,
        since: u64,
        waited: u64,
        elapsed: u64,
    ) -> bool {
        let idle = millis(facts.settings.idle_timeout);
        match stage {
            Stage::Serving => false,
            Stage::Idle => {
                let short = millis(self.timing.short_idle);
                let idle = if self.is_short() { idle.min(short) } else { idle };
                let drained = self.draining.load(Relaxed);
                let timing = &self.timing;
                let is_new = facts.requests() == 0;
                let grace = if is_new { timing.newcomer_grace } else { timing.drain_grace };
                waited > idle
                    || (drained <= elapsed && elapsed - drained.max(since) >= millis(grace))
            }
            Stage::Head => waited > millis(facts.settings.head_timeout),
            Stage::Body => {
                let total = waited + facts.life.body_waited.load(Relaxed);
                let least = total.saturating_mul(self.timing.body_rate) / 1000;
                waited > idle
                    || (total > millis(self.timing.body_grace)
                        && facts.life.body_bytes.load(Relaxed) < least)
            }
            Stage::Tunnel => waited > idle,
            Stage::Linger => waited > millis(self.timing.linger),
        }
    }

    fn begin_drain(&self) {
        let now = millis(clock::monotonic().saturating_duration_since(self.start)).max(1);
        if self.draining.compare_exchange(u64::MAX, now, Relaxed, Relaxed).is_ok() {
            self.each(|facts| facts.life.close(DRAINED));
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Relaxed) != u64::MAX
    }
}

/// Connections of one listener, counted.
#[derive(Clone, Default)]
pub(super) struct Place(pub(super) Arc<AtomicUsize>);

/// A connection's place in the book; dropping it frees the place.
pub(super) struct Admission {
    book: Arc<Book>,
    place: Place,
    slot: Option<(usize, usize)>,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// Puts the connection under the watch.
    pub(super) fn enter(&mut self, facts: &Arc<ConnectionFacts>) {
        let shard = self.book.next.fetch_add(1, Relaxed) % SHARDS;
        if let Some(book) = self.book.shards.get(shard) {
            let mut book = book.lock();
            let slot = book.free.pop().unwrap_or(book.slots.len());
            if slot == book.slots.len() {
                book.slots.push(None);
            }
            if let Some(place) = book.slots.get_mut(slot) {
                *place = Some(Arc::clone(facts));
            }
            self.slot = Some((shard, slot));
        }
        if self.book.is_draining() {
            facts.life.close(DRAINED);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some((shard, slot)) = self.slot
            && let Some(book) = self.book.shards.get(shard)
        {
            let mut book = book.lock();
            if let Some(place) = book.slots.get_mut(slot) {
                *place = None;
            }
            book.free.push(slot);
        }
        self.place.0.fetch_sub(1, Relaxed);
        self.book.stats.active.fetch_sub(1, Relaxed);
        if self.book.open.fetch_sub(1, Relaxed) == 1 {
            self.book.empty.notify_waiters();
        }
    }
}

/// Ends the listeners' connections in order. Cheap to clone.
///
/// The order on a stop signal: [`Drain::begin`], the pre-stop wait, [`Drain::stop_accepting`],
/// [`Drain::wait`], and [`Drain::cut_off`] when that ran into its limit.
#[derive(Clone)]
pub struct Drain(pub(super) Arc<Book>);

impl Drain {
    /// From now on every answer says `Connection: close`, HTTP/2 clients get GOAWAY, WebSocket
    /// clients a close frame, and idle connections are closed. New connections are still accepted,
    /// for one request each.
    pub fn begin(&self) {
        self.0.begin_drain();
    }

    /// Closes the listening sockets, once what the kernel has already completed was taken over.
    pub fn stop_accepting(&self) {
        self.0.stop.send_replace(true);
    }

    /// Connections open now, those in their TLS handshake included.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// Waits until no connection is open, at most `limit`. Says whether none is.
    pub async fn wait(&self, limit: Duration) -> bool {
        let empty = async {
            // Until the accept loops have ended, there is what they have yet to take over.
            if *self.0.stop.borrow() {
                self.0.stop.closed().await;
            }
            loop {
                let notified = self.0.empty.notified();
                tokio::pin!(notified);
                notified.as_mut().enable();
                if self.open_connections() == 0 {
                    return;
                }
                notified.await;
            }
        };
        tokio::time::timeout(limit, empty).await.is_ok()
    }

    /// Ends the requests of HTTP/1 connections that this target serves: reading from the client
    /// fails, and whoever serves the request says why.
    pub fn interrupt(&self, target: u64) {
        self.0.each(|facts| facts.life.interrupt(target));
    }

    /// Every connection that is still open fails at its next read or write.
    pub fn cut_off(&self) {
        self.0.each(|facts| {
            self.0.stats.cut_off.fetch_add(1, Relaxed);
            facts.life.kill();
        });
    }
}

/// Whole milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
