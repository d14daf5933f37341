//! An OpenAPI file with API Gateway's extensions, read as `routes:` that were written by hand.
//!
//! What comes out are raw types with places in that file: whatever holds for a hand-written API is
//! judged by the same code. Nothing is left out in silence: what cannot be carried over is an error,
//! what makes no difference to who may come is a warning. A route, an authorizer or another key that
//! `routes.yaml` has itself replaces the file's, which is then not even looked at.

mod integration;
mod models;
mod operation;
mod parameters;
mod root;
mod security;
mod view;

use std::collections::{HashMap, HashSet};

pub(super) use self::security::Pool;
use self::view::View;
use super::decode::quoted;
use super::diagnostics::{Diagnostic, Span};
use super::field::{Field, Spanned, Table};
use super::model::Flavour;
use super::source::Source;
use super::tree::{Node, Value};
use super::{raw, syntax, tree};

/// Largest file (API Gateway's quota for definitions).
pub(super) const MAX_BYTES: u64 = 6 * 1024 * 1024;
/// Longest chain of references.
const MOST_HOPS: usize = 16;

/// A file that was read.
pub(super) struct Document {
    root: Node,
}

impl Document {
    /// Reads it, and adds its text to `source`, where all its places are from now on.
    pub(super) fn read(
        name: &str,
        bytes: &[u8],
        source: &mut Source,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let mut own = Vec::new();
        let (text, node) = match syntax::decode_text(bytes) {
            Ok(text) => {
                let alone = Source::new(name.to_owned(), text.clone());
                let node = tree::read(&alone, &mut own);
                (text, node)
            }
            Err(refused) => {
                let (readable, finding) = *refused;
                own.push(finding);
                (readable, None)
            }
        };
        let by = source.append(name.to_owned(), &text);
        for finding in &mut own {
            finding.span.start += by;
            finding.related.iter_mut().for_each(|(span, _)| span.start += by);
        }
        let is_whole = own.is_empty();
        findings.append(&mut own);
        let mut root = node.filter(|_| is_whole)?;
        shift(&mut root, by);
        Some(Self { root })
    }
}

/// Moves the places of a tree.
fn shift(node: &mut Node, by: usize) {
    node.span.start += by;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Map(map) => {
            for (key, value) in map {
                shift(key, by);
                shift(value, by);
            }
        }
        _ => {}
    }
}

/// What is made of a file, and what is told about it.
pub(super) struct Reader<'a> {
    root: View<'a>,
    flavour: Flavour,
    pools: &'a [Pool<'a>],
    /// `integrations:` beside the file.
    backends: &'a [(Spanned<String>, Option<raw::OpenApiIntegration>)],
    used: HashSet<usize>,
    /// Security schemes that operations use: whether they could be carried over.
    schemes: HashMap<String, bool>,
    /// Models of bodies that operations have.
    models: Vec<(Spanned<String>, Option<raw::Model>)>,
    findings: Vec<Diagnostic>,
}

/// Adds what a document says to what `routes.yaml` says of an API.
pub(super) fn import(
    document: &Document,
    (flavour, pools): (Flavour, &[Pool<'_>]),
    integrations: Option<&Table<raw::OpenApiIntegration>>,
    api: &mut raw::Api,
    source: &Source,
) -> Vec<Diagnostic> {
    let root = View::of(&document.root, source);
    let backends = integrations.map(|table| table.entries.as_slice()).unwrap_or_default();
    let mut reader = Reader {
        root,
        flavour,
        pools,
        backends,
        used: HashSet::new(),
        schemes: HashMap::new(),
        models: Vec::new(),
        findings: Vec::new(),
    };
    let mut doubled = Vec::new();
    root.doubled(&mut doubled);
    for (place, first, name) in doubled {
        let message = format!("{} is given twice", quoted(name));
        reader.report(
            Diagnostic::error("duplicate-key", place, message).related(first, "first given here"),
        );
    }
    if reader.findings.is_empty() && reader.speaks_a_known_version() {
        reader.root_keys(api);
        reader.paths(api);
        if !reader.models.is_empty() {
            extend(&mut api.models, root.key, std::mem::take(&mut reader.models));
        }
        reader.report_unused();
    }
    reader.findings
}

impl<'a> Reader<'a> {
    fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// Something that has no counterpart here, and would change what becomes of requests.
    fn cannot(&mut self, place: Span, what: &str, help: &str) {
        let message = format!("{what} cannot be carried over");
        self.report(Diagnostic::error("not-carried-over", place, message).help(help));
    }

    /// Something that is left out, and changes nothing about who may come.
    fn left_out(&mut self, place: Span, what: &str, help: &str) {
        let message = format!("{what} is left out");
        self.report(Diagnostic::warning("left-out", place, message).help(help));
    }

    fn misfit(&mut self, view: View<'_>, expected: &str) {
        let message = format!("expected {expected} here");
        self.report(Diagnostic::error("wrong-type", view.span(), message));
    }

    /// The text that must stand here.
    fn text(&mut self, view: View<'a>) -> Option<&'a str> {
        let text = view.text();
        if text.is_none() {
            self.misfit(view, "text");
        }
        text
    }

    /// A mapping of texts as ours.
    fn texts(&mut self, view: View<'a>) -> Table<String> {
        if !view.is_map() {
            self.misfit(view, "a mapping");
        }
        let entries = view.entries().map(|(name, value)| (value.name(name), self.text(value)));
        let entries = entries.map(|(name, text)| (name, text.map(str::to_owned))).collect();
        Table { entries }
    }

    /// What a value is that may be said elsewhere in the file.
    fn resolve(&mut self, view: View<'a>) -> Option<View<'a>> {
        let mut at = view;
        for _ in 0..MOST_HOPS {
            let Some(reference) = at.get("$ref") else {
                // The place that is told is the one that was asked for.
                return Some(at);
            };
            let text = self.text(reference)?;
            let Some(pointer) = text.strip_prefix("#/") else {
                let message = format!("{} leads out of this file", quoted(text));
                self.report(
                    Diagnostic::error("external-reference", reference.span(), message)
                        .help("no other file is read, nor fetched: put it into this one"),
                );
                return None;
            };
            let step = |view: View<'a>, name: &str| {
                let name = name.replace("~1", "/").replace("~0", "~");
                view.get(&name)
            };
            let found = pointer.split('/').try_fold(self.root, step);
            let Some(found) = found else {
                let message = format!("{} leads to nothing", quoted(text));
                self.report(Diagnostic::error("dangling-reference", reference.span(), message));
                return None;
            };
            at = found;
        }
        let message = "this reference leads round in circles";
        self.report(Diagnostic::error("circular-reference", view.span(), message));
        None
    }

    fn is_swagger(&self) -> bool {
        self.root.get("swagger").is_some()
    }

    fn speaks_a_known_version(&mut self) -> bool {
        let (swagger, openapi) = (self.root.get("swagger"), self.root.get("openapi"));
        let (place, message, help) = match (swagger, openapi) {
            (Some(version), None) if version.text() == Some("2.0") => {
                if self.flavour == Flavour::Rest {
                    return true;
                }
                (version.span(), "an HTTP API takes OpenAPI 3.0 only", "use `type: rest`")
            }
            (None, Some(version)) if version.text().is_some_and(|v| v.starts_with("3.0")) => {
                return true;
            }
            (Some(version), _) | (None, Some(version)) => {
                (version.span(), "this version is not understood", "OpenAPI 3.0, or Swagger 2.0")
            }
            (None, None) => {
                let help = "it begins with `openapi: 3.0.1`, or with `swagger: \"2.0\"`";
                (self.root.span(), "this is no OpenAPI file", help)
            }
        };
        self.report(Diagnostic::error("unknown-version", place, message).help(help));
        false
    }

    fn report_unused(&mut self) {
        if !self.findings.is_empty() {
            return;
        }
        for (position, (pattern, _)) in self.backends.iter().enumerate() {
            if !self.used.contains(&position) {
                let message = format!("no operation of the file asks {}", quoted(&pattern.value));
                self.findings.push(Diagnostic::warning(
                    "unused-integration",
                    pattern.span,
                    message,
                ));
            }
        }
    }
}

/// Adds entries that are not there yet.
fn extend<T>(field: &mut Field<Table<T>>, place: Span, new: Vec<(Spanned<String>, Option<T>)>) {
    if field.is_absent() {
        let value = Table { entries: Vec::new() };
        *field = Field::Given(Spanned { value, span: place, key: place });
    }
    let Field::Given(table) = field else { return };
    let known: HashSet<String> =
        table.value.entries.iter().map(|(name, _)| name.value.clone()).collect();
    let new = new.into_iter().filter(|(name, _)| !known.contains(&name.value));
    table.value.entries.extend(new);
}

/// Whether a table of `routes.yaml` has an entry already.
fn names<T>(field: &Field<Table<T>>) -> HashSet<String> {
    let entries = field.value().map(|table| &table.entries).into_iter().flatten();
    entries.map(|(name, _)| name.value.clone()).collect()
}
