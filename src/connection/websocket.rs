//! Finds the frame boundaries in what a target sends over a WebSocket (RFC 6455 section 5.2).
//!
//! A close frame may be put between two frames, never inside one. Nothing here reads payloads.

/// Status 1001, "going away", as a server's unmasked close frame.
pub(super) const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// Status 1008, "policy violation": the caller's identity has ended.
pub(super) const IDENTITY_ENDED: [u8; 4] = [0x88, 0x02, 0x03, 0xf0];

/// Opcode of a close frame.
const CLOSE: u8 = 0x8;

/// Position in a stream of frames.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Frames {
    header: [u8; 14],
    have: usize,
    payload: u64,
    has_closed: bool,
}

impl Frames {
    /// Whether a whole frame has just ended, or none has begun.
    #[must_use]
    pub(super) fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// Whether a close frame went by.
    #[must_use]
    pub(super) fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// Walks over `bytes`. With `stop`, ends at the first boundary behind the start; says how many
    /// bytes it walked.
    pub(super) fn walk(&mut self, bytes: &[u8], stop: bool) -> usize {
        let mut index = 0;
        while let Some(&byte) = bytes.get(index) {
            if self.payload > 0 {
                let here = u64::try_from(bytes.len() - index).unwrap_or(u64::MAX);
                let step = here.min(self.payload);
                self.payload -= step;
                index += usize::try_from(step).unwrap_or(usize::MAX);
            } else {
                if let Some(place) = self.header.get_mut(self.have) {
                    *place = byte;
                }
                self.have += 1;
                index += 1;
                self.end_header();
            }
            if stop && self.is_at_boundary() {
                break;
            }
        }
        index
    }

    fn end_header(&mut self) {
        let [first, second, rest @ ..] = &self.header;
        if self.have < 2 {
            return;
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let (extended, short) = match second & 0x7f {
            126 => (2, None),
            127 => (8, None),
            length => (0, Some(u64::from(length))),
        };
        if self.have < 2 + extended + mask {
            return;
        }
        let long = rest.iter().take(extended).fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        self.has_closed |= first & 0x0f == CLOSE;
        self.payload = short.unwrap_or(long);
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_found_however_the_bytes_are_cut() {
        let mut stream = vec![0x81, 0x03, b'a', b'b', b'c', 0x89, 0x00];
        stream.extend([0x82, 126, 0x01, 0x00]);
        stream.extend([7; 256]);
        let long = stream.len();
        stream.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        stream.extend([9; 65_536]);
        let ends = [5, 7, long, stream.len()];
        for size in [1, 2, 3, 5, 7, 100, stream.len()] {
            let mut frames = Frames::default();
            let mut at = 0;
            for piece in stream.chunks(size) {
                frames.walk(piece, false);
                at += piece.len();
                assert_eq!(frames.is_at_boundary(), ends.contains(&at), "{at} by {size}");
            }
            assert!(!frames.has_closed());
        }
    }

    #[test]
    fn stopping_ends_at_the_next_boundary() {
        let mut frames = Frames::default();
        assert_eq!(frames.walk(&[0x81, 0x02, b'a'], false), 3);
        assert_eq!(frames.walk(&[b'b', 0x81, 0x01, b'c'], true), 1);
        assert!(frames.is_at_boundary());
    }

    #[test]
    fn a_close_frame_is_noticed() {
        let mut frames = Frames::default();
        frames.walk(&GOING_AWAY, false);
        assert!(frames.has_closed() && frames.is_at_boundary());
    }
}
