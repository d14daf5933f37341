//! `stickiness:` of target groups and of weighted forwards.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Judge, Scene, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned};
use crate::config::model::{BalancingAlgorithm, GroupIndex, Stickiness, StickyCookie};
use crate::config::raw;

/// AWS's range; the cookies themselves live for seven days, whatever is said here.
const DURATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(604_800);
const LONGEST_NAME: usize = 128;
/// Names that begin so are ours.
const RESERVED: &str = "AWSALB";

impl Judge<'_> {
    pub(super) fn stickiness(
        &mut self,
        raw: &Field<raw::Stickiness>,
        algorithm: BalancingAlgorithm,
    ) -> Option<Stickiness> {
        let given = raw.given()?;
        let cookie = self.sticky_cookie(given);
        let duration = self.duration(&given.value.duration, seconds(86_400), DURATION);
        if given.value.enabled.value() == Some(&false) {
            return None;
        }
        if !keeps_clients(algorithm) {
            let message = "this `algorithm` keeps no client on a target (alb.md 9.2)";
            self.report(Diagnostic::error("contradiction", given.key, message));
        }
        Some(Stickiness { cookie: cookie?, duration })
    }

    fn sticky_cookie(&mut self, given: &Spanned<raw::Stickiness>) -> Option<StickyCookie> {
        let raw = &given.value;
        let Some(raw::StickinessType::AppCookie) = raw.kind.value() else {
            if let (Some(key), false) = (raw.cookie_name.key(), matches!(raw.kind, Field::Wrong(_)))
            {
                let message =
                    "`cookie_name` names the target's own cookie, which `lb_cookie` needs not";
                self.report(
                    Diagnostic::error("contradiction", key, message).help("add `type: app_cookie`"),
                );
            }
            return Some(StickyCookie::LoadBalancer);
        };
        let name = self.demand(&raw.cookie_name, given.key, "cookie_name")?;
        let text = &name.value;
        if text.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED)) {
            let message = format!("names that begin with `{RESERVED}` are the gateway's own");
            self.report(Diagnostic::error("invalid-cookie-name", name.span, message));
            return None;
        }
        if text.is_empty() || text.len() > LONGEST_NAME || !text.bytes().all(is_token_byte) {
            let message = "this is not the name of a cookie";
            self.report(
                Diagnostic::error("invalid-cookie-name", name.span, message)
                    .help("letters, digits and !#$%&'*+-.^_`|~, at most 128"),
            );
            return None;
        }
        Some(StickyCookie::Application(text.clone()))
    }

    /// `forward.stickiness`, and what the groups' own stickiness asks of a forward to several.
    pub(super) fn group_stickiness(
        &mut self,
        raw: &raw::ForwardObject,
        groups: &[(GroupIndex, Span)],
        scene: &Scene<'_>,
    ) -> Option<Duration> {
        let mut is_on = !raw.stickiness.is_absent();
        let mut duration = None;
        if let Some(given) = raw.stickiness.given() {
            is_on = given.value.enabled.value() != Some(&false);
            self.demand(&given.value.duration, given.key, "duration");
            let length = self.duration(&given.value.duration, seconds(86_400), DURATION);
            duration = is_on.then_some(length);
        }
        if groups.len() < 2 {
            return duration;
        }
        for (group, span) in groups {
            let sticky = scene.stickiness.get(group.0).and_then(Option::as_ref);
            match sticky.map(|sticky| &sticky.cookie) {
                Some(StickyCookie::Application(_)) => {
                    let message = "this group follows a cookie of its targets, which works only where a rule forwards to one group";
                    self.report(
                        Diagnostic::error("contradiction", *span, message)
                            .help("use `type: lb_cookie` in the group"),
                    );
                }
                Some(StickyCookie::LoadBalancer) if !is_on => {
                    let message = "this group keeps clients on their targets, but this rule does not keep them in the group";
                    self.report(
                        Diagnostic::error("missing-stickiness", *span, message)
                            .help("add `stickiness: { duration: 24h }` beside `target_groups`"),
                    );
                }
                _ => {}
            }
        }
        duration
    }
}

/// Whether a client can be kept on a target under this algorithm (alb.md 9.2).
const fn keeps_clients(algorithm: BalancingAlgorithm) -> bool {
    match algorithm {
        BalancingAlgorithm::RoundRobin | BalancingAlgorithm::LeastOutstandingRequests => true,
    }
}

/// A byte of a token (RFC 9110 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
