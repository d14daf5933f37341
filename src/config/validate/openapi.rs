//! `openapi:` of an API: its file is read, and what it says is added to what is written by hand.

use std::path::PathBuf;

use super::{Judge, UserPool};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{Flavour, OpenApiFile};
use crate::config::openapi::{self, Document, MAX_BYTES, Pool};
use crate::config::raw;

impl Judge<'_> {
    /// Reads the files of all APIs; one entry for each API.
    pub(super) fn openapi_files(
        &mut self,
        apis: &mut Field<Table<raw::Api>>,
        pools: &[Option<UserPool>],
    ) {
        let pools: Vec<Pool<'_>> = pools.iter().map(Option::as_ref).collect();
        let Field::Given(table) = apis else { return };
        for (name, api) in &mut table.value.entries {
            let Some(api) = api else { continue };
            let file = std::mem::take(&mut api.openapi);
            let Some(key) = file.key() else { continue };
            let read = match &file {
                Field::Given(given) => self.openapi(given, api, &pools),
                _ => None,
            };
            match read {
                Some(read) => self.documents.push((name.value.clone(), read)),
                // It is told already why there are no routes.
                None => api.routes = Field::Wrong(key),
            }
        }
    }

    fn openapi(
        &mut self,
        given: &Spanned<raw::OpenApi>,
        api: &mut raw::Api,
        pools: &[Pool<'_>],
    ) -> Option<OpenApiFile> {
        let (path, integrations) = match &given.value {
            raw::OpenApi::File(path) => (given.at(path.clone()), None),
            raw::OpenApi::Full(full) => {
                let path = self.demand(&full.file, given.key, "file")?;
                (path.clone(), full.integrations.value())
            }
        };
        let flavour = match api.kind.value()? {
            raw::ApiType::Http => Flavour::Http,
            raw::ApiType::Rest => Flavour::Rest,
        };
        let (file, bytes) = self.document(&path)?;
        let name = file.display().to_string();
        let document = Document::read(&name, &bytes, self.source, self.findings)?;
        let told = openapi::import(&document, (flavour, pools), integrations, api, self.source);
        let failed = told.iter().any(super::is_error);
        self.findings.extend(told);
        (!failed).then(|| OpenApiFile { path: file, digest: crate::config::digest(&bytes) })
    }

    fn document(&mut self, path: &Spanned<String>) -> Option<(PathBuf, Vec<u8>)> {
        let file = self.path("openapi", path)?;
        let Some(parts) = self.ground.parts else {
            let message = "without its OpenAPI file this API cannot be judged";
            let help = "only the text of this file is looked at";
            self.report(Diagnostic::error("unread-file", path.span, message).help(help));
            return None;
        };
        match parts.part(&file, MAX_BYTES) {
            Ok(bytes) => Some((file, bytes)),
            Err(why) => {
                let message = format!("cannot read `{}`: {why}", file.display());
                self.report(Diagnostic::error("unreadable-file", path.span, message));
                None
            }
        }
    }
}
