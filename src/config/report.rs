//! Findings as a person reads them, in the manner of rustc, and as a program does.

use std::fmt::Write;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::diagnostics::{Diagnostic, Severity, Span};
use super::risk;
use super::source::Source;

/// More findings than this are counted, not shown.
const MOST_SHOWN: usize = 100;
/// A longer line is not shown, only its place: it is machine-made, or an attack.
const LONGEST_LINE: usize = 2_000;

/// Everything that is wrong with a file.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub source: Source,
    /// What was found, in file order; at least one is an error.
    pub findings: Vec<Diagnostic>,
}

impl Report {
    /// What was found in a file.
    #[must_use]
    pub const fn new(source: Source, findings: Vec<Diagnostic>) -> Self {
        Self { source, findings }
    }

    /// As a person reads it.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        render(&self.source, &self.findings, color)
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// Findings with their lines and carets, an empty line after each.
#[must_use]
pub fn render(source: &Source, findings: &[Diagnostic], color: bool) -> String {
    render_as(source, findings.iter().map(|finding| (level(finding), finding)), color)
}

/// Findings of the security review, each under the name of its level.
#[must_use]
pub fn render_risks<'a>(
    source: &Source,
    findings: impl ExactSizeIterator<Item = (risk::Level, &'a Diagnostic)>,
    color: bool,
) -> String {
    let leveled = findings.map(|(level, finding)| {
        let shown = match level {
            risk::Level::High => Level::ERROR,
            risk::Level::Medium => Level::WARNING,
            risk::Level::Low => Level::NOTE,
        };
        (shown.with_name(level.as_str()), finding)
    });
    render_as(source, leveled, color)
}

fn level(finding: &Diagnostic) -> Level<'static> {
    match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

fn render_as<'a>(
    source: &Source,
    findings: impl ExactSizeIterator<Item = (Level<'static>, &'a Diagnostic)>,
    color: bool,
) -> String {
    let count = findings.len();
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for (level, finding) in findings.take(MOST_SHOWN) {
        text.push_str(&render_one(source, level, finding, &renderer));
        text.push_str("\n\n");
    }
    if let Some(more) = count.checked_sub(MOST_SHOWN).filter(|&more| more > 0) {
        let _ = writeln!(text, "... and {more} more\n");
    }
    text
}

fn render_one(
    source: &Source,
    level: Level<'static>,
    finding: &Diagnostic,
    renderer: &Renderer,
) -> String {
    // Two files may both have such a line.
    let line_of = |span: Span| (span.line, source.line_bounds(span.start));
    let is_beside = |span: &Span| line_of(*span) == line_of(finding.span);
    let title = level.primary_title(finding.message.as_str()).id(finding.code);
    let mut group = match Window::around(source, finding.span) {
        Some(window) => {
            let mut snippet = window.snippet(source, AnnotationKind::Primary, None);
            for (span, label) in &finding.related {
                if is_beside(span) {
                    let range = window.range(*span);
                    snippet = snippet
                        .annotation(AnnotationKind::Context.span(range).label(label.as_str()));
                }
            }
            Group::with_title(title).element(snippet)
        }
        None => Group::with_title(title).element(place(source, finding.span)),
    };
    for (span, label) in &finding.related {
        if is_beside(span) {
            continue;
        }
        if let Some(window) = Window::around(source, *span) {
            group = group.element(window.snippet(source, AnnotationKind::Context, Some(label)));
        }
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

fn place(source: &Source, span: Span) -> annotate_snippets::Origin<'_> {
    let origin = annotate_snippets::Origin::path(source.name_at(span));
    if span.line == 0 { origin } else { origin.line(span.line).char_column(span.column) }
}

/// The one line that is shown for a place.
struct Window {
    start: usize,
    end: usize,
    line: usize,
    span: Span,
}

impl Window {
    fn around(source: &Source, span: Span) -> Option<Self> {
        if span.line == 0 {
            return None;
        }
        let (start, end) = source.line_bounds(span.start);
        (end - start <= LONGEST_LINE).then_some(Self { start, end, line: span.line, span })
    }

    /// A place as bytes of this line; a place that goes on below ends with the line.
    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let length = self.end - self.start;
        let from = span.start.saturating_sub(self.start).min(length);
        let to = (from + span.length.max(1)).min(length);
        from..to.max(from)
    }

    fn snippet<'a>(
        &self,
        source: &'a Source,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let mut text = source.shown(self.start, self.end);
        if text.is_empty() {
            text.push(' ');
        }
        let mut range = self.range(self.span);
        while !text.is_char_boundary(range.end) {
            range.end += 1;
        }
        let mut annotation = kind.span(range);
        if let Some(label) = label {
            annotation = annotation.label(label);
        }
        Snippet::source(text)
            .path(source.name_at(self.span))
            .line_start(self.line)
            .annotation(annotation)
    }
}

/// Findings as a program reads them: a list of objects, places from 1, the end exclusive.
#[must_use]
pub fn to_json(source: &Source, findings: &[Diagnostic]) -> Value {
    let one = |finding: &Diagnostic| {
        let (end_line, end_column) = end_of(source, finding.span);
        let related: Vec<_> = finding
            .related
            .iter()
            .map(|(span, label)| json!({ "line": span.line, "column": span.column, "message": label }))
            .collect();
        json!({
            "code": finding.code,
            "severity": match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": finding.message,
            "file": source.name_at(finding.span),
            "line": finding.span.line,
            "column": finding.span.column,
            "endLine": end_line,
            "endColumn": end_column,
            "help": finding.help,
            "related": related,
        })
    };
    Value::Array(findings.iter().map(one).collect())
}

/// Where a place ends, on its own line.
fn end_of(source: &Source, span: Span) -> (usize, usize) {
    let (_, line_end) = source.line_bounds(span.start);
    let end = (span.start + span.length).min(line_end);
    let text = source.slice(Span { length: end.saturating_sub(span.start), ..span });
    (span.line, span.column + text.chars().count())
}
