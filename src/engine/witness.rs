//! Sees what a decision is made from, as it is made.
//!
//! Whoever explains looks over the engine's shoulder instead of deciding a second time. The running
//! gateway has nobody look, which costs nothing: `()` is compiled away.

use crate::http::{Authority, Malformed, Target};
use crate::routing::{Particulars, Selection};

/// Hears of each step that a decision comes by. A step that is not told was not taken.
pub trait Witness {
    /// The request has a canonical spelling.
    fn tidied(&mut self, target: &Target<'_>, authority: &Authority<'_>) {
        let _ = (target, authority);
    }

    /// The rules have been asked, with these facts beside the canonical spelling.
    fn routed(&mut self, particulars: Particulars<'_>, selection: Result<Selection, Malformed>) {
        let _ = (particulars, selection);
    }
}

/// Nobody looks.
impl Witness for () {}
