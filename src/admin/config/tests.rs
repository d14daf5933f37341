use std::collections::BTreeMap;

use super::*;
use crate::config::diagnostics::Span;
use crate::config::model::*;
use crate::config::signing_key::SigningKey;
use crate::http::TrustedProxies;
use crate::http::forwarded::ForwardedFor;

const HIDDEN: &str = "hunter2-hidden";

fn hidden() -> Secret {
    Secret::new(HIDDEN.into())
}

fn pool() -> UserPool {
    UserPool {
        name: "customers".into(),
        profile: Profile::Cognito,
        issuers: vec![
            Issuer {
                issuer: "https://idp.example/one".into(),
                keys: KeySource::Url(
                    format!("https://user:{HIDDEN}@idp.example/jwks?key={HIDDEN}").into(),
                ),
            },
            Issuer {
                issuer: "https://idp.example/two".into(),
                keys: KeySource::File("keys.json".into()),
            },
        ],
        app_clients: AppClients::Only(vec!["1example23456789".into()]),
        audiences: vec!["https://shop.example".into()],
        require_resource_audience: true,
        algorithms: vec![Algorithm::RS256, Algorithm::EdDSA],
        clock_skew: Duration::from_millis(1500),
        refresh: Duration::from_secs(3600),
        max_stale: Duration::from_secs(86_400),
        max_token_size: 16_384,
        sign_in: None,
        span: Span::default(),
    }
}

fn group() -> TargetGroup {
    TargetGroup {
        name: "orders".into(),
        targets: vec![
            Target {
                host: TargetHost::Address("2001:db8::1".parse().unwrap()),
                port: 8080,
                weight: 1,
                listener: Some("private".into()),
            },
            Target {
                host: TargetHost::Name("orders.internal".into()),
                port: 8080,
                weight: 2,
                listener: None,
            },
        ],
        protocol: Protocol::Https(TargetTls {
            verify: true,
            server_name: Some("orders.example".into()),
            authorities: Some("ca.pem".into()),
            client_certificate: None,
        }),
        protocol_version: ProtocolVersion::Grpc,
        stickiness: Some(Stickiness {
            cookie: StickyCookie::Application("JSESSIONID".into()),
            duration: Duration::from_secs(86_400),
        }),
        algorithm: BalancingAlgorithm::WeightedRandom,
        anomaly_mitigation: true,
        slow_start: Duration::ZERO,
        deregistration_delay: Duration::from_secs(300),
        minimum_healthy: MinimumHealthy { count: 2, percentage: 40 },
        outliers: Some(OutlierEjection {
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejected_percentage: 50,
        }),
        limits: TargetLimits { requests_per_target: Some(100), requests: None, pending: Some(10) },
        health_check: HealthCheck {
            enabled: true,
            path: "/healthz".into(),
            port: Some(8081),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: vec![200..=299, 301..=301],
        },
        timeouts: TargetTimeouts {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(60),
            send: Duration::from_secs(60),
            idle: Duration::from_secs(50),
        },
        identity_assertion: true,
        span: Span::default(),
    }
}

fn located(text: &str) -> Vec<Located<String>> {
    vec![Located { value: text.into(), span: Span::default() }]
}

fn rule(name: &str, action: Action) -> Rule {
    Rule {
        name: name.into(),
        priority: 10,
        conditions: Conditions {
            host_header: located("api.example.com"),
            path_pattern: located("/orders/*"),
            http_request_method: located("GET"),
            host_regex: Vec::new(),
            path_regex: vec![Located {
                value: Regex::new("^/a", false).unwrap(),
                span: Span::default(),
            }],
            http_header: vec![HeaderCondition {
                name: "x-env".into(),
                values: located("prod*"),
                regex_values: Vec::new(),
            }],
            query_string: vec![vec![QueryParameter { key: None, value: "v1".into() }]],
            source_ip: vec![Located {
                value: "192.0.2.0/24".parse().unwrap(),
                span: Span::default(),
            }],
        },
        authentication: Some(JwtValidation {
            pools: vec![PoolIndex(0)],
            token_use: TokenUse::Access,
            scopes: Some(Demand::AnyOf(vec!["orders/read".into()])),
            groups: Some(Demand::AllOf(vec!["staff".into()])),
            additional_claims: vec![AdditionalClaim {
                name: "tenant".into(),
                format: ClaimFormat::SpaceSeparatedValues,
                values: vec!["blue".into()],
            }],
            identity_source: IdentitySource::Header("x-token".into()),
            forward_authorization: false,
        }),
        sign_in: None,
        transforms: crate::config::model::Transforms::default(),
        ends_with_identity: true,
        public: false,
        action,
        claim_headers: claim_header_list().into(),
        span: Span::default(),
    }
}

fn claim_header_list() -> Vec<ClaimHeader> {
    vec![
        ClaimHeader {
            header: "x-auth-subject".into(),
            claim: ClaimPath::Name("sub".into()),
            form: ArrayForm::Csv,
            max_size: 8192,
        },
        ClaimHeader {
            header: "x-auth-roles".into(),
            claim: ClaimPath::Pointer(vec!["a/b".into(), "c~d".into()]),
            form: ArrayForm::Repeat,
            max_size: 8192,
        },
    ]
}

fn listener() -> Listener {
    let forward = Action::Forward(Forward {
        groups: vec![WeightedGroup { group: GroupIndex(0), weight: 90 }],
        stickiness: Some(Duration::from_secs(3600)),
    });
    let redirect = Action::Redirect(Redirect {
        protocol: "HTTPS".into(),
        host: "#{host}".into(),
        port: "443".into(),
        path: "/#{path}".into(),
        query: "#{query}".into(),
        status_code: 301,
    });
    let fixed = Action::FixedResponse(FixedResponse {
        status_code: 404,
        content_type: "text/plain".into(),
        message_body: "nothing here".into(),
    });
    Listener {
        name: "public".into(),
        address: "0.0.0.0:443".parse().unwrap(),
        tls: Some(ListenerTls {
            certificates: vec![CertificateFiles {
                certificate: "edge.pem".into(),
                private_key: "edge.key".into(),
                span: Span::default(),
            }],
            security_policy: SecurityPolicy::DEFAULT,
            mutual_authentication: Some(MutualAuthentication {
                mode: MutualMode::Verify(TrustStore {
                    authorities: "ca.pem".into(),
                    revocation_lists: vec![("revoked.pem".into(), Span::default())],
                    ignore_expiry: false,
                    advertise_names: true,
                    span: Span::default(),
                }),
                header_names: ClientHeaderNames::default(),
            }),
        }),
        http2: true,
        path: PathPolicy::default(),
        trusted_proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
        proxy_protocol: Some(ProxyProtocol::Any),
        request_headers: RequestHeaders {
            forwarded_for: ForwardedFor::Append { client_port: true },
            preserve_host: true,
            drop_invalid: true,
            tls: Some(TlsHeaders {
                version: "x-amzn-tls-version".into(),
                cipher_suite: "x-amzn-tls-cipher-suite".into(),
            }),
        },
        response_headers: ResponseHeaders {
            added: vec![(AddedHeader::FrameOptions, "DENY".to_owned())],
            ..ResponseHeaders::default()
        },
        error_pages: std::iter::once((
            PageFor::Status(503),
            ErrorPage {
                content_type: "text/html".to_owned(),
                body: "<h1>soon</h1>".to_owned(),
                file: Some("pages/503.html".into()),
            },
        ))
        .collect(),
        idle_timeout: Duration::from_secs(60),
        client_keep_alive: Duration::from_secs(3600),
        head_timeout: Duration::from_secs(10),
        desync_mitigation_mode: crate::config::model::DesyncMitigationMode::Defensive,
        max_request_body: 1 << 30,
        max_connections: 65_536,
        max_connections_per_client: None,
        max_http2_requests: 10_000,
        rules: vec![rule("orders-api", forward), rule("to-https", redirect)],
        default_rule: rule("default", fixed),
        span: Span::default(),
    }
}

fn development_pool() -> DevelopmentUserPool {
    DevelopmentUserPool {
        address: "127.0.0.1:9229".parse().unwrap(),
        user_pool_id: "local_Demo".into(),
        clients: vec![DevelopmentClient {
            client_id: "demo".into(),
            client_secret: Some(hidden()),
            scopes: vec!["orders/read".into()],
            grants: vec![DevelopmentGrant::ClientCredentials],
            callback_urls: vec!["http://localhost:8080/oauth2/idpresponse".into()],
            logout_urls: Vec::new(),
            refresh_token_rotation: None,
        }],
        groups: vec![DevelopmentGroup { name: "staff".into(), precedence: 1, role: None }],
        users: vec![DevelopmentUser {
            username: "alice".into(),
            password: hidden(),
            groups: vec!["staff".into()],
            attributes: BTreeMap::from([("email".into(), HIDDEN.into())]),
        }],
        resource_servers: BTreeMap::from([("orders".into(), vec!["read".into()])]),
        token_validity: Duration::from_secs(3600),
    }
}

fn full() -> Config {
    Config {
        admin: Admin { address: "127.0.0.1:9901".parse().unwrap(), token: Some(hidden()) },
        threads: Some(2),
        memory_limit: Some(1 << 30),
        state_directory: Some("/var/lib/portcullis".into()),
        session_keys: vec![hidden()],
        startup_wait: Duration::from_secs(30),
        reload: crate::config::model::Reload::default(),
        shutdown: Shutdown { pre_stop_wait: Duration::ZERO, drain_limit: Duration::from_secs(25) },
        access_log: AccessLog {
            destination: LogDestination::File("/var/log/access.log".into()),
            format: None,
            query: false,
            alb: LogDestination::Off,
            load_balancer: "app/edge/50dc6c495c0c9188".into(),
        },
        connection_log: LogDestination::Off,
        tracing: None,
        deny_list: None,
        oidc_data: crate::config::model::OidcData::default(),
        identity_assertion: Some(IdentityAssertion {
            issuer: "https://edge.example.com".into(),
            lifetime: Duration::from_secs(60),
            rotation: Duration::from_secs(86_400),
            signing_keys: vec![SigningKey::generate().unwrap()],
        }),
        health_check_log: LogDestination::Stdout,
        claim_headers: claim_header_list(),
        owned_headers: vec!["x-auth-subject".into()],
        user_pools: vec![pool()],
        target_groups: vec![group()],
        aws_credentials: Vec::new(),
        apis: Vec::new(),
        usage: crate::config::model::Usage::default(),
        listeners: vec![listener()],
        development_user_pool: Some(development_pool()),
    }
}

#[test]
fn no_secret_of_a_full_configuration_is_shown() {
    let text = serde_json::to_string_pretty(&redacted(&full())).unwrap();
    assert!(!text.contains(HIDDEN), "{text}");
    assert_eq!(text.matches("\"***\"").count(), 5, "{text}");
}

#[test]
fn everything_else_is_shown_with_names_for_references() {
    let text = serde_json::to_string_pretty(&redacted(&full())).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn an_absent_secret_is_told_from_a_hidden_one() {
    let mut config = full();
    config.admin.token = None;
    assert_eq!(redacted(&config)["admin"]["token"], serde_json::Value::Null);
}
