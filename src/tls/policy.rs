//! A security policy in the words of rustls: versions, suites in the order that wins, and groups.

use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::config::model::SecurityPolicy;

/// ALB's order.
const SUITES_1_3: [SupportedCipherSuite; 3] =
    [TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
const SUITES_1_2: [SupportedCipherSuite; 4] = [
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// AWS's third, `SecP384r1MLKEM1024`, is not in the library.
const HYBRID: [&dyn SupportedKxGroup; 2] = [kx_group::X25519MLKEM768, kx_group::SECP256R1MLKEM768];
const CLASSIC: [&dyn SupportedKxGroup; 3] =
    [kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// The versions of a policy.
pub(super) fn versions(policy: SecurityPolicy) -> Vec<&'static SupportedProtocolVersion> {
    let of = |is_spoken: bool, version| is_spoken.then_some(version);
    of(policy.tls_1_3, &TLS13).into_iter().chain(of(policy.tls_1_2, &TLS12)).collect()
}

/// The suites and groups of a policy.
pub(super) fn provider(policy: SecurityPolicy) -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.clear();
    if policy.tls_1_3 {
        provider.cipher_suites.extend(SUITES_1_3);
    }
    if policy.tls_1_2 {
        provider.cipher_suites.extend(SUITES_1_2);
    }
    provider.kx_groups.clear();
    if policy.post_quantum {
        provider.kx_groups.extend(HYBRID);
    }
    provider.kx_groups.extend(CLASSIC);
    provider
}
