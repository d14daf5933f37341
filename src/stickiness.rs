//! Stickiness: a client comes back to the target, or the target group, that served it before.
//!
//! Cookies remember (alb.md 9.5). What they say is sealed, names targets and groups by digests that
//! are the same in every replica and after every reload, and is a wish: who may receive requests is
//! known elsewhere, and a cookie that cannot be used costs its client nothing but a new choice.
//!
//! Pure: headers and time in, a choice and cookies out. Not here: how a target is chosen for a
//! client that has none, and whether the one before is healthy.

mod cookie;
mod memory;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::http::header::ORIGIN;
use ::http::{HeaderMap, HeaderValue};

use self::cookie::{Kind, Reach};
use self::memory::{Mark, Memory, Recalled};
use crate::clock::UnixMillis;
use crate::config::model::{Config, Forward, GroupIndex, StickyCookie};
use crate::config::{self, model};
use crate::http::cookies;
use crate::session::{Purpose, Seal};
use crate::telemetry::metrics::{Metrics, StickinessMetrics};
use crate::upstream::TargetKey;

/// What takes the place of an application cookie's companion that has lost its meaning.
const REMOVED: &str = "_remove_";
/// ALB spreads the companion over up to four cookies. Ours fits into the first.
const COMPANIONS: [&str; 4] = ["AWSALBAPP-0", "AWSALBAPP-1", "AWSALBAPP-2", "AWSALBAPP-3"];

/// Why a request went to another target than its client's last one, or to its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// The client has no cookie of ours.
    NoCookie,
    /// None that it sent is one that we sealed.
    Invalid,
    /// Its cookie says nothing about this target group.
    OtherGroup,
    /// The client was away for longer than the duration.
    Expired,
    /// The target's own cookie did not come with ours.
    NoApplicationCookie,
    /// The target is gone, unhealthy or draining, or did not serve the request.
    Unavailable,
}

impl Miss {
    const NAMES: &'static [&'static str] = &[
        "no_cookie",
        "invalid_cookie",
        "other_group",
        "expired",
        "no_application_cookie",
        "target_unavailable",
    ];

    const fn index(self) -> usize {
        match self {
            Self::NoCookie => 0,
            Self::Invalid => 1,
            Self::OtherGroup => 2,
            Self::Expired => 3,
            Self::NoApplicationCookie => 4,
            Self::Unavailable => 5,
        }
    }
}

/// The stickiness of all target groups of one configuration.
#[derive(Debug)]
pub struct Stickiness {
    /// By target group.
    groups: Box<[Group]>,
    for_target: Purpose,
    for_group: Purpose,
    for_application: Purpose,
}

#[derive(Debug)]
struct Group {
    /// Its name in cookies.
    mark: Mark,
    sticky: Option<(model::Stickiness, Arc<StickinessMetrics>)>,
}

/// A request, as far as stickiness looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// All its headers.
    pub headers: &'a HeaderMap,
    /// Whom it is for, canonical.
    pub authority: &'a str,
    /// Opens its cookies.
    pub seal: &'a Seal,
    /// When.
    pub now: UnixMillis,
}

/// Where a client was before in a forward to several groups, for its answer's cookies.
#[derive(Debug, Clone, Copy)]
pub struct KeptGroup {
    /// The group; absent when one is to be chosen.
    pub group: Option<GroupIndex>,
    /// What its cookie says beside.
    memory: Memory,
    duration: Duration,
}

/// Where a client was before in a target group, for its answer's cookies.
#[derive(Debug, Clone, Copy)]
struct KeptTarget {
    found: Result<TargetKey, Miss>,
    memory: Memory,
    reach: Reach,
}

/// How a request's client is kept where it was.
#[derive(Debug, Clone, Copy)]
pub struct Sticky {
    group: Option<KeptGroup>,
    target: Option<KeptTarget>,
}

impl Sticky {
    /// The target that served the client before.
    #[must_use]
    pub fn target(&self) -> Option<TargetKey> {
        self.target.and_then(|kept| kept.found.ok())
    }
}

impl Stickiness {
    /// Compiles the target groups of `config`.
    #[must_use]
    pub fn compile(config: &Config, metrics: &Metrics) -> Self {
        let groups = config.target_groups.iter().map(|group| Group {
            mark: mark(&group.name),
            sticky: group
                .stickiness
                .clone()
                .map(|stickiness| (stickiness, metrics.stickiness(&group.name, Miss::NAMES))),
        });
        Self {
            groups: groups.collect(),
            for_target: Kind::Target.purpose(),
            for_group: Kind::Group.purpose(),
            for_application: Kind::Application.purpose(),
        }
    }

    /// Where the client was before in this forward; `None` when the forward is not sticky.
    ///
    /// A group whose weight is 0 keeps the clients that it has. One that is gone from the rule keeps
    /// nobody, and neither does a cookie that does not open: the client is asked for nothing, and
    /// never answered an error (ALB may answer 500: AWSALBTGCookieInvalid).
    #[must_use]
    pub fn group(&self, forward: &Forward, client: Client<'_>) -> Option<KeptGroup> {
        let duration = forward.stickiness?;
        let opened = cookie::open(client.headers, Kind::Group, client.seal, &self.for_group);
        let mut memory = opened.unwrap_or_default();
        let groups = || forward.groups.iter().map(|weighted| weighted.group);
        let group_at = |place: Mark| groups().find(|group| self.mark(*group) == Some(place));
        let last = memory.last_of(client.now, |place| group_at(place).is_some());
        // The one that is drawn now takes the place of all that this rule forwards to.
        memory.forget(|place| group_at(place).is_some());
        Some(KeptGroup { group: last.and_then(group_at), memory, duration })
    }

    /// How the client is kept in the group that was chosen for it, where anything is sticky at all.
    #[must_use]
    pub fn keep(
        &self,
        kept: Option<KeptGroup>,
        group: GroupIndex,
        client: Client<'_>,
    ) -> Option<Box<Sticky>> {
        let target = self.target(group, client);
        (kept.is_some() || target.is_some()).then(|| Box::new(Sticky { group: kept, target }))
    }

    fn mark(&self, group: GroupIndex) -> Option<Mark> {
        self.groups.get(group.0).map(|group| group.mark)
    }

    /// Where the client was before in this group; `None` when the group is not sticky.
    fn target(&self, group: GroupIndex, client: Client<'_>) -> Option<KeptTarget> {
        let group = self.groups.get(group.0)?;
        let (stickiness, _) = group.sticky.as_ref()?;
        let (kind, purpose) = match stickiness.cookie {
            StickyCookie::LoadBalancer => (Kind::Target, &self.for_target),
            StickyCookie::Application(_) => (Kind::Application, &self.for_application),
        };
        let memory = cookie::open(client.headers, kind, client.seal, purpose);
        let found = match memory.map(|memory| memory.recall(group.mark, client.now)) {
            Some(Recalled::Choice(target)) => Ok(TargetKey(target)),
            Some(Recalled::Expired) => Err(Miss::Expired),
            Some(Recalled::Nothing) => Err(Miss::OtherGroup),
            None if is_sent(client.headers, kind) => Err(Miss::Invalid),
            None => Err(Miss::NoCookie),
        };
        let found = match (&stickiness.cookie, found) {
            // Both cookies must come back; what the target's own says is its own business.
            (StickyCookie::Application(name), Ok(_))
                if cookies::values(client.headers, name).next().is_none() =>
            {
                Err(Miss::NoApplicationCookie)
            }
            (_, found) => found,
        };
        let reach = if crosses_sites(client) { Reach::CrossSite } else { Reach::Default };
        Some(KeptTarget { found, memory: memory.unwrap_or_default(), reach })
    }

    /// The cookies of an answer that a target of a group gave, to be added to it.
    #[must_use]
    pub fn cookies(
        &self,
        sticky: &Sticky,
        (group, target): (GroupIndex, TargetKey),
        answer: &HeaderMap,
        seal: &Seal,
        now: UnixMillis,
    ) -> Vec<HeaderValue> {
        let mut cookies = Vec::with_capacity(4);
        let Some(group) = self.groups.get(group.0) else { return cookies };
        let pair = |kind: Kind, memory: Memory, purpose: &Purpose| {
            let sealed = seal.seal(purpose, &memory.to_bytes());
            let reaches = [Reach::CrossSite, Reach::Default].into_iter();
            let named = kind.names().iter().zip(reaches).rev();
            named.filter_map(move |(name, reach)| cookie::set(name, sealed.as_deref()?, now, reach))
        };
        if let Some(KeptGroup { mut memory, duration, .. }) = sticky.group {
            memory.note(group.mark, 0, now.plus(duration));
            cookies.extend(pair(Kind::Group, memory, &self.for_group));
        }
        let (Some(kept), Some((stickiness, _))) = (sticky.target, &group.sticky) else {
            return cookies;
        };
        let mut memory = kept.memory;
        match &stickiness.cookie {
            StickyCookie::LoadBalancer => {
                memory.note(group.mark, target.0, now.plus(stickiness.duration));
                cookies.extend(pair(Kind::Target, memory, &self.for_target));
            }
            StickyCookie::Application(name) => {
                if kept.found.is_ok() || cookie::is_set(answer, name) {
                    memory.note(group.mark, target.0, now.plus(stickiness.duration));
                } else {
                    memory.forget(|place| place == group.mark);
                }
                cookies.extend(self.companions(memory, kept.reach, seal, now));
            }
        }
        cookies
    }

    /// What goes with an application's cookie: a memory, or the word that there is none.
    fn companions(
        &self,
        memory: Memory,
        reach: Reach,
        seal: &Seal,
        now: UnixMillis,
    ) -> Vec<HeaderValue> {
        let set = |name, value: &str| cookie::set(name, value, now, reach);
        if memory.is_empty(now) {
            return COMPANIONS.iter().filter_map(|name| set(name, REMOVED)).collect();
        }
        let sealed = seal.seal(&self.for_application, &memory.to_bytes());
        let [first, ..] = COMPANIONS;
        sealed.and_then(|sealed| set(first, &sealed)).into_iter().collect()
    }

    /// Counts a request that this target of a group has served, if it is not the one before.
    pub fn count(&self, sticky: &Sticky, group: GroupIndex, target: TargetKey) {
        let Some(kept) = sticky.target else { return };
        let miss = match kept.found {
            Ok(before) if before == target => return,
            Ok(_) => Miss::Unavailable,
            Err(miss) => miss,
        };
        if let Some((_, metrics)) = self.groups.get(group.0).and_then(|group| group.sticky.as_ref())
        {
            metrics.missed(miss.index());
        }
    }
}

/// Whether a `Set-Cookie` of a target has a name that is ours. Where we set such cookies, only we
/// do.
#[must_use]
pub fn is_reserved(value: &HeaderValue) -> bool {
    cookie::is_reserved(value)
}

/// A target group's name in cookies.
fn mark(name: &str) -> Mark {
    let [a, b, c, d, e, f, g, h, ..] = config::digest(name.as_bytes());
    Mark::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Whether any cookie of a kind came. ALB's word that there is none is none.
fn is_sent(headers: &HeaderMap, kind: Kind) -> bool {
    let mut values = kind.names().iter().flat_map(|name| cookies::values(headers, name));
    values.any(|value| value != REMOVED.as_bytes())
}

/// Whether a page of another origin asks. Browsers send our cookies there only if the cookies say
/// so.
fn crosses_sites(client: Client<'_>) -> bool {
    client.headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        !host.eq_ignore_ascii_case(client.authority)
    })
}
