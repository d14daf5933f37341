//! Writes YAML as a person would: block mappings, short lists on one line, quotes where needed.

/// A text that grows by lines.
#[derive(Default)]
pub(crate) struct Writer {
    text: String,
    depth: usize,
    /// The next line begins an item of a list.
    dash: bool,
}

impl Writer {
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self) {
        if self.dash {
            self.text.push_str(&"  ".repeat(self.depth.saturating_sub(1)));
            self.text.push_str("- ");
            self.dash = false;
        } else {
            self.text.push_str(&"  ".repeat(self.depth));
        }
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(crate) fn comment(&mut self, text: &str) {
        // A dash must stand before the first key, so a comment goes above it.
        let dash = std::mem::take(&mut self.dash);
        let depth = if dash { self.depth.saturating_sub(1) } else { self.depth };
        for line in text.lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            self.text.push_str(&format!("{}# {line}\n", "  ".repeat(depth)));
        }
        self.dash = dash;
    }

    /// `key: value`, with the value written as it is.
    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        self.begin();
        self.text.push_str(&format!("{}: {value}\n", scalar(key)));
    }

    pub(crate) fn line(&mut self, key: &str, value: &str) {
        self.raw(key, &scalar(value));
    }

    pub(crate) fn list<'v>(&mut self, key: &str, values: impl IntoIterator<Item = &'v str>) {
        self.raw(key, &flow(values));
    }

    /// `key:` and what `inner` writes below it.
    pub(crate) fn under(&mut self, key: &str, inner: impl FnOnce(&mut Self)) {
        self.begin();
        self.text.push_str(&format!("{}:\n", scalar(key)));
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// Lines that were written elsewhere, from the first column on.
    pub(crate) fn block(&mut self, lines: &str) {
        for line in lines.lines() {
            self.begin();
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// An item of the list that the key above holds.
    pub(crate) fn item(&mut self, inner: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.dash = true;
        inner(self);
        self.dash = false;
        self.depth -= 1;
    }
}

/// `[a, "*.b"]`.
pub(crate) fn flow<'v>(values: impl IntoIterator<Item = &'v str>) -> String {
    let values: Vec<String> = values.into_iter().map(scalar).collect();
    format!("[{}]", values.join(", "))
}

/// Plain where no reader of YAML can take it for something else, else in double quotes: those of
/// JSON are YAML's too.
pub(crate) fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte));
    let is_word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_plain && !is_word { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
