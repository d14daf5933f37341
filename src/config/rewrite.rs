//! A rewrite: a regular expression, and what stands in the place of what it finds.

use std::fmt;

use super::regex::Regex;

/// Longest expression, and longest replacement, as ALB has it.
pub const LONGEST: usize = 1024;

/// `regex` and `replace` of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    regex: Regex,
    replace: Box<str>,
    pieces: Box<[Piece]>,
}

/// A part of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// What a group has captured; nothing where it took no part.
    Group(usize),
}

/// The result would be longer than was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rewritten text is too long")]
pub struct TooLong;

impl Rewrite {
    /// Compiles it. `$1`, `$2` and so on in the replacement are groups of the expression, `$0` is
    /// all that it found; a `$` before anything but a digit is itself.
    ///
    /// # Errors
    ///
    /// For the operator: what is wrong with the expression, or a group that it does not have.
    pub fn new(regex: &str, replace: &str, ignores_case: bool) -> Result<Self, String> {
        let regex = Regex::new(regex, ignores_case)?;
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = replace;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = after.split_at_checked(digits).unwrap_or((after, ""));
            if number.is_empty() {
                text.push('$');
            } else {
                let group = number.parse().ok().filter(|group| *group < regex.groups());
                let group = group.ok_or_else(|| {
                    let most = regex.groups() - 1;
                    format!("`${number}`: the expression has {most} groups")
                })?;
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                }
                pieces.push(Piece::Group(group));
            }
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        Ok(Self { regex, replace: replace.into(), pieces: pieces.into() })
    }

    /// The text with the first thing that the expression finds replaced; `None` when it finds
    /// nothing.
    ///
    /// # Errors
    ///
    /// When the result would be longer than `longest`.
    pub fn apply(&self, text: &str, longest: usize) -> Option<Result<String, TooLong>> {
        let found = self.regex.captures(text)?;
        let (start, end) = found.first().copied().flatten()?;
        let mut result = String::with_capacity(text.len() + self.replace.len());
        result.push_str(text.get(..start)?);
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => result.push_str(piece),
                Piece::Group(group) => {
                    let span = found.get(*group).copied().flatten();
                    result.push_str(span.and_then(|(from, to)| text.get(from..to)).unwrap_or(""));
                }
            }
            if result.len() > longest {
                return Some(Err(TooLong));
            }
        }
        result.push_str(text.get(end..)?);
        Some(if result.len() > longest { Err(TooLong) } else { Ok(result) })
    }
}

impl fmt::Display for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.regex.as_str(), self.replace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(regex: &str, replace: &str, text: &str) -> Option<String> {
        Rewrite::new(regex, replace, false).unwrap().apply(text, 100).map(|r| r.unwrap())
    }

    #[test]
    fn captures_stand_where_they_are_named() {
        let product = |text| rewrite("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1", text);
        assert_eq!(product("/dp/B09").as_deref(), Some("/product.php?id=B09"));
        assert_eq!(product("/dp/B09/").as_deref(), Some("/product.php?id=B09"));
        assert_eq!(product("/dp/B09/x"), None);
        assert_eq!(rewrite("(a)(b)?", "[$2$1$0]", "xaz").as_deref(), Some("x[aa]z"));
        assert_eq!(rewrite("a", "$", "bab").as_deref(), Some("b$b"));
        assert_eq!(rewrite("a", "$x$$", "a").as_deref(), Some("$x$$"));
        let ten = "(1)(2)(3)(4)(5)(6)(7)(8)(9)(a)";
        assert_eq!(rewrite(ten, "$10-$1", "123456789a").as_deref(), Some("a-1"));
    }

    #[test]
    fn only_the_first_finding_is_replaced() {
        assert_eq!(rewrite("a", "b", "aaa").as_deref(), Some("baa"));
    }

    #[test]
    fn what_cannot_be_is_told_when_it_is_loaded() {
        assert!(Rewrite::new("(", "", false).is_err());
        assert!(Rewrite::new("(?=a)", "", false).is_err());
        assert_eq!(
            Rewrite::new("(a)", "$2", false).unwrap_err(),
            "`$2`: the expression has 1 groups"
        );
        assert!(Rewrite::new("a", "$99999999999999999999", false).is_err());
    }

    #[test]
    fn a_result_is_bounded() {
        let double = Rewrite::new("^(.*)$", "$1$1$1$1", false).unwrap();
        assert_eq!(double.apply(&"x".repeat(25), 100).unwrap().unwrap().len(), 100);
        assert_eq!(double.apply(&"x".repeat(26), 100), Some(Err(TooLong)));
    }
}
