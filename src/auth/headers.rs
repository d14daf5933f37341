//! Verified claims as header values that no byte of a token can break out of.
//!
//! A value is the claim's text, percent-encoded but for visible ASCII and single inner spaces
//! (`%` itself is encoded), so a target that percent-decodes gets exactly the claim. Removing what
//! the caller sent under the same names is not done here.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::claims::Claims;
use super::json;
use crate::config::model::{ArrayForm, ClaimHeader};

/// Blocks that are kept beside one token.
const BLOCKS: usize = 4;

/// Headers with their values, ready to be put on a request.
#[derive(Default)]
pub struct HeaderBlock {
    /// In the set's order; a name stands more than once only with `as: repeat`.
    pub headers: Box<[(HeaderName, HeaderValue)]>,
    /// What could not be carried.
    pub omitted: Box<[(HeaderName, Omission)]>,
}

impl std::fmt::Debug for HeaderBlock {
    /// Names only: values are the caller's own affair.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a claim that is there has no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Omission {
    /// Longer than `max_size`.
    TooLarge,
    /// Its text is not Unicode (a lone surrogate).
    NotText,
}

/// The claim headers of a rule, compiled; equal lists share one.
#[derive(Debug)]
pub struct ClaimHeaderSet {
    id: u64,
    source: Box<[ClaimHeader]>,
    names: Box<[Option<HeaderName>]>,
}

impl ClaimHeaderSet {
    /// Makes `headers` ready.
    #[must_use]
    pub fn compile(headers: &[ClaimHeader]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            source: headers.into(),
            names: headers.iter().map(|h| HeaderName::try_from(h.header.as_str()).ok()).collect(),
        }
    }

    /// Whether this set was made from the same list.
    #[must_use]
    pub fn is_made_from(&self, headers: &[ClaimHeader]) -> bool {
        *self.source == *headers
    }

    /// The values for one token.
    #[must_use]
    pub fn block(&self, claims: &Claims) -> HeaderBlock {
        let mut text = String::with_capacity(256);
        let mut places: Vec<(&HeaderName, std::ops::Range<usize>)> =
            Vec::with_capacity(self.names.len());
        let mut omitted = Vec::new();
        for (header, name) in self.source.iter().zip(&self.names) {
            let Some(name) = name else { continue };
            let Some(raw) = claims.find(&header.claim) else { continue };
            let (start, lines) = (text.len(), places.len());
            let mut line = |range| places.push((name, range));
            if let Err(omission) = write(raw, header, &mut text, &mut line) {
                text.truncate(start);
                places.truncate(lines);
                omitted.push((name.clone(), omission));
            }
        }
        // One allocation holds all values of the block.
        let text = Bytes::from(text);
        let mut headers = Vec::with_capacity(places.len());
        for (name, range) in places {
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(range)) {
                headers.push((name.clone(), value));
            }
        }
        HeaderBlock { headers: headers.into_boxed_slice(), omitted: omitted.into_boxed_slice() }
    }
}

/// Writes the values of one header and says where each line is.
fn write(
    raw: &str,
    header: &ClaimHeader,
    out: &mut String,
    line: &mut dyn FnMut(std::ops::Range<usize>),
) -> Result<(), Omission> {
    let start = out.len();
    match (raw.as_bytes().first(), header.form) {
        (Some(b'n'), _) => return Ok(()),
        (Some(b'['), ArrayForm::Csv) => {
            let mut elements = elements_of(raw)?.into_iter().peekable();
            if elements.peek().is_none() {
                return Ok(());
            }
            while let Some(element) = elements.next() {
                write_value(element, Commas::Encoded, out)?;
                within(out.len() - start, header)?;
                if elements.peek().is_some() {
                    out.push(',');
                }
            }
        }
        (Some(b'['), ArrayForm::Repeat) => {
            for (n, element) in elements_of(raw)?.into_iter().enumerate() {
                let from = out.len();
                write_value(element, Commas::Kept, out)?;
                // A line costs the target at least a byte, so an array of empty strings is bounded.
                within(out.len() - start + n, header)?;
                line(from..out.len());
            }
            return Ok(());
        }
        _ => write_value(raw, Commas::Kept, out)?,
    }
    within(out.len() - start, header)?;
    line(start..out.len());
    Ok(())
}

const fn within(length: usize, header: &ClaimHeader) -> Result<(), Omission> {
    if length <= header.max_size { Ok(()) } else { Err(Omission::TooLarge) }
}

fn elements_of(raw: &str) -> Result<Vec<&str>, Omission> {
    let mut elements = Vec::new();
    json::elements(raw, |element| {
        elements.push(element);
        Ok(())
    })
    .map_err(|_| Omission::NotText)?;
    Ok(elements)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Commas {
    Kept,
    Encoded,
}

/// A string by its text, a number by its digits, everything else as JSON.
fn write_value(raw: &str, commas: Commas, out: &mut String) -> Result<(), Omission> {
    match raw.as_bytes().first() {
        Some(b'"') => encode(&json::string(raw).ok_or(Omission::NotText)?, commas, out),
        Some(b'{' | b'[') => {
            let mut compact = String::with_capacity(raw.len());
            json::compact(raw, &mut compact);
            encode(&compact, commas, out);
        }
        _ => out.push_str(raw),
    }
    Ok(())
}

/// A claim's text as a header carries it.
#[must_use]
pub fn encode_claim(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode(text, Commas::Kept, &mut out);
    out
}

/// Percent-encodes all but visible ASCII and single inner spaces.
fn encode(text: &str, commas: Commas, out: &mut String) {
    let bytes = text.as_bytes();
    let is_word = |n: Option<usize>| n.and_then(|n| bytes.get(n)).is_some_and(|b| *b != b' ');
    let mut start = 0;
    for (n, &byte) in bytes.iter().enumerate() {
        let is_plain = match byte {
            b'%' => false,
            b',' => commas == Commas::Kept,
            b' ' => is_word(n.checked_sub(1)) && is_word(n.checked_add(1)),
            _ => byte.is_ascii_graphic(),
        };
        if !is_plain {
            // What stands between two encoded bytes is ASCII, so this is a piece of text.
            out.push_str(text.get(start..n).unwrap_or_default());
            let _ = write!(out, "%{byte:02X}");
            start = n + 1;
        }
    }
    out.push_str(text.get(start..).unwrap_or_default());
}

/// Blocks of one token, by set; filled at most once each, read without a lock.
#[derive(Debug)]
pub(super) struct BlockCache {
    slots: [OnceLock<(u64, Arc<HeaderBlock>)>; BLOCKS],
    /// Bytes that blocks may still take; counted in the token's weight from the start.
    left: AtomicUsize,
    room: usize,
}

impl BlockCache {
    /// Room that suits claims of `weight` bytes.
    pub(super) fn for_claims(weight: usize) -> Self {
        let room = 1024 + weight;
        Self { slots: [const { OnceLock::new() }; BLOCKS], left: AtomicUsize::new(room), room }
    }

    pub(super) const fn room(&self) -> usize {
        self.room
    }

    /// The block for `set`, made if it is not there yet.
    pub(super) fn get(&self, set: &ClaimHeaderSet, claims: &Claims) -> Arc<HeaderBlock> {
        for slot in &self.slots {
            match slot.get() {
                Some((id, block)) if *id == set.id => return Arc::clone(block),
                Some(_) => {}
                None => {
                    let block = Arc::new(set.block(claims));
                    if self.take(weight(&block)) {
                        // Another thread may have been faster; then this block is used once.
                        let _ = slot.set((set.id, Arc::clone(&block)));
                    }
                    return block;
                }
            }
        }
        Arc::new(set.block(claims))
    }

    fn take(&self, weight: usize) -> bool {
        let order = Ordering::Relaxed;
        self.left.fetch_update(order, order, |left| left.checked_sub(weight)).is_ok()
    }
}

/// Names are shared with the set; a value is its text and a handle.
fn weight(block: &HeaderBlock) -> usize {
    let line = std::mem::size_of::<(HeaderName, HeaderValue)>();
    let values: usize = block.headers.iter().map(|(_, value)| line + value.len()).sum();
    values + block.omitted.len() * std::mem::size_of::<(HeaderName, Omission)>() + 64
}
