//! `throttle:` of an API or a route as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List};

/// One limit, or several which all count.
#[derive(Debug)]
pub(in crate::config) enum Throttle {
    /// One.
    One(Box<Limit>),
    /// Several.
    Several(List<Limit>),
}

short_and_long!(Throttle, "a mapping with `rate` and `burst`, or a list of such", {
    list: Limit => |list| Throttle::Several(list),
    map: Limit => |limit| Throttle::One(Box::new(limit)),
});

/// A bucket that fills at a rate and holds a burst. A request takes one token; without one it is
/// answered 429.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["rate", "burst"]))]
pub(in crate::config) struct Limit {
    /// Requests a second in the long run: `0.001` to `1000000`.
    #[schemars(range(min = 0.001, max = 1_000_000.0), example = &100)]
    pub(in crate::config) rate: Field<f64>,
    /// Requests at once: 1 to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000), example = &200)]
    pub(in crate::config) burst: Field<u64>,
    /// Who has a bucket of his own: each client `address` (of IPv6: each /64), and, of callers with
    /// a verified token, each `client_id`, or each value of a `claim NAME`. Default: all requests
    /// share one.
    #[schemars(example = &"address", example = &"claim sub")]
    pub(in crate::config) per: Field<String>,
    /// With `per`: buckets that are kept, 16 bytes each: 1024 to 1048576, rounded up to a power of
    /// two. When all are in use, newcomers share. Default: 65536.
    #[schemars(range(min = 1024, max = 1_048_576))]
    pub(in crate::config) max_keys: Field<u64>,
}
