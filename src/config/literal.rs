//! Any value of the file as JSON, for what has no meaning of its own here: claims.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Tells the decoder that a number is wanted as a number, whatever its size.
pub(super) const LITERAL: &str = "\0literal";

/// A value as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literal(pub(super) Value);

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LiteralVisitor;

        impl<'de> Visitor<'de> for LiteralVisitor {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Literal, E> {
                Ok(Literal(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Literal, E> {
                Ok(Literal(value.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Literal, E> {
                Ok(Literal(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Literal, E> {
                let number = Number::from_f64(number);
                number.map(|number| Literal(number.into())).ok_or_else(|| E::custom("not a number"))
            }

            fn visit_str<E>(self, text: &str) -> Result<Literal, E> {
                Ok(Literal(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Literal, A::Error> {
                let mut items = Vec::new();
                while let Some(Literal(item)) = access.next_element()? {
                    items.push(item);
                }
                Ok(Literal(items.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Literal, A::Error> {
                let mut map = Map::new();
                while let Some(key) = access.next_key::<String>()? {
                    let Literal(value) = access.next_value()?;
                    map.insert(key, value);
                }
                Ok(Literal(map.into()))
            }
        }

        deserializer.deserialize_newtype_struct(LITERAL, LiteralVisitor)
    }
}

impl JsonSchema for Literal {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }
}
