//! `transforms:` of a rule as typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// Changes to what the target gets. Conditions, authorization and logs see the request as it came.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::config) struct Transforms {
    /// The host name, without its port.
    pub(in crate::config) host_header_rewrite: Field<Box<Rewrite>>,
    /// Path and query: `/path?query`, or `/path` where there is no query.
    pub(in crate::config) url_rewrite: Field<Box<Rewrite>>,
}

/// The first thing that the expression finds is replaced; without a find nothing changes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["regex", "replace"]))]
pub(in crate::config) struct Rewrite {
    /// A regular expression that finds anywhere; write `^` and `$` for the whole.
    #[schemars(length(min = 1, max = 1024), example = &"^/dp/([A-Za-z0-9]+)/?$")]
    pub(in crate::config) regex: Field<String>,
    /// What stands there then; `$1`, `$2` and so on are the expression's groups.
    #[schemars(length(max = 1024), example = &"/product.php?id=$1")]
    pub(in crate::config) replace: Field<String>,
}
