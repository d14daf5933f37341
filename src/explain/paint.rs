//! Colour for people on a terminal.

/// What a text is, so that its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Of little weight.
    Faint,
    /// A title.
    Strong,
}

/// The text in its colour, if colour is wanted.
#[must_use]
pub fn ink(color: bool, ink: Ink, text: &str) -> String {
    let code = match ink {
        Ink::Good => "32",
        Ink::Bad => "31",
        Ink::Faint => "2",
        Ink::Strong => "1",
    };
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}
