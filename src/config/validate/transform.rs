//! `transforms:` of a rule.

use super::Judge;
use crate::config::diagnostics::Diagnostic;
use crate::config::field::Field;
use crate::config::model::{Rewrite, Transforms};
use crate::config::raw;
use crate::config::rewrite::LONGEST;

impl Judge<'_> {
    pub(super) fn transforms(&mut self, rule: &raw::Rule) -> Transforms {
        let Some(given) = rule.transforms.given() else { return Transforms::default() };
        if rule.forward.key().is_none() {
            let message = "only what is forwarded can be transformed";
            self.report(Diagnostic::error("contradiction", given.key, message));
        }
        let raw = &given.value;
        if raw.host_header_rewrite.is_absent() && raw.url_rewrite.is_absent() {
            let message = "`transforms` has neither `host_header_rewrite` nor `url_rewrite`";
            self.report(Diagnostic::error("missing-key", given.key, message));
        }
        Transforms {
            host: self.rewrite(&raw.host_header_rewrite, true),
            url: self.rewrite(&raw.url_rewrite, false),
        }
    }

    fn rewrite(&mut self, raw: &Field<Box<raw::Rewrite>>, ignores_case: bool) -> Option<Rewrite> {
        let given = raw.given()?;
        let regex = self.demand(&given.value.regex, given.key, "regex");
        let replace = self.demand(&given.value.replace, given.key, "replace");
        let (regex, replace) = (regex?, replace?);
        for text in [regex, replace] {
            if text.value.len() > LONGEST || text.value.contains(['\r', '\n', '\0']) {
                let message = format!("one line of at most {LONGEST} bytes");
                self.report(Diagnostic::error("out-of-range", text.span, message));
                return None;
            }
        }
        if regex.value.is_empty() {
            let message = "an empty expression finds everything";
            self.report(Diagnostic::error("invalid-regex", regex.span, message));
            return None;
        }
        match Rewrite::new(&regex.value, &replace.value, ignores_case) {
            Ok(rewrite) => Some(rewrite),
            Err(why) => {
                // The engine's own words mark the place in the expression.
                self.report(Diagnostic::error("invalid-regex", regex.span, why));
                None
            }
        }
    }
}
