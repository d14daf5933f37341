//! Spans of requests, in OpenTelemetry's words and OTLP's JSON.
//!
//! A request that is traced has a [`Trace`]: what to tell the target, and when which target was
//! tried. When it has ended, its spans are written and put into a bounded [`Queue`]; who sends them
//! is another tier's business. A request that is not traced has nothing of this.

mod queue;
mod sampler;
mod span;

pub use queue::{Batch, Queue};
pub use sampler::{Parent, Sampler};
pub use span::Trace;

#[cfg(test)]
mod tests;
