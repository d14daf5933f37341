//! What the files of a trust store hold: authorities, and what they have revoked.
//!
//! `check` and the running gateway read them by the same rules, which are here.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::Ground;
use super::model::TrustStore;
use super::validate::Refusal;

/// The authorities in a PEM file. Each must be one: whoever holds the key of what stands here can
/// make certificates that are believed.
///
/// # Errors
///
/// What is wrong with the file, to be read after its name.
pub(crate) fn authorities(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| "is not well-formed PEM")?;
    if certificates.is_empty() {
        return Err("holds no certificate in PEM form".to_owned());
    }
    for (index, certificate) in certificates.iter().enumerate() {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|_| format!("holds a malformed certificate, number {}", index + 1))?;
        if !parsed.is_ca() {
            return Err(format!(
                "holds a certificate that is no authority, number {}: {}",
                index + 1,
                parsed.subject()
            ));
        }
    }
    Ok(certificates)
}

/// The lists in a PEM file, each with the time it was made, in Unix seconds.
///
/// # Errors
///
/// What is wrong with the file, to be read after its name.
pub(crate) fn revocation_lists(
    bytes: &[u8],
) -> Result<Vec<(i64, CertificateRevocationListDer<'static>)>, String> {
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| "is not well-formed PEM")?;
    if lists.is_empty() {
        return Err("holds no certificate revocation list in PEM form".to_owned());
    }
    lists
        .into_iter()
        .map(|list| {
            let (_, parsed) = CertificateRevocationList::from_der(&list)
                .map_err(|_| "holds a malformed certificate revocation list")?;
            Ok((parsed.last_update().timestamp(), list))
        })
        .collect()
}

/// Judges clients by these. Whom no list speaks of is not revoked; of several lists of one
/// authority the newest counts. A list whose time is over still counts.
///
/// # Errors
///
/// An authority or a list that the library cannot use.
pub(crate) fn verifier(
    authorities: Vec<CertificateDer<'static>>,
    mut lists: Vec<(i64, CertificateRevocationListDer<'static>)>,
    advertise_names: bool,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|why| format!("holds an unusable certificate: {why}"))?;
    }
    // The first list that an authority answers for is the one that is looked at.
    lists.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .with_crls(lists.into_iter().map(|(_, list)| list))
        .allow_unknown_revocation_status();
    if !advertise_names {
        builder = builder.clear_root_hint_subjects();
    }
    builder.build().map_err(|why| why.to_string())
}

/// Whether authorities and lists, each good by itself, can be used together.
pub(super) fn check_together(store: &TrustStore, ground: Ground<'_>) -> Result<(), Refusal> {
    let Some(surroundings) = ground.surroundings else { return Ok(()) };
    let read = |path: &Path| {
        let why = |why| refusal(format!("cannot read `{}`: {why}", path.display()));
        surroundings.file(path).map_err(why)
    };
    let found = authorities(&read(&store.authorities)?).map_err(refusal)?;
    let mut lists = Vec::new();
    for (path, _) in &store.revocation_lists {
        lists.extend(revocation_lists(&read(path)?).map_err(refusal)?);
    }
    let why = |why| refusal(format!("the lists of revoked certificates: {why}"));
    verifier(found, lists, store.advertise_names).map(drop).map_err(why)
}

/// Whether a file of authorities can be used; what should be said about it if so.
pub(super) fn check(path: &Path, ground: Ground<'_>) -> Result<Vec<String>, Refusal> {
    let Some(surroundings) = ground.surroundings else { return Ok(Vec::new()) };
    let name = path.display();
    let bytes =
        surroundings.file(path).map_err(|why| refusal(format!("cannot read `{name}`: {why}")))?;
    let found = authorities(&bytes).map_err(|why| refusal(format!("`{name}` {why}")))?;
    let now = i64::try_from(ground.now.seconds()).unwrap_or(i64::MAX);
    let mut warnings = Vec::new();
    for certificate in &found {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { continue };
        if parsed.validity().not_after.timestamp() < now {
            warnings.push(format!(
                "`{name}`: the authority {} has expired, and still vouches for clients",
                parsed.subject()
            ));
        }
    }
    verifier(found, Vec::new(), false).map_err(|why| refusal(format!("`{name}` {why}")))?;
    Ok(warnings)
}

/// Whether a file of revoked certificates can be used; what should be said about it if so.
pub(super) fn check_revocation_lists(
    path: &Path,
    ground: Ground<'_>,
) -> Result<Vec<String>, Refusal> {
    let Some(surroundings) = ground.surroundings else { return Ok(Vec::new()) };
    let name = path.display();
    let bytes =
        surroundings.file(path).map_err(|why| refusal(format!("cannot read `{name}`: {why}")))?;
    let lists = revocation_lists(&bytes).map_err(|why| refusal(format!("`{name}` {why}")))?;
    let now = i64::try_from(ground.now.seconds()).unwrap_or(i64::MAX);
    let mut warnings = Vec::new();
    for (_, list) in &lists {
        let Ok((_, parsed)) = CertificateRevocationList::from_der(list) else { continue };
        if parsed.next_update().is_some_and(|next| next.timestamp() < now) {
            warnings.push(format!(
                "`{name}`: the list of {} is overdue; whom it revokes since is not known",
                parsed.issuer()
            ));
        }
    }
    Ok(warnings)
}

fn refusal(message: String) -> Refusal {
    Refusal { message, help: None }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
        KeyIdMethod, KeyPair, SerialNumber,
    };

    use super::*;
    use crate::clock::UnixMillis;
    use crate::config::System;

    /// A self-signed certificate, and a list by its key whose next update is in that year.
    fn made(is_ca: IsCa, next_update: i32) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = is_ca;
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2025, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(next_update, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&Issuer::new(params, key)).unwrap().pem().unwrap();
        (certificate, list)
    }

    fn authority(next_update: i32) -> (String, String) {
        made(IsCa::Ca(BasicConstraints::Unconstrained), next_update)
    }

    #[test]
    fn only_authorities_can_be_trusted() {
        let (good, list) = authority(2030);
        assert_eq!(authorities((good.clone() + &good).as_bytes()).unwrap().len(), 2);
        let (leaf, _) = made(IsCa::NoCa, 2030);
        for (text, why) in [
            (good.clone() + &leaf, "no authority, number 2"),
            (list, "no certificate"),
            (String::new(), "no certificate"),
            (good.replace("MII", "!!!"), "PEM"),
        ] {
            let refused = authorities(text.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
        }
    }

    #[test]
    fn what_is_over_is_warned_of_and_what_is_none_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.pem");
        // 2026-11-23.
        let now = UnixMillis(1_795_392_000_000);
        let ground =
            Ground { folder: folder.path(), surroundings: Some(&System), parts: None, now };
        let (root, overdue) = authority(2026);
        std::fs::write(&path, &root).unwrap();
        assert!(check(&path, ground).unwrap()[0].contains("has expired"));
        assert!(check_revocation_lists(&path, ground).is_err());
        std::fs::write(&path, overdue).unwrap();
        assert!(check_revocation_lists(&path, ground).unwrap()[0].contains("is overdue"));
        std::fs::write(&path, authority(2030).1).unwrap();
        assert!(check_revocation_lists(&path, ground).unwrap().is_empty());
        let portable = Ground { surroundings: None, ..ground };
        assert!(check(Path::new("/nowhere"), portable).unwrap().is_empty());
    }
}
