//! `throttle:` of an API or a route.

use super::{Judge, header};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned};
use crate::config::model::{Route, Throttle, ThrottleKey};
use crate::config::raw;

/// Most limits of an API or of a route.
const MOST_LIMITS: usize = 8;
const RATES: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;
const DEFAULT_KEYS: usize = 65_536;
/// Most buckets of all limits of an API: 64 MiB.
const MOST_KEYS: usize = 4_194_304;

impl Judge<'_> {
    /// In file order; empty where there is none. `is_open` says that nobody asks who is calling.
    pub(super) fn throttle(&mut self, raw: &Field<raw::Throttle>, is_open: bool) -> Vec<Throttle> {
        let Some(given) = raw.given() else { return Vec::new() };
        let limits: Vec<(Span, &raw::Limit)> = match &given.value {
            raw::Throttle::One(limit) => vec![(given.key, &**limit)],
            raw::Throttle::Several(list) => {
                if list.is_empty {
                    let message = "`throttle` may not be an empty list";
                    self.report(Diagnostic::error("empty-list", given.key, message));
                }
                list.items.iter().map(|item| (item.span, &item.value)).collect()
            }
        };
        if let Some((place, _)) = limits.get(MOST_LIMITS) {
            let message = format!("more than {MOST_LIMITS} limits in one place");
            self.report(Diagnostic::error("out-of-range", *place, message));
            return Vec::new();
        }
        let mut known: Vec<Throttle> = Vec::with_capacity(limits.len());
        for (place, raw) in limits {
            let Some(limit) = self.limit(place, raw, is_open) else { continue };
            if known.contains(&limit) {
                let message = "this limit is listed twice";
                self.report(Diagnostic::error("duplicate-value", place, message));
            }
            known.push(limit);
        }
        known
    }

    fn limit(&mut self, place: Span, raw: &raw::Limit, is_open: bool) -> Option<Throttle> {
        let rate = self.demand(&raw.rate, place, "rate").map(|rate| self.rate(rate));
        let burst = self.demand(&raw.burst, place, "burst");
        let burst = burst.map(|_| self.number(&raw.burst, 1, 1..=1_000_000));
        let per = match raw.per.given() {
            None if raw.per.is_absent() => None,
            None => return None,
            Some(text) => Some(self.throttle_key(text, is_open)?),
        };
        if let (None, Some(key)) = (&per, raw.max_keys.key()) {
            let message = "`max_keys` without `per`: all requests share one bucket";
            let finding = Diagnostic::error("contradiction", key, message);
            self.report(finding.help("say whose buckets they are: `per: address`"));
        }
        let max_keys = self.number(&raw.max_keys, DEFAULT_KEYS, 1024..=1_048_576);
        let max_keys = if per.is_some() { max_keys.next_power_of_two() } else { 0 };
        Some(Throttle { rate: rate?, burst: burst?, per, max_keys })
    }

    pub(super) fn rate(&mut self, given: &Spanned<f64>) -> f64 {
        if !RATES.contains(&given.value) {
            let message = format!("`{}` is out of range: 0.001 to 1000000", given.value);
            let finding = Diagnostic::error("out-of-range", given.span, message);
            self.report(finding.help("requests a second; `0.1` is one every ten seconds"));
            return 1.0;
        }
        given.value
    }

    fn throttle_key(&mut self, text: &Spanned<String>, is_open: bool) -> Option<ThrottleKey> {
        let key = match text.value.as_str() {
            "address" => ThrottleKey::Address,
            "client_id" => ThrottleKey::ClientId,
            other => {
                let Some(name) = other.strip_prefix("claim ") else {
                    let shown = crate::config::decode::quoted(other);
                    let message = format!("{shown} is nothing that a limit can be for");
                    let help = "write `address`, `client_id` or `claim NAME`";
                    self.report(Diagnostic::error("unknown-value", text.span, message).help(help));
                    return None;
                };
                let claim = header::claim(name.trim());
                ThrottleKey::Claim(self.accept("invalid-claim", text.span, claim)?)
            }
        };
        if is_open && key.needs_identity() {
            let message = "a limit for each caller, where nobody asks who is calling";
            let finding = Diagnostic::error("contradiction", text.span, message);
            self.report(finding.help("name an authorizer, or write `per: address`"));
        }
        Some(key)
    }

    /// All limits of an API together.
    pub(super) fn judge_throttle_memory(
        &mut self,
        place: Span,
        api: &[Throttle],
        routes: &[Route],
    ) {
        let of_routes = routes.iter().flat_map(|route| &route.throttle);
        let keys: usize = api.iter().chain(of_routes).map(|limit| limit.max_keys).sum();
        if keys > MOST_KEYS {
            let message =
                format!("the limits of this API keep {keys} buckets, more than {MOST_KEYS}");
            let finding = Diagnostic::error("out-of-range", place, message);
            self.report(finding.help("give limits with `per` a lower `max_keys` (default 65536)"));
        }
    }
}
