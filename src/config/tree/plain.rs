//! The short way for a plain document: straight from the parser's events to the tree.
//!
//! Almost every file is plain: well-formed, one document, no anchors, aliases or tags. For these the
//! deserializer's bookkeeping (replay, redaction, comments) would be half the cost of a reload. This
//! module never judges: what is not plain, or not good, is `None` here and read again by the
//! deserializer, which says what is wrong. A test holds both ways to the same trees.

use granit_parser::{Event, Parser, ScalarStyle};

use super::{MAX_DEPTH, MAX_EVENTS, Node, Value, options};
use crate::config::diagnostics::Span;

/// The tree of a plain document.
pub(super) fn read(text: &str) -> Option<Node> {
    let mut limits = granit_parser::Options::default();
    limits.flow_nesting_limit = MAX_DEPTH;
    let mut open: Vec<Collection> = Vec::new();
    let mut root = None;
    let mut documents = 0;
    for (number, event) in Parser::new_from_str_with_options(text, limits).enumerate() {
        let (event, span) = event.ok()?;
        if number >= MAX_EVENTS || open.len() >= MAX_DEPTH {
            return None;
        }
        let node = match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                continue;
            }
            Event::DocumentStart(..) => {
                documents += 1;
                continue;
            }
            Event::SequenceStart(_, 0, None) => {
                open.push(Collection { span: place(span)?, items: Items::List(Vec::new()) });
                continue;
            }
            Event::MappingStart(_, 0, None) => {
                open.push(Collection { span: place(span)?, items: Items::Map(Vec::new(), None) });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop()?.close()?,
            Event::Scalar(text, style, 0, None) => {
                let value = match style {
                    ScalarStyle::Plain => plain_scalar(&text)?,
                    _ => Value::Text(text.into_owned()),
                };
                Node { value, span: place(span)? }
            }
            _ => return None,
        };
        match open.last_mut() {
            Some(collection) => collection.add(node),
            None => root = Some(node),
        }
    }
    // An empty document, or one that says `null`, is told apart by the deserializer.
    root.filter(|node| documents == 1 && matches!(node.value, Value::Map(_)))
}

/// A list or mapping whose end was not seen yet.
struct Collection {
    span: Span,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    /// With the key whose value comes next.
    Map(Vec<(Node, Node)>, Option<Node>),
}

impl Collection {
    fn add(&mut self, node: Node) {
        match &mut self.items {
            Items::List(list) => list.push(node),
            Items::Map(map, key) => match key.take() {
                Some(key) => map.push((key, node)),
                None => *key = Some(node),
            },
        }
    }

    fn close(self) -> Option<Node> {
        let value = match self.items {
            Items::List(list) => Value::List(list),
            Items::Map(map, None) => Value::Map(map),
            Items::Map(_, Some(_)) => return None,
        };
        Some(Node { value, span: self.span })
    }
}

/// What an unquoted scalar is. The usual ones are told at a glance; what may be a number in one of
/// YAML's many spellings, a null or a boolean is asked of the library.
fn plain_scalar(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    match bytes {
        b"true" => return Some(Value::Bool(true)),
        b"false" => return Some(Value::Bool(false)),
        [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit) => {
            return Some(Value::Number);
        }
        _ => {}
    }
    if bytes.first().is_some_and(|&first| first == b'/' || first.is_ascii_alphabetic())
        && !is_keyword(text)
    {
        return Some(Value::Text(text.to_owned()));
    }
    let value: Value = serde_saphyr::from_str_with_options(text, options()).ok()?;
    match &value {
        Value::Text(read) if read != text => None,
        Value::List(_) | Value::Map(_) => None,
        _ => Some(value),
    }
}

/// Whether a word may be more than text to some version of YAML.
fn is_keyword(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];
    text.len() <= 8 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn place(span: granit_parser::Span) -> Option<Span> {
    let bytes = span.byte_range()?;
    Some(Span {
        start: bytes.start,
        length: bytes.len(),
        line: span.start.line(),
        column: span.start.col() + 1,
    })
}

#[cfg(test)]
mod tests;
