//! `accepted_risks:` as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;

/// A finding of `portcullis check --security` that is known and meant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct AcceptedRisk {
    /// The code of the finding.
    #[schemars(example = &"no-proof-of-origin")]
    pub(in crate::config) code: Field<String>,
    /// Where it is accepted: the name of a listener, rule (`LISTENER/RULE` if several are called
    /// so), API, target group or user pool. Default: everywhere.
    #[serde(rename = "where")]
    pub(in crate::config) place: Field<String>,
    /// Why. Whoever reads the review is shown it.
    pub(in crate::config) reason: Field<String>,
}
