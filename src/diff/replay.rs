//! Recorded requests, decided by both files: whose decision changes?

mod json;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use super::{fate, probes};
use crate::answer::Refusal;
use crate::config::model::Config;
use crate::engine::{self, Decision, Moment, Reason, Step};
use crate::explain::{Asked, SignerError};
use crate::recording::{Caller, Met, Player, Recording, Shape, is_plain_header, is_secret_header};
use crate::sign_in::Outcome;
use crate::snapshot::{LookedAt, Snapshot};

pub use self::json::to_json;
pub use self::text::render;

/// What both files make of a recording.
#[derive(Debug, Default)]
pub struct Replay {
    /// How many requests were decided twice.
    pub requests: usize,
    /// Requests whose decision changes, the gravest first.
    pub changes: Vec<Change>,
    /// Why requests could not be decided again, and how many.
    pub left_out: BTreeMap<String, usize>,
    /// Requests that the gateway gave to another rule than the old file does, or to none of its
    /// target groups where this does, or the other way round.
    pub drifted: usize,
    /// What the files look at and the recording does not have.
    pub notes: Vec<String>,
}

/// Requests whose decision changes alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How grave it is.
    pub kind: ChangeKind,
    /// The listener.
    pub listener: String,
    /// How many.
    pub count: usize,
    /// Of these, those whose credentials nobody has looked at.
    pub unsure: usize,
    /// One of them: method, host, target, and its id.
    pub example: (String, String),
    /// What becomes of that one by the old file.
    pub old: Fate,
    /// What becomes of it by the new file.
    pub new: Fate,
}

/// How grave a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// A caller who has not proved who he is reaches a target, and was refused before.
    Opened,
    /// A proved caller reaches a target, and was refused before.
    LetIn,
    /// Whoever reached a target is refused.
    TurnedAway,
    /// Whoever reached a target is answered by the gateway.
    NotServed,
    /// The gateway itself answered, and now a target is reached.
    Served,
    /// Another target group, or another spelling of the request, is reached.
    Elsewhere,
    /// Something else.
    Other,
    /// The same becomes of it by another rule or route.
    OtherRule,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The rule, and where it leads to an API the route; empty where it never comes to rules.
    pub place: String,
    /// What then becomes of it.
    pub end: String,
    /// Host and `path?query` that the target gets, where they are not the client's.
    pub sent: Option<String>,
    class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Forwarded,
    Refused,
    Answered,
    /// Somebody else is asked first.
    Open,
}

impl Replay {
    /// Whether somebody gets in without proving who he is, where he was refused before.
    #[must_use]
    pub fn opens(&self) -> bool {
        self.changes.iter().any(|change| change.kind == ChangeKind::Opened)
    }
}

/// Decides every recorded request by both files.
///
/// # Errors
///
/// See [`SignerError`].
pub fn replay(
    old: Config,
    new: Config,
    recording: &Recording,
    moment: Moment,
) -> Result<Replay, SignerError> {
    let (mut old, mut new) = (Player::new(old, moment)?, Player::new(new, moment)?);
    let mut replay = Replay { notes: notes(recording, &old, &new), ..Replay::default() };
    for shape in &recording.shapes {
        let later = probes::same_listener_by_name(
            &shape.listener,
            &old.snapshot.config,
            &new.snapshot.config,
        );
        let Some(later) = later.map(|listener| listener.name.to_string()) else {
            replay.leave_out(format!("listener `{}` is not in both files", shape.listener));
            continue;
        };
        let fates = (fate(&mut old, shape, &shape.listener), fate(&mut new, shape, &later));
        match fates {
            (Ok(before), Ok(after)) => replay.note(shape, before, after),
            (Err(why), _) | (_, Err(why)) => replay.leave_out(why),
        }
    }
    replay.changes.sort_by_key(|change| (change.kind, usize::MAX - change.count));
    return Ok(replay);

    fn fate(player: &mut Player, shape: &Shape, listener: &str) -> Result<Fate, String> {
        let asked = player.ask(shape, listener).map_err(|why| why.to_string())?;
        Ok(Fate::of(&player.snapshot, &asked, player.moment))
    }
}

impl Replay {
    fn leave_out(&mut self, why: String) {
        *self.left_out.entry(why).or_default() += 1;
    }

    fn note(&mut self, shape: &Shape, old: Fate, new: Fate) {
        self.requests += 1;
        self.drifted += usize::from(!old.is_what(&shape.met));
        if old == new {
            return;
        }
        let kind = kind(&shape.caller, &old, &new);
        let unsure = usize::from(shape.caller == Caller::Unjudged);
        let is_alike = |change: &&mut Change| {
            change.kind == kind
                && change.listener == shape.listener
                && change.old.is_alike(&old)
                && change.new.is_alike(&new)
        };
        if let Some(known) = self.changes.iter_mut().find(is_alike) {
            known.count += 1;
            known.unsure += unsure;
            return;
        }
        let host = shape.host.as_deref().unwrap_or_default();
        let request = format!("{} {host}{}", shape.method, shape.target);
        self.changes.push(Change {
            kind,
            listener: shape.listener.clone(),
            count: 1,
            unsure,
            example: (request, shape.request_id.clone()),
            old,
            new,
        });
    }
}

fn kind(caller: &Caller, old: &Fate, new: &Fate) -> ChangeKind {
    let is_proved = matches!(caller, Caller::Token { .. } | Caller::Session { .. });
    match (old.class, new.class) {
        (Class::Refused, Class::Forwarded) if is_proved => ChangeKind::LetIn,
        (Class::Refused, Class::Forwarded) => ChangeKind::Opened,
        (Class::Forwarded, Class::Refused) => ChangeKind::TurnedAway,
        (Class::Forwarded, Class::Answered) => ChangeKind::NotServed,
        (Class::Answered, Class::Forwarded) => ChangeKind::Served,
        (Class::Forwarded, Class::Forwarded) if old.end != new.end || old.sent != new.sent => {
            ChangeKind::Elsewhere
        }
        _ if old.class == new.class && old.end == new.end => ChangeKind::OtherRule,
        _ => ChangeKind::Other,
    }
}

impl Fate {
    fn of(snapshot: &Snapshot, asked: &Asked, moment: Moment) -> Self {
        let decision = engine::decide(snapshot, &asked.request(snapshot), moment);
        let listener = snapshot.config.listeners.get(asked.listener());
        let rule = listener
            .zip(decision.rule)
            .map(|(listener, rule)| listener.rules.get(rule).unwrap_or(&listener.default_rule));
        let api = decision.api.and_then(|place| snapshot.apis.get(place.api).zip(Some(place)));
        let route = api.and_then(|(api, place)| api.routes.get(place.route?));
        let place = place(
            rule.map_or("", |rule| &rule.name),
            api.map_or("", |(api, _)| &api.name),
            route.map_or("", |route| &route.key),
        );
        let (class, end) = match &decision.step {
            Step::Forward(plan) => {
                let group = snapshot.config.target_groups.get(plan.group.0);
                let of_route = || group.map_or("", |group| &*group.name).to_owned();
                let end = match rule.filter(|_| api.is_none()) {
                    Some(rule) => fate::action(rule, &snapshot.config),
                    None => format!("forward to {}", of_route()),
                };
                (Class::Forwarded, end)
            }
            Step::Answer { answer, .. } => {
                let class =
                    if is_refusal(decision.reason) { Class::Refused } else { Class::Answered };
                (class, format!("answer {} ({})", answer.status, decision.reason.as_str()))
            }
            Step::Consult(question) => {
                (Class::Open, format!("ask the authorizer {}", question.authorizer.settings.name))
            }
            Step::ReadBody => (Class::Open, "judge the body".to_owned()),
            Step::Wait(_) | Step::Redeem(_) | Step::Renew(_) | Step::Logout(_) => {
                (Class::Open, "ask the user pool".to_owned())
            }
        };
        let sent = if class == Class::Forwarded { sent(&decision) } else { None };
        Self { place, end, sent, class }
    }

    /// Whether that is what the gateway did, as far as that is kept. Where somebody else is asked
    /// first, nobody knows.
    fn is_what(&self, met: &Met) -> bool {
        let was_forwarded = !met.target_group.is_empty();
        met.rule.is_empty()
            || (self.place == place(&met.rule, &met.api, &met.route)
                && (self.class == Class::Open || (self.class == Class::Forwarded) == was_forwarded))
    }

    /// Whether both can be told as one.
    fn is_alike(&self, other: &Self) -> bool {
        self.place == other.place
            && self.end == other.end
            && self.sent.is_some() == other.sent.is_some()
    }
}

/// What the target gets, where that is not what the client sent.
fn sent(decision: &Decision) -> Option<String> {
    if let Step::Forward(plan) = &decision.step
        && let Some(target) = plan.integration.as_ref().and_then(|sent| sent.target.as_deref())
    {
        return Some(target.to_owned());
    }
    let (made, _) = decision.transformed.as_deref()?;
    let authority = made.authority.as_deref().unwrap_or_default();
    Some(format!("{authority}{}", made.target.as_deref().unwrap_or_default()))
}

/// Whether somebody is refused for who he is, or is not.
const fn is_refusal(reason: Reason) -> bool {
    match reason {
        Reason::Auth(_) | Reason::Signature(_) | Reason::Authorizer(_) => true,
        Reason::SignIn(outcome) => outcome.is_denial() || matches!(outcome, Outcome::Begun),
        Reason::Refused(refusal) => matches!(
            refusal,
            Refusal::ApiKeyMissing
                | Refusal::ApiKeyUnknown
                | Refusal::ApiKeyDisabled
                | Refusal::ApiKeyUnattached
        ),
        _ => false,
    }
}

fn place(rule: &str, api: &str, route: &str) -> String {
    match (rule, api, route) {
        ("", ..) => String::new(),
        (rule, "", _) => format!("rule `{rule}`"),
        (rule, api, "") => format!("rule `{rule}`, API `{api}`"),
        (rule, api, route) => format!("rule `{rule}`, route `{route}` of API `{api}`"),
    }
}

/// What either file looks at, and the recording does not have.
fn notes(recording: &Recording, old: &Player, new: &Player) -> Vec<String> {
    let missing = |of: &dyn Fn(&LookedAt) -> &BTreeSet<String>, kept: &BTreeSet<String>| {
        let all = of(&old.snapshot.looked_at).union(of(&new.snapshot.looked_at));
        all.filter(|name| !kept.contains(*name)).cloned().collect::<Vec<_>>()
    };
    let mut notes = Vec::new();
    for name in missing(&|looked_at| &looked_at.headers, &recording.headers) {
        if is_secret_header(&name) {
            notes.push(format!("a rule looks at header `{name}`, whose values are never kept"));
        } else if !is_plain_header(&name) {
            notes.push(not_kept("header", &name));
        }
    }
    if let Some(kept) = &recording.parameters {
        for name in missing(&|looked_at| &looked_at.parameters, kept) {
            notes.push(not_kept("parameter", &name));
        }
        if new.snapshot.looked_at.any_parameter {
            notes.push(
                "a rule looks at values of any query parameter, which were not kept".to_owned(),
            );
        }
    }
    for name in missing(&|looked_at| &looked_at.claims, &recording.claims) {
        notes.push(not_kept("claim", &name));
    }
    notes
}

fn not_kept(what: &str, name: &str) -> String {
    format!(
        "a rule looks at {what} `{name}`, whose values were not kept: \
         record with `--{what} {name}`"
    )
}
