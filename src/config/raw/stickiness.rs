//! `stickiness:` as typed, of a target group and of a weighted forward.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::Field;
use crate::config::units::DurationText;

/// Keeps a client on the target that served it first.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Stickiness {
    /// `false` turns it off and keeps what else is said. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
    /// `lb_cookie` (the default): the cookie `AWSALB`. `app_cookie`: the cookie `AWSALBAPP-0`, as
    /// long as the target's own cookie comes with it.
    #[serde(rename = "type")]
    pub(in crate::config) kind: Field<StickinessType>,
    /// The target's own cookie, with `type: app_cookie`.
    #[schemars(example = &"JSESSIONID")]
    pub(in crate::config) cookie_name: Field<String>,
    /// How long a client stays after its last answer, `1s` to `168h`. Default: `24h`.
    pub(in crate::config) duration: Field<DurationText>,
}

/// What keeps a client on its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum StickinessType {
    /// A cookie of ours.
    LbCookie,
    /// One of ours beside the target's own.
    AppCookie,
}

/// Keeps a client in the target group that was chosen for it first, by the cookie `AWSALBTG`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["duration"]))]
pub(in crate::config) struct GroupStickiness {
    /// `false` turns it off and keeps what else is said. Default: `true`.
    pub(in crate::config) enabled: Field<bool>,
    /// How long a client stays after its last answer, `1s` to `168h`.
    pub(in crate::config) duration: Field<DurationText>,
}
