//! Certificates that the file names: readable, well formed, not expired, and the key is theirs.
//!
//! Only looks; the certificates that are served are loaded by `tls`.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Ground;
use super::diagnostics::{Diagnostic, Span};
use super::model::CertificateFiles;
use super::validate::Refusal;

/// A certificate that ends within this many seconds is warned of: 14 days.
const SOON: u64 = 14 * 24 * 3600;

/// What is wrong with a certificate and its key; `key` is where the key's file is named.
pub(super) fn check(files: &CertificateFiles, key: Span, ground: Ground<'_>) -> Vec<Diagnostic> {
    let Some(surroundings) = ground.surroundings else { return Vec::new() };
    let mut findings = Vec::new();
    let mut read = |path: &Path, span| match surroundings.file(path) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            let message = format!("cannot read `{}`: {why}", path.display());
            findings.push(Diagnostic::error("missing-certificate", span, message));
            None
        }
    };
    let chain = read(&files.certificate, files.span);
    let private_key = read(&files.private_key, key);
    let chain = chain.and_then(|bytes| match chain_of(&bytes) {
        Ok(chain) => Some(chain),
        Err(why) => {
            let message = format!("`{}` {why}", files.certificate.display());
            findings.push(Diagnostic::error("invalid-certificate", files.span, message));
            None
        }
    });
    let private_key = private_key.and_then(|bytes| match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Some(key),
        Err(_) => {
            let encrypted = bytes.windows(9).any(|part| part == b"ENCRYPTED");
            let why = if encrypted { "is encrypted" } else { "holds no private key in PEM form" };
            let message = format!("`{}` {why}", files.private_key.display());
            findings.push(Diagnostic::error("invalid-private-key", key, message));
            None
        }
    });
    if let Some(leaf) = chain.as_ref().and_then(|chain| chain.first()) {
        findings.extend(check_times(leaf, files, ground.now.seconds()));
    }
    if let (Some(chain), Some(private_key)) = (chain, private_key) {
        findings.extend(check_pair(chain, private_key, files, key));
    }
    findings
}

/// Whether a file of authorities can be read and holds one.
pub(super) fn check_authorities(path: &Path, ground: Ground<'_>) -> Result<(), Refusal> {
    let Some(surroundings) = ground.surroundings else { return Ok(()) };
    let refusal = |message| Refusal { message, help: None };
    let bytes = surroundings
        .file(path)
        .map_err(|why| refusal(format!("cannot read `{}`: {why}", path.display())))?;
    let chain = chain_of(&bytes).map_err(|why| refusal(format!("`{}` {why}", path.display())))?;
    let mut roots = rustls::RootCertStore::empty();
    let (_, ignored) = roots.add_parsable_certificates(chain);
    if ignored > 0 {
        return Err(refusal(format!(
            "`{}` holds {ignored} malformed certificates",
            path.display()
        )));
    }
    Ok(())
}

fn chain_of(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("holds no certificate in PEM form"),
        Ok(chain) => Ok(chain),
        Err(_) => Err("is not well-formed PEM"),
    }
}

fn check_pair(
    chain: Vec<CertificateDer<'static>>,
    private_key: PrivateKeyDer<'static>,
    files: &CertificateFiles,
    key: Span,
) -> Option<Diagnostic> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain, private_key, &provider) {
        Ok(_) => None,
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!(
                "`{}` is not the key of `{}`",
                files.private_key.display(),
                files.certificate.display()
            );
            Some(
                Diagnostic::error("key-mismatch", key, message)
                    .related(files.span, "the certificate")
                    .help("the first certificate of the file must be the server's own"),
            )
        }
        Err(rustls::Error::InvalidCertificate(why)) => {
            let message = format!("`{}`: {why:?}", files.certificate.display());
            Some(Diagnostic::error("invalid-certificate", files.span, message))
        }
        Err(why) => {
            let message = format!("`{}` cannot be used: {why}", files.private_key.display());
            Some(Diagnostic::error("invalid-private-key", key, message))
        }
    }
}

fn check_times(
    leaf: &CertificateDer<'_>,
    files: &CertificateFiles,
    now: u64,
) -> Option<Diagnostic> {
    let (not_before, not_after) = validity(leaf)?;
    let path = files.certificate.display();
    let warn = |code, message| Some(Diagnostic::warning(code, files.span, message));
    let days = |seconds: u64| seconds / (24 * 3600);
    if now > not_after {
        warn("expired-certificate", format!("`{path}` expired {} days ago", days(now - not_after)))
    } else if now < not_before {
        warn("premature-certificate", format!("`{path}` is not valid yet"))
    } else if not_after - now < SOON {
        warn("expiring-certificate", format!("`{path}` expires in {} days", days(not_after - now)))
    } else {
        None
    }
}

/// `notBefore` and `notAfter` of an X.509 certificate in Unix seconds (RFC 5280 section 4.1).
fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    const SEQUENCE: u8 = 0x30;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    let (tag, _, rest) = element(fields)?;
    // The version is optional, then follow serial number, algorithm and issuer.
    if tag == 0xa0 {
        fields = rest;
    }
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (tag, times, _) = element(fields)?;
    let (kind_before, before, rest) = element(times)?;
    let (kind_after, after, _) = element(rest)?;
    (tag == SEQUENCE).then_some((time(kind_before, before)?, time(kind_after, after)?))
}

/// Tag, content and what follows of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = bytes.iter().try_fold(0_usize, |length, &byte| {
            length.checked_mul(256)?.checked_add(usize::from(byte))
        })?;
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Unix seconds of a `UTCTime` or `GeneralizedTime` in the form that RFC 5280 demands.
fn time(kind: u8, text: &[u8]) -> Option<u64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    Some(days_since_epoch(year, month, day)? * 24 * 3600 + seconds)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` before it. Years are counted
/// from March, so that the leap day comes last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || year < 1970 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_certificates_are_unix_seconds() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"261123010203Z"), Some(1_795_395_723));
        assert_eq!(time(0x18, b"20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(0x17, b"240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(0x17, b"2402291200Z"), None);
    }

    #[test]
    fn a_made_certificate_tells_its_times() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2055, 6, 30);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (before, after) = validity(certificate.der()).unwrap();
        assert_eq!(before, 1_577_836_800);
        assert_eq!(after, 2_697_926_400);
        assert_eq!(validity(&certificate.der()[..40]), None);
    }
}
