//! A value of an OpenAPI file, with its place.

use serde_json::Value as Json;

use crate::config::diagnostics::Span;
use crate::config::field::{Field, Spanned};
use crate::config::source::Source;
use crate::config::tree::{Node, Value};

/// One value.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    node: &'a Node,
    /// Where the key before it stands; its own place when it has none.
    pub(super) key: Span,
    source: &'a Source,
}

impl<'a> View<'a> {
    pub(super) const fn of(node: &'a Node, source: &'a Source) -> Self {
        Self { node, key: node.span, source }
    }

    /// Its own place.
    pub(super) const fn span(self) -> Span {
        self.node.span
    }

    pub(super) const fn is_map(self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub(super) const fn is_list(self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// The value of a key.
    pub(super) fn get(self, name: &str) -> Option<Self> {
        self.entries().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Keys and values; nothing where it is no mapping.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a str, Self)> {
        let map = match &self.node.value {
            Value::Map(map) => map.as_slice(),
            _ => &[],
        };
        map.iter().filter_map(move |(key, node)| {
            let name = Self { node: key, key: key.span, ..self }.scalar()?;
            Some((name, Self { node, key: key.span, ..self }))
        })
    }

    /// What is in it; nothing where it is no list.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let list = match &self.node.value {
            Value::List(list) => list.as_slice(),
            _ => &[],
        };
        list.iter().map(move |node| Self { node, key: node.span, ..self })
    }

    /// Text, or a number as it was typed.
    pub(super) fn text(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number => Some(self.source.slice(self.node.span)),
            _ => None,
        }
    }

    fn scalar(self) -> Option<&'a str> {
        match &self.node.value {
            Value::Bool(_) => Some(self.source.slice(self.node.span)),
            _ => self.text(),
        }
    }

    /// A whole number, in quotes or not.
    pub(super) fn number(self) -> Option<u64> {
        let text = self.text()?;
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    }

    /// `true` or `false`, in quotes or not.
    pub(super) fn flag(self) -> Option<bool> {
        match (&self.node.value, self.text()) {
            (Value::Bool(value), _) => Some(*value),
            (_, Some("true")) => Some(true),
            (_, Some("false")) => Some(false),
            _ => None,
        }
    }

    /// Something that stands here.
    pub(super) const fn spanned<T>(self, value: T) -> Spanned<T> {
        Spanned { value, span: self.node.span, key: self.key }
    }

    /// Something that stands here, as the value of a key of ours.
    pub(super) const fn field<T>(self, value: T) -> Field<T> {
        Field::Given(self.spanned(value))
    }

    /// What its key says, as the name of an entry.
    pub(super) fn name(self, name: impl Into<String>) -> Spanned<String> {
        Spanned { value: name.into(), span: self.key, key: self.key }
    }

    /// As JSON, with each reference as `refer` has it.
    pub(super) fn json(self, refer: &mut impl FnMut(&str) -> String) -> Json {
        match &self.node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Number => {
                let text = self.text().unwrap_or_default();
                let whole = text.parse::<i64>().map(Json::from);
                whole.unwrap_or_else(|_| text.parse::<f64>().map_or(text.into(), Json::from))
            }
            Value::List(_) => self.items().map(|item| item.json(refer)).collect(),
            Value::Map(_) => {
                let entries = self.entries().map(|(name, value)| {
                    let made = match value.text().filter(|_| name == "$ref") {
                        Some(reference) => refer(reference).into(),
                        None => value.json(refer),
                    };
                    (name.to_owned(), made)
                });
                Json::Object(entries.collect())
            }
        }
    }

    /// The first key that a mapping in it has twice, with the place of the other one.
    pub(super) fn doubled(self, found: &mut Vec<(Span, Span, &'a str)>) {
        let mut seen = std::collections::HashMap::new();
        for (name, value) in self.entries() {
            match seen.get(name) {
                Some(first) => found.push((value.key, *first, name)),
                None => drop(seen.insert(name, value.key)),
            }
            value.doubled(found);
        }
        self.items().for_each(|item| item.doubled(found));
    }
}
