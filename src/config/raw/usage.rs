//! `api_keys:` and `usage_plans:` as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretText;
use crate::config::field::{Field, List, Table};

/// A key that callers of REST APIs send in `x-api-key`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["value"]))]
pub(in crate::config) struct ApiKey {
    /// The key: 20 to 128 letters, digits, `-` and `_`. Only as `${env:NAME}` or `${file:PATH}`.
    pub(in crate::config) value: Field<SecretText>,
    /// Whether it is good. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
}

/// Who may call which REST APIs with an API key, and how much. Limits are each key's, over all APIs
/// of the plan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["apis"]))]
pub(in crate::config) struct UsagePlan {
    /// Names of keys. A key of a file may name its plans itself.
    #[schemars(length(min = 1), example = ["partner"])]
    pub(in crate::config) api_keys: Field<List<String>>,
    /// REST APIs that its keys open.
    #[schemars(length(min = 1))]
    pub(in crate::config) apis: Field<List<PlanApi>>,
    /// How often each key may be used.
    pub(in crate::config) throttle: Field<PlanThrottle>,
    /// How often in a day, a week or a month.
    pub(in crate::config) quota: Field<Quota>,
}

/// An API's name, or a mapping that says more.
#[derive(Debug)]
pub(in crate::config) enum PlanApi {
    /// Its name.
    Name(String),
    /// The long form.
    Object(Box<PlanApiObject>),
}

short_and_long!(PlanApi, "an API's name, or a mapping with `api`", {
    text: |text| Ok(PlanApi::Name(text)),
    map: PlanApiObject => |object| PlanApi::Object(Box::new(object)),
});

/// A REST API of a plan.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["api"]))]
pub(in crate::config) struct PlanApiObject {
    /// Its name.
    pub(in crate::config) api: Field<String>,
    /// How often each key may be used for a route, by the route's key.
    pub(in crate::config) throttle: Field<Table<PlanThrottle>>,
}

/// A bucket of each key that fills at a rate and holds a burst.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["rate", "burst"]))]
pub(in crate::config) struct PlanThrottle {
    /// Requests a second in the long run: `0.001` to `1000000`.
    #[schemars(range(min = 0.001, max = 1_000_000.0), example = &10)]
    pub(in crate::config) rate: Field<f64>,
    /// Requests at once: 1 to 1,000,000.
    #[schemars(range(min = 1, max = 1_000_000), example = &20)]
    pub(in crate::config) burst: Field<u64>,
}

/// How many requests each key has in a period. Periods begin at midnight UTC: of each day, of
/// Monday, of the first day of a month.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["limit", "period"]))]
pub(in crate::config) struct Quota {
    /// Requests: 1 to 1,000,000,000,000.
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64), example = &10_000)]
    pub(in crate::config) limit: Field<u64>,
    /// How many fewer it has in its first period; less than `limit`. Default: 0.
    pub(in crate::config) offset: Field<u64>,
    /// `day`, `week` or `month`.
    pub(in crate::config) period: Field<Period>,
}

/// What a quota is for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum Period {
    /// From midnight UTC.
    Day,
    /// From Monday, midnight UTC.
    Week,
    /// From the first of the month, midnight UTC.
    Month,
}

/// Where the API key of a request stands.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum ApiKeySource {
    /// In `x-api-key`.
    Header,
}
