//! Spans that wait to be sent.

use std::collections::VecDeque;

use parking_lot::Mutex;
use prometheus::IntCounter;

use super::span::push_text;

/// Spans that wait at most. At about 1 KB each, 4 MB.
const ROOM: usize = 4096;
/// Spans in one message to a collector.
const BATCH: usize = 512;

/// A bounded queue that drops and counts. Only requests that are traced come here.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<VecDeque<Vec<u8>>>,
    dropped: IntCounter,
}

/// Spans on their way.
#[derive(Debug)]
pub struct Batch {
    /// An OTLP `ExportTraceServiceRequest` in JSON.
    pub body: Vec<u8>,
    /// How many spans it holds.
    pub spans: u64,
}

impl Queue {
    /// An empty one; `dropped` counts what found no room.
    #[must_use]
    pub fn new(dropped: &IntCounter) -> Self {
        Self { waiting: Mutex::default(), dropped: dropped.clone() }
    }

    /// Adds a span, unless there are too many.
    pub(super) fn push(&self, span: Vec<u8>) {
        let mut waiting = self.waiting.lock();
        if waiting.len() < ROOM {
            waiting.push_back(span);
        } else {
            self.dropped.inc();
        }
    }

    /// Takes the oldest spans as one message; `None` when nothing waits.
    #[must_use]
    pub fn take(&self, service_name: &str) -> Option<Batch> {
        let spans: Vec<Vec<u8>> = {
            let mut waiting = self.waiting.lock();
            let count = waiting.len().min(BATCH);
            waiting.drain(..count).collect()
        };
        if spans.is_empty() {
            return None;
        }
        let mut body =
            Vec::with_capacity(512 + spans.iter().map(|span| span.len() + 1).sum::<usize>());
        body.extend_from_slice(b"{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
        push_text(&mut body, "service.name", service_name.as_bytes());
        body.push(b',');
        push_text(&mut body, "service.version", env!("CARGO_PKG_VERSION").as_bytes());
        body.extend_from_slice(
            b"]},\"scopeSpans\":[{\"scope\":{\"name\":\"portcullis\"},\"spans\":[",
        );
        body.extend_from_slice(&spans.join(&b','));
        body.extend_from_slice(b"]}]}]}");
        Some(Batch { body, spans: spans.len() as u64 })
    }

    /// Forgets what waits: there is nobody to send it to.
    pub fn clear(&self) {
        let mut waiting = self.waiting.lock();
        self.dropped.inc_by(waiting.len() as u64);
        waiting.clear();
    }
}
