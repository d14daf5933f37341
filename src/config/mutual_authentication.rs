//! `mutual_authentication:` of a listener (alb.md 10.8): what is asked of clients' certificates, and
//! how targets are told of them.

use std::path::PathBuf;

use super::diagnostics::Span;

/// What is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MutualAuthentication {
    /// What happens to a certificate.
    pub mode: MutualMode,
    /// What the headers are called that tell targets of it.
    pub header_names: ClientHeaderNames,
}

/// `mode:`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MutualMode {
    /// A certificate is asked for, and told to the target unjudged; there may be none.
    Passthrough,
    /// There is no connection without a certificate that these authorities vouch for.
    Verify(TrustStore),
}

/// Who vouches for clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TrustStore {
    /// PEM file of certificate authorities.
    pub authorities: PathBuf,
    /// PEM files of what authorities have revoked, each with its place in the file.
    pub revocation_lists: Vec<(PathBuf, Span)>,
    /// Whether a certificate that has ended is taken all the same. Default false.
    pub ignore_expiry: bool,
    /// Whether clients are told the authorities' names, to choose by. Default false.
    pub advertise_names: bool,
    /// Where `trust_store` stands in the file.
    pub span: Span,
}

/// One header that tells of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientHeader {
    /// The whole chain (passthrough only).
    Chain,
    /// The leaf's serial number.
    SerialNumber,
    /// Who issued it.
    Issuer,
    /// Whose it is.
    Subject,
    /// From when to when it is good.
    Validity,
    /// The leaf itself.
    Leaf,
}

impl ClientHeader {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chain, Self::SerialNumber, Self::Issuer, Self::Subject, Self::Validity, Self::Leaf];

    /// What ALB calls it unless told otherwise.
    #[must_use]
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::Chain => "X-Amzn-Mtls-Clientcert",
            Self::SerialNumber => "X-Amzn-Mtls-Clientcert-Serial-Number",
            Self::Issuer => "X-Amzn-Mtls-Clientcert-Issuer",
            Self::Subject => "X-Amzn-Mtls-Clientcert-Subject",
            Self::Validity => "X-Amzn-Mtls-Clientcert-Validity",
            Self::Leaf => "X-Amzn-Mtls-Clientcert-Leaf",
        }
    }
}

/// Names of the six headers, as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientHeaderNames([String; ClientHeader::ALL.len()]);

impl Default for ClientHeaderNames {
    fn default() -> Self {
        Self(ClientHeader::ALL.map(|header| header.default_name().to_owned()))
    }
}

impl ClientHeaderNames {
    /// What a header is called.
    #[must_use]
    pub fn name(&self, header: ClientHeader) -> &str {
        self.0.get(header as usize).map_or("", String::as_str)
    }

    /// Calls a header by another name.
    pub fn rename(&mut self, header: ClientHeader, name: String) {
        if let Some(old) = self.0.get_mut(header as usize) {
            *old = name;
        }
    }
}
