//! A JSON object that knows which of its members were read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Kind, Note};

/// An object and its place, for notes.
pub(super) struct Object<'a> {
    place: String,
    members: &'a Map<String, Value>,
    read: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Object<'a> {
    /// `None` for anything but an object.
    pub(super) fn new(value: &'a Value, place: impl Into<String>) -> Option<Self> {
        let members = value.as_object()?;
        Some(Self { place: place.into(), members, read: RefCell::default() })
    }

    /// The same object, called otherwise in notes.
    pub(super) fn at(self, place: impl Into<String>) -> Self {
        Self { place: place.into(), ..self }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    fn member(&self, key: &'static str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(key);
        self.members.get(key).filter(|value| !is_nothing(value))
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'a str> {
        self.member(key)?.as_str()
    }

    /// A number, or text that is one: the command line of AWS prints either.
    pub(super) fn number(&self, key: &'static str) -> Option<u64> {
        let value = self.member(key)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    pub(super) fn fraction(&self, key: &'static str) -> Option<f64> {
        self.member(key).and_then(Value::as_f64)
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.member(key)?.as_bool()
    }

    pub(super) fn list(&self, key: &'static str) -> &'a [Value] {
        self.member(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn texts(&self, key: &'static str) -> Vec<&'a str> {
        self.list(key).iter().filter_map(Value::as_str).collect()
    }

    /// The members of an object whose values are texts.
    pub(super) fn members(&self, key: &'static str) -> Vec<(&'a str, &'a str)> {
        let members = self.member(key).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
    }

    /// The values of an object's members.
    pub(super) fn values(&self, key: &'static str) -> Vec<&'a Value> {
        let members = self.member(key).and_then(Value::as_object);
        members.into_iter().flat_map(|members| members.values()).collect()
    }

    pub(super) fn object(&self, key: &'static str) -> Option<Self> {
        Self::new(self.member(key)?, self.place.clone())
    }

    /// Members that say nothing that could be carried over.
    pub(super) fn ignore(&self, keys: &[&'static str]) {
        self.read.borrow_mut().extend(keys);
    }

    /// Notes every member that nobody has read.
    pub(super) fn finish(self, notes: &mut Vec<Note>) {
        let read = self.read.into_inner();
        for (key, value) in self.members {
            if !read.contains(key.as_str()) && !is_nothing(value) {
                notes.push(Note {
                    kind: Kind::Dropped,
                    place: self.place.clone(),
                    text: format!("`{key}` is not known to this importer"),
                });
            }
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
