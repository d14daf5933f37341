//! Which rule of a listener a request falls to: facts in, a rule out.
//!
//! Pure data: no clock, no socket, nothing of the configuration but the rules. What a rule then
//! demands of the caller is decided in `auth`, what is answered in `answer`.

mod condition;
mod coverage;
mod index;
mod miss;
pub mod pattern;
pub mod redirect;
mod table;
mod weights;
mod wildcard;

pub use condition::Particulars;
pub use miss::Miss;
pub use pattern::Pattern;
pub use table::{Facts, RuleTable, Selection};
pub use weights::choose_group;
