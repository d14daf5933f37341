//! `request_parameters:` and `response_parameters:` of an integration.

use super::super::pattern::Refusal;
use super::super::{Judge, header};
use super::authorizer::Proof;
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::expression::{Expression, Piece, Variable};
use crate::config::field::{Field, Table};
use crate::config::model::{
    Flavour, Mapped, Mapping, Operation, ResponseMapping, RoutePattern, Segment,
};
use crate::config::suggest;

/// Headers that nothing may be mapped to (API Gateway, "Reserved headers").
const RESERVED: [&str; 19] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
const RESERVED_PREFIXES: [&str; 5] =
    ["access-control-", "apigw-", "x-amz-", "x-amzn-", "x-portcullis-"];

/// What mappings of a route may use.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) flavour: Flavour,
    pub(super) is_strict: bool,
    pub(super) proof: Proof,
    pub(super) pattern: &'a RoutePattern,
    pub(super) stage_variables: &'a [(String, String)],
}

/// A header that a mapping fills, to be judged when it is known which headers are owned.
pub(in crate::config::validate) struct FilledHeader {
    name: String,
    span: Span,
    has_identity: bool,
    is_append: bool,
    is_of_client: bool,
}

impl Judge<'_> {
    pub(super) fn request_mappings(
        &mut self,
        raw: &Field<Table<String>>,
        around: Surroundings<'_>,
    ) -> Vec<Mapping> {
        let mut mappings: Vec<Mapping> = Vec::new();
        for (key, value) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let Some(value) = value else { continue };
            let mapping = mapping(&key.value, value, false, around);
            let Some(mapping) = self.accept("invalid-mapping", key.span, mapping) else { continue };
            if let (Mapped::Header(name), Some(value)) = (&mapping.place, mapping.operation.value())
            {
                let is_append = matches!(mapping.operation, Operation::Append(_));
                self.filled_headers.push(FilledHeader {
                    name: name.clone(),
                    span: key.span,
                    has_identity: value.has_identity() && (around.is_strict || !is_append),
                    is_append,
                    is_of_client: value.is_of_client(),
                });
            }
            mappings.push(mapping);
        }
        mappings
    }

    pub(super) fn response_mappings(
        &mut self,
        raw: &Field<Table<Table<String>>>,
        around: Surroundings<'_>,
    ) -> Vec<ResponseMapping> {
        let mut responses = Vec::new();
        for (status, table) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            let code = status.value.parse().ok().filter(|code| (200..=599).contains(code));
            let Some(code) = code else {
                let message = format!("`{}` is not the status of an answer", status.value);
                let finding = Diagnostic::error("invalid-status", status.span, message);
                self.report(finding.help("200 to 599, in quotes"));
                continue;
            };
            let mut mappings = Vec::new();
            for (key, value) in table.iter().flat_map(|table| &table.entries) {
                let Some(value) = value else { continue };
                let mapping = mapping(&key.value, value, true, around);
                mappings.extend(self.accept("invalid-mapping", key.span, mapping));
            }
            responses.push(ResponseMapping { status: code, mappings });
        }
        responses
    }

    /// The headers that hold what authorizers have proved: they are ours from now on.
    pub(in crate::config::validate) fn own_filled(&self, owned: &mut Vec<String>) {
        let proved = self.filled_headers.iter().filter(|filled| filled.has_identity);
        owned.extend(proved.map(|filled| filled.name.clone()));
    }

    /// Nothing but what is proved, or the file's own words, may be put into an owned header.
    pub(in crate::config::validate) fn check_filled(
        &mut self,
        owned: &[String],
        claims: &[String],
    ) {
        for filled in std::mem::take(&mut self.filled_headers) {
            let FilledHeader { name, span, is_append, is_of_client, .. } = filled;
            if owned.binary_search(&name).is_err() {
                continue;
            }
            let (message, help) = if claims.binary_search(&name).is_ok() {
                (format!("`{name}` carries a claim already, by `claim_headers`"), None)
            } else if is_append {
                let help = "a target could not tell it from what a client sent: use `overwrite`";
                (format!("`{name}` is an owned header, and nothing is appended to it"), Some(help))
            } else if is_of_client {
                let help = "use another header for what the client says";
                (format!("`{name}` carries what is proved, on another route"), Some(help))
            } else {
                continue;
            };
            let mut finding = Diagnostic::error("contradiction", span, message);
            finding.help = help.map(str::to_owned);
            self.report(finding);
        }
    }
}

fn refuse<T>(message: String, help: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message, help: Some(help.into()) })
}

fn mapping(
    key: &str,
    value: &str,
    is_response: bool,
    around: Surroundings<'_>,
) -> Result<Mapping, Refusal> {
    let help = if is_response {
        "write `append:header.x-a`, `overwrite:header.x-a`, `remove:header.x-a` or `overwrite:statuscode`"
    } else {
        "write `append:header.x-a`, `overwrite:querystring.a`, `remove:header.x-a`, `overwrite:path`"
    };
    let Some((operation, place)) = key.split_once(':') else {
        return refuse(format!("`{key}` says no operation"), help);
    };
    let place = place_of(operation, place, is_response, value, help)?;
    let expression = |value| expression(value, &place, is_response, around);
    let operation = match operation {
        // It has a value in AWS's shapes, which means nothing.
        "remove" => Operation::Remove,
        "append" => Operation::Append(expression(value)?),
        "overwrite" => Operation::Overwrite(expression(value)?),
        _ => return refuse(format!("`{operation}` is no operation"), help),
    };
    Ok(Mapping { place, operation })
}

fn place_of(
    operation: &str,
    place: &str,
    is_response: bool,
    value: &str,
    help: &str,
) -> Result<Mapped, Refusal> {
    if let Some(name) = place.strip_prefix("header.") {
        let name = header::token(name)?;
        let is_reserved = RESERVED.contains(&name.as_str())
            || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if is_reserved || (is_response && name == "host") {
            return refuse(format!("`{name}` is reserved"), "nothing can be mapped to it");
        }
        return Ok(Mapped::Header(name));
    }
    let parameter =
        place.strip_prefix("querystring.").filter(|name| !is_response && !name.is_empty());
    if let Some(name) = parameter {
        return Ok(Mapped::Parameter(name.to_owned()));
    }
    match (place, operation, is_response) {
        ("path", "overwrite", false) => Ok(Mapped::Path),
        ("statuscode", "overwrite", true) => {
            // Those have no body, which the answer may.
            let fits = |code: &u16| (200..=599).contains(code) && ![204, 205, 304].contains(code);
            match value.parse().ok().filter(fits) {
                Some(code) => Ok(Mapped::StatusCode(code)),
                None => {
                    let message = format!("an answer cannot be given the status `{value}`");
                    refuse(message, "200 to 599, but 204, 205 and 304")
                }
            }
        }
        _ => refuse(format!("`{operation}:{place}` is no place that can be changed"), help),
    }
}

fn expression(
    text: &str,
    place: &Mapped,
    is_response: bool,
    around: Surroundings<'_>,
) -> Result<Expression, Refusal> {
    let is_rest = around.flavour == Flavour::Rest;
    let expression = Expression::parse(text, is_rest, around.stage_variables).map_err(|error| {
        let help = match text.rsplit_once("context.") {
            Some((_, name)) => {
                let name = name.trim_end_matches('}');
                suggest::did_you_mean(name, Variable::NAMES.iter().copied())
            }
            None => None,
        };
        Refusal { message: error.to_string(), help }
    })?;
    if *place == Mapped::Path {
        judge_path(&expression)?;
    }
    for piece in &expression.pieces {
        match piece {
            Piece::ResponseHeader(_) if !is_response => {
                return refuse("there is no answer yet".to_owned(), "use `$request.header.NAME`");
            }
            Piece::RequestHeader(_)
            | Piece::RequestParameter(_)
            | Piece::RequestPath
            | Piece::PathVariable(_)
                if is_response =>
            {
                return refuse(
                    "an answer is not changed by what was asked".to_owned(),
                    "use `$response.header.NAME`, `$context.NAME` or text",
                );
            }
            Piece::PathVariable(name) if !has_variable(around.pattern, name) => {
                return refuse(
                    format!("the route has no variable `{name}`"),
                    "only variables of the route key can stand here",
                );
            }
            Piece::Context(Variable::Claim(name)) if around.proof == Proof::Nothing => {
                return refuse(
                    format!("without an authorizer there is no claim `{name}`"),
                    "name an authorizer of the API",
                );
            }
            Piece::Context(Variable::Claim(_))
                if matches!(around.proof, Proof::Context | Proof::Signature) =>
            {
                return refuse(
                    "a request authorizer answers with a context, not with claims".to_owned(),
                    "write `$context.authorizer.KEY`",
                );
            }
            Piece::Context(Variable::Authorizer(key))
                if matches!(around.proof, Proof::Nothing | Proof::Claims | Proof::Signature) =>
            {
                return refuse(
                    format!("`{key}` is what a `request` authorizer says, and the route has none"),
                    "of a token there are claims: `$context.authorizer.claims.NAME`",
                );
            }
            _ => {}
        }
    }
    Ok(expression)
}

/// What the file itself says of a path is canonical, and begins it.
fn judge_path(expression: &Expression) -> Result<(), Refusal> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
    let begins = match expression.pieces.first() {
        Some(Piece::Literal(text)) => text.starts_with('/'),
        Some(Piece::RequestPath) => true,
        _ => false,
    };
    if !begins {
        return refuse(
            "a path begins with `/`".to_owned(),
            "write it like `/v1/${request.path.id}`",
        );
    }
    for piece in &expression.pieces {
        let Piece::Literal(text) = piece else { continue };
        let has_dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
        if has_dots || text.contains("//") || !text.bytes().all(is_plain) {
            return refuse(
                format!("`{text}` cannot be a part of a path"),
                "letters, digits and `-._~!$&'()*+,;=:@`; no escapes, no dot segments, one `/` at a time",
            );
        }
    }
    Ok(())
}

pub(super) fn has_variable(pattern: &RoutePattern, name: &str) -> bool {
    let RoutePattern::Path { segments, .. } = pattern else { return false };
    segments.iter().any(|segment| match segment {
        Segment::Literal(_) => false,
        Segment::Variable(known) | Segment::Greedy(known) => known == name,
    })
}
