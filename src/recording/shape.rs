//! A request as it is kept: one line of JSON.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What stands for the value of a header or a query parameter that was not kept.
pub const UNKNOWN: &str = "-";

/// A request without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// When its head began to arrive, as in the access log.
    pub ts: String,
    /// Our name for it, which its answer has as well.
    pub request_id: String,
    /// The listener's name.
    pub listener: String,
    /// As the client sent it.
    pub method: String,
    /// `path?query` as the client sent it, without tokens, and with [`UNKNOWN`] for values of
    /// parameters that no rule looks at.
    pub target: String,
    /// `Host` or `:authority`.
    pub host: Option<String>,
    /// Whether it came over HTTP/2.
    pub http2: bool,
    /// The other end of its connection.
    pub source_ip: IpAddr,
    /// All headers in their order; `None` for a value that was not kept.
    pub headers: Vec<(String, Option<String>)>,
    /// Who asked.
    #[serde(flatten)]
    pub caller: Caller,
    /// The name of its API key, where the file knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The access key id that signed it, where a route asked for a signature and it was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// What became of it.
    pub met: Met,
}

/// Who asked, without telling who.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "credential", rename_all = "snake_case")]
pub enum Caller {
    /// Nobody in particular: there was no credential.
    None,
    /// The bearer of a good token.
    Token {
        /// Values of claims that decide; `null` for a claim whose value was not kept.
        claims: Map<String, Value>,
    },
    /// A browser that had signed in.
    Session {
        /// As of a token.
        claims: Map<String, Value>,
    },
    /// Somebody whose credential was not good.
    Refused {
        /// Why not, from the closed list of logs and metrics.
        why: String,
    },
    /// Somebody with a credential that nobody has looked at.
    Unjudged,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// The rule that took it; empty where it never came to rules.
    pub rule: String,
    /// The API, and the key of its route; empty where there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub api: String,
    /// See `api`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// The target group; empty where the gateway answered by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target_group: String,
    /// An entry of the closed list.
    pub reason: String,
    /// The status of the answer.
    pub status: u16,
}
