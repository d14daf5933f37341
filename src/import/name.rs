//! What the file calls things: names that a person can read, each once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Names by ARN.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    /// The objects' own names; a number is added where two are alike.
    pub(super) fn of(objects: &[Value], arn: &str, name: &str) -> Self {
        let mut taken = BTreeSet::new();
        let mut names = BTreeMap::new();
        for object in objects {
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            if let (Some(arn), Some(name)) = (text(arn), text(name)) {
                names.insert(arn.to_owned(), unique(&slug(name), &mut taken));
            }
        }
        Self(names)
    }

    pub(super) fn get(&self, arn: &str) -> Option<&str> {
        self.0.get(arn).map(String::as_str)
    }
}

/// Letters, digits and dashes of a text; never empty, at most 40 long.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= 40 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "unnamed".to_owned() } else { slug.to_owned() }
}

/// The name, or the name and a number.
pub(super) fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or_else(|| name.to_owned());
    taken.insert(name.clone());
    name
}

/// The name of a load balancer in an ARN: `.../app/NAME/ID/...`.
pub(super) fn load_balancer(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once("/app/")?;
    rest.split('/').next()
}

/// The id of the user pool whose issuer this is.
pub(super) fn cognito_pool(issuer: &str) -> Option<&str> {
    let (host, id) = issuer.strip_prefix("https://")?.split_once('/')?;
    let region = host.strip_prefix("cognito-idp.")?.strip_suffix(".amazonaws.com")?;
    (id.split_once('_')?.0 == region && !id.contains('/')).then_some(id)
}
