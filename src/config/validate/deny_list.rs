//! `deny_list:`, a file of callers that are refused.

use super::Judge;
use crate::config::deny_list::read_file;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::Field;
use crate::config::model::DenyFile;

impl Judge<'_> {
    /// Nothing of it is believed where a line is wrong: an entry that is missed lets somebody in.
    pub(super) fn deny_list(&mut self, raw: &Field<String>) -> Option<DenyFile> {
        let given = raw.given()?;
        let path = self.path("deny_list", given)?;
        let Some(surroundings) = self.ground.surroundings else {
            return Some(DenyFile { path, digest: [0; 32], entries: [].into() });
        };
        let shown = path.display().to_string();
        let bytes = match surroundings.file(&path) {
            Ok(bytes) => bytes,
            Err(why) => {
                let message = format!("cannot read `{shown}`: {why}");
                self.report(Diagnostic::error("missing-deny-list", given.span, message));
                return None;
            }
        };
        let digest = crate::config::digest(&bytes);
        let read =
            std::str::from_utf8(&bytes).map_err(|_| format!("`{shown}` is not UTF-8")).and_then(
                |text| read_file(text).map_err(|(line, why)| format!("{shown}:{line}: {why}")),
            );
        match read {
            Ok(entries) => Some(DenyFile { path, digest, entries: entries.into() }),
            Err(message) => {
                self.report(Diagnostic::error("invalid-deny-list", given.span, message));
                None
            }
        }
    }
}
