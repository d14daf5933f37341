//! `claim_headers:` of the file and of rules.

use std::sync::Arc;

use super::{Judge, header};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{ArrayForm, ClaimHeader, ClaimPath};
use crate::config::raw;

/// Longest value when the file does not say.
const DEFAULT_MAX_SIZE: u64 = 8 * 1024;
/// Longest value that the file may allow: common servers take 8 to 64 KiB for all headers.
const LARGEST_MAX_SIZE: u64 = 64 * 1024;
/// Most headers that a request is given.
const MOST_HEADERS: usize = 64;
/// `claim_headers` when the file does not say.
const DEFAULT: [(&str, &str); 4] = [
    ("x-auth-subject", "sub"),
    ("x-auth-client-id", "client_id"),
    ("x-auth-scope", "scope"),
    ("x-auth-groups", "cognito:groups"),
];

impl Judge<'_> {
    /// The file's own; the default four when it has none.
    pub(super) fn file_claim_headers(
        &mut self,
        raw: &Field<Table<raw::ClaimValue>>,
    ) -> Arc<[ClaimHeader]> {
        match raw {
            Field::Given(table) => self.claim_headers(&table.value).into(),
            Field::Wrong(_) => Arc::from([]),
            Field::Absent => DEFAULT
                .iter()
                .map(|(header, claim)| ClaimHeader {
                    header: (*header).to_owned(),
                    claim: ClaimPath::Name((*claim).to_owned()),
                    form: ArrayForm::Csv,
                    max_size: 8 * 1024,
                })
                .collect(),
        }
    }

    /// The file's with the rule's own added or put in their place.
    pub(super) fn rule_claim_headers(
        &mut self,
        file: &Arc<[ClaimHeader]>,
        raw: &Field<Table<raw::ClaimValue>>,
    ) -> Arc<[ClaimHeader]> {
        let Some(table) = raw.value() else { return file.clone() };
        let mut merged = file.to_vec();
        for own in self.claim_headers(table) {
            match merged.iter_mut().find(|header| header.header == own.header) {
                Some(header) => *header = own,
                None => merged.push(own),
            }
        }
        merged.into()
    }

    fn claim_headers(&mut self, table: &Table<raw::ClaimValue>) -> Vec<ClaimHeader> {
        let mut headers: Vec<ClaimHeader> = Vec::with_capacity(table.entries.len());
        for (name, value) in &table.entries {
            let header = self.accept("invalid-claim-header", name.span, header::owned(&name.value));
            let Some(value) = value else { continue };
            let value = self.claim_value(name, value);
            let (Some(header), Some((claim, form, max_size))) = (header, value) else { continue };
            if headers.len() == MOST_HEADERS {
                let message = format!("more than {MOST_HEADERS} claim headers");
                self.report(Diagnostic::error("out-of-range", name.span, message));
                break;
            }
            if headers.iter().any(|other| other.header == header) {
                let message =
                    format!("`{header}` is given twice: case does not tell headers apart");
                self.report(Diagnostic::error("duplicate-key", name.span, message));
                continue;
            }
            headers.push(ClaimHeader { header, claim, form, max_size });
        }
        headers
    }

    fn claim_value(
        &mut self,
        name: &Spanned<String>,
        value: &raw::ClaimValue,
    ) -> Option<(ClaimPath, ArrayForm, usize)> {
        let absent = raw::ClaimObject::default();
        let (claim, place, object) = match value {
            raw::ClaimValue::Claim(claim) => (claim, name.span, &absent),
            raw::ClaimValue::Object(object) => {
                let claim = self.demand(&object.claim, name.span, "claim")?;
                (&claim.value, claim.span, &**object)
            }
        };
        let claim = self.accept("invalid-claim", place, header::claim(claim))?;
        let form = match object.form.value() {
            None | Some(raw::ArrayForm::Csv) => ArrayForm::Csv,
            Some(raw::ArrayForm::Json) => ArrayForm::Json,
            Some(raw::ArrayForm::Repeat) => ArrayForm::Repeat,
        };
        let max_size = self.size(&object.max_size, DEFAULT_MAX_SIZE, 1..=LARGEST_MAX_SIZE);
        Some((claim, form, usize::try_from(max_size).ok()?))
    }
}
