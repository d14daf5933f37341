//! The middle of a pattern, cut at its stars, and how it is found in a value.

/// What stands between the stars of a pattern's middle: the first piece begins it, the last ends it,
/// the others float. Empty for patterns that are compared without.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Pieces(Box<[Piece]>);

/// A run of literal bytes and `?`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Piece {
    text: Box<[u8]>,
    /// For each start of the text, the length of its longest proper start that also ends it: how
    /// much of a broken-off match can be kept (Knuth, Morris and Pratt). Empty if there is a `?`.
    borders: Box<[usize]>,
}

impl Pieces {
    pub(super) fn of(middle: &str) -> Self {
        Self(middle.split('*').map(|text| Piece::new(text.as_bytes())).collect())
    }

    /// Whether the pieces fit into the whole value, in order and without sharing bytes. Taking the
    /// first place for each floating piece leaves most room for the next, so there is no going back.
    pub(super) fn fit(&self, value: &[u8]) -> bool {
        let (first, floating, last) = match &*self.0 {
            [] => return value.is_empty(),
            [only] => return value.len() == only.text.len() && only.is_at(value),
            [first, floating @ .., last] => (first, floating, last),
        };
        let Some((start, rest)) = value.split_at_checked(first.text.len()) else { return false };
        let Some(end) = rest.len().checked_sub(last.text.len()) else { return false };
        let (mut rest, end) = rest.split_at(end);
        if !first.is_at(start) || !last.is_at(end) {
            return false;
        }
        for piece in floating {
            let Some(behind) = piece.find(rest).and_then(|behind| rest.get(behind..)) else {
                return false;
            };
            rest = behind;
        }
        true
    }
}

impl Piece {
    fn new(text: &[u8]) -> Self {
        let borders = if text.contains(&b'?') { Box::default() } else { borders(text) };
        Self { text: text.into(), borders }
    }

    /// Whether it fits these bytes, as many as it has.
    fn is_at(&self, bytes: &[u8]) -> bool {
        self.text.iter().zip(bytes).all(|(&wanted, &byte)| wanted == byte || wanted == b'?')
    }

    /// Where its first occurrence ends. Linear in the value, but with `?` in the product of both
    /// lengths.
    fn find(&self, value: &[u8]) -> Option<usize> {
        if self.text.is_empty() {
            return Some(0);
        }
        if self.borders.is_empty() {
            let start = value.windows(self.text.len()).position(|bytes| self.is_at(bytes))?;
            return Some(start + self.text.len());
        }
        let mut matched = 0;
        for (position, &byte) in value.iter().enumerate() {
            while matched > 0 && self.text.get(matched) != Some(&byte) {
                matched = self.borders.get(matched - 1).copied().unwrap_or(0);
            }
            if self.text.get(matched) == Some(&byte) {
                matched += 1;
            }
            if matched == self.text.len() {
                return Some(position + 1);
            }
        }
        None
    }
}

fn borders(text: &[u8]) -> Box<[usize]> {
    let mut borders: Vec<usize> = Vec::with_capacity(text.len());
    for (position, byte) in text.iter().enumerate() {
        let mut border = position.checked_sub(1).map_or(0, |before| borders[before]);
        while border > 0 && text.get(border) != Some(byte) {
            border = borders[border - 1];
        }
        if position > 0 && text.get(border) == Some(byte) {
            border += 1;
        }
        borders.push(border);
    }
    borders.into()
}
