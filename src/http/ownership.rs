//! Which header names are ours: nobody outside may send them, in whatever spelling.
//!
//! Targets fold names. CGI, WSGI, PHP and Rack turn every character that is neither letter nor
//! digit into `_` and ignore case, so `X_Auth.Subject` overwrites `x-auth-subject`. Names are
//! therefore compared folded: lower case, each run of other characters one `-`, none at the ends.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use ::http::{HeaderMap, HeaderName};

/// Families: what is called so, or begins so and goes on with a separator, is ours. The first three
/// are alb.md 7.6, 10.8 and 10.3, the fourth is our own (`x-portcullis-identity`). The last says how
/// or for whom a request came, which only a trusted proxy may claim; ALB passes most of it on, and
/// targets believe it.
const FAMILIES: [&str; 5] =
    ["x-amzn-oidc", "x-amzn-mtls", "x-amzn-tls", "x-portcullis", "x-forwarded"];

/// More of the third kind, and `Proxy`, which CGI reads as a setting (httpoxy).
const HEARSAY: [&str; 3] = ["forwarded", "proxy", "x-real-ip"];

/// Written anew by [`super::forwarded`] and [`super::trace`] from what came in, so the one right
/// spelling is not removed; the others are.
const WRITTEN: [&str; 4] =
    ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"];

/// Headers by which a client asks a target for another method than the one that was judged.
const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method", "x-http-method-override", "x-method-override"];

/// The names that are removed from every request, trailer and answer.
///
/// An ordinary header costs a look at its first letter; one that begins like ours, at its first
/// four; only one that agrees in these is read to its end. Nothing is allocated unless something is
/// found.
pub struct OwnedHeaders {
    /// First bytes with which a spelling of a name here can begin.
    first: [bool; 256],
    /// The first four letters or digits of all names here.
    openings: Vec<[u8; 4]>,
    /// Folded names by their hash.
    names: HashMap<u64, Bucket, BuildHasherDefault<Precomputed>>,
}

type Bucket = Vec<(Box<str>, Kind)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Ours in every spelling.
    Owned,
    /// Ours in every spelling but the first, which is written elsewhere.
    Written,
}

impl OwnedHeaders {
    /// Takes the configured names; the built-in families and names come on top.
    #[must_use]
    pub fn compile<S: AsRef<str>>(names: &[S]) -> Self {
        let mut this =
            Self { first: [false; 256], openings: Vec::new(), names: HashMap::default() };
        // A written name may be configured as a claim header; then it is owned like any other.
        for name in names {
            this.add(name.as_ref(), Kind::Owned);
        }
        for name in HEARSAY {
            this.add(name, Kind::Owned);
        }
        for name in WRITTEN {
            this.add(name, Kind::Written);
        }
        for family in FAMILIES {
            this.claim_opening(family);
        }
        this
    }

    /// Adds the method-override headers: for a listener whose rules judge the method.
    #[must_use]
    pub fn with_method_overrides(mut self) -> Self {
        for name in METHOD_OVERRIDES {
            self.add(name, Kind::Owned);
        }
        self
    }

    fn add(&mut self, name: &str, kind: Kind) {
        let folded: String = fold(name.as_bytes()).map(char::from).collect();
        if folded.is_empty() {
            return;
        }
        self.claim_opening(&folded);
        let bucket = self.names.entry(hash(folded.bytes())).or_default();
        if !bucket.iter().any(|(known, _)| **known == *folded) {
            bucket.push((folded.into_boxed_str(), kind));
        }
    }

    /// Any separator may stand in front of the first letter, so all of them are worth a look.
    fn claim_opening(&mut self, folded: &str) {
        for byte in 0..=u8::MAX {
            if !byte.is_ascii_alphanumeric()
                || folded.as_bytes().first() == Some(&byte.to_ascii_lowercase())
            {
                self.first[usize::from(byte)] = true;
            }
        }
        let opening = opening(folded.as_bytes());
        if !self.openings.contains(&opening) {
            self.openings.push(opening);
        }
    }

    /// Whether a name is ours, in this or any other spelling.
    ///
    /// `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Port` and `X-Amzn-Trace-Id` spelled
    /// with hyphens are not: whoever sends the request on writes them anew. `X_Forwarded_For` is.
    #[inline]
    #[must_use]
    pub fn owns(&self, name: impl AsRef<[u8]>) -> bool {
        let name = name.as_ref();
        match name.first() {
            Some(&first) if self.first[usize::from(first)] => self.owns_by_fold(name),
            _ => false,
        }
    }

    fn owns_by_fold(&self, name: &[u8]) -> bool {
        if !self.openings.contains(&opening(name)) {
            return false;
        }
        let bucket = self.names.get(&hash(fold(name))).map_or(&[][..], Vec::as_slice);
        match bucket.iter().find(|(known, _)| fold(name).eq(known.bytes())) {
            Some((_, Kind::Owned)) => true,
            Some((known, Kind::Written)) => !name.eq_ignore_ascii_case(known.as_bytes()),
            None => FAMILIES.iter().any(|family| is_of_family(name, family)),
        }
    }

    /// The names that must be removed from these headers or trailers. Empty, and without a heap
    /// block, when there are none.
    #[must_use]
    pub fn found_in(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        let mut found = Vec::new();
        for name in headers.keys() {
            if self.owns(name) {
                found.push(name.clone());
            }
        }
        found
    }

    /// Removes them and says how many fields went.
    pub fn remove_from(&self, headers: &mut HeaderMap) -> usize {
        let before = headers.len();
        for name in self.found_in(headers) {
            headers.remove(name);
        }
        before - headers.len()
    }
}

impl fmt::Debug for OwnedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.names.values().flatten().map(|(name, _)| name);
        f.debug_set()
            .entries(FAMILIES.iter().map(|family| format!("{family}-*")))
            .entries(names)
            .finish()
    }
}

/// Whether two names are one for a target that folds.
#[must_use]
pub fn is_same_header(one: &str, other: &str) -> bool {
    fold(one.as_bytes()).eq(fold(other.as_bytes()))
}

fn is_of_family(name: &[u8], family: &str) -> bool {
    let mut folded = fold(name);
    family.bytes().all(|wanted| folded.next() == Some(wanted))
        && matches!(folded.next(), None | Some(b'-'))
}

/// The first four letters or digits, lower case.
fn opening(name: &[u8]) -> [u8; 4] {
    let mut opening = [0; 4];
    let letters = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    for (place, letter) in opening.iter_mut().zip(letters) {
        *place = letter.to_ascii_lowercase();
    }
    opening
}

/// The bytes of a folded name.
fn fold(name: &[u8]) -> Fold<'_> {
    Fold { rest: name, has_begun: false }
}

struct Fold<'a> {
    rest: &'a [u8],
    has_begun: bool,
}

impl Iterator for Fold<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let letter = self.rest.iter().position(u8::is_ascii_alphanumeric)?;
        if letter > 0 && self.has_begun {
            self.rest = self.rest.get(letter..)?;
            return Some(b'-');
        }
        let (first, rest) = self.rest.get(letter..)?.split_first()?;
        self.rest = rest;
        self.has_begun = true;
        Some(first.to_ascii_lowercase())
    }
}

/// The table holds configured names only, so nobody outside can make its buckets grow: a plain
/// multiplicative hash will do.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0, |hash: u64, byte| {
        (hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

/// Passes a hash through that was made by [`hash`].
#[derive(Default)]
struct Precomputed(u64);

impl Hasher for Precomputed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes.iter().copied());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value ^ (value >> 32);
    }
}

#[cfg(test)]
mod tests;
