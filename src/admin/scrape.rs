//! One rendering of the metrics for all who wait for it.
//!
//! Fifty slow scrapers must not mean fifty renderings of megabytes. Whoever comes while one is
//! being made waits and takes the next, which began after they came and so shows what they saw.

use std::sync::{Arc, Weak};
use std::time::Instant;

use axum::body::Bytes;
use tokio::sync::Mutex;

use super::view::View;
use crate::clock;

/// The last rendering, as long as somebody still sends it.
#[derive(Debug, Default)]
pub(super) struct Scrapes {
    last: Mutex<Option<(Instant, Weak<String>)>>,
}

struct Rendering(Arc<String>);

impl AsRef<[u8]> for Rendering {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Scrapes {
    /// The metrics as they were after the call; none when rendering panicked.
    pub(super) async fn render(&self, view: Arc<dyn View>) -> Option<Bytes> {
        let came = clock::monotonic();
        let mut last = self.last.lock().await;
        if let Some((began, text)) = last.as_ref()
            && *began >= came
            && let Some(text) = text.upgrade()
        {
            return Some(Bytes::from_owner(Rendering(text)));
        }
        let began = clock::monotonic();
        let text = tokio::task::spawn_blocking(move || view.metrics_text()).await.ok()?;
        let text = Arc::new(text);
        *last = Some((began, Arc::downgrade(&text)));
        Some(Bytes::from_owner(Rendering(text)))
    }
}
