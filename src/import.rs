//! From what guards a service today to a `routes.yaml` that a person would have written, and a
//! list of what could not be carried over.
//!
//! Nothing is left out in silence: whatever an importer does not read ends in the list. What
//! guards a route today and cannot be carried over never leaves it open.

pub mod apigateway;
pub mod elbv2;
pub mod ingress;
mod name;
mod object;
pub mod terraform;
pub(crate) mod yaml;

#[cfg(test)]
mod tests;

use std::fmt;

use self::object::Object;

/// A file of the source's, as JSON.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its name without folder and extension, which may say what it is about.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of `routes.yaml`.
    pub routes: String,
    /// What to know about it.
    pub notes: Vec<Note>,
}

/// One thing to know about an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it matters.
    pub kind: Kind,
    /// Of what it speaks: `rule 10 of listener https`.
    pub place: String,
    /// What there is to say.
    pub text: String,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Must be filled in before it works.
    ToDo,
    /// Could not be carried over.
    Dropped,
    /// Works in another way than before.
    Changed,
    /// Works as before, and could be better.
    Advice,
}

impl Kind {
    const ALL: [Self; 4] = [Self::ToDo, Self::Dropped, Self::Changed, Self::Advice];

    const fn title(self) -> &'static str {
        match self {
            Self::ToDo => "To fill in before it works",
            Self::Dropped => "Not carried over",
            Self::Changed => "Carried over with a difference",
            Self::Advice => "Carried over as it is, and worth a look",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.text)
    }
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file is no JSON.
    #[error("{name}: not JSON: {why}")]
    Syntax {
        /// The file.
        name: String,
        /// What the parser says.
        why: serde_json::Error,
    },
    /// A file is no YAML.
    #[error("{name}: not YAML: {why}")]
    Yaml {
        /// The file.
        name: String,
        /// What the parser says.
        why: String,
    },
    /// What cannot be missing is missing.
    #[error("{0}")]
    Incomplete(&'static str),
}

/// The list as JSON, in the same order.
#[must_use]
pub fn report_json(notes: &[Note]) -> String {
    let note = |note: &Note| {
        let kind = match note.kind {
            Kind::ToDo => "to_do",
            Kind::Dropped => "dropped",
            Kind::Changed => "changed",
            Kind::Advice => "advice",
        };
        serde_json::json!({ "kind": kind, "place": note.place, "text": note.text })
    };
    let notes: Vec<serde_json::Value> = notes.iter().map(note).collect();
    format!("{:#}\n", serde_json::Value::from(notes))
}

/// The list as Markdown.
#[must_use]
pub fn report(notes: &[Note]) -> String {
    let mut text = String::from("# What to know about this import\n");
    if notes.is_empty() {
        text.push_str("\nEverything was carried over as it is.\n");
    }
    for kind in Kind::ALL {
        let mut of_kind = notes.iter().filter(|note| note.kind == kind).peekable();
        if of_kind.peek().is_some() {
            text.push_str(&format!("\n## {}\n\n", kind.title()));
        }
        for note in of_kind {
            text.push_str(&format!("- {note}\n"));
        }
    }
    text
}
