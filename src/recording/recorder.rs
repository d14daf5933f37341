//! What was kept: always the last few requests, and all of them for a while when somebody asks for
//! a recording.
//!
//! Both are bounded, and no request waits for them longer than a millisecond: what finds no room is
//! counted and left out.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::shape::Shape;
use super::take::is_secret_header;
use crate::clock::UnixMillis;
use crate::snapshot::LookedAt;
use crate::telemetry::json::push_time;
use crate::telemetry::sample::PerSecond;

/// Requests that are kept without a recording.
pub const RECENT: usize = 200;
/// Of these, in one second.
const PER_SECOND: u64 = 100;
/// For somebody who reads, or keeps another one.
const LONGEST_WAIT: Duration = Duration::from_millis(1);
/// Requests in one recording.
pub const MOST_REQUESTS: usize = 100_000;
/// Bytes in one recording.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How long one lasts.
pub const LONGEST_SECONDS: u64 = 3600;
/// Names that somebody may ask for.
const MOST_NAMES: usize = 64;

/// What a recording shall hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// How long it lasts.
    pub seconds: u64,
    /// How many requests it holds at most.
    pub requests: usize,
    /// Headers whose values are kept beside those that rules look at; in lower case.
    pub headers: BTreeSet<String>,
    /// Query parameters, in lower case.
    pub parameters: BTreeSet<String>,
    /// Claims whose values are kept beside those that rules look at.
    pub claims: BTreeSet<String>,
}

/// Why there is no recording.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// It cannot be had.
    #[error("{0}")]
    Order(String),
    /// One at a time.
    #[error("a recording is under way: end it with `portcullis record --stop`, or wait for it")]
    UnderWay,
}

impl Order {
    /// The order, if it is within the bounds.
    ///
    /// # Errors
    ///
    /// [`BeginError::Order`].
    pub fn checked(self) -> Result<Self, BeginError> {
        let Self { seconds, requests, headers, parameters, claims } = self;
        let wrong = |why: String| Err(BeginError::Order(why));
        if !(1..=LONGEST_SECONDS).contains(&seconds) {
            return wrong(format!("a recording lasts 1 to {LONGEST_SECONDS} seconds"));
        }
        if !(1..=MOST_REQUESTS).contains(&requests) {
            return wrong(format!("a recording holds 1 to {MOST_REQUESTS} requests"));
        }
        if headers.len().max(parameters.len()).max(claims.len()) > MOST_NAMES {
            return wrong(format!("at most {MOST_NAMES} names of a kind can be asked for"));
        }
        let lower = |names: BTreeSet<String>| -> BTreeSet<String> {
            names.into_iter().map(|name| name.to_lowercase()).collect()
        };
        let (headers, parameters) = (lower(headers), lower(parameters));
        if let Some(secret) = headers.iter().find(|name| is_secret_header(name)) {
            return wrong(format!("the value of `{secret}` may be a secret, and is never kept"));
        }
        Ok(Self { seconds, requests, headers, parameters, claims })
    }
}

/// What is to be kept of a request that has just ended.
#[derive(Debug)]
pub struct Want {
    is_recent: bool,
    /// That of the recording under way.
    pub order: Option<Arc<Order>>,
}

/// Keeps requests.
#[derive(Debug)]
pub struct Recorder {
    recent: Mutex<VecDeque<Arc<Shape>>>,
    rate: PerSecond,
    /// Spares requests the lock while nobody records.
    is_recording: AtomicBool,
    session: Mutex<Option<Session>>,
}

#[derive(Debug)]
struct Session {
    order: Arc<Order>,
    /// Names that rules looked at when it began.
    looked_at: LookedAt,
    began: UnixMillis,
    until: Instant,
    ended: Option<&'static str>,
    lines: Vec<Arc<str>>,
    bytes: usize,
    dropped: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Nothing kept yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            recent: Mutex::new(VecDeque::new()),
            rate: PerSecond::at_most(PER_SECOND),
            is_recording: AtomicBool::new(false),
            session: Mutex::new(None),
        }
    }

    /// Whether a request that ends now is to be kept; if so, [`Recorder::keep`] takes it.
    #[must_use]
    pub fn wants(&self, wall: UnixMillis, mono: Instant) -> Option<Want> {
        let is_recent = self.rate.admits(wall);
        let order = if self.is_recording.load(Ordering::Relaxed) { self.order(mono) } else { None };
        (is_recent || order.is_some()).then_some(Want { is_recent, order })
    }

    fn order(&self, now: Instant) -> Option<Arc<Order>> {
        let mut session = self.session.try_lock_for(LONGEST_WAIT)?;
        let session = session.as_mut()?;
        if now >= session.until {
            self.end(session, "time");
        }
        session.ended.is_none().then(|| Arc::clone(&session.order))
    }

    fn end(&self, session: &mut Session, why: &'static str) {
        session.ended.get_or_insert(why);
        self.is_recording.store(false, Ordering::Relaxed);
    }

    /// Keeps a request; none was too large.
    pub fn keep(&self, want: &Want, shape: Option<Shape>) {
        let line = want.order.as_ref().map(|_| {
            let line = shape.as_ref().map(serde_json::to_string);
            line.and_then(Result::ok)
        });
        if let Some(shape) = shape.filter(|_| want.is_recent)
            && let Some(mut recent) = self.recent.try_lock_for(LONGEST_WAIT)
        {
            if recent.len() >= RECENT {
                recent.pop_front();
            }
            recent.push_back(Arc::new(shape));
        }
        let Some(line) = line else { return };
        // Where even this lock is not to be had, nobody can count it.
        let Some(mut session) = self.session.try_lock_for(LONGEST_WAIT) else { return };
        let Some(session) = session.as_mut().filter(|session| session.ended.is_none()) else {
            return;
        };
        match line {
            None => session.dropped += 1,
            Some(line) if session.bytes + line.len() > MOST_BYTES => self.end(session, "bytes"),
            Some(line) => {
                session.bytes += line.len();
                session.lines.push(line.into());
                if session.lines.len() >= session.order.requests {
                    self.end(session, "requests");
                }
            }
        }
    }

    /// Begins a recording. That before, which has ended, is let go.
    ///
    /// # Errors
    ///
    /// [`BeginError::UnderWay`].
    pub fn begin(
        &self,
        order: Order,
        looked_at: &LookedAt,
        (wall, mono): (UnixMillis, Instant),
    ) -> Result<(), BeginError> {
        let mut session = self.session.lock();
        let is_under_way =
            session.as_ref().is_some_and(|session| session.ended.is_none() && mono < session.until);
        if is_under_way {
            return Err(BeginError::UnderWay);
        }
        *session = Some(Session {
            until: mono + Duration::from_secs(order.seconds),
            order: Arc::new(order),
            looked_at: looked_at.clone(),
            began: wall,
            ended: None,
            lines: Vec::new(),
            bytes: 0,
            dropped: 0,
        });
        self.is_recording.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the recording under way, if there is one.
    pub fn stop(&self) {
        if let Some(session) = self.session.lock().as_mut() {
            self.end(session, "stopped");
        }
    }

    /// How the recording is, as JSON.
    #[must_use]
    pub fn state(&self, now: Instant) -> Value {
        let mut session = self.session.lock();
        let Some(session) = session.as_mut() else { return json!({ "state": "none" }) };
        if now >= session.until {
            self.end(session, "time");
        }
        session.head(now)
    }

    /// The recording as JSON lines, its head first; `None` where there is none.
    #[must_use]
    pub fn lines(&self, now: Instant) -> Option<String> {
        let (head, lines) = {
            let mut session = self.session.lock();
            let session = session.as_mut()?;
            if now >= session.until {
                self.end(session, "time");
            }
            (session.head(now), session.lines.clone())
        };
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        let mut text = String::with_capacity(bytes + 1024);
        let _ = writeln!(text, "{head}");
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        Some(text)
    }

    /// The last requests, the newest first, or that of one id.
    #[must_use]
    pub fn recent(&self, id: Option<&str>) -> Vec<Arc<Shape>> {
        let recent = self.recent.lock();
        let is_wanted = |shape: &&Arc<Shape>| id.is_none_or(|id| shape.request_id == id);
        recent.iter().rev().filter(is_wanted).cloned().collect()
    }
}

impl Session {
    fn head(&self, now: Instant) -> Value {
        let mut began = Vec::new();
        push_time(&mut began, self.began);
        let left = self.until.saturating_duration_since(now).as_secs_f64().ceil();
        let names = |looked_at: &BTreeSet<String>, ordered: &BTreeSet<String>| {
            looked_at.union(ordered).filter(|name| !is_secret_header(name)).cloned().collect()
        };
        let headers: Vec<String> = names(&self.looked_at.headers, &self.order.headers);
        let parameters = (!self.looked_at.any_parameter)
            .then(|| self.looked_at.parameters.union(&self.order.parameters).collect::<Vec<_>>());
        let claims: Vec<&String> = self.looked_at.claims.union(&self.order.claims).collect();
        json!({
            "state": if self.ended.is_some() { "ended" } else { "under_way" },
            "why": self.ended,
            "began": String::from_utf8_lossy(&began).trim_matches('"'),
            "seconds_left": if self.ended.is_some() { 0.0 } else { left },
            "requests": self.lines.len(),
            "dropped": self.dropped,
            "headers": headers,
            "parameters": parameters,
            "claims": claims,
        })
    }
}
