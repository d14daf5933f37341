//! Lines on their way to a file, a pipe or a terminal, without anybody waiting for it.
//!
//! Whoever writes a line puts it into the buffer of their thread. A full buffer goes through a
//! bounded queue to one writer thread; a buffer that does not fill is fetched by that thread after
//! [`SWEEP`]. When the destination fails or is too slow, lines are dropped and counted. The writer
//! sleeps without a timer while nothing is written.

mod output;

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;

use crate::clock;
use output::Output;

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// A line waits no longer than this for the rest of its buffer.
const SWEEP: Duration = Duration::from_millis(100);
/// Buffers in the queue: with 32 KiB each, a megabyte.
const QUEUE: usize = 32;
/// More than the threads of a large machine; each costs a mutex until it is used.
const SHARDS: usize = 64;
/// Buffers that grew beyond this are not kept.
const LARGEST_KEPT: usize = 64 * 1024;

/// The way to one destination. Dropping it writes what is left and ends the writer thread.
#[derive(Debug)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    queue: SyncSender<Message>,
    /// Bytes at which a buffer is handed over; 0 hands over every line.
    hand_over: usize,
}

#[derive(Debug)]
struct Shared {
    shards: Box<[Mutex<Buffer>]>,
    /// Empty buffers, to be filled again.
    spare: Mutex<Vec<Vec<u8>>>,
    dropped: IntCounter,
    /// The writer found nothing and waits for a message.
    sleeping: AtomicBool,
    reopen: AtomicBool,
    stop: AtomicBool,
    ended: Mutex<bool>,
    has_ended: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
}

#[derive(Debug)]
enum Message {
    Full(Buffer),
    /// Look at the shards soon, or at the flags.
    Wake,
}

impl Sink {
    /// Opens the destination and starts the writer thread.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or no thread can be had.
    pub(super) fn start(
        destination: Destination,
        hand_over: usize,
        dropped: IntCounter,
    ) -> io::Result<Self> {
        let output = Output::open(destination, dropped.clone())?;
        let shared = Arc::new(Shared {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            spare: Mutex::default(),
            dropped,
            sleeping: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            ended: Mutex::new(false),
            has_ended: Condvar::new(),
        });
        let (queue, messages) = mpsc::sync_channel(QUEUE);
        let writer = Writer { shared: Arc::clone(&shared), messages, output };
        std::thread::Builder::new().name("log-writer".into()).spawn(move || writer.run())?;
        Ok(Self { shared, queue, hand_over })
    }

    /// Has `line` append a line, with its line feed, to this thread's buffer.
    pub(super) fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let Some(shard) = self.shared.shards.get(thread_number() % SHARDS) else { return };
        let mut buffer = shard.lock();
        let was_empty = buffer.lines == 0;
        line(&mut buffer.bytes);
        buffer.lines += 1;
        if buffer.bytes.len() >= self.hand_over {
            let full = self.shared.take(&mut buffer);
            // Still under the shard's lock, so that the buffers of a thread stay in order.
            self.hand_over(full);
        } else if was_empty && self.shared.sleeping.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn hand_over(&self, full: Buffer) {
        if let Err(error) = self.queue.try_send(Message::Full(full)) {
            let (mpsc::TrySendError::Full(message) | mpsc::TrySendError::Disconnected(message)) =
                error;
            if let Message::Full(buffer) = message {
                self.shared.dropped.inc_by(buffer.lines);
                self.shared.recycle(buffer.bytes);
            }
        }
    }

    /// A full queue needs no waking: its reader is awake.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
    }

    /// Has the writer open its file anew, after somebody moved the old one away.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Writes what was logged until now and ends. Blocks at most for `limit`; false when that was
    /// not long enough.
    pub(super) fn flush_and_stop(&self, limit: Duration) -> bool {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
        let mut ended = self.shared.ended.lock();
        self.shared.has_ended.wait_while_for(&mut ended, |ended| !*ended, limit);
        *ended
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.wake();
    }
}

impl Shared {
    /// Takes what is in a buffer and leaves it empty, but with room.
    fn take(&self, buffer: &mut Buffer) -> Buffer {
        let spare = self.spare.lock().pop().unwrap_or_default();
        std::mem::replace(buffer, Buffer { bytes: spare, lines: 0 })
    }

    fn recycle(&self, mut bytes: Vec<u8>) {
        let mut spare = self.spare.lock();
        if bytes.capacity() <= LARGEST_KEPT && spare.len() < QUEUE {
            bytes.clear();
            spare.push(bytes);
        }
    }
}

/// The other end: one thread that does all the writing.
#[derive(Debug)]
struct Writer {
    shared: Arc<Shared>,
    messages: Receiver<Message>,
    output: Output,
}

impl Writer {
    fn run(mut self) {
        let mut next_sweep = None;
        while !self.shared.stop.load(Ordering::SeqCst) {
            self.output.is_urgent = false;
            if self.shared.reopen.swap(false, Ordering::SeqCst) {
                self.output.reopen();
            }
            match self.receive(next_sweep) {
                Ok(Message::Full(buffer)) => {
                    self.write(buffer);
                    next_sweep = next_sweep.or_else(|| Some(clock::monotonic() + SWEEP));
                }
                Ok(Message::Wake) => {
                    next_sweep = next_sweep.or_else(|| Some(clock::monotonic() + SWEEP));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if next_sweep.is_some_and(|time| time <= clock::monotonic()) {
                next_sweep = self.sweep().then(|| clock::monotonic() + SWEEP);
            }
        }
        self.sweep();
        *self.shared.ended.lock() = true;
        self.shared.has_ended.notify_all();
    }

    fn receive(&self, next_sweep: Option<Instant>) -> Result<Message, RecvTimeoutError> {
        match next_sweep {
            Some(time) => {
                self.messages.recv_timeout(time.saturating_duration_since(clock::monotonic()))
            }
            None => self.sleep(),
        }
    }

    /// Waits without a timer. A line that came before the flag was up is seen by the look at the
    /// shards that follows, a later one sees the flag: the shard's lock orders the two.
    fn sleep(&self) -> Result<Message, RecvTimeoutError> {
        self.shared.sleeping.store(true, Ordering::SeqCst);
        let has_lines = self.shared.shards.iter().any(|shard| shard.lock().lines > 0);
        let message = if has_lines || self.shared.stop.load(Ordering::SeqCst) {
            Ok(Message::Wake)
        } else {
            self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        self.shared.sleeping.store(false, Ordering::SeqCst);
        message
    }

    /// Fetches what lies in the shards; whether there was anything.
    ///
    /// Full buffers in the queue are older than what is fetched, so they are written first.
    fn sweep(&mut self) -> bool {
        let mut fetched = Vec::new();
        for shard in &self.shared.shards {
            let mut buffer = shard.lock();
            if buffer.lines > 0 {
                fetched.push(self.shared.take(&mut buffer));
            }
        }
        for _ in 0..QUEUE {
            match self.messages.try_recv() {
                Ok(Message::Full(buffer)) => self.write(buffer),
                Ok(Message::Wake) => {}
                Err(_) => break,
            }
        }
        let is_something = !fetched.is_empty();
        fetched.into_iter().for_each(|buffer| self.write(buffer));
        is_something
    }

    fn write(&mut self, buffer: Buffer) {
        self.output.is_urgent = self.shared.stop.load(Ordering::SeqCst);
        self.output.write(&buffer.bytes);
        self.shared.recycle(buffer.bytes);
    }
}

/// A small number of the calling thread's own.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) });
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) & (usize::MAX >> 1));
        }
        number.get()
    })
}

#[cfg(test)]
mod tests;
