//! `identity_assertion:`: how targets are told who calls.

use std::collections::HashSet;
use std::time::Duration;

use super::{Judge, seconds};
use crate::config::diagnostics::Diagnostic;
use crate::config::field::{Field, List, Spanned, Table};
use crate::config::model::IdentityAssertion;
use crate::config::raw;
use crate::config::signing_key::SigningKey;

/// Longest `iss`.
const LONGEST_ISSUER: usize = 256;

impl Judge<'_> {
    pub(super) fn identity_assertion(
        &mut self,
        raw: &Field<raw::IdentityAssertion>,
        groups: &Field<Table<raw::TargetGroup>>,
    ) -> Option<IdentityAssertion> {
        let entries = groups.value().map(|table| &table.entries).into_iter().flatten();
        let wanting: Vec<_> = entries
            .filter_map(|(_, group)| group.as_ref()?.identity_assertion.given())
            .filter(|wanted| wanted.value)
            .collect();
        let Some(given) = raw.given() else {
            if raw.is_absent() {
                for wanted in wanting {
                    let message = "there is no `identity_assertion` that says who vouches";
                    self.report(Diagnostic::error("missing-key", wanted.span, message).help(
                        "at the top level: \
                             `identity_assertion: { issuer: https://edge.example.com }`",
                    ));
                }
            }
            return None;
        };
        if wanting.is_empty() {
            let message = "no target group says `identity_assertion: true`";
            let span = raw.key().unwrap_or(given.span);
            self.report(Diagnostic::warning("unused-identity-assertion", span, message));
        }
        self.assertion(given)
    }

    fn assertion(&mut self, raw: &Spanned<raw::IdentityAssertion>) -> Option<IdentityAssertion> {
        const DAY: Duration = seconds(24 * 3600);
        let issuer = self.demand(&raw.value.issuer, raw.span, "issuer");
        let issuer = issuer.and_then(|issuer| {
            let is_https = url::Url::parse(&issuer.value)
                .is_ok_and(|url| url.scheme() == "https" && url.query().is_none());
            if !is_https || issuer.value.len() > LONGEST_ISSUER {
                let message = "the issuer is an `https` URL without a query";
                self.report(Diagnostic::error("invalid-url", issuer.span, message));
                return None;
            }
            Some(issuer.value.as_str().into())
        });
        let lifetime = self.duration(&raw.value.lifetime, seconds(60), seconds(10)..=seconds(120));
        let rotation = self.duration(&raw.value.rotation, DAY, seconds(60)..=30 * DAY);
        let signing_keys = self.signing_keys(&raw.value.signing_keys);
        if let (Some(key), true) =
            (raw.value.rotation.key(), raw.value.signing_keys.given().is_some())
        {
            let message = "`rotation` is for keys of this process's own";
            self.report(
                Diagnostic::error("contradiction", key, message)
                    .help("given keys rotate when the file names others"),
            );
        }
        Some(IdentityAssertion { issuer: issuer?, lifetime, rotation, signing_keys })
    }

    pub(super) fn signing_keys(&mut self, raw: &Field<List<raw::SecretText>>) -> Vec<SigningKey> {
        let Some(list) = raw.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = "an empty list of keys signs nothing";
            self.report(Diagnostic::error("empty-list", list.span, message));
        }
        let mut keys = Vec::new();
        let mut seen = HashSet::new();
        for item in &list.value.items {
            // Without a look at the surroundings there is no text to judge.
            let Some(secret) = self.secret(item) else { continue };
            if self.ground.surroundings.is_none() {
                continue;
            }
            match SigningKey::from_pem(secret.expose()) {
                Some(key) if !seen.insert(key.coordinates()) => {
                    let message = "this key is in the list already";
                    self.report(Diagnostic::error("duplicate", item.span, message));
                }
                Some(key) => keys.push(key),
                None => {
                    let message = "this is not one private key on P-256 in PEM form";
                    self.report(
                        Diagnostic::error("invalid-private-key", item.span, message)
                            .help("`openssl ecparam -name prime256v1 -genkey -noout`"),
                    );
                }
            }
        }
        keys
    }
}
