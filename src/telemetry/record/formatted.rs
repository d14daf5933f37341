//! A record as one line in a format of the file's own.

use std::time::{Duration, UNIX_EPOCH};

use super::Record;
use crate::telemetry::json::push_address;
use crate::telemetry::log_format::{LogFormat, Value, Variable};

/// What such a line tells beyond the rest of a [`Record`], of a request at an API.
#[derive(Debug, Clone)]
pub struct ApiFacts<'a> {
    /// Whether it is a REST API.
    pub is_rest: bool,
    /// The request's id in the shape of the API's kind.
    pub request_id: String,
    /// The API's stage.
    pub stage: &'a str,
    /// The API's base path, without the slash in front.
    pub base_path: &'a str,
    /// Why the authorizer refused; empty where it did not.
    pub authorizer_error: String,
    /// The verified claims that the format tells, and `sub`.
    pub claims: Vec<(String, String)>,
    /// What the target answered.
    pub target_status: Option<u16>,
}

impl ApiFacts<'_> {
    fn claim(&self, name: &str) -> Option<Value<'_>> {
        let (_, value) = self.claims.iter().find(|(known, _)| known == name)?;
        text(value)
    }
}

impl Record<'_> {
    /// Appends the line with its line feed.
    pub fn write_formatted(&self, format: &LogFormat, out: &mut Vec<u8>) {
        format.write(|variable| self.value(variable), out);
    }

    fn value<'v>(&'v self, variable: &Variable) -> Option<Value<'v>> {
        let facts = self.api_facts.as_deref();
        match variable {
            Variable::ApiId => text(self.api),
            Variable::AuthorizerError => text(&facts?.authorizer_error),
            Variable::AuthorizerLatency => {
                facts?;
                millis(self.timings.authorize?)
            }
            Variable::PrincipalId => {
                facts.filter(|facts| facts.is_rest)?;
                facts?.claim("sub")
            }
            Variable::BasePath => text(facts?.base_path),
            Variable::DataProcessed => number(self.bytes_in.saturating_add(self.bytes_out)),
            Variable::DomainName => bytes(self.domain()),
            Variable::DomainPrefix => bytes(self.domain().split(|byte| *byte == b'.').next()?),
            Variable::ExtendedRequestId => bytes(self.request_id.as_bytes()),
            Variable::HttpMethod => bytes(self.method),
            Variable::ApiKeyId => text(self.api_key),
            Variable::SourceIp => {
                let mut address = Vec::with_capacity(40);
                push_address(&mut address, self.client);
                Some(Value::Text(address.into()))
            }
            Variable::UserAgent => bytes(self.user_agent),
            Variable::IntegrationLatency | Variable::IntegrationLatencyOld => {
                facts?.target_status?;
                let before = self.timings.authorize.unwrap_or_default();
                millis(self.timings.first_byte?.saturating_sub(before))
            }
            Variable::IntegrationStatus | Variable::IntegrationStatusOld => {
                number(facts?.target_status?.into())
            }
            Variable::Path => bytes(self.path),
            Variable::Protocol => {
                text(if self.protocol == "HTTP/2" { "HTTP/2.0" } else { self.protocol })
            }
            Variable::RequestId => match facts {
                Some(facts) => text(&facts.request_id),
                None => bytes(self.request_id.as_bytes()),
            },
            Variable::RequestTime => Some(Value::Text(self.moment().into_bytes().into())),
            Variable::RequestTimeEpoch => number(self.start.0),
            Variable::ResourcePath => {
                text(self.route.split_once(' ').map_or(self.route, |(_, path)| path))
            }
            Variable::ResponseLatency => millis(self.timings.total),
            Variable::ResponseLength => number(self.bytes_out),
            Variable::RouteKey => text(self.route),
            Variable::Stage => text(facts?.stage),
            Variable::Status => number(self.status.into()),
            Variable::XrayTraceId => bytes(self.trace_id),
            Variable::Claim(name) => facts?.claim(name),
            Variable::Never | Variable::Unknown(_) => None,
        }
    }

    /// The host without its port.
    fn domain(&self) -> &[u8] {
        match self.host.iter().rposition(|byte| *byte == b':') {
            Some(colon) => match self.host.split_at(colon) {
                (host, port) if port.iter().skip(1).all(u8::is_ascii_digit) => host,
                _ => self.host,
            },
            None => self.host,
        }
    }

    /// `10/Jul/2026:19:19:05 +0000`
    fn moment(&self) -> String {
        // The last second of the year 9999.
        const LAST: u64 = 253_402_300_799;
        let seconds = Duration::from_secs(self.start.seconds().min(LAST));
        // `Tue, 21 Mar 2023 18:36:55 GMT`
        let date = httpdate::fmt_http_date(UNIX_EPOCH + seconds);
        let mut words = date.split(' ').skip(1);
        let mut next = || words.next().unwrap_or_default();
        let (day, month, year, time) = (next(), next(), next(), next());
        format!("{day}/{month}/{year}:{time} +0000")
    }
}

#[allow(clippy::unnecessary_wraps)]
const fn number(number: u64) -> Option<Value<'static>> {
    Some(Value::Number(number))
}

fn millis(duration: Duration) -> Option<Value<'static>> {
    number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn text(text: &str) -> Option<Value<'_>> {
    bytes(text.as_bytes())
}

fn bytes(bytes: &[u8]) -> Option<Value<'_>> {
    (!bytes.is_empty()).then(|| Value::Text(bytes.into()))
}
