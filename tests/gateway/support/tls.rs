//! Certificates of the tests, made anew each time, and TLS by them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

/// A certificate with its key, both PEM.
pub struct Pair {
    pub certificate: String,
    pub private_key: String,
}

impl Authority {
    /// Makes one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// A certificate for these names or addresses.
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.issue_until(names, None)
    }

    /// One that ends so many seconds after 1970.
    pub fn issue_until(&self, names: &[&str], not_after: Option<u64>) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::new(names).expect("names");
        if let Some(seconds) = not_after {
            let epoch = rcgen::date_time_ymd(1970, 1, 1);
            parameters.not_after = epoch + std::time::Duration::from_secs(seconds);
        }
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate: certificate.pem(), private_key: key.serialize_pem() }
    }

    /// A client that trusts this authority alone.
    pub fn client(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut config = (*self.client_with(provider())).clone();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The same with other suites or groups.
    pub fn client_with(&self, provider: Arc<rustls::crypto::CryptoProvider>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM");
        roots.add(der).expect("an authority");
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

impl Pair {
    /// A server that shows this certificate.
    pub fn server(&self, alpn: &[&str]) -> Arc<ServerConfig> {
        self.server_with(alpn, WebPkiClientVerifier::no_client_auth())
    }

    /// One that asks clients for a certificate of an authority.
    pub fn server_for(&self, clients: &Authority, alpn: &[&str]) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        let der = CertificateDer::from_pem_slice(clients.pem.as_bytes()).expect("PEM");
        roots.add(der).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider());
        self.server_with(alpn, verifier.build().expect("a verifier"))
    }

    fn server_with(
        &self,
        alpn: &[&str],
        clients: Arc<dyn ClientCertVerifier>,
    ) -> Arc<ServerConfig> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(self.private_key.as_bytes()).expect("PEM");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![der], key)
            .expect("a certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
