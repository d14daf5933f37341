//! `error_pages:` what our own answers with an error status say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A page in place of ALB's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// Default `text/html`.
    pub content_type: String,
    /// The text, with [`ErrorPage::KEYWORDS`] as `#{keyword}`; empty in a portable check when it is
    /// a file's.
    pub body: String,
    /// Where it was read from.
    pub file: Option<PathBuf>,
}

impl ErrorPage {
    /// What the text may ask for.
    pub const KEYWORDS: [&'static str; 2] = ["status_code", "request_id"];
}

/// What a page is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PageFor {
    /// One status, 400 to 599.
    Status(u16),
    /// All from so many hundreds on, 4 or 5, that have none of their own.
    Class(u16),
}

/// Pages by status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorPages(BTreeMap<PageFor, Arc<ErrorPage>>);

impl ErrorPages {
    /// The page for a status; ALB's when there is none.
    #[must_use]
    pub fn get(&self, status: u16) -> Option<&Arc<ErrorPage>> {
        let own = self.0.get(&PageFor::Status(status));
        own.or_else(|| self.0.get(&PageFor::Class(status / 100)))
    }

    /// Every page with what it is for.
    pub fn iter(&self) -> impl Iterator<Item = (PageFor, &ErrorPage)> {
        self.0.iter().map(|(target, page)| (*target, &**page))
    }

    /// Adds a page, in place of the one for the same.
    pub(super) fn insert(&mut self, target: PageFor, page: ErrorPage) {
        self.0.insert(target, Arc::new(page));
    }

    /// These, and `general` ones for what these say nothing about: a class here comes before a
    /// single status there.
    #[must_use]
    pub(super) fn over(self, general: &Self) -> Self {
        let says = |status: u16| self.0.contains_key(&PageFor::Class(status / 100));
        let mut pages = general.0.clone();
        pages.retain(|target, _| !matches!(target, PageFor::Status(status) if says(*status)));
        pages.extend(self.0);
        Self(pages)
    }
}

impl FromIterator<(PageFor, ErrorPage)> for ErrorPages {
    fn from_iter<I: IntoIterator<Item = (PageFor, ErrorPage)>>(pages: I) -> Self {
        Self(pages.into_iter().map(|(target, page)| (target, Arc::new(page))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(pages: &[(PageFor, &str)]) -> ErrorPages {
        pages
            .iter()
            .map(|(target, body)| {
                let page = ErrorPage {
                    content_type: "text/plain".to_owned(),
                    body: (*body).to_owned(),
                    file: None,
                };
                (*target, page)
            })
            .collect()
    }

    #[test]
    fn what_is_nearer_comes_first() {
        use PageFor::{Class, Status};
        let general = pages(&[
            (Status(404), "general 404"),
            (Status(503), "general 503"),
            (Class(4), "general 4xx"),
            (Class(5), "general 5xx"),
        ]);
        let own = pages(&[(Status(400), "own 400"), (Class(5), "own 5xx")]).over(&general);
        let body = |status| own.get(status).map(|page| page.body.as_str());
        assert_eq!(body(400), Some("own 400"));
        assert_eq!(body(404), Some("general 404"));
        assert_eq!(body(401), Some("general 4xx"));
        assert_eq!(body(503), Some("own 5xx"));
        assert_eq!(body(200), None);
        assert_eq!(body(302), None);
    }
}
