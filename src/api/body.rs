//! Which model a request's body is judged by (API Gateway, "Request validation").

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;

use crate::config::model::BodyModel;

/// The models of a route, by content type in lower case.
pub struct BodyModels {
    by_type: Vec<(String, BodyModel)>,
    /// Whether a body of another type passes unseen, as on AWS.
    passes_others: bool,
}

/// What is to be done about a body.
pub enum JudgedBody<'a> {
    /// Nothing: it passes.
    Passes,
    /// This model is for it.
    By(&'a BodyModel),
    /// No model is for its type.
    Unknown,
}

impl BodyModels {
    /// `None` where there are none.
    pub(super) fn compile(models: &[(String, BodyModel)], is_strict: bool) -> Option<Self> {
        let by_type = models.to_vec();
        (!models.is_empty()).then_some(Self { by_type, passes_others: !is_strict })
    }

    /// The model for a request with these headers.
    #[must_use]
    pub fn find(&self, headers: &HeaderMap) -> JudgedBody<'_> {
        let mut types = headers.get_all(CONTENT_TYPE).into_iter();
        let first = types.next().map_or(&b"application/json"[..], |value| value.as_bytes());
        let essence = first.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
        let fits = |known: &str| known.as_bytes().eq_ignore_ascii_case(essence);
        // Two types are two readers' choice.
        let found = self.by_type.iter().find(|(known, _)| fits(known));
        match found.filter(|_| types.next().is_none()) {
            Some((_, model)) => JudgedBody::By(model),
            None if self.passes_others => JudgedBody::Passes,
            None => JudgedBody::Unknown,
        }
    }
}
