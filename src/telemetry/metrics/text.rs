//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

/// A scrape in the making.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// The labels of one sample in the making.
#[derive(Debug, Default)]
pub(super) struct Labels(String);

impl Labels {
    /// Adds a label; the value may be any text.
    pub(super) fn push(&mut self, name: &str, value: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }

    /// `name="value",...`, to be held and used for every sample of the same thing.
    pub(super) fn into_boxed_str(self) -> Box<str> {
        self.0.into_boxed_str()
    }
}

impl Text {
    /// Opens a family; its samples must follow at once.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample with labels made by [`Labels::into_boxed_str`], perhaps none, and one more.
    pub(super) fn sample(
        &mut self,
        name: &str,
        labels: &str,
        more: Option<(&str, &dyn Display)>,
        value: impl Display,
    ) {
        self.0.push_str(name);
        if !labels.is_empty() || more.is_some() {
            self.0.push('{');
            self.0.push_str(labels);
            if let Some((label, value)) = more {
                let comma = if labels.is_empty() { "" } else { "," };
                let _ = write!(self.0, "{comma}{label}=\"{value}\"");
            }
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A sample with labels made on the spot.
    pub(super) fn sample_with(
        &mut self,
        name: &str,
        value: impl Display,
        label: impl FnOnce(&mut Labels),
    ) {
        let mut labels = Labels::default();
        label(&mut labels);
        self.sample(name, &labels.0, None, value);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}
