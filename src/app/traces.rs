//! Sends spans of requests to the collector that the file in force names, and the last ones at the
//! end. Requests never wait for it: they leave their spans in a queue that drops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::fetch::{ClientError, CollectorClient, Delivery};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otel::{Batch, Queue};

/// Between looks at the queue; at most 512 spans are sent at once, so it is a matter of freshness.
const INTERVAL: Duration = Duration::from_millis(500);
/// How often a batch is offered, and how long the collector is left alone between.
const OFFERS: u32 = 3;
const RESPITE: Duration = Duration::from_secs(1);

/// Where spans wait, and who sends them.
pub(super) struct Traces {
    /// What requests put in.
    pub(super) queue: Arc<Queue>,
    client: CollectorClient,
    metrics: Arc<Metrics>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    one_at_a_time: Mutex<()>,
    /// Whether the last batch was not taken.
    is_lost: AtomicBool,
}

impl Traces {
    pub(super) fn new(
        metrics: Arc<Metrics>,
        snapshot: Arc<ArcSwap<Snapshot>>,
    ) -> Result<Self, ClientError> {
        let queue = Arc::new(Queue::new(&metrics.spans_dropped));
        let client = CollectorClient::new()?;
        Ok(Self {
            queue,
            client,
            metrics,
            snapshot,
            one_at_a_time: Mutex::new(()),
            is_lost: AtomicBool::new(false),
        })
    }

    /// Sends for as long as the process lives.
    pub(super) async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.send_waiting().await;
        }
    }

    /// Sends what waits, for `limit` at most. What is left is lost with the process.
    pub(super) async fn flush(&self, limit: Duration) {
        if tokio::time::timeout(limit, self.send_waiting()).await.is_err() {
            tracing::warn!("the trace collector did not take the last spans in time");
        }
    }

    async fn send_waiting(&self) {
        let _turn = self.one_at_a_time.lock().await;
        loop {
            let snapshot = self.snapshot.load_full();
            let Some(settings) = &snapshot.config.tracing else { return self.queue.clear() };
            let Some(batch) = self.queue.take(&settings.service_name) else { return };
            self.offer(&settings.endpoint, batch).await;
        }
    }

    async fn offer(&self, endpoint: &str, batch: Batch) {
        for offer in 1..=OFFERS {
            match self.client.send(endpoint, batch.body.clone()).await {
                Delivery::Taken => {
                    self.metrics.spans_exported.inc_by(batch.spans);
                    if self.is_lost.swap(false, Ordering::Relaxed) {
                        tracing::info!("the trace collector takes spans again");
                    }
                    return;
                }
                Delivery::NotNow if offer < OFFERS => tokio::time::sleep(RESPITE).await,
                Delivery::NotNow | Delivery::Refused => break,
            }
        }
        self.metrics.spans_dropped.inc_by(batch.spans);
        // Once, not for each batch: the metric says how many.
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!("the trace collector takes no spans: they are dropped and counted");
        }
    }
}
