//! Application Load Balancers, from what `aws elbv2 describe-*` prints.
//!
//! Shapes are those of the AWS API reference "elasticloadbalancing/latest/APIReference". Answers
//! that do not name what they are about (attributes, target health, certificates) are matched by
//! the name of their file.

mod action;
mod attributes;
mod condition;
mod documents;
mod listener;
mod sign_in;
mod target_group;

use std::collections::BTreeMap;

use serde_json::Value;

use self::attributes::Attributes;
use self::documents::Documents;
use self::sign_in::SignIn;
use super::name::{Names, cognito_pool};
use super::yaml::Writer;
use super::{Document, ImportError, Imported, Kind, Note, Object};

/// Makes `routes.yaml` of them.
///
/// # Errors
///
/// A file that is not JSON, or nothing about a listener in any of them.
pub fn import(documents: &[Document]) -> Result<Imported, ImportError> {
    let mut notes = Vec::new();
    let documents = Documents::sort(documents, &mut notes)?;
    if documents.listeners.is_empty() {
        return Err(ImportError::Incomplete(
            "no listener found: give what `aws elbv2 describe-listeners` prints",
        ));
    }
    let mut import = Import {
        groups: Names::of(&documents.target_groups, "TargetGroupArn", "TargetGroupName"),
        documents: &documents,
        pools: BTreeMap::new(),
        used_groups: Vec::new(),
        is_https: false,
        notes,
    };
    // Listeners first: they say which pools and groups there have to be.
    let mut listeners = Writer::default();
    import.listeners(&mut listeners);
    let mut file = Writer::default();
    file.comment(
        "Made by `portcullis import elbv2`. See its report for what could not be carried over.",
    );
    import.write_pools(&mut file);
    import.write_target_groups(&mut file);
    file.blank();
    let routes = file.into_text() + &listeners.into_text();
    Ok(Imported { routes, notes: import.notes })
}

/// An import at work.
struct Import<'a> {
    documents: &'a Documents,
    /// What the file calls each target group, by its ARN.
    groups: Names,
    /// Who signs tokens, by what the file calls it.
    pools: BTreeMap<String, Pool>,
    /// Groups that a rule forwards to, by ARN.
    used_groups: Vec<String>,
    /// Whether the listener that is being written speaks HTTPS.
    is_https: bool,
    notes: Vec<Note>,
}

/// An issuer that a rule trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pool {
    issuer: String,
    jwks_uri: Option<String>,
    /// `aud` values, where a rule asks for some.
    audiences: Vec<String>,
    /// Whether a rule verifies its tokens.
    verifies: bool,
    /// How people sign in there, where a rule sends them.
    sign_in: Option<SignIn>,
}

impl Import<'_> {
    fn note(&mut self, kind: Kind, place: &str, text: impl Into<String>) {
        self.notes.push(Note { kind, place: place.to_owned(), text: text.into() });
    }

    fn write_pools(&mut self, file: &mut Writer) {
        if self.pools.is_empty() {
            return;
        }
        let pools = std::mem::take(&mut self.pools);
        file.blank();
        file.under("user_pools", |file| {
            for (name, pool) in &pools {
                file.under(name, |file| self.write_pool(file, name, pool));
            }
        });
    }

    fn write_pool(&mut self, file: &mut Writer, name: &str, pool: &Pool) {
        let place = format!("user pool {name}");
        if let Some(id) = cognito_pool(&pool.issuer) {
            file.line("user_pool_id", id);
            self.write_provider(file, name, pool, &place);
            if !pool.verifies {
                return;
            }
            if pool.audiences.is_empty() {
                file.line("app_clients", "any");
                self.note(
                    Kind::Advice,
                    &place,
                    "the load balancer takes tokens of every app client; name yours in \
                     `app_clients`, and say `token_use: access` on the rules",
                );
            } else {
                file.list("app_clients", pool.audiences.iter().map(String::as_str));
            }
            return;
        }
        file.line("issuer", &pool.issuer);
        if let Some(uri) = &pool.jwks_uri {
            file.line("jwks_uri", uri);
        } else if pool.sign_in.is_some() {
            self.note(
                Kind::ToDo,
                &place,
                "ID tokens are verified here: say in `jwks_uri` where the issuer's keys are, unless it \
                 is the issuer and `/.well-known/jwks.json`",
            );
        }
        self.write_provider(file, name, pool, &place);
        if !pool.verifies {
            return;
        }
        if pool.audiences.is_empty() {
            file.list("audiences", ["CHANGE-ME"]);
            self.note(
                Kind::ToDo,
                &place,
                "the load balancer does not look at `aud`; say in `audiences` for whom tokens are \
                 made, else none is accepted",
            );
        } else {
            file.list("audiences", pool.audiences.iter().map(String::as_str));
        }
    }
}

impl Import<'_> {
    fn write_provider(&mut self, file: &mut Writer, name: &str, pool: &Pool, place: &str) {
        let Some(sign_in) = &pool.sign_in else { return };
        sign_in.write(file);
        let variable = format!("{}_CLIENT_SECRET", name.to_ascii_uppercase().replace('-', "_"));
        file.raw("client_secret", &format!("${{env:{variable}}}"));
        self.note(
            Kind::ToDo,
            place,
            format!("AWS does not tell the client's secret: put it into `{variable}`"),
        );
    }
}

/// `Attributes[]` of a document.
fn attributes_of(value: &Value, place: &str) -> Attributes {
    let Some(object) = Object::new(value, place) else { return Attributes::default() };
    Attributes::of(object.list("Attributes"))
}
