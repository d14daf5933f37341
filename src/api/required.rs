//! The parameters that a route of a REST API requires: there, and not blank; of which type they
//! are is not looked at (API Gateway, "Basic request validation").

use super::{Facts, parameters};
use crate::config::model::RequestParameter;

/// Those of `required` that a request has not, in the file's order and spelling.
#[must_use]
pub fn missing<'a>(required: &'a [RequestParameter], facts: &Facts<'_>) -> Vec<&'a str> {
    let is_there = |parameter: &RequestParameter| match parameter {
        RequestParameter::Header(_, name) => {
            let mut values = facts.headers.get_all(name.as_str()).into_iter();
            values.any(|value| !value.as_bytes().trim_ascii().is_empty())
        }
        RequestParameter::Query(name) => {
            let mut values = parameters(facts.query.unwrap_or_default(), name);
            values.any(|value| !value.trim().is_empty())
        }
        RequestParameter::Path(name) => {
            facts.route.variable(name, facts.relative).is_some_and(|value| {
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                !value.trim().is_empty()
            })
        }
    };
    required.iter().filter(|parameter| !is_there(parameter)).map(RequestParameter::name).collect()
}
