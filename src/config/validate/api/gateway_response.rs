//! `gateway_responses:` of a REST API.

use ::http::HeaderName;

use super::super::pattern::Refusal;
use super::super::{Judge, header};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Table};
use crate::config::model::{GatewayResponse, ResponseCase, ResponseType};
use crate::config::raw;
use crate::config::suggest;

/// Longest body (as of a fixed response).
const LONGEST_TEMPLATE: usize = 64 * 1024;
/// What a template may put in.
const VARIABLES: [&str; 6] = [
    "$context.error.messageString",
    "$context.error.message",
    "$context.error.responseType",
    "$context.error.validationErrorString",
    "$context.extendedRequestId",
    "$context.requestId",
];

impl Judge<'_> {
    pub(super) fn gateway_responses(
        &mut self,
        raw: &Field<Table<raw::GatewayResponse>>,
    ) -> Vec<GatewayResponse> {
        let mut responses = Vec::new();
        for (name, response) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let case = self.accept("unknown-response-type", name.span, case(&name.value));
            let Some(response) = response else { continue };
            let status_code = response.status_code.given().and_then(|status| {
                let code = u16::try_from(status.value).ok().filter(|s| (400..=599).contains(s));
                if code.is_none() {
                    let message = format!("`{}` is not the status of an error", status.value);
                    let finding = Diagnostic::error("invalid-status", status.span, message);
                    self.report(finding.help("400 to 599"));
                }
                code
            });
            let headers = self.response_headers_of(&response.response_parameters);
            let template = self.response_template(&response.response_templates);
            responses.extend(case.map(|case| GatewayResponse {
                case,
                status_code,
                headers,
                template,
            }));
        }
        responses
    }

    fn response_headers_of(&mut self, raw: &Field<Table<String>>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (key, value) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let Some(value) = value else { continue };
            let header = response_header(&key.value, value);
            headers.extend(self.accept("invalid-response-parameter", key.span, header));
        }
        headers
    }

    fn response_template(&mut self, raw: &Field<Table<String>>) -> Option<(String, String)> {
        let table = raw.given()?;
        let mut entries = table.value.entries.iter();
        let (key, text) = entries.next()?;
        if let Some((second, _)) = entries.next() {
            let message = "one template is all there can be";
            self.report(
                Diagnostic::error("contradiction", second.span, message)
                    .help("callers get this one, whatever they accept"),
            );
        }
        let template = template(&key.value, text.as_ref()?);
        self.accept("invalid-response-template", key.span, template)
    }
}

fn case(name: &str) -> Result<ResponseCase, Refusal> {
    match name {
        "DEFAULT_4XX" => return Ok(ResponseCase::Default4xx),
        "DEFAULT_5XX" => return Ok(ResponseCase::Default5xx),
        _ => {}
    }
    let found = ResponseType::ALL.iter().find(|known| known.as_str() == name);
    found.map(|found| ResponseCase::Type(*found)).ok_or_else(|| {
        let known = ResponseType::ALL.iter().map(|known| known.as_str());
        let known = known.chain(["DEFAULT_4XX", "DEFAULT_5XX"]);
        Refusal {
            message: format!("`{name}` is no type of a gateway response"),
            help: suggest::did_you_mean(name, known).or_else(|| {
                Some("like `UNAUTHORIZED`, `DEFAULT_4XX`; see API Gateway's list".to_owned())
            }),
        }
    })
}

fn response_header(key: &str, value: &str) -> Result<(String, String), Refusal> {
    let Some(name) = key.strip_prefix("gatewayresponse.header.") else {
        return Err(Refusal {
            message: "only headers can be added".to_owned(),
            help: Some("write `gatewayresponse.header.NAME: \"'value'\"`".to_owned()),
        });
    };
    let name = header::token(name)?;
    let is_framing = ["content-length", "transfer-encoding", "connection", "content-type"];
    if is_framing.contains(&name.as_str()) || HeaderName::try_from(name.as_str()).is_err() {
        return Err(Refusal {
            message: format!("`{name}` is the gateway's own"),
            help: Some("the content type is the key of `response_templates`".to_owned()),
        });
    }
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let is_plain = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    match inner.filter(|text| is_plain(text) && text.len() <= 1024) {
        Some(text) => Ok((name, text.to_owned())),
        None => Err(Refusal {
            message: format!("the value of `{name}` is not plain text in single quotes"),
            help: Some("write `\"'*'\"`; values from the request are not carried over".to_owned()),
        }),
    }
}

fn template(content_type: &str, text: &str) -> Result<(String, String), Refusal> {
    let refuse =
        |message: String, help: &str| Err(Refusal { message, help: Some(help.to_owned()) });
    let is_type = content_type.split_once('/').is_some_and(|(kind, rest)| {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+; =".contains(&b);
        !kind.is_empty()
            && !rest.is_empty()
            && content_type.bytes().all(|b| b == b'/' || is_token(b))
    });
    if !is_type {
        return refuse(
            format!("`{content_type}` is not a content type"),
            "like `application/json`",
        );
    }
    if text.len() > LONGEST_TEMPLATE {
        return refuse("this template is too long".to_owned(), "64 KiB at most");
    }
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = rest.get(at..).unwrap_or_default();
        let Some(known) = VARIABLES.iter().find(|name| rest.starts_with(*name)) else {
            let what: String =
                rest.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
            return refuse(
                format!("`{what}` cannot be put into a gateway response"),
                "known: `$context.error.message`, `.messageString`, `.responseType`, `.validationErrorString`, `$context.requestId`",
            );
        };
        rest = rest.get(known.len()..).unwrap_or_default();
    }
    Ok((content_type.to_owned(), text.to_owned()))
}
