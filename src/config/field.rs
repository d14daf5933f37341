//! What a raw type is made of: values that know their place, and survive their own errors.
//!
//! serde stops at the first error. A [`Field`] does not: the decoder reports what is wrong with
//! its value and the field becomes [`Field::Wrong`], so that everything beside it is still judged.
//! Only [`super::decode`] can fill these types.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::diagnostics::Span;

/// Tells the decoder that a [`Field`] wants to be read.
pub(super) const FIELD: &str = "\0field";

/// A value and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spanned<T> {
    /// The value.
    pub(super) value: T,
    /// Where the value stands.
    pub(super) span: Span,
    /// Where the key before it stands; the value's own place when it has none.
    pub(super) key: Span,
}

impl<T> Spanned<T> {
    /// Another value at the same place.
    pub(super) const fn at<U>(&self, value: U) -> Spanned<U> {
        Spanned { value, span: self.span, key: self.key }
    }
}

/// The value of a key.
#[derive(Debug, Clone, Default)]
pub(super) enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there and was reported; the key stands here.
    Wrong(Span),
    /// It is there.
    Given(Spanned<T>),
}

impl<T> Field<T> {
    /// The value, if it could be read.
    pub(super) const fn given(&self) -> Option<&Spanned<T>> {
        match self {
            Self::Given(spanned) => Some(spanned),
            Self::Absent | Self::Wrong(_) => None,
        }
    }

    /// The bare value, if it could be read.
    pub(super) const fn value(&self) -> Option<&T> {
        match self {
            Self::Given(spanned) => Some(&spanned.value),
            Self::Absent | Self::Wrong(_) => None,
        }
    }

    /// Whether the key is not in the file at all.
    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Where the key stands, if it is in the file.
    pub(super) const fn key(&self) -> Option<Span> {
        match self {
            Self::Absent => None,
            Self::Wrong(span) => Some(*span),
            Self::Given(spanned) => Some(spanned.key),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Field<T>, A::Error> {
                let mut span = || -> Result<Span, A::Error> {
                    let mut number = || Ok(parts.next_element::<usize>()?.unwrap_or_default());
                    Ok(Span {
                        start: number()?,
                        length: number()?,
                        line: number()?,
                        column: number()?,
                    })
                };
                let (key, span) = (span()?, span()?);
                Ok(match parts.next_element()? {
                    Some(value) => Field::Given(Spanned { value, span, key }),
                    None => Field::Wrong(key),
                })
            }
        }

        deserializer.deserialize_newtype_struct(FIELD, FieldVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A list; items that could not be read are reported and left out.
#[derive(Debug, Clone)]
pub(super) struct List<T> {
    /// The good items.
    pub(super) items: Vec<Spanned<T>>,
    /// Whether the file gives no item at all, good or bad.
    pub(super) is_empty: bool,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

/// Reads a [`List`]; hand-written visitors with a short form use it too.
pub(super) struct ListVisitor<T>(pub(super) PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<List<T>, A::Error> {
        let mut list = List { items: Vec::new(), is_empty: true };
        while let Some(field) = access.next_element::<Field<T>>()? {
            list.is_empty = false;
            if let Field::Given(item) = field {
                list.items.push(item);
            }
        }
        Ok(list)
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<T>::json_schema(generator)
    }
}

/// A mapping from names to values, in file order. A value that could not be read keeps its name,
/// so that whoever refers to it is not told that it does not exist.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    /// Names with their places, and what they stand for.
    pub(super) entries: Vec<(Spanned<String>, Option<T>)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for TableVisitor<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Table<T>, A::Error> {
                let mut table = Table::default();
                while let Some(name) = access.next_key::<Field<String>>()? {
                    let value = access.next_value::<Field<T>>()?;
                    let value = match value {
                        Field::Given(spanned) => Some(spanned.value),
                        Field::Absent | Field::Wrong(_) => None,
                    };
                    if let Field::Given(name) = name {
                        table.entries.push((name, value));
                    }
                }
                Ok(table)
            }
        }

        deserializer.deserialize_map(TableVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Table<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        std::collections::BTreeMap::<String, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<String, T>::json_schema(generator)
    }
}
