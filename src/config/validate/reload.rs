//! `reload:`, what a changed file must stand.

use super::{Judge, seconds};
use crate::config::field::Field;
use crate::config::model::{Reload, ReloadGuard};
use crate::config::raw;

impl Judge<'_> {
    pub(super) fn reload(&mut self, raw: &Field<raw::Reload>) -> Reload {
        let default = Reload::default();
        let Some(raw) = raw.value() else { return default };
        Reload {
            run_tests: raw.run_tests.value().copied().unwrap_or(default.run_tests),
            history: self.number(&raw.history, default.history, 2..=50),
            guard: self.reload_guard(&raw.guard),
        }
    }

    fn reload_guard(&mut self, raw: &Field<raw::ReloadGuard>) -> Option<ReloadGuard> {
        let default = ReloadGuard::default();
        let Some(raw) = raw.value() else { return Some(default) };
        let guard = ReloadGuard {
            window: self.duration(&raw.window, default.window, seconds(1)..=seconds(600)),
            max_error_increase: self.number(
                &raw.max_error_increase,
                default.max_error_increase,
                1..=100,
            ),
            max_denial_increase: self.number(
                &raw.max_denial_increase,
                default.max_denial_increase,
                1..=100,
            ),
            min_requests: self.number(&raw.min_requests, default.min_requests, 1..=1_000_000),
        };
        raw.enabled.value().copied().unwrap_or(true).then_some(guard)
    }
}
