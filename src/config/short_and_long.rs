//! A value with a short and a long form: a hand-written visitor and an `anyOf` schema.
//!
//! serde's `untagged` would do it in one line, at the price of places and of messages that say
//! "data did not match any variant".

/// Tells the decoder that a value with several forms wants to be read.
pub(super) const FORMS: &str = "\0forms";
/// The variant that stands for text.
pub(super) const TEXT: u8 = 0;
/// The variant that stands for a list.
pub(super) const LIST: u8 = 1;
/// The variant that stands for a mapping.
pub(super) const MAP: u8 = 2;
/// The variant that stands for anything else.
pub(super) const OTHER: u8 = 3;

/// Implements `Deserialize` and `JsonSchema` for a type that may be text, a list or a mapping.
///
/// Each form is optional: `word: "only" => ...`, `choice: Enum => |Enum| ...` or
/// `text: |String| ...`, `flag: |bool| ...`, `list: Item => |List<Item>| ...`,
/// `map: Object => |Object| ...`.
macro_rules! short_and_long {
    ($name:ident, $expecting:literal, {
        $(word: $word:literal => $from_word:expr,)?
        $(choice: $choice:ty => |$chosen:ident| $from_choice:expr,)?
        $(flag: |$flag:ident| $from_flag:expr,)?
        $(text: |$text:ident| $from_text:expr,)?
        $(list: $item:ty => |$list:ident| $from_list:expr,)?
        $(map: $object:ty => |$map:ident| $from_map:expr,)?
    }) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Forms;

                impl<'de> serde::de::Visitor<'de> for Forms {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_enum<A: serde::de::EnumAccess<'de>>(
                        self,
                        access: A,
                    ) -> Result<$name, A::Error> {
                        use serde::de::VariantAccess;
                        use $crate::config::short_and_long as forms;

                        let (form, content) = access.variant::<u8>()?;
                        match form {
                            $(forms::TEXT => {
                                let text = content.newtype_variant::<String>()?;
                                if text == $word {
                                    return Ok($from_word);
                                }
                                let shown = $crate::config::decode::quoted(&text);
                                let why = format!(concat!("expected ", $expecting, ", found {}"), shown);
                                Err(serde::de::Error::custom(why))
                            })?
                            $(forms::TEXT => {
                                let $chosen = content.newtype_variant::<$choice>()?;
                                Ok($from_choice)
                            })?
                            $(forms::OTHER => {
                                let $flag = content.newtype_variant::<bool>()?;
                                Ok($from_flag)
                            })?
                            $(forms::TEXT => {
                                let $text = content.newtype_variant::<String>()?;
                                $from_text
                            })?
                            $(forms::LIST => {
                                let $list = content
                                    .newtype_variant::<$crate::config::field::List<$item>>()?;
                                Ok($from_list)
                            })?
                            $(forms::MAP => {
                                let $map = content.newtype_variant::<$object>()?;
                                Ok($from_map)
                            })?
                            _ => content.tuple_variant(0, self),
                        }
                    }
                }

                deserializer.deserialize_newtype_struct(
                    $crate::config::short_and_long::FORMS,
                    Forms,
                )
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let forms = [
                    $(Some(schemars::json_schema!({ "enum": [$word] })),)?
                    $(Some(_generator.subschema_for::<$choice>()),)?
                    $({
                        let _ = stringify!($flag);
                        Some(<bool as schemars::JsonSchema>::json_schema(_generator))
                    },)?
                    $({
                        let _ = stringify!($text);
                        Some(<String as schemars::JsonSchema>::json_schema(_generator))
                    },)?
                    // In every short form an empty list would be a mistake.
                    $(Some(schemars::json_schema!({
                        "type": "array",
                        "items": _generator.subschema_for::<$item>(),
                        "minItems": 1,
                    })),)?
                    $(Some(_generator.subschema_for::<$object>()),)?
                ];
                let forms: Vec<_> = forms.into_iter().flatten().collect();
                schemars::json_schema!({ "anyOf": forms })
            }
        }
    };
}
