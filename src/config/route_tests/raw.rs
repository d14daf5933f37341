//! `routes.test.yaml` as it is typed. The doc comments are what an editor shows on hover.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::field::{Field, List, Table};
use crate::config::literal::Literal;

/// Tests of a routes.yaml: requests, who asks, and what must become of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "routes.test.yaml", extend("required" = ["tests"]))]
pub(in crate::config) struct File {
    /// Callers, by the name that tests use.
    pub(in crate::config) identities: Field<Table<Identity>>,
    /// What is asked, and what must become of it.
    #[schemars(length(min = 1))]
    pub(in crate::config) tests: Field<List<Test>>,
}

/// A caller with a token that is signed for the test: what every token of the pool has is filled in.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// Whose token. Default: the pool of `iss`, or the first that the rule accepts.
    pub(in crate::config) user_pool: Field<String>,
    /// The token's claims; `null` leaves out one that would be filled in.
    pub(in crate::config) claims: Field<Table<Literal>>,
    /// How long the token is good: `1h` (the default); `-1m` for one that has expired.
    #[schemars(example = &"-1m")]
    pub(in crate::config) expires_in: Field<String>,
    /// `valid` (the default), or `forged`: not made with a key of the pool.
    pub(in crate::config) signature: Field<Signature>,
    /// `true`: a browser that has signed in, and no program with a token. Taken for granted where a
    /// rule takes nobody else. Default: `false`.
    pub(in crate::config) session: Field<bool>,
}

/// Whether a token is genuine.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Signature {
    /// Made with a key of the pool.
    Valid,
    /// Made by nobody.
    Forged,
}

/// One or more requests by one caller, and what must become of each.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["request"]))]
pub(in crate::config) struct Test {
    /// What the report calls it. Default: the request.
    pub(in crate::config) name: Field<String>,
    /// `GET https://HOST/PATH`, `GET /PATH`, or a list of them.
    #[schemars(example = &"GET https://api.example.com/orders/7")]
    pub(in crate::config) request: Field<Requests>,
    /// Headers of the request.
    pub(in crate::config) headers: Field<Table<String>>,
    /// Where the connection comes from. Default: 127.0.0.1.
    pub(in crate::config) source_ip: Field<String>,
    /// Which listener. Default: the one of the URL's scheme and port.
    pub(in crate::config) listener: Field<String>,
    /// Whether it comes over HTTP/2. Default: `false`.
    pub(in crate::config) http2: Field<bool>,
    /// Who asks: a name of `identities`, or a caller written out. Default: somebody without a token.
    #[serde(rename = "as")]
    pub(in crate::config) caller: Field<Caller>,
    /// What must become of it.
    pub(in crate::config) expect: Field<Box<Expect>>,
    /// The same requests by several callers, instead of `as` and `expect`.
    #[schemars(length(min = 1))]
    pub(in crate::config) cases: Field<List<Case>>,
}

/// One caller, and what must become of the requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["expect"]))]
pub(in crate::config) struct Case {
    /// Who asks. Default: somebody without a token.
    #[serde(rename = "as")]
    pub(in crate::config) caller: Field<Caller>,
    /// What must become of it.
    pub(in crate::config) expect: Field<Box<Expect>>,
}

/// One request or several.
#[derive(Debug)]
pub(in crate::config) enum Requests {
    /// One.
    One(String),
    /// Several.
    Several(List<String>),
}

short_and_long!(Requests, "a request such as `GET /orders/7`, or a list of them", {
    text: |text| Ok(Requests::One(text)),
    list: String => |list| Requests::Several(list),
});

/// Who asks.
#[derive(Debug, Clone)]
pub(in crate::config) enum Caller {
    /// One of `identities`.
    Name(String),
    /// Written out.
    Identity(Box<Identity>),
}

short_and_long!(Caller, "a name of `identities`, or a mapping with `claims`", {
    text: |text| Ok(Caller::Name(text)),
    map: Identity => |identity| Caller::Identity(Box::new(identity)),
});

/// What must become of a request. `*` in a value is any text.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(in crate::config) struct Expect {
    /// The rule that takes it; `default` for the listener's default action.
    pub(in crate::config) rule: Field<String>,
    /// The route of an API that takes it, as its key says.
    #[schemars(example = &"GET /orders/{id}")]
    pub(in crate::config) route: Field<String>,
    /// Whether a target would get it.
    pub(in crate::config) forwarded: Field<bool>,
    /// The target group that it goes to, or may go to by weight.
    pub(in crate::config) target_group: Field<String>,
    /// The status of the gateway's own answer.
    #[schemars(range(min = 100, max = 599))]
    pub(in crate::config) status: Field<u64>,
    /// The reason, as in logs and metrics.
    #[schemars(example = &"scope_missing")]
    pub(in crate::config) reason: Field<String>,
    /// The `Location` of a redirect.
    pub(in crate::config) location: Field<String>,
    /// The path and query that a target would get.
    pub(in crate::config) target_path: Field<String>,
    /// Headers that the gateway sets: for the target when the request is forwarded, else for the
    /// client.
    pub(in crate::config) headers: Field<Table<String>>,
    /// Headers that it does not set.
    #[schemars(length(min = 1))]
    pub(in crate::config) headers_absent: Field<List<String>>,
}

impl Expect {
    /// Whether it has no key, right or wrong.
    pub(in crate::config) const fn is_empty(&self) -> bool {
        self.rule.is_absent()
            && self.route.is_absent()
            && self.forwarded.is_absent()
            && self.target_group.is_absent()
            && self.status.is_absent()
            && self.reason.is_absent()
            && self.location.is_absent()
            && self.target_path.is_absent()
            && self.headers.is_absent()
            && self.headers_absent.is_absent()
    }
}
