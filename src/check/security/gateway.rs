//! What holds for the whole process or a whole listener: who may reach it, whom it believes, and
//! what it lets pass.

use ipnet::IpNet;

use super::{Findings, Place, is_exposed, rules_of};
use crate::config::Sections;
use crate::config::model::{
    Action, Admin, ClaimHeader, ClaimPath, Config, DesyncMitigationMode, Listener, ListenerTls,
    MutualMode, Rule,
};
use crate::config::risk::Risk;
use crate::http::forwarded::ForwardedFor;

/// Standard claims of OpenID Connect Core 5.1 that tell of a person.
const PERSONAL: [&str; 16] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "address",
];
/// Networks with so short a prefix, or a shorter one, hold more than proxies.
const WIDE_IPV4: u8 = 8;
const WIDE_IPV6: u8 = 32;

pub(super) fn judge(config: &Config, sections: Sections, findings: &mut Findings) {
    admin(&config.admin, &Place::section(sections.admin), findings);
    if config.access_log.query {
        findings.tell(
            Risk::QueryLogged,
            &Place::section(sections.access_log),
            "query strings are written to the access log: they may hold codes, tokens and names",
            "leave `query` out of `access_log`",
        );
    }
    personal(&config.claim_headers, &Place::section(sections.claim_headers), findings);
    for listener in &config.listeners {
        paths(listener, findings);
        trust(listener, findings);
        in_clear(config, listener, findings);
        if let Some(tls) = &listener.tls {
            of_tls(tls, listener, findings);
        }
    }
}

/// Headers that tell targets more of a person than an identifier.
pub(super) fn personal<'a>(
    headers: impl IntoIterator<Item = &'a ClaimHeader>,
    place: &Place,
    findings: &mut Findings,
) {
    let told: Vec<String> = headers
        .into_iter()
        .filter(|header| PERSONAL.contains(&first_claim(&header.claim)))
        .map(|header| format!("`{}` ({})", header.header, first_claim(&header.claim)))
        .collect();
    if !told.is_empty() {
        findings.tell(
            Risk::PersonalDataInHeaders,
            place,
            format!(
                "targets are told personal data, and logs of targets keep it: {}",
                told.join(", ")
            ),
            "send the subject (`sub`), and let the target look up what it needs",
        );
    }
}

fn first_claim(claim: &ClaimPath) -> &str {
    match claim {
        ClaimPath::Name(name) => name,
        ClaimPath::Pointer(parts) => parts.first().map_or("", String::as_str),
    }
}

fn admin(admin: &Admin, place: &Place, findings: &mut Findings) {
    if !is_exposed(admin.address) {
        return;
    }
    let address = admin.address;
    if admin.token.is_none() {
        findings.tell(
            Risk::AdminWithoutToken,
            place,
            format!("the admin listener is at {address}, and there is no token to ask for"),
            "let it listen on loopback, or give it a `token`",
        );
    } else {
        findings.tell(
            Risk::AdminBeyondLoopback,
            place,
            format!("the admin listener is at {address}: it speaks plain HTTP, its token too, and metrics are for whoever comes"),
            "let it listen on loopback, or let only your probes and Prometheus reach the port",
        );
    }
}

fn paths(listener: &Listener, findings: &mut Findings) {
    let (policy, place) = (listener.path, Place::of_listener(listener));
    if policy.keep_encoded_slash {
        findings.tell(
            Risk::EncodedSlashKept,
            &place,
            "`%2F` goes on in paths: a target that decodes it sees another path than the rules did",
            "leave `encoded_slash` out; such requests are then refused",
        );
    }
    if policy.keep_parameters {
        findings.tell(
            Risk::PathParametersKept,
            &place,
            "`;parameters` are judged as they are: a target that cuts them off sees another path than the rules did",
            "leave `parameters` at `check`",
        );
    }
    if !policy.merge_slashes {
        findings.tell(
            Risk::SlashesKept,
            &place,
            "runs of slashes go on in paths: `//admin` is not `/admin` to the rules, but to many targets",
            "leave them to be merged, which is the default",
        );
    }
    if listener.desync_mitigation_mode == DesyncMitigationMode::Monitor {
        findings.tell(
            Risk::DesyncMonitored,
            &place,
            "requests that a target may read as two are counted and go on: a request can be smuggled past the rules",
            "leave `desync_mitigation_mode` at `defensive`",
        );
    }
}

fn trust(listener: &Listener, findings: &mut Findings) {
    let place = Place::of_listener(listener);
    for network in listener.trusted_proxies.networks() {
        if is_wide(network) {
            findings.tell(
                Risk::WideTrustedProxies,
                &place,
                format!("whoever is in {network} may say which address it has, and by which scheme it came"),
                "name the networks that only proxies are in",
            );
        }
    }
    if is_exposed(listener.address)
        && matches!(listener.request_headers.forwarded_for, ForwardedFor::Preserve)
    {
        findings.tell(
            Risk::ForwardedForPreserved,
            &place,
            "targets get `X-Forwarded-For` as the client wrote it",
            "let it be appended to, which is the default, or remove it",
        );
    }
}

/// The network of nobody and everybody has a warning of its own.
fn is_wide(network: &IpNet) -> bool {
    let widest = match network {
        IpNet::V4(_) => WIDE_IPV4,
        IpNet::V6(_) => WIDE_IPV6,
    };
    (1..=widest).contains(&network.prefix_len()) && !network.addr().is_loopback()
}

fn in_clear(config: &Config, listener: &Listener, findings: &mut Findings) {
    let is_behind = !listener.trusted_proxies.is_empty();
    if listener.tls.is_some() || !is_exposed(listener.address) || is_behind {
        return;
    }
    let takes_tokens = |rule: &&Rule| match &rule.action {
        Action::Api(index) => config
            .apis
            .get(index.0)
            .is_some_and(|api| api.routes.iter().any(|route| route.authorizer.is_some())),
        _ => rule.authenticates(),
    };
    if rules_of(listener).any(|rule| takes_tokens(&rule)) {
        findings.tell(
            Risk::TokensInClear,
            &Place::of_listener(listener),
            "tokens and cookies come over plain HTTP, and no proxy in front is named",
            "give the listener `tls`, or name under `trusted_proxies` what does TLS in front of it",
        );
    }
}

fn of_tls(tls: &ListenerTls, listener: &Listener, findings: &mut Findings) {
    let place = Place::of_listener(listener);
    if !tls.security_policy.tls_1_3 {
        findings.tell(
            Risk::NoTls13,
            &place,
            format!("`{}` does not speak TLS 1.3", tls.security_policy.name),
            "leave `security_policy` out: the default speaks TLS 1.2 and 1.3",
        );
    }
    match tls.mutual_authentication.as_ref().map(|mutual| &mutual.mode) {
        Some(MutualMode::Passthrough) => findings.tell(
            Risk::UnverifiedClientCertificate,
            &place,
            "clients' certificates are told to targets unjudged: whoever makes one can bear any name",
            "use `mode: verify` with a `trust_store`, unless each target verifies the chain",
        ),
        Some(MutualMode::Verify(store)) if store.ignore_expiry => findings.tell(
            Risk::ExpiredClientCertificates,
            &place,
            "clients' certificates are taken when they have ended",
            "leave `ignore_client_certificate_expiry` out, and renew clients' certificates in time",
        ),
        Some(MutualMode::Verify(_)) | None => {}
    }
}
