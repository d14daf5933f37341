//! `reload:`, as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;
use crate::config::units::DurationText;

/// What a changed file must stand before and after it is put in force. The settings of the new file
/// hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Reload {
    /// Whether a changed file is put in force only if its tests pass: its own `tests`, or those of the
    /// file beside it (routes.test.yaml), if there are any. Default: `true`.
    pub(in crate::config) run_tests: Field<bool>,
    /// How many file texts are remembered to roll back to, 2 to 50. Default: 10.
    #[schemars(range(min = 2, max = 50))]
    pub(in crate::config) history: Field<u64>,
    /// When a changed file is taken back by itself.
    pub(in crate::config) guard: Field<ReloadGuard>,
}

/// When a changed file is taken back by itself: its requests are compared with those of the minute
/// before.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct ReloadGuard {
    /// Whether that is done at all. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
    /// How long a changed file is watched, `1s` to `10m`. Default: `10s`.
    #[schemars(example = &"30s")]
    pub(in crate::config) window: Field<DurationText>,
    /// By how many of a hundred requests more may be answered 5xx, 1 to 100. Default: 5.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) max_error_increase: Field<u64>,
    /// By how many of a hundred requests more may be denied, 1 to 100. Default: 20.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::config) max_denial_increase: Field<u64>,
    /// How many requests there must be, before and after, for a judgement, 1 to 1000000. Default: 50.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(in crate::config) min_requests: Field<u64>,
}
