//! `Attributes[]`: pairs of `Key` and `Value`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Kind, Note};

/// Attributes that were not read yet.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub(super) fn of(pairs: &[Value]) -> Self {
        let text = |pair: &Value, key| pair.get(key).and_then(Value::as_str).map(str::to_owned);
        let pairs =
            pairs.iter().filter_map(|pair| Some((text(pair, "Key")?, text(pair, "Value")?)));
        Self(pairs.collect())
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The value, unless it is empty.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key).filter(|value| !value.is_empty())
    }

    /// The value, unless it is what AWS takes by default.
    pub(super) fn unusual(&mut self, key: &str, usual: &str) -> Option<String> {
        self.take(key).filter(|value| value != usual)
    }

    /// Notes what nobody took, but for what says nothing here or is turned off.
    pub(super) fn finish(self, place: &str, meaningless: &[&str], notes: &mut Vec<Note>) {
        for (key, value) in self.0 {
            let is_off = ["", "false", "off", "0"].contains(&value.as_str());
            if !is_off && !meaningless.iter().any(|prefix| key.starts_with(prefix)) {
                notes.push(Note {
                    kind: Kind::Dropped,
                    place: place.to_owned(),
                    text: format!("the attribute `{key}` = `{value}`"),
                });
            }
        }
    }
}
