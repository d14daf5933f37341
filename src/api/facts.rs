//! Values that are put together from what was asked and from what is known of it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use ::http::header::USER_AGENT;
use ::http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Api, Judged, Route};
use crate::auth::{VerifiedToken, encode_claim};
use crate::aws::Credential;
use crate::clock::UnixMillis;
use crate::config::expression::{Expression, Piece, Variable};
use crate::config::model::Flavour;

/// A request at its route, as far as values are made of it.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// The API.
    pub api: &'a Api,
    /// Its route.
    pub route: &'a Route,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The method.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The part that the route was matched with.
    pub relative: &'a str,
    /// The query as it came.
    pub query: Option<&'a str>,
    /// The canonical authority.
    pub authority: &'a str,
    /// The client's address.
    pub client: std::net::IpAddr,
    /// Whether it came over HTTP/2.
    pub is_http2: bool,
    /// Its id, as the access log has it.
    pub id: &'a str,
    /// When it came.
    pub now: UnixMillis,
    /// Who is calling, where that is proved.
    pub token: Option<&'a VerifiedToken>,
    /// Who signed, where a route asks for that.
    pub signer: Option<&'a Credential>,
    /// What an authorizer of the operator's has said of the caller.
    pub said: Option<&'a Judged>,
    /// The name of the API key that it came with.
    pub api_key: Option<&'a str>,
}

impl Facts<'_> {
    /// Its text as it is meant; `None` where a part of it is not there.
    pub(super) fn text(&self, expression: &Expression) -> Option<String> {
        let mut text = String::new();
        for piece in &expression.pieces {
            text.push_str(&self.piece(piece)?);
        }
        Some(text)
    }

    /// Its text as a header carries it: claims as the file's `claim_headers` spell them, of
    /// everything else only what a header cannot carry is escaped.
    fn header_text(&self, expression: &Expression) -> Option<String> {
        let mut text = String::new();
        for piece in &expression.pieces {
            let value = self.piece(piece)?;
            match piece {
                Piece::Context(
                    Variable::UserArn | Variable::Claim(_) | Variable::Authorizer(_),
                ) => {
                    text.push_str(&encode_claim(&value));
                }
                _ => {
                    for byte in value.bytes() {
                        if byte == b' ' || byte.is_ascii_graphic() {
                            text.push(char::from(byte));
                        } else {
                            let _ = write!(text, "%{byte:02X}");
                        }
                    }
                }
            }
        }
        Some(text)
    }

    pub(super) fn header_value(&self, expression: &Expression) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.header_text(expression)?).ok()?;
        value.set_sensitive(expression.has_identity());
        Some(value)
    }

    /// What of it is known before there is an answer is put in.
    pub(super) fn fill(&self, expression: &Expression) -> Option<Expression> {
        let pieces = expression.pieces.iter().map(|piece| match piece {
            Piece::ResponseHeader(_) => Some(piece.clone()),
            other => {
                let one = Expression { pieces: vec![other.clone()] };
                self.header_text(&one).map(Piece::Literal)
            }
        });
        Some(Expression { pieces: pieces.collect::<Option<_>>()? })
    }

    /// A path: the pieces of the path that was asked stand as they are, a value is one segment.
    pub(super) fn path_of(&self, expression: &Expression) -> Option<String> {
        let mut path = String::new();
        for piece in &expression.pieces {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::RequestPath => path.push_str(self.relative),
                Piece::PathVariable(name) => {
                    path.push_str(self.route.variable(name, self.relative)?);
                }
                other => {
                    let value = self.piece(other).filter(|value| !value.is_empty());
                    escape(&value?, &mut path);
                }
            }
        }
        Some(path)
    }

    pub(super) fn piece<'v>(&'v self, piece: &'v Piece) -> Option<Cow<'v, str>> {
        match piece {
            Piece::Literal(text) => Some(text.as_str().into()),
            Piece::RequestHeader(name) => joined(self.headers, name).map(Cow::Owned),
            Piece::RequestParameter(name) => {
                let values: Vec<_> = super::parameters(self.query?, name).collect();
                (!values.is_empty()).then(|| values.join(",").into())
            }
            Piece::RequestPath => Some(self.relative.into()),
            Piece::PathVariable(name) => {
                let raw = self.route.variable(name, self.relative)?;
                Some(percent_decode_str(raw).decode_utf8_lossy())
            }
            Piece::ResponseHeader(_) => None,
            Piece::Context(variable) => self.variable(variable),
        }
    }

    pub(super) fn variable<'v>(&'v self, variable: &'v Variable) -> Option<Cow<'v, str>> {
        Some(match variable {
            Variable::ApiId => Cow::Borrowed(&*self.api.name),
            Variable::DomainName => self.host().into(),
            Variable::DomainPrefix => self.host().split('.').next().unwrap_or_default().into(),
            Variable::ExtendedRequestId => self.id.into(),
            Variable::HttpMethod => self.method.into(),
            Variable::Path => self.path.into(),
            Variable::Protocol if self.is_http2 => "HTTP/2.0".into(),
            Variable::Protocol => "HTTP/1.1".into(),
            Variable::RequestId => self.api.request_id(self.id).into(),
            Variable::RequestTime => {
                let Date { day, month, year, time, .. } = date(self.now.seconds());
                format!("{day}/{month}/{year}:{time} +0000").into()
            }
            Variable::RequestTimeEpoch => self.now.0.to_string().into(),
            Variable::ResourcePath => {
                self.route.key.split_once(' ').map_or("$default", |(_, path)| path).into()
            }
            Variable::RouteKey => Cow::Borrowed(&*self.route.key),
            Variable::ApiKeyId => self.api_key?.into(),
            Variable::SourceIp => self.client.to_string().into(),
            Variable::Stage => self.api.stage().into(),
            Variable::UserAgent => joined(self.headers, USER_AGENT.as_str())?.into(),
            Variable::AccountId => self.signer?.account.as_ref().into(),
            Variable::AccessKey => self.signer?.access_key_id.as_ref().into(),
            Variable::Caller | Variable::User => self.signer?.user_id.as_ref().into(),
            Variable::UserArn => self.signer?.arn.as_ref().into(),
            Variable::Claim(name) => claim(self.token?, name, self.api.flavour)?.into(),
            Variable::Authorizer(key) => self.said?.text(key)?,
        })
    }

    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/path` of the request.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("{}/{}/{}{}", self.api.arn, self.api.stage(), self.method, self.relative)
    }

    /// Without the port.
    pub(super) fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => self.authority,
        }
    }
}

/// A claim as API Gateway writes it out (api-gateway.md 2.4 and 2.5).
#[must_use]
pub fn claim(token: &VerifiedToken, name: &str, flavour: Flavour) -> Option<String> {
    let raw = token.claims().raw(name)?;
    let value: Value = serde_json::from_str(raw).ok()?;
    match (&value, flavour) {
        (Value::Null, _) => None,
        (Value::String(text), _) => Some(text.clone()),
        (Value::Number(number), Flavour::Rest) if matches!(name, "exp" | "iat") => {
            let Date { weekday, day, month, year, time } = date(number.as_u64()?);
            Some(format!("{weekday} {month} {day} {time} UTC {year}"))
        }
        (Value::Number(_), _) => Some(raw.to_owned()),
        (Value::Array(items), _) => {
            let items: Vec<String> = items.iter().map(word).collect();
            Some(match flavour {
                Flavour::Http => format!("[{}]", items.join(" ")),
                Flavour::Rest => items.join(","),
            })
        }
        _ => Some(value.to_string()),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A moment in words.
struct Date {
    weekday: String,
    day: String,
    month: String,
    year: String,
    time: String,
}

fn date(seconds: u64) -> Date {
    // The last second of the year 9999.
    const LAST: u64 = 253_402_300_799;
    let moment = UNIX_EPOCH + Duration::from_secs(seconds.min(LAST));
    // `Tue, 21 Mar 2023 18:36:55 GMT`
    let text = httpdate::fmt_http_date(moment);
    let mut words = text.split(' ').map(|word| word.trim_end_matches(',').to_owned());
    let mut next = || words.next().unwrap_or_default();
    Date { weekday: next(), day: next(), month: next(), year: next(), time: next() }
}

/// All values of a header, joined; `None` where there is none that is text.
pub(super) fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut text = values.next()?.to_str().ok()?.to_owned();
    for value in values {
        text.push(',');
        text.push_str(value.to_str().ok()?);
    }
    Some(text)
}

/// Percent-encodes all but what no reader of URIs gives a meaning (RFC 3986 2.3).
pub(super) fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
