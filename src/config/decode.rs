//! From the YAML tree to the raw types, reporting every misfit instead of stopping at the first.
//!
//! It is an ordinary serde deserializer. serde hands it the known keys of each structure, so
//! unknown ones are found here, all of them, with the key that was probably meant.

mod access;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, Deserializer, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use self::access::{Entries, FieldParts, Form, Items};
use super::diagnostics::{Diagnostic, Span};
use super::field::{FIELD, Field};
use super::literal::LITERAL;
use super::raw;
use super::short_and_long as forms;
use super::source::Source;
use super::suggest;
use super::tree::{Node, Value};

/// What decoding found beside the value.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Misfits, unknown and doubled keys.
    pub(super) findings: Vec<Diagnostic>,
    /// Places whose text must never be shown.
    pub(super) masked: Vec<Span>,
    /// Keys that are probably there, misspelt.
    pub(super) misspelt: Misspelt,
}

/// Keys that are probably there, misspelt, by the place of the mapping's own key. To say that such
/// a key is missing would tell one slip twice.
#[derive(Debug, Default)]
pub(super) struct Misspelt(HashSet<(usize, &'static str)>);

impl Misspelt {
    /// Stands for any key: the mapping has one that is planned, and may be what is missing.
    const ANY: &'static str = "*";

    /// Whether one of `keys` is probably meant by a key of the mapping at `place`.
    pub(super) fn has_any(&self, place: Span, keys: &[&'static str]) -> bool {
        let mut keys = keys.iter().chain([&Self::ANY]);
        keys.any(|key| self.0.contains(&(place.start, *key)))
    }
}

/// Reads a whole tree as a `T`.
pub(super) fn decode<T>(root: &Node, source: &Source) -> (Field<T>, Notes)
where
    T: for<'de> Deserialize<'de>,
{
    let context = Context { source, notes: RefCell::default() };
    let decoder = Decoder { node: root, key: root.span, context: &context };
    let value = Field::deserialize(decoder).unwrap_or_default();
    (value, context.notes.into_inner())
}

struct Context<'a> {
    source: &'a Source,
    notes: RefCell<Notes>,
}

impl Context<'_> {
    fn report(&self, finding: Diagnostic) {
        self.notes.borrow_mut().findings.push(finding);
    }

    fn guess(&self, mapping: Span, key: &'static str) {
        self.notes.borrow_mut().misspelt.0.insert((mapping.start, key));
    }

    fn mask(&self, node: &Node) {
        if value_is_reference(node) {
            return;
        }
        self.notes.borrow_mut().masked.push(node.span);
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.mask(item)),
            Value::Map(map) => map.iter().for_each(|(_, value)| self.mask(value)),
            Value::Null | Value::Bool(_) | Value::Number | Value::Text(_) => {}
        }
    }
}

/// Why a value does not fit; its place is added by the field around it.
#[derive(Debug)]
pub(super) struct Misfit(Box<Diagnostic>);

impl Misfit {
    fn new(code: &'static str, message: String) -> Self {
        Self(Box::new(Diagnostic::error(code, Span::default(), message)))
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.0.help = help;
        self
    }
}

impl Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: Display>(message: T) -> Self {
        Self::new("invalid-value", message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Bool(value) => format!("`{value}`"),
            Unexpected::Unit => "nothing".to_owned(),
            Unexpected::Str(text) => quoted(text),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a mapping".to_owned(),
            other => other.to_string(),
        };
        Self::new("wrong-type", format!("expected {expected}, found {found}"))
    }
}

/// Text as it may stand in a message: short, and without controls.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    /// Where the key stands that led here.
    key: Span,
    context: &'a Context<'a>,
}

impl<'a> Decoder<'a> {
    /// A scalar as it was typed.
    fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            Value::Number => Some(self.context.source.slice(self.node.span)),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    fn misfit(&self, expected: &str) -> Misfit {
        let (found, help) = match &self.node.value {
            Value::Null => ("nothing".to_owned(), self.comment_hint()),
            Value::Bool(value) => (format!("`{value}`"), None),
            Value::Number | Value::Text(_) => (self.text().map(quoted).unwrap_or_default(), None),
            Value::List(_) => ("a list".to_owned(), None),
            Value::Map(_) => ("a mapping".to_owned(), None),
        };
        Misfit::new("wrong-type", format!("expected {expected}, found {found}")).help(help)
    }

    /// `host: #{host}` is a key with a comment: say so.
    fn comment_hint(&self) -> Option<String> {
        let line = self.context.source.line_at(self.node.span.start);
        line.contains("#{")
            .then(|| "`#` begins a comment in YAML; put the text in quotes: \"#{...}\"".to_owned())
    }

    /// Entries of a mapping, with doubled keys, merge keys and keys that are not text reported and
    /// left out.
    fn entries(&self, map: &'a [(Node, Node)]) -> Vec<(&'a Node, &'a str, &'a Node)> {
        let mut seen = std::collections::HashMap::with_capacity(map.len());
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            let Some(name) = (Decoder { node: key, ..*self }).key_text() else {
                let message = "a key must be text, not a list, a mapping or nothing";
                self.context.report(Diagnostic::error("invalid-key", key.span, message));
                continue;
            };
            if name == "<<" {
                let message = "merge keys (`<<`) are not supported";
                self.context.report(Diagnostic::error("merge-key", key.span, message).help(
                    "write the keys out; a plain alias (`*name`) may still stand for a value",
                ));
            } else if let Some(first) = seen.insert(name, key.span) {
                let message = format!("{} is given twice", quoted(name));
                self.context.report(
                    Diagnostic::error("duplicate-key", key.span, message)
                        .related(first, "first given here"),
                );
                seen.insert(name, first);
            } else {
                entries.push((key, name, value));
            }
        }
        entries
    }

    fn key_text(&self) -> Option<&'a str> {
        match self.node.value {
            Value::Bool(_) => Some(self.context.source.slice(self.node.span)),
            _ => self.text(),
        }
    }

    fn unknown_key(
        &self,
        structure: &'static str,
        known: &'static [&'static str],
        (key, name, value): (&Node, &str, &Node),
    ) {
        let secret = |word: &str| raw::SECRET_KEYS.contains(&word);
        if suggest::closest(name, raw::SECRET_KEYS.iter().copied()).is_some() {
            self.context.mask(value);
        }
        if let Some(what) = raw::planned(structure, name) {
            self.context.guess(self.key, Misspelt::ANY);
            let message = format!("`{name}` is not supported yet");
            self.context
                .report(Diagnostic::error("not-yet-supported", key.span, message).help(what));
            return;
        }
        let mut finding =
            Diagnostic::error("unknown-key", key.span, format!("unknown key {}", quoted(name)));
        if let Some(meant) = suggest::closest(name, known.iter().copied()) {
            self.context.guess(self.key, meant);
            if secret(meant) {
                self.context.mask(value);
            }
            finding = finding.help(format!("did you mean `{meant}`?"));
        } else if known.len() <= 16 {
            finding = finding.help(format!("known keys here: {}", known.join(", ")));
        }
        self.context.report(finding);
    }
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Null => match self.comment_hint() {
                None => visitor.visit_unit(),
                hint => visitor.visit_unit().map_err(|misfit: Misfit| misfit.help(hint)),
            },
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number | Value::Text(_) => {
                visitor.visit_borrowed_str(self.text().unwrap_or_default())
            }
            Value::List(items) => {
                visitor.visit_seq(Items { items: items.iter(), context: self.context })
            }
            Value::Map(map) => visitor.visit_map(self.map_access(map)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if let Value::Bool(value) = self.node.value {
            return visitor.visit_bool(value);
        }
        let meant = match self.text().map(str::to_ascii_lowercase).as_deref() {
            Some("on" | "yes" | "y" | "true" | "enabled" | "1") => Some("true"),
            Some("off" | "no" | "n" | "false" | "disabled" | "0") => Some("false"),
            _ => None,
        };
        let help = meant.map(|word| format!("write `{word}`, small and without quotes"));
        Err(self.misfit("`true` or `false`").help(help))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let number = self.text().filter(|_| matches!(self.node.value, Value::Number));
        // `010` is eight to some readers.
        let is_decimal = |text: &&str| {
            !(text.starts_with('0') && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit))
        };
        match number.filter(is_decimal).and_then(|text| text.parse().ok()) {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.misfit("a number")),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let text = self.text().unwrap_or_default();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits && text.len() > 1 && text.starts_with('0') {
            let misfit =
                Misfit::new("invalid-value", format!("{} begins with a zero", quoted(text)));
            let help = "numbers are decimal here; drop the zero".to_owned();
            return Err(misfit.help(Some(help)));
        }
        match text.parse() {
            Ok(number) if digits => visitor.visit_u64(number),
            Err(_) if digits => {
                Err(Misfit::new("out-of-range", format!("{} is too large a number", quoted(text))))
            }
            _ => Err(self.misfit("a whole number")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => {
                let quotes = matches!(self.node.value, Value::Bool(_));
                let misfit = self.misfit("text");
                let help = misfit.0.help.clone();
                let hint =
                    quotes.then(|| "put it in quotes if the word itself is meant".to_owned());
                Err(misfit.help(help.or(hint)))
            }
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::List(items) => {
                visitor.visit_seq(Items { items: items.iter(), context: self.context })
            }
            Value::Number | Value::Text(_) | Value::Bool(_) => {
                let help = "put it in brackets: [...]".to_owned();
                Err(self.misfit("a list").help(Some(help)))
            }
            Value::Null => {
                let help = "write [] for an empty list".to_owned();
                Err(self.misfit("a list").help(Some(help)))
            }
            Value::Map(_) => Err(self.misfit("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Map(map) => visitor.visit_map(self.map_access(map)),
            Value::Null => {
                let help = "write {} for an empty mapping".to_owned();
                Err(self.misfit("a mapping from names").help(Some(help)))
            }
            _ => Err(self.misfit("a mapping from names")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Value::Map(map) = &self.node.value else {
            let keys: Vec<_> = fields.iter().take(4).map(|key| format!("`{key}`")).collect();
            return Err(self.misfit(&format!("a mapping with keys such as {}", keys.join(", "))));
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.entries(map).into_iter().partition(|(_, key, _)| fields.contains(key));
        for entry in unknown {
            self.unknown_key(name, fields, entry);
        }
        for (_, key, value) in &known {
            if raw::SECRET_KEYS.contains(key) || (name, *key) == ("ApiKey", "value") {
                self.context.mask(value);
            }
        }
        visitor.visit_map(Entries {
            entries: known.into_iter(),
            value: None,
            context: self.context,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let choice = variants.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
        let Some(text) = self.text() else {
            return Err(self.misfit(&format!("one of {choice}")));
        };
        if variants.contains(&text) {
            return visitor.visit_enum(StrDeserializer::<Misfit>::new(text));
        }
        let help = suggest::did_you_mean(text, variants.iter().copied());
        let misfit = Misfit::new("unknown-value", format!("unknown value {}", quoted(text)));
        Err(misfit.help(help.or_else(|| Some(format!("one of {choice}")))))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match name {
            FIELD => visitor.visit_seq(FieldParts { decoder: self, next: 0 }),
            forms::FORMS => visitor.visit_enum(Form(self)),
            LITERAL => self.literal(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.key_text().unwrap_or_default())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 char bytes byte_buf unit unit_struct tuple
        tuple_struct ignored_any
    }
}

impl<'a> Decoder<'a> {
    /// A value whose numbers stay numbers.
    fn literal<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let number = self.text().filter(|_| matches!(self.node.value, Value::Number));
        match number.map(|text| (text.parse::<i64>(), text.parse::<f64>())) {
            Some((Ok(whole), _)) => visitor.visit_i64(whole),
            Some((Err(_), Ok(number))) => visitor.visit_f64(number),
            _ => self.deserialize_any(visitor),
        }
    }

    fn map_access(self, map: &'a [(Node, Node)]) -> Entries<'a> {
        Entries { entries: self.entries(map).into_iter(), value: None, context: self.context }
    }
}

/// `${env:X}` and `${file:X}` may be shown.
fn value_is_reference(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if text.starts_with("${") && text.ends_with('}'))
}
