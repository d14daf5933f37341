//! What a request's body must look like: a JSON Schema of draft 4, compiled.

use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Most memory that one regular expression of a schema takes.
const LARGEST_REGEX: usize = 256 * 1024;
/// Longest chain of references, and most steps of looking for circles.
const MOST_HOPS: usize = 64;
const MOST_STEPS: u32 = 100_000;
/// So many findings are told, and so long.
const MOST_TOLD: usize = 3;
const LONGEST_TOLD: usize = 500;

/// Judges bodies without any I/O; regular expressions take time linear to the text. Equal schemas
/// are equal models.
#[derive(Clone)]
pub struct BodyModel(Arc<Compiled>);

struct Compiled {
    schema: Value,
    validator: Validator,
}

impl BodyModel {
    /// Compiles a schema. The error is for the operator.
    ///
    /// # Errors
    ///
    /// It is no schema, it refers to what is not in it, or it leads round in circles.
    pub fn new(schema: Value) -> Result<Self, String> {
        if let Some(why) = unfit(&schema) {
            return Err(why);
        }
        let patterns = PatternOptions::regex().size_limit(LARGEST_REGEX);
        let options = jsonschema::options()
            .with_draft(Draft::Draft4)
            .with_pattern_options(patterns.dfa_size_limit(LARGEST_REGEX));
        let validator = options.build(&schema).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(Compiled { schema, validator })))
    }

    /// As it was written.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.0.schema
    }

    /// Looks at a body. A name that is given twice is refused: two readers of it may see two values,
    /// and the target must not see another one than was judged.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without its values and without quotes.
    pub fn judge(&self, body: &[u8]) -> Result<(), String> {
        let Ok(Once(value)) = serde_json::from_slice(body) else {
            return Err("[the body is not JSON with each name once]".to_owned());
        };
        if self.0.validator.is_valid(&value) {
            return Ok(());
        }
        let errors = self.0.validator.iter_errors(&value).take(MOST_TOLD);
        let told: Vec<String> = errors.map(|error| error.masked().to_string()).collect();
        let is_plain = |c: &char| !c.is_control() && !matches!(c, '"' | '\\' | '<' | '>' | '&');
        let told: String = told.join(", ").chars().filter(is_plain).take(LONGEST_TOLD).collect();
        Err(format!("[{told}]"))
    }
}

impl PartialEq for BodyModel {
    fn eq(&self, other: &Self) -> bool {
        self.schema() == other.schema()
    }
}

impl fmt::Debug for BodyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyModel({})", self.schema())
    }
}

/// What in a schema would lead out of it, or round in circles without a step into the body:
/// judging a body by that would never end.
fn unfit(schema: &Value) -> Option<String> {
    Walk { root: schema, budget: MOST_STEPS }.unfit(schema)
}

/// A walk through a schema, which ends however the schema is made.
struct Walk<'a> {
    root: &'a Value,
    budget: u32,
}

impl<'a> Walk<'a> {
    fn unfit(&mut self, at: &'a Value) -> Option<String> {
        if let Some(reference) = at.get("$ref").and_then(Value::as_str) {
            if self.target(reference).is_none() {
                return Some(format!("`{reference}` is not in it"));
            }
            if self.returns(at, 0) {
                return Some(format!("`{reference}` leads round in circles"));
            }
        }
        if at.get("id").is_some_and(Value::is_string) {
            return Some("`id` gives its references another meaning".to_owned());
        }
        match at {
            // Values, not schemas.
            Value::Object(map) => map
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "default" | "enum" | "example"))
                .find_map(|(_, value)| self.unfit(value)),
            Value::Array(list) => list.iter().find_map(|value| self.unfit(value)),
            _ => None,
        }
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8().ok()?;
        self.root.pointer(&pointer)
    }

    /// Whether judging a value by this comes back to it, as far as can be told in time.
    fn returns(&mut self, at: &'a Value, hops: usize) -> bool {
        let Some(left) = self.budget.checked_sub(1).filter(|_| hops <= MOST_HOPS) else {
            return true;
        };
        self.budget = left;
        let reference = at.get("$ref").and_then(Value::as_str);
        if let Some(next) = reference.and_then(|reference| self.target(reference)) {
            return self.returns(next, hops + 1);
        }
        let lists =
            ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| at.get(key)?.as_array());
        let depending = at.get("dependencies").and_then(Value::as_object);
        let depending = depending.into_iter().flat_map(|map| map.values());
        let mut same = lists.flatten().chain(at.get("not")).chain(depending);
        same.any(|part| self.returns(part, hops + 1))
    }
}

/// A JSON value in which no name is given twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnceVisitor;

        impl<'de> Visitor<'de> for OnceVisitor {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Once, E> {
                Ok(Once(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Once, E> {
                Ok(Once(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Once, E> {
                Ok(Once(number.into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Once, E> {
                let number = Number::from_f64(number);
                number.map(|number| Once(number.into())).ok_or_else(|| E::custom("no number"))
            }

            fn visit_str<E>(self, text: &str) -> Result<Once, E> {
                Ok(Once(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
                let mut list = Vec::new();
                while let Some(Once(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(Once(list.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Once, A::Error> {
                let mut map = Map::new();
                while let Some(name) = entries.next_key::<String>()? {
                    let Once(value) = entries.next_value()?;
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is given twice"));
                    }
                }
                Ok(Once(map.into()))
            }
        }

        deserializer.deserialize_any(OnceVisitor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_judged_by_their_schema_and_no_name_may_be_given_twice() {
        let model = BodyModel::new(json!({
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string", "pattern": "^(a+)+$" }, "next": { "$ref": "#" } },
            "additionalProperties": false,
        }))
        .unwrap();
        let is_good = |body: &str| model.judge(body.as_bytes()).is_ok();
        assert!(is_good(r#"{"name":"aa","next":{"name":"a"}}"#));
        let attack = format!(r#"{{"name":"{}b"}}"#, "a".repeat(100_000));
        let deep = "[".repeat(100_000);
        let deeper = r#"{"name":"a","next":"#.repeat(10_000);
        for bad in [
            "",
            " ",
            "{}",
            "[]",
            "null",
            r#"{"name":1}"#,
            r#"{"name":"a","x":1}"#,
            r#"{"name":"a"} {}"#,
            r#"{"name":"b","name":"a"}"#,
            r#"{"name":"a","n\u0061me":"a"}"#,
            r#"{"name":"a",}"#,
            r#"{"name":"aa","next":{"name":"a","name":"a"}}"#,
            "\u{feff}{\"name\":\"a\"}",
            "NaN",
            "1e999",
            &attack,
            &deep,
            &deeper,
        ] {
            assert!(!is_good(bad), "{bad:.60}");
        }
        let told = model.judge(br#"{"name":"a","\"<secret>":"private value"}"#).unwrap_err();
        assert!(!told.contains(['"', '<', '\\']) && !told.contains("private"), "{told}");
    }

    #[test]
    fn a_schema_reads_nothing_else_and_comes_to_an_end() {
        for bad in [
            json!({ "$ref": "#" }),
            json!({ "definitions": { "a": { "$ref": "#/definitions/b" }, "b": { "$ref": "#/definitions/a" } },
                    "properties": { "x": { "$ref": "#/definitions/a" } } }),
            json!({ "definitions": { "a": { "allOf": [{ "$ref": "#/definitions/a" }] } }, "$ref": "#/definitions/a" }),
            json!({ "$ref": "http://127.0.0.1/schema" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "$ref": "other.json" }),
            json!({ "$ref": "#/definitions/nothing" }),
            json!({ "definitions": { "a b": { "$ref": "#/definitions/a%20b" } }, "$ref": "#/definitions/a%20b" }),
            json!({ "definitions": { "a": { "id": "#x", "$ref": "#x" } }, "$ref": "#/definitions/a" }),
            json!({ "dependencies": { "a": { "$ref": "#" } } }),
            json!({ "pattern": "(?=x)" }),
            json!({ "pattern": "(a{1000}){1000}" }),
            json!({ "type": "strin" }),
            json!([]),
        ] {
            assert!(BodyModel::new(bad.clone()).is_err(), "{bad}");
        }
        let mut bomb = Map::new();
        for n in 0..60 {
            let next = json!({ "$ref": format!("#/definitions/a{}", n + 1) });
            bomb.insert(format!("a{n}"), json!({ "allOf": [next, next] }));
        }
        bomb.insert("a60".to_owned(), json!({}));
        let bomb = json!({ "definitions": bomb, "$ref": "#/definitions/a0" });
        assert!(BodyModel::new(bomb).is_err());
    }
}
