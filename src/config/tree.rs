//! The file as YAML sees it: text, lists and maps, each with its place.
//!
//! This is the only module that knows the YAML library and, in `plain`, the parser beneath it. It
//! gives no meaning to a key; it refuses what no meaning could save (bad syntax, bombs, nesting,
//! foreign tags, a second document).

mod plain;

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Options};

use super::diagnostics::{Diagnostic, Span};
use super::source::Source;
use super::syntax;

/// Longest file that is read, in bytes: 10,000 rules are about 3 MiB.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Deepest nesting; the deepest key of the format stands at 9.
const MAX_DEPTH: usize = 32;
/// Aliases in a file. They are allowed, but nothing needs many.
const MAX_ALIASES: usize = 64;
/// Parser events: 10,000 rules are about 300,000.
const MAX_EVENTS: usize = 1_000_000;

/// One value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What it is.
    pub(super) value: Value,
    /// Where it stands; where its anchor stands if it came by an alias.
    pub(super) span: Span,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`, unquoted.
    Bool(bool),
    /// An unquoted number; the source text at the span says which.
    Number,
    /// Any other scalar, unquoted and unescaped.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in file order, doubles included.
    Map(Vec<(Node, Node)>),
}

/// Reads `source` into a tree, or says why that cannot be done.
///
/// A bare `*.example.com` is an alias to YAML and would hide all that follows; it is reported and
/// then read as text, so that the rest of the file is judged in the same run.
pub(super) fn read(source: &Source, findings: &mut Vec<Diagnostic>) -> Option<Node> {
    /// More such slips than this are told in the next run.
    const MAX_REPAIRS: usize = 16;
    /// A large file is not parsed again and again.
    const MAX_REPAIRED_BYTES: usize = 1024 * 1024;

    if let Some(node) = plain::read(source.text()) {
        return Some(node);
    }
    let mut repaired: Option<String> = None;
    for _ in 0..=MAX_REPAIRS {
        let text = repaired.as_deref().unwrap_or(source.text());
        let error = match serde_saphyr::from_str_with_options(text, options()) {
            Ok(Root(None)) => {
                return Some(Node { value: Value::Map(Vec::new()), span: Span::default() });
            }
            Ok(Root(Some(node))) => return Some(node),
            Err(error) => error,
        };
        let (finding, slip) = syntax::explain(source, error.without_snippet());
        findings.push(finding);
        let at = slip.filter(|_| text.len() <= MAX_REPAIRED_BYTES)?;
        let mut bytes = text.as_bytes().to_vec();
        // The star is one byte; a letter in its place makes the alias a plain scalar.
        *bytes.get_mut(at)? = b'x';
        repaired = Some(String::from_utf8(bytes).ok()?);
    }
    None
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: MAX_EVENTS,
            max_nodes: MAX_EVENTS,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 1024 * 1024,
            max_total_scalar_bytes: MAX_FILE_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        // Doubles and `<<` come through, so that all of them are reported together.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The document; `None` when it holds nothing.
struct Root(Option<Node>);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Located>::deserialize(deserializer)
            .map(|node| Self(node.map(|Located(node)| node)))
    }
}

/// A node, read through the library's wrapper that knows where it stands.
struct Located(Node);

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self(Node { value: spanned.value, span: span_of(spanned.defined) }))
    }
}

/// Our span from the library's location.
pub(super) fn span_of(location: Location) -> Span {
    let bytes = location.span();
    let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    Span {
        start: number(bytes.byte_offset()).unwrap_or_default(),
        length: number(bytes.byte_len()).unwrap_or_default(),
        line: number(Some(location.line())).unwrap_or_default(),
        column: number(Some(location.column())).unwrap_or_default(),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Located(node)) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(Located(key)) = entries.next_key()? {
            let Located(value) = entries.next_value()?;
            map.push((key, value));
        }
        Ok(Value::Map(map))
    }
}
