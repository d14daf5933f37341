//! Tokens made here, judged by the whole of `auth`; the numbers of the conformance table of
//! `docs/conformance` are named where a test stands for one.

mod cached;
mod demands;
mod header_values;
mod key_sets;
mod properties;
mod sources;
pub(crate) mod support;
mod verdicts;
