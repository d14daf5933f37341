//! What a client's certificate says, and how targets and the connection log are told of it
//! (alb.md 10.8).

use std::fmt::Write as _;

use ::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::distinguished_name;
use crate::config::model::{ClientHeader, MutualMode};

/// Facts of a leaf certificate, in printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is (RFC 2253).
    pub subject: Box<str>,
    /// Who issued it (RFC 2253).
    pub issuer: Box<str>,
    /// Upper-case hexadecimal digits.
    pub serial_number: Box<str>,
    /// `NotBefore=2026-01-01T00:00:00Z;NotAfter=2027-01-01T00:00:00Z`.
    pub validity: Box<str>,
}

impl ClientCertificate {
    /// Reads a leaf. `None` if it is no X.509 certificate.
    pub(super) fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let validity = certificate.validity();
        Some(Self {
            subject: distinguished_name::to_text(certificate.subject()).into(),
            issuer: distinguished_name::to_text(certificate.issuer()).into(),
            serial_number: serial_number(certificate.raw_serial()).into(),
            validity: format!(
                "NotBefore={};NotAfter={}",
                time(validity.not_before),
                time(validity.not_after)
            )
            .into(),
        })
    }
}

/// Who a client has shown to be in its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The leaf.
    pub certificate: ClientCertificate,
    /// Whether a trust store has vouched for it; otherwise the client has its key, no more.
    pub is_verified: bool,
    /// What targets are told, ready to be sent.
    pub headers: Box<[(ClientHeader, HeaderValue)]>,
}

impl ClientIdentity {
    /// Of a chain that has passed the handshake, leaf first; `None` for an empty one.
    pub(super) fn of(mode: &MutualMode, chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let certificate = ClientCertificate::read(leaf)?;
        let headers = match mode {
            MutualMode::Passthrough => vec![(ClientHeader::Chain, pem(chain))],
            MutualMode::Verify(_) => vec![
                (ClientHeader::SerialNumber, certificate.serial_number.to_string()),
                (ClientHeader::Issuer, certificate.issuer.to_string()),
                (ClientHeader::Subject, certificate.subject.to_string()),
                (ClientHeader::Validity, certificate.validity.to_string()),
                (ClientHeader::Leaf, pem(std::slice::from_ref(leaf))),
            ],
        };
        let headers = headers
            .into_iter()
            .map(|(header, text)| Some((header, HeaderValue::try_from(text).ok()?)))
            .collect::<Option<_>>()?;
        let is_verified = matches!(mode, MutualMode::Verify(_));
        Some(Self { certificate, is_verified, headers })
    }
}

/// The number without the zero that only says that it is positive.
fn serial_number(raw: &[u8]) -> String {
    let zeros = raw.iter().take_while(|&&byte| byte == 0).count();
    let digits = raw.get(zeros.min(raw.len().saturating_sub(1))..).unwrap_or_default();
    digits.iter().fold(String::with_capacity(digits.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn time(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// PEM, percent-encoded but for what a URL may hold and `+=/` (alb.md U39).
fn pem(chain: &[CertificateDer<'_>]) -> String {
    const LINE: usize = 48;
    let mut text = String::new();
    for certificate in chain {
        text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        for line in certificate.chunks(LINE) {
            STANDARD.encode_string(line, &mut text);
            text.push_str("%0A");
        }
        text.push_str("-----END%20CERTIFICATE-----%0A");
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SerialNumber};
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn certificate(serial: &[u8]) -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2054, 12, 31);
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn facts_are_spelled_as_alb_spells_them() {
        let made = certificate(&[0x03, 0xa5, 0xb1]);
        let facts = ClientCertificate::read(made.der()).unwrap();
        assert_eq!(&*facts.serial_number, "03A5B1");
        assert_eq!(
            &*facts.validity,
            "NotBefore=2026-01-02T00:00:00Z;NotAfter=2054-12-31T00:00:00Z"
        );
        assert_eq!(&*facts.subject, "CN=rcgen self signed cert");
        let high = ClientCertificate::read(certificate(&[0xfe, 0x01]).der()).unwrap();
        assert_eq!(&*high.serial_number, "FE01");
    }

    #[test]
    fn a_chain_is_told_as_pem_that_decodes_to_itself() {
        let (one, two) = (certificate(&[1]), certificate(&[2]));
        let chain = [one.der().clone(), two.der().clone()];
        let identity = ClientIdentity::of(&MutualMode::Passthrough, &chain).unwrap();
        let [(ClientHeader::Chain, value)] = &*identity.headers else { panic!("one header") };
        let text = value.to_str().unwrap();
        assert!(text.starts_with("-----BEGIN%20CERTIFICATE-----%0A"), "{text}");
        assert!(!text.contains("%2B") && !text.contains("%2F") && !text.contains("%3D"), "{text}");
        let plain = percent_encoding::percent_decode_str(text).decode_utf8().unwrap();
        let back: Vec<_> =
            CertificateDer::pem_slice_iter(plain.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(back, chain);
        assert!(plain.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn what_is_no_certificate_has_no_facts() {
        let junk = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x01]);
        assert_eq!(ClientCertificate::read(&junk), None);
        assert_eq!(ClientIdentity::of(&MutualMode::Passthrough, &[junk]), None);
        assert_eq!(ClientIdentity::of(&MutualMode::Passthrough, &[]), None);
    }
}
