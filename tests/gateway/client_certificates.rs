//! Mutual TLS: who gets a connection, and what the target is told of them.

use std::net::SocketAddr;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::connection_log::{self, Line};
use crate::slow_clients::open_to;
use crate::support::clients::{ClientAuthority, ClientPair, TlsClient};
use crate::support::http2::{self, head};
use crate::support::tls::Authority;
use crate::support::{Gateway, Start, Target, eventually, wire};

const NAMES: [&str; 5] = [
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-validity",
    "x-amzn-mtls-clientcert-leaf",
];
const CHAIN: &str = "x-amzn-mtls-clientcert";
pub const VERIFY: &str = "mode: verify, trust_store: clients.pem";

pub struct Site {
    pub gateway: Gateway,
    pub edge: Authority,
    pub target: Target,
}

pub fn routes(target: SocketAddr, mutual: &str) -> String {
    let tls = format!(
        "    tls:\n      certificates: [{{ certificate: a.pem, private_key: a.key }}]\n      \
         mutual_authentication: {{ {mutual} }}\n"
    );
    format!("connection_log: {{ destination: connections.log }}\n{}", open_to(target, &tls))
}

/// A gateway that asks for certificates; `files` stand beside its `routes.yaml`.
pub fn site(mutual: &str, files: &[(&str, &str)]) -> Site {
    let (edge, target) = (Authority::new(), Target::start());
    let pair = edge.issue(&["a.test"]);
    let mut start = Start::with(&routes(target.address(), mutual))
        .file("a.pem", &pair.certificate)
        .file("a.key", &pair.private_key);
    for (name, text) in files {
        start = start.file(name, text);
    }
    Site { gateway: start.run(), edge, target }
}

impl Site {
    pub fn client(&self, pair: Option<&ClientPair>) -> TlsClient {
        TlsClient::new(&self.edge, pair)
    }

    pub fn get(&self, pair: Option<&ClientPair>) -> Option<u16> {
        self.client(pair).get(self.gateway.address(), "/x")
    }

    pub fn line(&self, count: usize) -> Line {
        connection_log::wait(&self.gateway, count).pop().expect("a line")
    }
}

fn leaf_of(value: &str) -> CertificateDer<'static> {
    let text = percent_encoding::percent_decode_str(value).decode_utf8().expect("UTF-8");
    CertificateDer::from_pem_slice(text.as_bytes()).expect("PEM")
}

#[test]
fn the_target_of_a_verified_client_gets_the_five_headers_once_and_its_own_are_removed() {
    let root = ClientAuthority::root("clients");
    let site = site(VERIFY, &[("clients.pem", &root.pem)]);
    let pair = root.client("orders", 0x0a);
    let spoofed = "X-Amzn-Mtls-Clientcert-Subject: CN=root\r\nX_Amzn_Mtls_Clientcert_Issuer: x\r\n\
                   x-amzn-mtls-clientcert: y\r\nX-Amzn-Mtls-Clientcert-Other: z\r\n";
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = TlsClient::speaking(&site.edge, Some(&pair), &[version]);
        assert_eq!(client.open(site.gateway.address()).get("/x", spoofed), Some(200));
        let received = site.target.next();
        let value = |name: &str| match received.values(name)[..] {
            [value] => value.to_owned(),
            ref other => panic!("{name}: {other:?}"),
        };
        assert_eq!(value(NAMES[0]), "C10A");
        assert_eq!(value(NAMES[1]), "CN=clients");
        assert_eq!(value(NAMES[2]), "O=Example\\, Inc,CN=orders");
        assert_eq!(value(NAMES[3]), "NotBefore=2020-01-01T00:00:00Z;NotAfter=2050-01-01T00:00:00Z");
        assert_eq!(leaf_of(&value(NAMES[4])), pair.chain[0]);
        let ours = received.headers.iter().filter(|(name, _)| {
            name.to_ascii_lowercase().replace('_', "-").starts_with("x-amzn-mtls")
        });
        assert_eq!(ours.count(), 5, "{:?}", received.headers);
        assert!(received.headers.iter().any(|(name, _)| name == "X-Amzn-Mtls-Clientcert-Leaf"));
    }
    assert_eq!(site.client(Some(&pair)).told(), 0);
}

#[test]
fn over_http2_every_request_of_the_connection_tells_of_the_client() {
    let root = ClientAuthority::root("clients");
    let site = site(VERIFY, &[("clients.pem", &root.pem)]);
    let mut config = (*site.client(Some(&root.client("orders", 1))).config).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = http2::Client::connect_with(site.gateway.address(), config.into(), "a.test");
    for stream in [1, 3] {
        let fields = head("GET", "a.test", "/x", &[("x-amzn-mtls-clientcert-subject", "CN=root")]);
        client.send(&http2::headers(stream, http2::END_STREAM, &fields));
        assert_eq!(client.status(stream), Some(200));
        assert_eq!(site.target.next().values(NAMES[2]), ["O=Example\\, Inc,CN=orders"]);
    }
}

#[test]
fn who_is_not_vouched_for_gets_no_connection_and_the_log_says_why() {
    let (root, stranger) = (ClientAuthority::root("clients"), ClientAuthority::root("clients"));
    let middle = root.intermediate("middle");
    let (third, fourth) = {
        let third = middle.intermediate("second").intermediate("third");
        let fourth = third.intermediate("fourth");
        (third, fourth)
    };
    let lists = root.revoking(&[7], 2026) + &middle.revoking(&[8], 2020);
    let site = site(
        &format!("{VERIFY}, revocation_lists: [revoked.pem]"),
        &[("clients.pem", &root.pem), ("revoked.pem", &lists)],
    );
    let ended = root.issue("a", 1, |it| it.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let early = root.issue("a", 1, |it| it.not_before = rcgen::date_time_ymd(2049, 1, 1));
    let server = root.issue("a", 1, |it| {
        it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let large = root.issue("a", 1, |it| {
        it.subject_alt_names = (0..900)
            .map(|n| rcgen::SanType::URI(format!("spiffe://a/{n:020}").try_into().unwrap()))
            .collect();
    });
    let mut unlinked = middle.client("a", 1);
    unlinked.chain.truncate(1);
    let one = root.client("a", 1);
    let cases: [(&str, Option<ClientPair>, &str); 12] = [
        (
            "of another authority of the same name",
            Some(stranger.client("a", 1)),
            "ClientCertUntrusted",
        ),
        ("without the authority between", Some(unlinked), "ClientCertUntrusted"),
        ("over", Some(ended), "ClientCertExpired"),
        ("not yet good", Some(early), "ClientCertNotYetValid"),
        ("for servers", Some(server), "ClientCertPurposeInvalid"),
        ("revoked", Some(root.client("a", 7)), "ClientCertCrlHit"),
        (
            "revoked by an old list of the authority between",
            Some(middle.client("a", 8)),
            "ClientCertCrlHit",
        ),
        ("five long", Some(fourth.client("a", 1)), "ClientCertMaxChainDepthExceeded"),
        ("huge", Some(large), "ClientCertMaxSizeExceeded"),
        ("an authority's own", Some(authority_as_client(&root)), "ClientCertInvalid"),
        (
            "with another's key",
            Some(one.clone().with_key_of(&root.client("b", 2))),
            "ClientCertInvalid",
        ),
        ("none", None, "UnmappedConnectionError"),
    ];
    for (count, (what, pair, code)) in cases.iter().enumerate() {
        let version = [&rustls::version::TLS13, &rustls::version::TLS12][count % 2];
        let client = TlsClient::speaking(&site.edge, pair.as_ref(), &[version]);
        assert_eq!(client.get(site.gateway.address(), "/x"), None, "{what}");
        let line = site.line(count + 1);
        assert_eq!(line.field(11), format!("Failed:{code}"), "{what}");
        assert_eq!((line.field(5), line.field(7)), ("-", "-"), "{what}");
        assert_eq!(line.field(8) == "-", pair.is_none(), "{what}: {}", line.field(8));
    }
    // Those who are, get one: also four long, and of whom no list speaks.
    assert_eq!(site.get(Some(&one)), Some(200));
    assert_eq!(site.get(Some(&middle.client("a", 7))), Some(200), "7 of another authority");
    assert_eq!(site.get(Some(&third.client("a", 1))), Some(200));
    assert_eq!(site.target.taken().len(), 3, "nobody else reached the target");
    assert_eq!(site.gateway.wait_access_log(|lines| lines.len() == 3).len(), 3);
}

/// A certificate that may issue others is not one of a client.
fn authority_as_client(root: &ClientAuthority) -> ClientPair {
    root.issue("ca", 1, |it| it.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained))
}

#[test]
fn an_ended_certificate_passes_where_that_is_asked_for_and_a_revoked_one_does_not() {
    let (root, stranger) = (ClientAuthority::root("clients"), ClientAuthority::root("others"));
    let site = site(
        &format!(
            "{VERIFY}, ignore_client_certificate_expiry: true, revocation_lists: [revoked.pem], \
             advertise_trust_store_ca_names: true"
        ),
        &[("clients.pem", &root.pem), ("revoked.pem", &root.revoking(&[7], 2026))],
    );
    let ended = |authority: &ClientAuthority, serial| {
        authority.issue("a", serial, |it| it.not_after = rcgen::date_time_ymd(2021, 1, 1))
    };
    let client = site.client(Some(&ended(&root, 1)));
    assert_eq!(client.get(site.gateway.address(), "/x"), Some(200));
    assert_eq!(client.told(), 1, "the authority's name is told");
    assert!(site.target.next().values(NAMES[3])[0].ends_with("NotAfter=2021-01-01T00:00:00Z"));
    for pair in [ended(&root, 7), ended(&stranger, 1)] {
        assert_eq!(site.get(Some(&pair)), None);
    }
    let early = root.issue("a", 1, |it| it.not_before = rcgen::date_time_ymd(2049, 1, 1));
    assert_eq!(site.get(Some(&early)), None);
}

#[test]
fn renamed_headers_carry_the_values_and_are_owned_on_every_listener() {
    let root = ClientAuthority::root("clients");
    let (edge, target) = (Authority::new(), Target::start());
    let pair = edge.issue(&["a.test"]);
    let mutual = format!(
        "{VERIFY}, header_names: {{ x_amzn_mtls_clientcert_subject: X-Client-Subject, \
         x_amzn_mtls_clientcert_leaf: X-Client-Leaf }}"
    );
    let plain = "  plain:\n    address: 127.0.0.1:0\n    \
                 default_action: { public: true, forward: all }\n";
    let gateway = Start::with(&(routes(target.address(), &mutual) + plain))
        .file("a.pem", &pair.certificate)
        .file("a.key", &pair.private_key)
        .file("clients.pem", &root.pem)
        .run();
    let mine = root.client("orders", 1);
    let client = TlsClient::new(&edge, Some(&mine));
    let spoofed = "x-client-subject: CN=root\r\nX_Client_Leaf: x\r\n";
    assert_eq!(client.open(gateway.listener("public")).get("/x", spoofed), Some(200));
    let received = target.next();
    assert_eq!(received.values("x-client-subject"), ["O=Example\\, Inc,CN=orders"]);
    assert_eq!(leaf_of(received.values("x-client-leaf")[0]), mine.chain[0]);
    assert_eq!(received.values("x_client_leaf"), [""; 0]);
    assert_eq!(received.values(NAMES[2]), [""; 0]);
    assert_eq!(received.values(NAMES[4]), [""; 0]);
    assert_eq!(received.values(NAMES[0]), ["C101"]);

    let headers = [
        ("X-Client-Subject", "CN=root"),
        ("X.Client.Leaf", "x"),
        ("X-Amzn-Mtls-Clientcert", "x"),
        ("x_amzn_mtls_clientcert_subject", "CN=root"),
    ];
    let answer = wire::request(gateway.listener("plain"), "GET", "/x", &headers);
    assert_eq!(answer.status, 200);
    let received = target.next();
    for (name, _) in headers {
        assert_eq!(received.values(&name.to_ascii_lowercase()), [""; 0], "{name}");
    }
}

#[test]
fn passthrough_tells_the_chain_unjudged_but_only_of_who_has_the_key() {
    let site = site("mode: passthrough", &[]);
    let root = ClientAuthority::root("unknown");
    let middle = root.intermediate("middle");
    let ended = middle.issue("a", 1, |it| it.not_after = rcgen::date_time_ymd(2021, 1, 1));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = TlsClient::speaking(&site.edge, Some(&ended), &[version]);
        assert_eq!(client.get(site.gateway.address(), "/x"), Some(200));
        let received = site.target.next();
        let value = received.values(CHAIN);
        let text = percent_encoding::percent_decode_str(value[0]).decode_utf8().expect("UTF-8");
        let told: Vec<_> =
            CertificateDer::pem_slice_iter(text.as_bytes()).map(|it| it.expect("PEM")).collect();
        assert_eq!(told, ended.chain);
        assert!(NAMES.iter().all(|name| received.values(name).is_empty()));
    }
    // Without a certificate there is a connection, and nothing is told.
    assert_eq!(
        site.client(None).open(site.gateway.address()).get("/x", "X-Amzn-Mtls-Clientcert: x\r\n"),
        Some(200)
    );
    assert_eq!(site.target.next().values(CHAIN), [""; 0]);
    let stolen = ended.clone().with_key_of(&root.client("b", 2));
    assert_eq!(site.get(Some(&stolen)), None);
    // Threads have buffers of their own, so lines of one moment come in any order.
    let lines = connection_log::wait(&site.gateway, 4);
    let invalid = lines.iter().filter(|line| line.field(11) == "Failed:ClientCertInvalid");
    assert_eq!(invalid.count(), 1, "{lines:?}");
}

#[test]
fn no_session_is_resumed_where_clients_are_asked_for_certificates() {
    let root = ClientAuthority::root("clients");
    for mutual in [VERIFY, "mode: passthrough"] {
        let site = site(mutual, &[("clients.pem", &root.pem)]);
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let client = TlsClient::speaking(&site.edge, Some(&root.client("a", 1)), &[version]);
            for _ in 0..3 {
                let mut connection = client.open(site.gateway.address());
                assert_eq!(connection.get("/x", ""), Some(200));
                let kind = connection.0.conn.handshake_kind();
                assert_eq!(kind, Some(HandshakeKind::Full), "{mutual}");
            }
        }
    }
}

#[test]
fn a_flood_of_bad_clients_leaves_good_ones_served() {
    const CLIENTS: usize = 200;
    let (root, stranger) = (ClientAuthority::root("clients"), ClientAuthority::root("others"));
    let site = site(VERIFY, &[("clients.pem", &root.pem)]);
    let (good, bad) = (root.client("a", 1), stranger.client("b", 1));
    for count in 0..CLIENTS {
        let pair = if count % 3 == 0 { None } else { Some(&bad) };
        assert_eq!(site.get(pair), None);
        if count % 50 == 0 {
            assert_eq!(site.get(Some(&good)), Some(200));
        }
    }
    let lines = connection_log::wait(&site.gateway, CLIENTS + 4);
    let untrusted =
        lines.iter().filter(|line| line.field(11) == "Failed:ClientCertUntrusted").count();
    assert_eq!(untrusted, CLIENTS - CLIENTS.div_ceil(3));
    eventually("all is counted", || {
        let series = "portcullis_connection_events_total{event=\"handshake_failure\"}";
        (site.gateway.metric(series) == Some(CLIENTS as f64)).then_some(())
    });
}
