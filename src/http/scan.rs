//! Walks over the bytes that need no second look, sixteen at a time.

const BLOCK: usize = 16;

/// How many bytes at the start, in whole blocks, are plain together with the byte that follows
/// each. The caller goes on from there byte by byte, and finds there what was not plain.
///
/// `is_odd` should be comparisons joined by `|` and `&`: then a block takes a few vector
/// instructions for each comparison and no branch.
#[inline]
pub(super) fn plain_start(bytes: &[u8], is_odd: impl Fn(u8, u8) -> bool) -> usize {
    let mut start = 0;
    while let Some(block) = bytes.get(start..=start + BLOCK) {
        let pairs = block.iter().zip(block.iter().skip(1));
        if pairs.fold(0, |odd, (&byte, &next)| odd | u8::from(is_odd(byte, next))) != 0 {
            break;
        }
        start += BLOCK;
    }
    start
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_odd_is_walked_over(bytes in prop::collection::vec(b'a'..b'd', 0..80)) {
            let is_odd = |byte, next| (byte == b'a') & (next == b'b');
            let start = plain_start(&bytes, is_odd);
            let first_odd = bytes.windows(2).position(|pair| is_odd(pair[0], pair[1]));
            let plain = first_odd.unwrap_or(bytes.len().saturating_sub(1));
            prop_assert_eq!(start, plain / BLOCK * BLOCK);
        }
    }
}
