//! `tls:` of a listener: its certificates, what it speaks, and what it asks of clients.

use super::{Judge, header};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned};
use crate::config::model::{
    CertificateFiles, ClientHeader, ClientHeaderNames, ListenerTls, MutualAuthentication,
    MutualMode, SecurityPolicy, TrustStore,
};
use crate::config::{certificate, raw, suggest, trust_store};
use crate::http::ownership::is_same_header;

/// Most files of revoked certificates on one listener.
const MOST_LISTS: usize = 16;

impl Judge<'_> {
    pub(super) fn listener_tls(&mut self, tls: &Spanned<raw::ListenerTls>) -> Option<ListenerTls> {
        let security_policy = self.security_policy(&tls.value.security_policy);
        let mutual_authentication = tls
            .value
            .mutual_authentication
            .given()
            .and_then(|mutual| self.mutual_authentication(mutual));
        let certificates = self.certificates(tls)?;
        Some(ListenerTls { certificates, security_policy, mutual_authentication })
    }

    fn certificates(&mut self, tls: &Spanned<raw::ListenerTls>) -> Option<Vec<CertificateFiles>> {
        let list = self.demand(&tls.value.certificates, tls.key, "certificates")?;
        if list.value.is_empty {
            let message = "an HTTPS listener needs a certificate";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        let mut certificates = Vec::with_capacity(list.value.items.len());
        for item in &list.value.items {
            certificates.extend(self.certificate(item));
        }
        Some(certificates)
    }

    /// A certificate and its key, each a file.
    pub(super) fn certificate(
        &mut self,
        item: &Spanned<raw::Certificate>,
    ) -> Option<CertificateFiles> {
        let chain = self.demand(&item.value.certificate, item.span, "certificate");
        let key = self.demand(&item.value.private_key, item.span, "private_key");
        let (chain, key) = chain.zip(key)?;
        let paths = (self.path("certificate", chain), self.path("private_key", key));
        let (certificate, private_key) = paths.0.zip(paths.1)?;
        let files = CertificateFiles { certificate, private_key, span: chain.span };
        for finding in certificate::check(&files, key.span, self.ground) {
            self.report(finding);
        }
        Some(files)
    }

    fn security_policy(&mut self, field: &Field<String>) -> SecurityPolicy {
        let Some(name) = field.given() else { return SecurityPolicy::DEFAULT };
        let Some(policy) = SecurityPolicy::named(&name.value) else {
            let help = if name.value.contains("FIPS") {
                Some("the cryptographic module here is not a validated one".to_owned())
            } else {
                suggest::did_you_mean(&name.value, SecurityPolicy::names())
                    .or_else(|| Some(format!("such as `{}`", SecurityPolicy::DEFAULT.name)))
            };
            let message = format!("`{}` cannot be had", name.value);
            let mut finding = Diagnostic::error("unknown-security-policy", name.span, message);
            finding.help = help;
            self.report(finding);
            return SecurityPolicy::DEFAULT;
        };
        if !policy.left_out.is_empty() {
            let message = format!("of `{}`, {} are not spoken here", policy.name, policy.left_out);
            self.report(
                Diagnostic::warning("security-policy-reduced", name.span, message)
                    .help("clients that know nothing newer cannot connect"),
            );
        }
        policy
    }

    fn mutual_authentication(
        &mut self,
        raw: &Spanned<raw::MutualAuthentication>,
    ) -> Option<MutualAuthentication> {
        let header_names = self.client_header_names(raw.value.header_names.value());
        let mode = match self.demand(&raw.value.mode, raw.key, "mode")?.value {
            raw::MutualMode::Verify => MutualMode::Verify(self.trust_store(raw)?),
            raw::MutualMode::Passthrough => {
                self.refuse_what_only_verifies(&raw.value);
                MutualMode::Passthrough
            }
        };
        Some(MutualAuthentication { mode, header_names })
    }

    fn refuse_what_only_verifies(&mut self, raw: &raw::MutualAuthentication) {
        let keys = [
            ("trust_store", raw.trust_store.key()),
            ("revocation_lists", raw.revocation_lists.key()),
            ("ignore_client_certificate_expiry", raw.ignore_client_certificate_expiry.key()),
            ("advertise_trust_store_ca_names", raw.advertise_trust_store_ca_names.key()),
        ];
        for (name, key) in keys {
            let Some(key) = key else { continue };
            let message = format!("`{name}` is given, but `passthrough` verifies nothing");
            self.report(
                Diagnostic::error("contradiction", key, message).help("write `mode: verify`"),
            );
        }
    }

    fn trust_store(&mut self, raw: &Spanned<raw::MutualAuthentication>) -> Option<TrustStore> {
        let file = self.demand(&raw.value.trust_store, raw.key, "trust_store");
        let revocation_lists = self.revocation_lists(&raw.value);
        let file = file?;
        let authorities = self.path("trust_store", file)?;
        let ends = trust_store::check(&authorities, self.ground);
        for warning in self.accept("invalid-trust-store", file.span, ends)? {
            self.report(Diagnostic::warning("expired-certificate", file.span, warning));
        }
        let is_on = |field: &Field<bool>| field.value().copied().unwrap_or(false);
        let store = TrustStore {
            authorities,
            revocation_lists,
            ignore_expiry: is_on(&raw.value.ignore_client_certificate_expiry),
            advertise_names: is_on(&raw.value.advertise_trust_store_ca_names),
            span: file.span,
        };
        let checked = trust_store::check_together(&store, self.ground);
        self.accept("invalid-trust-store", file.span, checked)?;
        Some(store)
    }

    fn revocation_lists(
        &mut self,
        raw: &raw::MutualAuthentication,
    ) -> Vec<(std::path::PathBuf, Span)> {
        let Some(list) = raw.revocation_lists.given() else { return Vec::new() };
        if list.value.is_empty {
            let message = "`revocation_lists` may not be an empty list";
            self.report(Diagnostic::error("empty-list", list.key, message));
        }
        if list.value.items.len() > MOST_LISTS {
            let message = format!("more than {MOST_LISTS} files of revoked certificates");
            self.report(Diagnostic::error("out-of-range", list.key, message));
        }
        let mut files = Vec::new();
        for item in list.value.items.iter().take(MOST_LISTS) {
            let Some(path) = self.path("revocation_lists", item) else { continue };
            let checked = trust_store::check_revocation_lists(&path, self.ground);
            let Some(warnings) = self.accept("invalid-revocation-list", item.span, checked) else {
                continue;
            };
            for warning in warnings {
                let finding = Diagnostic::warning("overdue-revocation-list", item.span, warning);
                self.report(finding);
            }
            files.push((path, item.span));
        }
        files
    }

    fn client_header_names(&mut self, raw: Option<&raw::ClientHeaderNames>) -> ClientHeaderNames {
        let mut names = ClientHeaderNames::default();
        let Some(raw) = raw else { return names };
        let fields = [
            (ClientHeader::Chain, &raw.x_amzn_mtls_clientcert),
            (ClientHeader::SerialNumber, &raw.x_amzn_mtls_clientcert_serial_number),
            (ClientHeader::Issuer, &raw.x_amzn_mtls_clientcert_issuer),
            (ClientHeader::Subject, &raw.x_amzn_mtls_clientcert_subject),
            (ClientHeader::Validity, &raw.x_amzn_mtls_clientcert_validity),
            (ClientHeader::Leaf, &raw.x_amzn_mtls_clientcert_leaf),
        ];
        let mut taken: Vec<(String, Span)> = Vec::new();
        for (header, field) in fields {
            let Some(text) = field.given() else { continue };
            let Some(name) = self.accept("invalid-header", text.span, header::owned(&text.value))
            else {
                continue;
            };
            if let Some((_, first)) = taken.iter().find(|(other, _)| is_same_header(other, &name)) {
                let message = format!("two headers would be called `{name}`");
                self.report(
                    Diagnostic::error("duplicate-value", text.span, message)
                        .related(*first, "first given here"),
                );
            }
            names.rename(header, text.value.clone());
            taken.push((name, text.span));
        }
        self.renamed.append(&mut taken);
        names
    }

    /// Headers under names of the file's choice are owned like those under ALB's, and carry nothing
    /// else: a target could not tell which of the two it got.
    pub(super) fn own_renamed(&mut self, owned: &mut Vec<String>) {
        let renamed = std::mem::take(&mut self.renamed);
        for (name, span) in &renamed {
            if owned.iter().any(|claim| is_same_header(claim, name)) {
                let message = format!("`{name}` is set for something else already");
                self.report(Diagnostic::error("duplicate-value", *span, message));
            }
        }
        owned.extend(renamed.into_iter().map(|(name, _)| name));
    }
}
