//! What the YAML parser dislikes, said for the person who wrote the file.

use serde_saphyr::Error;

use super::diagnostics::{Diagnostic, Span};
use super::source::Source;
use super::tree::span_of;

/// The text of a file: UTF-8, without its byte order mark.
///
/// # Errors
///
/// What of it can be read, and where it stops being UTF-8.
pub(super) fn decode_text(bytes: &[u8]) -> Result<String, Box<(String, Diagnostic)>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text.to_owned()),
        Err(error) => error,
    };
    let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let readable = String::from_utf8_lossy(good).into_owned();
    let (line, column) = Source::new(String::new(), readable.clone()).position(readable.len());
    let span = Span { start: readable.len(), length: 0, line, column };
    let message = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16".to_owned(),
        _ => format!("byte {} is not UTF-8", error.valid_up_to() + 1),
    };
    let finding = Diagnostic::error("not-utf8", span, message).help("save the file as UTF-8");
    Err(Box::new((readable, finding)))
}

/// The finding for a parser error, and, if it is a bare `*` that was meant as text, its offset.
pub(super) fn explain(source: &Source, error: &Error) -> (Diagnostic, Option<usize>) {
    let mut span = error.location().map(span_of).unwrap_or_default();
    if span.line > 0 && span.start == 0 {
        span.start = source.offset_of(span.line, span.column);
    }
    let rest = source.text().get(span.start..).unwrap_or_default();
    let word_end = rest.find([' ', ',', ']', '}', '\n', '\r', '#']).unwrap_or(rest.len());
    let word = rest.get(..word_end).unwrap_or_default();

    if let Some(finding) = over_budget(error, span) {
        return (finding, None);
    }
    if word.starts_with('*') && is_alias_error(error) {
        span.length = word.len();
        let word = super::decode::quoted(word);
        let bare = word.trim_matches('`');
        let finding = Diagnostic::error(
            "unquoted-star",
            span,
            format!("{word} is an alias to YAML, since it begins with `*`"),
        )
        .help(format!("put it in quotes: \"{bare}\""));
        return (finding, Some(span.start));
    }
    let (code, message) = match error {
        Error::MultipleDocuments { .. } => {
            ("two-documents", "the file holds more than one YAML document".to_owned())
        }
        Error::UnknownAnchor { .. } => {
            ("unknown-alias", "no anchor of this name stands before".to_owned())
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("self-reference", "this alias contains itself".to_owned())
        }
        other => ("syntax", without_place(&other.to_string())),
    };
    let mut finding = Diagnostic::error(code, span, message);
    if let Some(help) = syntax_help(source, span, &finding.message) {
        finding.help = Some(help);
    }
    (finding, None)
}

fn is_alias_error(error: &Error) -> bool {
    matches!(error, Error::UnknownAnchor { .. }) || error.to_string().contains("anchor or alias")
}

/// What breaks a limit of the parser.
fn over_budget(error: &Error, span: Span) -> Option<Diagnostic> {
    use serde_saphyr::budget::BudgetBreach;
    let refused = |message: &str| Some(Diagnostic::error("too-complex", span, message));
    match error {
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Documents { .. } => Some(
                Diagnostic::error(
                    "two-documents",
                    span,
                    "the file holds more than one YAML document",
                )
                .help("remove what follows the `---`"),
            ),
            BudgetBreach::Depth { .. } => refused("values are nested too deep"),
            BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => {
                refused("too many anchors or aliases")
            }
            _ => refused("the file is too large for its kind, or its aliases multiply"),
        },
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => refused("aliases multiply too much"),
        Error::AliasError { error, .. } => over_budget(error, span),
        _ => {
            let text = error.to_string();
            (text.contains("recursion limit") || text.contains("nesting"))
                .then(|| Diagnostic::error("too-complex", span, "values are nested too deep"))
        }
    }
}

/// The parser's message without the place, which is shown beside it.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let end = first.find(" at line ").unwrap_or(first.len());
    let text = first.get(..end).unwrap_or(first);
    match text.strip_prefix("error: ") {
        Some(rest) => rest.to_owned(),
        None => text.to_owned(),
    }
}

fn syntax_help(source: &Source, span: Span, message: &str) -> Option<String> {
    let line = source.line_at(span.start);
    let rest = source.text().get(span.start..).unwrap_or_default();
    if message.contains("tabs") || rest.starts_with('\t') {
        return Some("indent with spaces".to_owned());
    }
    if line.contains("${") && message.contains("flow") {
        return Some("inside {...} or [...] put `${...}` in quotes: \"${...}\"".to_owned());
    }
    if rest.starts_with(['@', '`', '%']) {
        return Some("put the text in quotes".to_owned());
    }
    if message.contains("mapping values are not allowed") {
        return Some("check the indentation; text that holds `: ` must stand in quotes".to_owned());
    }
    message
        .contains("tag")
        .then(|| "tags (`!name`) are not used in this file; remove it".to_owned())
}
