//! How serde steps through fields, lists, mappings and values with several forms.

use serde::de::{
    self, DeserializeSeed, EnumAccess, Expected, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

use super::{Context, Decoder, Misfit};
use crate::config::diagnostics::Span;
use crate::config::short_and_long as forms;
use crate::config::tree::{Node, Value};

/// Both places of a field, then its value; a misfit of the value is reported, and it is not there.
pub(super) struct FieldParts<'a> {
    pub(super) decoder: Decoder<'a>,
    pub(super) next: u8,
}

impl<'de> SeqAccess<'de> for FieldParts<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let (key, own) = (self.decoder.key, self.decoder.node.span);
        let number = match self.next {
            0 => key.start,
            1 => key.length,
            2 => key.line,
            3 => key.column,
            4 => own.start,
            5 => own.length,
            6 => own.line,
            7 => own.column,
            _ => {
                return match seed.deserialize(self.decoder) {
                    Ok(value) => Ok(Some(value)),
                    Err(Misfit(mut finding)) => {
                        if finding.span == Span::default() {
                            let nothing = matches!(self.decoder.node.value, Value::Null);
                            finding.span = if nothing { key } else { own };
                        }
                        self.decoder.context.report(*finding);
                        Ok(None)
                    }
                };
            }
        };
        self.next += 1;
        seed.deserialize(number.into_deserializer()).map(Some)
    }
}

pub(super) struct Items<'a> {
    pub(super) items: std::slice::Iter<'a, Node>,
    pub(super) context: &'a Context<'a>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some(node) = self.items.next() else { return Ok(None) };
        seed.deserialize(Decoder { node, key: node.span, context: self.context }).map(Some)
    }
}

pub(super) struct Entries<'a> {
    pub(super) entries: std::vec::IntoIter<(&'a Node, &'a str, &'a Node)>,
    pub(super) value: Option<(&'a Node, Span)>,
    pub(super) context: &'a Context<'a>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some((key, _, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((value, key.span));
        seed.deserialize(Decoder { node: key, key: key.span, context: self.context }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let Some((node, key)) = self.value.take() else {
            return Err(de::Error::custom("a value without a key"));
        };
        seed.deserialize(Decoder { node, key, context: self.context })
    }
}

/// A value with several forms, told apart by what stands in the file.
pub(super) struct Form<'a>(pub(super) Decoder<'a>);

impl<'de> EnumAccess<'de> for Form<'de> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let form = match self.0.node.value {
            Value::Text(_) | Value::Number => forms::TEXT,
            Value::List(_) => forms::LIST,
            Value::Map(_) => forms::MAP,
            Value::Null | Value::Bool(_) => forms::OTHER,
        };
        Ok((seed.deserialize(form.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Form<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        seed.deserialize(self.0)
    }

    /// The form that the type does not have.
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Misfit> {
        Err(self.0.misfit(&(&visitor as &dyn Expected).to_string()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.tuple_variant(0, visitor)
    }
}
