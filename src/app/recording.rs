//! Begins recordings, as the admin listener asks for them.

use std::collections::BTreeSet;

use super::start::Gateway;
use crate::admin::{RecordingError, RecordingOrder};
use crate::clock;
use crate::recording::{BeginError, Order};

const SECONDS: u64 = 60;
const REQUESTS: usize = 10_000;

/// Begins one, if none is under way.
pub(super) fn begin(gateway: &Gateway, wanted: &RecordingOrder) -> Result<(), RecordingError> {
    let order = Order {
        seconds: wanted.seconds.unwrap_or(SECONDS),
        requests: wanted.requests.unwrap_or(REQUESTS),
        headers: names(&wanted.headers),
        parameters: names(&wanted.parameters),
        claims: names(&wanted.claims),
    };
    let snapshot = gateway.snapshot.load();
    let now = (clock::wall(), clock::monotonic());
    let begun = order.checked().and_then(|order| {
        let (seconds, requests) = (order.seconds, order.requests);
        gateway.recorder.begin(order, &snapshot.looked_at, now)?;
        tracing::info!(seconds, requests, "requests are recorded, as the admin listener was asked");
        Ok(())
    });
    begun.map_err(|why| match why {
        BeginError::Order(why) => RecordingError::Order(why),
        BeginError::UnderWay => RecordingError::UnderWay(why.to_string()),
    })
}

fn names(list: &str) -> BTreeSet<String> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
