//! Peers, and what Pingora's errors mean.

use std::net::SocketAddr;

use pingora_core::upstreams::peer::{H1UpgradePolicy, Peer};

use super::*;
use crate::config::model::{Config, GroupIndex};
use crate::upstream::{TargetGroups, Tried};

/// A file with one group, `targets`.
fn config(group: &str) -> Config {
    let text = format!(
        "target_groups:\n  targets: {group}\nlisteners:\n  public:\n    address: 127.0.0.1:8000\n    \
         rules: [{{ name: all, public: true, conditions: {{ path_pattern: [/*] }}, forward: targets }}]\n    \
         default_action: {{ fixed_response: {{ status_code: 404 }} }}\n"
    );
    let loaded = crate::config::parse_portable(&text, "routes.yaml");
    loaded.map_err(|report| report.render(false)).unwrap().config
}

fn peer_of(config: &Config) -> Box<HttpPeer> {
    let groups = TargetGroups::compile(config, None);
    assert!(groups.faults().is_empty(), "{:?}", groups.faults());
    groups.choose(GroupIndex(0), &Tried::default()).unwrap().peer()
}

fn peer(group: &str) -> Box<HttpPeer> {
    peer_of(&config(group))
}

#[test]
fn every_wait_of_a_peer_is_bounded() {
    let peer = peer("{ targets: [10.0.0.1:80], timeouts: { connect: 3s, response: 7s } }");
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(peer.options.connection_timeout, seconds(3));
    assert_eq!(peer.options.total_connection_timeout, seconds(3));
    assert_eq!(peer.options.read_timeout, seconds(7));
    assert_eq!(peer.options.write_timeout, seconds(60));
    assert_eq!(peer.options.idle_timeout, seconds(50));
    assert_eq!(peer.options.tcp_keepalive.as_ref().map(|k| k.user_timeout), seconds(60));
}

#[test]
fn requests_without_a_body_notice_a_vanished_target_early_on_connections_of_their_own() {
    let both = |version: &str| {
        let group = format!("{{ targets: [10.0.0.1:80], protocol_version: {version} }}");
        let groups = TargetGroups::compile(&config(&group), None);
        let chosen = groups.choose(GroupIndex(0), &Tried::default()).unwrap();
        (chosen.peer(), chosen.peer_without_body())
    };
    let (patient, quick) = both("http1");
    let wait = |peer: &HttpPeer| peer.options.tcp_keepalive.as_ref().unwrap().user_timeout;
    assert_eq!(wait(&patient), Duration::from_secs(60));
    assert_eq!(wait(&quick), Duration::from_secs(10));
    assert_ne!(patient.reuse_hash(), quick.reuse_hash());
    // HTTP/2 connections carry both kinds and have pings.
    let (patient, quick) = both("http2");
    assert_eq!(patient.reuse_hash(), quick.reuse_hash());
}

#[test]
fn https_peers_verify_the_name_of_the_target() {
    let by_address = peer("{ protocol: https, targets: [10.0.0.1:443] }");
    assert!(by_address.is_tls() && by_address.verify_cert() && by_address.verify_hostname());
    assert_eq!(by_address.sni, "10.0.0.1");
    let named = peer("{ protocol: https, tls: { server_name: a.test }, targets: [10.0.0.1:443] }");
    assert!(named.verify_cert() && named.verify_hostname());
    assert_eq!(named.sni, "a.test");
    assert_eq!(named.options.total_connection_timeout, Some(Duration::from_secs(20)));
}

#[test]
fn verification_is_off_only_where_the_file_says_insecure() {
    let peer = peer("{ protocol: https, tls: insecure, targets: [10.0.0.1:443] }");
    assert!(!peer.verify_cert() && !peer.verify_hostname());
}

#[test]
fn a_name_that_cannot_be_verified_is_a_fault_and_gets_no_request() {
    for name in ["", "under_score.internal.test", "not a name"] {
        let mut config = config("{ protocol: https, targets: [10.0.0.1:443] }");
        let Protocol::Https(tls) = &mut config.target_groups[0].protocol else { panic!() };
        tls.server_name = Some(name.to_owned());
        let groups = TargetGroups::compile(&config, None);
        assert!(matches!(groups.faults(), [Fault::ServerName { .. }]), "{name:?}");
        assert!(groups.choose(GroupIndex(0), &Tried::default()).is_err(), "{name:?}");
    }
}

#[test]
fn unreadable_authorities_are_a_fault_and_nobody_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let mut config = config("{ protocol: https, targets: [10.0.0.1:443] }");
    for content in
        [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
    {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let Protocol::Https(tls) = &mut config.target_groups[0].protocol else { panic!() };
        tls.authorities = Some(path.clone());
        let groups = TargetGroups::compile(&config, None);
        assert!(matches!(groups.faults(), [Fault::Authorities { .. }]), "{content:?}");
        let peer = groups.choose(GroupIndex(0), &Tried::default()).unwrap().peer();
        // Pingora refuses to connect with an empty list; `None` would be the system's authorities.
        assert_eq!(peer.get_ca().map(|list| list.len()), Some(0), "{content:?}");
        assert!(peer.verify_cert());
    }
}

#[test]
fn http2_targets_are_never_spoken_to_in_http1() {
    for version in ["http2", "grpc"] {
        let peer = peer(&format!("{{ targets: [10.0.0.1:80], protocol_version: {version} }}"));
        assert_eq!(peer.get_alpn(), Some(&ALPN::H2));
        assert_eq!(peer.options.max_h2_streams, 100);
        assert!(peer.options.h2_ping_interval.is_some());
    }
    assert_eq!(peer("{ targets: [10.0.0.1:80] }").get_alpn(), Some(&ALPN::H1));
}

#[test]
fn hop_by_hop_policy_is_the_strict_one() {
    let policy = peer("{ targets: [10.0.0.1:80] }").options.http_upstream_request_policy;
    assert!(policy.strip_hop_by_hop && policy.strip_connection_nominated);
    assert!(policy.reject_malformed_connection_nominations);
    assert_eq!(policy.h1_upgrade, H1UpgradePolicy::WebSocketOnly);
}

#[test]
fn a_connection_serves_only_the_group_and_tls_settings_it_was_opened_for() {
    let authority = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .pem()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("authorities.pem");
    let base = config("{ protocol: https, targets: [10.0.0.1:443] }");
    let with = |change: &dyn Fn(&mut GroupModel, &mut TargetTls)| {
        let mut config = base.clone();
        let group = &mut config.target_groups[0];
        let Protocol::Https(mut tls) = group.protocol.clone() else { panic!() };
        change(group, &mut tls);
        group.protocol = Protocol::Https(tls);
        peer_of(&config).reuse_hash()
    };
    let trusting = |pem: String| {
        std::fs::write(&path, pem).unwrap();
        with(&|_, tls| tls.authorities = Some(path.clone()))
    };
    let hashes = [
        with(&|_, _| {}),
        with(&|group, _| group.name = "other".into()),
        with(&|group, _| group.protocol_version = ProtocolVersion::Http2),
        with(&|_, tls| tls.verify = false),
        with(&|_, tls| tls.server_name = Some("a.test".to_owned())),
        // The same file with another content is another set of authorities.
        trusting(authority("one")),
        trusting(authority("two")),
    ];
    for (position, hash) in hashes.iter().enumerate() {
        assert!(!hashes[..position].contains(hash), "{position}");
    }
    assert_eq!(hashes[0], with(&|_, _| {}), "a reload keeps the connections");
    assert_eq!(hashes[0], with(&|group, _| group.timeouts.response = Duration::from_secs(1)));
}

#[test]
fn every_error_of_a_connection_attempt_has_its_cause() {
    use ErrorType as E;
    for (etype, cause) in [
        (E::ConnectRefused, Cause::ConnectRefused),
        (E::ConnectError, Cause::ConnectRefused),
        (E::H2Error, Cause::ConnectRefused),
        (E::ConnectNoRoute, Cause::ConnectUnreachable),
        (E::ConnectTimedout, Cause::ConnectTimeout),
        (E::TLSHandshakeTimedout, Cause::ConnectTimeout),
        (E::TLSHandshakeFailure, Cause::TlsFailed),
        (E::TLSWantX509Lookup, Cause::TlsFailed),
        (E::InvalidCert, Cause::TlsFailed),
        (E::HandshakeError, Cause::TlsFailed),
        (E::InternalError, Cause::Exhausted),
        (E::SocketError, Cause::Exhausted),
        (E::BindError, Cause::Exhausted),
    ] {
        let error = Error::new_up(etype.clone());
        assert_eq!(classify(&error, Phase::Connecting), Some(cause), "{etype:?}");
    }
}

#[test]
fn every_error_of_an_exchange_has_its_cause_and_status() {
    use ErrorType as E;
    let plain = RetryType::Decided(false);
    let reused = RetryType::ReusedOnly;
    for (etype, retry, cause) in [
        (E::ReadTimedout, plain, Some((Cause::ResponseTimeout, 504))),
        (E::WriteTimedout, plain, Some((Cause::SendTimeout, 504))),
        (E::ConnectionClosed, reused, Some((Cause::Closed, 502))),
        (E::ReadError, reused, Some((Cause::Closed, 502))),
        (E::ReadError, plain, Some((Cause::Broken, 502))),
        (E::WriteError, plain, Some((Cause::SendFailed, 502))),
        (E::Custom("PingTimedout"), plain, Some((Cause::Vanished, 504))),
        (E::H2Error, RetryType::Decided(true), Some((Cause::Refused, 502))),
        (E::H2Error, plain, Some((Cause::Broken, 502))),
        (E::H2Downgrade, RetryType::Decided(true), Some((Cause::Malformed, 502))),
        (E::InvalidH2, RetryType::Decided(true), Some((Cause::Malformed, 502))),
        (E::InvalidHTTPHeader, plain, Some((Cause::Malformed, 502))),
        (E::H1Error, plain, Some((Cause::Malformed, 502))),
        (E::UnknownError, plain, Some((Cause::Broken, 502))),
        (E::InternalError, plain, None),
        (E::HTTPStatus(413), plain, None),
    ] {
        let mut error = Error::new_up(etype.clone());
        error.retry = retry;
        let found = classify(&error, Phase::Exchanging).map(|cause| (cause, cause.status()));
        assert_eq!(found, cause, "{etype:?} {retry:?}");
    }
}

#[test]
fn a_kernel_that_gave_up_means_a_target_that_vanished() {
    let timed_out = io::Error::from(io::ErrorKind::TimedOut);
    let mut error = Error::because(ErrorType::ReadError, "while reading", timed_out);
    error.retry = RetryType::ReusedOnly;
    // As Pingora's own hook does before ours sees it.
    let error = error.into_up().more_context("Peer: ...");
    assert_eq!(classify(&error, Phase::Exchanging), Some(Cause::Vanished));
}

#[test]
fn what_the_client_or_we_broke_is_not_the_targets_fault() {
    for error in [Error::new_down(ErrorType::ReadError), Error::new_in(ErrorType::WriteError)] {
        assert_eq!(classify(&error, Phase::Exchanging), None);
    }
}

#[tokio::test]
async fn a_refused_connection_is_classified_as_such() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = unused.local_addr().unwrap();
    drop(unused);
    let connector = pingora_core::connectors::TransportConnector::new(None);
    let peer = peer(&format!("{{ targets: [\"{address}\"] }}"));
    let error = connector.new_stream(&*peer).await.map(drop).unwrap_err();
    assert_eq!(classify(&error, Phase::Connecting), Some(Cause::ConnectRefused));
}
