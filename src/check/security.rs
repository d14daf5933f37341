//! The security review: what in a right file is weaker than it could be, and which of it its owner
//! has accepted.
//!
//! It asks for more than `check` does, so nothing of it keeps a file from being served. What
//! `check` warns of already is taken over, never said twice.

mod apis;
mod gateway;
mod groups;
mod pools;
mod rules;

use std::cmp::Reverse;
use std::net::SocketAddr;

use crate::config::Loaded;
use crate::config::diagnostics::{Diagnostic, Severity, Span};
use crate::config::model::{Config, Listener, Rule, Target, TargetGroup, TargetHost};
use crate::config::risk::{AcceptedRisk, Level, Risk};

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Of which kind.
    pub risk: Risk,
    /// In which part of the file: its name, or `LISTENER/RULE`.
    pub place: Option<String>,
    /// What is to be said.
    pub diagnostic: Diagnostic,
}

impl Finding {
    /// How much harm may come of it.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.risk.level()
    }

    /// A listener's entry holds for its rules too.
    fn is_accepted_by(&self, accepted: &AcceptedRisk) -> bool {
        let Some(wanted) = &accepted.place else { return self.risk == accepted.risk };
        let is_there = self.place.as_ref().is_some_and(|place| {
            place
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        self.risk == accepted.risk && is_there
    }
}

/// What a review came to.
#[derive(Debug, Default)]
pub struct Review {
    /// What nobody has accepted, the worst first.
    pub open: Vec<Finding>,
    /// What is accepted, and why.
    pub accepted: Vec<(Finding, String)>,
}

impl Review {
    /// How many findings nobody has accepted are as bad as this, or worse.
    #[must_use]
    pub fn count(&self, least: Level) -> usize {
        self.open.iter().filter(|finding| finding.level() >= least).count()
    }
}

/// Reviews a good file; `warnings` are what `check` has to say about it. A portable review did not
/// look at secrets and other files, so it cannot tell whether what is accepted of them is there.
#[must_use]
pub fn review(loaded: &Loaded, warnings: Vec<Diagnostic>, portable: bool) -> Review {
    let config = &loaded.config;
    let mut findings = Findings(Vec::new());
    findings.take_over(warnings, config);
    gateway::judge(config, loaded.sections, &mut findings);
    rules::judge(config, &mut findings);
    apis::judge(config, &mut findings);
    groups::judge(config, &mut findings);
    pools::judge(config, &mut findings);

    let mut used = vec![false; loaded.accepted_risks.len()];
    let mut review = Review::default();
    for finding in findings.0 {
        let mut reason = None;
        for (accepted, used) in loaded.accepted_risks.iter().zip(&mut used) {
            if finding.is_accepted_by(accepted) {
                *used = true;
                reason.get_or_insert_with(|| accepted.reason.clone());
            }
        }
        match reason {
            Some(reason) => review.accepted.push((finding, reason)),
            None => review.open.push(finding),
        }
    }
    let unused = loaded.accepted_risks.iter().zip(used).filter(|(_, used)| !used);
    let unused = unused.map(|(accepted, _)| accepted);
    let unseen = [Risk::ShortToken, Risk::WritableFile];
    let stale = unused.filter(|accepted| !(portable && unseen.contains(&accepted.risk)));
    review.open.extend(stale.map(stale_acceptance));
    review.open.sort_by_key(|finding| (Reverse(finding.level()), finding.diagnostic.span.start));
    review
}

/// What of the findings of an ordinary check nobody has accepted, and how many are accepted. Errors
/// cannot be.
#[must_use]
pub fn without_accepted(loaded: &Loaded, findings: Vec<Diagnostic>) -> (Vec<Diagnostic>, usize) {
    let before = findings.len();
    let is_accepted = |finding: &Diagnostic| {
        let mut known = Findings(Vec::new());
        known.take_over(vec![finding.clone()], &loaded.config);
        finding.severity == Severity::Warning
            && known.0.iter().any(|one| loaded.accepted_risks.iter().any(|a| one.is_accepted_by(a)))
    };
    let open: Vec<Diagnostic> =
        findings.into_iter().filter(|finding| !is_accepted(finding)).collect();
    let accepted = before - open.len();
    (open, accepted)
}

fn stale_acceptance(accepted: &AcceptedRisk) -> Finding {
    let place = accepted.place.as_ref().map(|place| format!(" at `{place}`")).unwrap_or_default();
    let message = format!("`{}`{place} is accepted, and not there", accepted.risk.code());
    let risk = Risk::StaleAcceptance;
    let diagnostic = Diagnostic::warning(risk.code(), accepted.span, message)
        .help("remove this entry, or it will accept the next one unseen");
    Finding { risk, place: accepted.place.clone(), diagnostic }
}

/// Collects what is found.
struct Findings(Vec<Finding>);

impl Findings {
    fn tell(&mut self, risk: Risk, place: &Place, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::warning(risk.code(), place.span, message).help(help);
        self.0.push(Finding { risk, place: place.name.clone(), diagnostic });
    }

    /// What `check` says already.
    fn take_over(&mut self, warnings: Vec<Diagnostic>, config: &Config) {
        let places = places(config);
        for diagnostic in warnings {
            let Some(risk) = Risk::named(diagnostic.code) else { continue };
            let of_the_file = [Risk::ShortToken, Risk::WritableFile].contains(&risk);
            let at = diagnostic.span.start;
            let before = places.iter().rev().find(|place| place.span.start <= at);
            let place = before.filter(|_| !of_the_file).and_then(|place| place.name.clone());
            self.0.push(Finding { risk, place, diagnostic });
        }
    }
}

/// A part of the file.
struct Place {
    /// `None` for the file itself.
    name: Option<String>,
    span: Span,
}

impl Place {
    fn of_listener(listener: &Listener) -> Self {
        Self::named(&listener.name, listener.span)
    }

    fn of_rule(listener: &Listener, rule: &Rule) -> Self {
        Self { name: Some(format!("{}/{}", listener.name, rule.name)), span: rule.span }
    }

    fn named(name: &str, span: Span) -> Self {
        Self { name: Some(name.to_owned()), span }
    }

    const fn section(span: Span) -> Self {
        Self { name: None, span }
    }
}

/// All parts in file order, so that the last one before a place is the one that it is in.
fn places(config: &Config) -> Vec<Place> {
    let mut places = Vec::new();
    for listener in &config.listeners {
        places.push(Place::of_listener(listener));
        places.extend(rules_of(listener).map(|rule| Place::of_rule(listener, rule)));
    }
    places.extend(config.apis.iter().map(|api| Place::named(&api.name, api.span)));
    let groups = &config.target_groups;
    places.extend(groups.iter().map(|group| Place::named(&group.name, group.span)));
    places.extend(config.user_pools.iter().map(|pool| Place::named(&pool.name, pool.span)));
    places.sort_by_key(|place| place.span.start);
    places
}

fn rules_of(listener: &Listener) -> impl Iterator<Item = &Rule> {
    listener.rules.iter().chain([&listener.default_rule])
}

/// Whether others than this machine can reach it.
fn is_exposed(address: SocketAddr) -> bool {
    !address.ip().to_canonical().is_loopback()
}

/// Whether requests to this group leave the machine.
fn leaves_the_machine(group: &TargetGroup) -> bool {
    group.targets.iter().any(|target: &Target| {
        target.listener.is_none()
            && match &target.host {
                TargetHost::Address(address) => !address.to_canonical().is_loopback(),
                TargetHost::Name(name) => !name.eq_ignore_ascii_case("localhost"),
            }
    })
}

#[cfg(test)]
mod tests;
