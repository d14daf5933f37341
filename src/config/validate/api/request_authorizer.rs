//! `request:` and `token:` authorizers: services of the operator's that say who may come.

use std::time::Duration;

use super::super::pattern::Refusal;
use super::super::{Judge, address, seconds};
use super::authorizer::{Premises, regex};
use super::extends::Merged;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::expression::{Expression, Piece, Variable};
use crate::config::field::{Field, Spanned};
use crate::config::model::{EventFormat, Flavour, Name, RequestAuthorizer};
use crate::config::raw;
use crate::config::units::DurationText;

/// Most identity sources, and longest of them.
const MOST_SOURCES: usize = 16;
const LONGEST_SOURCE: usize = 256;
/// Longest time that an answer is good for (API Gateway's quota).
const LONGEST_TTL: Duration = seconds(3600);
/// Of REST APIs.
const DEFAULT_TTL: Duration = seconds(300);
/// As Lambda authorizers may take.
const LONGEST_TIMEOUT: Duration = seconds(10);
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(50);

/// Where an authorizer stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// ARN of its API.
    pub(super) arn: &'a str,
    pub(super) premises: Premises<'a>,
}

impl Judge<'_> {
    /// `arn:aws:execute-api:REGION:ACCOUNT:API`
    pub(super) fn api_arn(&mut self, raw: &Merged<'_>, name: &str) -> String {
        let region = raw.region.given().and_then(|text| {
            let is_region = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            let is_good = (1..=32).contains(&text.value.len()) && text.value.bytes().all(is_region);
            self.word(text, is_good, "a region", "as in `eu-west-1`")
        });
        let account = raw.account_id.given().and_then(|text| {
            let is_good = text.value.len() == 12 && text.value.bytes().all(|b| b.is_ascii_digit());
            self.word(text, is_good, "the id of an account", "12 digits, in quotes")
        });
        let (region, account) = (region.unwrap_or("local"), account.unwrap_or("000000000000"));
        format!("arn:aws:execute-api:{region}:{account}:{name}")
    }

    fn word<'t>(
        &mut self,
        text: &'t Spanned<String>,
        is_good: bool,
        what: &str,
        help: &str,
    ) -> Option<&'t str> {
        if !is_good {
            let message = format!("this is not {what}");
            self.report(Diagnostic::error("invalid-value", text.span, message).help(help));
        }
        is_good.then_some(&text.value)
    }

    pub(super) fn request_authorizer(
        &mut self,
        given: &Spanned<Box<raw::RequestAuthorizer>>,
        place: Place<'_>,
    ) -> Option<RequestAuthorizer> {
        let raw = &given.value;
        let uri = self.service(&raw.uri, given.key);
        let identity_sources = self.identity_sources(raw, place.premises);
        let has_sources = !raw.identity_source.is_absent();
        let is_rest = place.premises.flavour == Some(Flavour::Rest);
        let default = if is_rest && has_sources { DEFAULT_TTL } else { Duration::ZERO };
        let result_ttl = self.duration(&raw.result_ttl, default, Duration::ZERO..=LONGEST_TTL);
        if let Some(ttl) = raw.result_ttl.given().filter(|_| !has_sources && !result_ttl.is_zero())
        {
            let message = "without an `identity_source` all callers would get one answer";
            let finding = Diagnostic::error("contradiction", ttl.key, message);
            self.report(finding.help("say what tells callers apart, or `result_ttl: 0s`"));
        }
        let event = self.event_format(&raw.payload_format_version, is_rest);
        let has_simple_responses = raw.enable_simple_responses.value().copied().unwrap_or(false);
        if let Some(key) = raw.enable_simple_responses.key()
            && has_simple_responses
            && event.is_some_and(|event| event != EventFormat::HttpTwo)
        {
            let message = "only payload format 2.0 of HTTP APIs has simple responses";
            self.report(Diagnostic::error("contradiction", key, message));
        }
        Some(RequestAuthorizer {
            name: place.name.into(),
            uri: uri?,
            event: event?,
            identity_sources: identity_sources?,
            validation_expression: None,
            result_ttl,
            timeout: self.patience(&raw.timeout),
            has_simple_responses,
            api_arn: place.arn.into(),
        })
    }

    pub(super) fn token_authorizer(
        &mut self,
        given: &Spanned<Box<raw::TokenAuthorizer>>,
        place: Place<'_>,
    ) -> Option<RequestAuthorizer> {
        let raw = &given.value;
        let uri = self.service(&raw.uri, given.key);
        let source = match raw.identity_source.given() {
            None if !raw.identity_source.is_absent() => return None,
            None => {
                let name = "method.request.header.Authorization";
                Some((name.into(), Piece::RequestHeader("authorization".to_owned())))
            }
            Some(text) => {
                let source =
                    identity_source(&text.value, place.premises).and_then(|piece| match piece {
                        Piece::RequestHeader(_) => Ok((text.value.as_str().into(), piece)),
                        _ => refuse("a `token` authorizer is told of one header"),
                    });
                self.accept("invalid-identity-source", text.span, source)
            }
        };
        let validation_expression = match raw.identity_validation_expression.given() {
            None => None,
            Some(text) => Some(self.accept("invalid-regex", text.span, regex(&text.value))?),
        };
        Some(RequestAuthorizer {
            name: place.name.into(),
            uri: uri?,
            event: EventFormat::RestToken,
            identity_sources: vec![source?],
            validation_expression,
            result_ttl: self.duration(&raw.result_ttl, DEFAULT_TTL, Duration::ZERO..=LONGEST_TTL),
            timeout: self.patience(&raw.timeout),
            has_simple_responses: false,
            api_arn: place.arn.into(),
        })
    }

    fn service(&mut self, uri: &Field<String>, place: Span) -> Option<Name> {
        let uri = self.demand(uri, place, "uri")?;
        self.accept("invalid-uri", uri.span, address::endpoint(&uri.value))?;
        Some(uri.value.as_str().into())
    }

    fn patience(&mut self, raw: &Field<DurationText>) -> Duration {
        self.duration(raw, LONGEST_TIMEOUT, SHORTEST_TIMEOUT..=LONGEST_TIMEOUT)
    }

    fn event_format(&mut self, raw: &Field<String>, is_rest: bool) -> Option<EventFormat> {
        let Some(text) = raw.given() else {
            let default = if is_rest { EventFormat::RestRequest } else { EventFormat::HttpTwo };
            return raw.is_absent().then_some(default);
        };
        if is_rest {
            let message = "events of REST APIs have one format";
            let finding = Diagnostic::error("contradiction", text.key, message);
            self.report(finding.help("leave it out"));
            return None;
        }
        match text.value.as_str() {
            "1.0" => Some(EventFormat::HttpOne),
            "2.0" => Some(EventFormat::HttpTwo),
            _ => {
                let message = "there is no such payload format";
                let finding = Diagnostic::error("invalid-value", text.span, message);
                self.report(finding.help("\"1.0\" or \"2.0\", in quotes"));
                None
            }
        }
    }

    fn identity_sources(
        &mut self,
        raw: &raw::RequestAuthorizer,
        premises: Premises<'_>,
    ) -> Option<Vec<(Name, Piece)>> {
        let Some(list) = raw.identity_source.given() else {
            return raw.identity_source.is_absent().then(Vec::new);
        };
        let items = &list.value.items;
        if items.is_empty() || items.len() > MOST_SOURCES {
            let message = format!("1 to {MOST_SOURCES} identity sources can be here");
            self.report(Diagnostic::error("out-of-range", list.key, message));
            return None;
        }
        let mut sources: Vec<(Name, Piece)> = Vec::with_capacity(items.len());
        for item in items {
            let piece = identity_source(&item.value, premises);
            let piece = self.accept("invalid-identity-source", item.span, piece)?;
            if let Piece::RequestHeader(name) = &piece {
                self.token_headers.push((name.clone(), item.span));
            }
            if sources.iter().any(|(_, known)| *known == piece) {
                let message = format!("`{}` stands here twice", item.value);
                self.report(Diagnostic::error("duplicate-value", item.span, message));
            }
            sources.push((item.value.as_str().into(), piece));
        }
        Some(sources)
    }
}

fn refuse<T>(message: &str) -> Result<T, Refusal> {
    let help = "write `$request.header.NAME`, `$request.querystring.NAME`, `$context.VARIABLE` or \
                `$stageVariables.NAME`";
    Err(Refusal { message: message.to_owned(), help: Some(help.to_owned()) })
}

/// A variable alone, of those that are known before anybody is asked, and that are not of this one
/// request only.
fn identity_source(text: &str, premises: Premises<'_>) -> Result<Piece, Refusal> {
    let is_rest = premises.flavour == Some(Flavour::Rest);
    let rest = ["method.request.", "context.", "stageVariables."];
    let is_variable = (text.starts_with('$') && !text.starts_with("${"))
        || (is_rest && rest.iter().any(|prefix| text.starts_with(prefix)));
    if !is_variable || text.len() > LONGEST_SOURCE {
        return refuse("this is not an identity source");
    }
    let parsed = Expression::parse(text, is_rest, premises.stage_variables);
    let mut pieces = match parsed {
        Ok(expression) => expression.pieces,
        Err(error) => return refuse(&error.to_string()),
    };
    match (pieces.pop(), pieces.is_empty()) {
        (Some(Piece::RequestHeader(name)), true) => match super::super::header::token(&name) {
            Ok(name) => Ok(Piece::RequestHeader(name)),
            Err(refusal) => Err(refusal),
        },
        (Some(Piece::RequestParameter(name)), true) => Ok(Piece::RequestParameter(name)),
        (Some(Piece::Literal(text)), true) => Ok(Piece::Literal(text)),
        (Some(Piece::Context(variable)), true) => match variable {
            Variable::Claim(_) | Variable::Authorizer(_) => {
                refuse("that is known only when the authorizer has answered")
            }
            Variable::RequestId
            | Variable::ExtendedRequestId
            | Variable::RequestTime
            | Variable::RequestTimeEpoch => refuse("that is another one for each request"),
            variable => Ok(Piece::Context(variable)),
        },
        _ => refuse("this is not an identity source"),
    }
}
