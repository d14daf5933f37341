mod acceptance;
mod identity;

use super::*;
use crate::config::parse_portable;

/// The review of a file.
fn reviewed(text: &str) -> Review {
    let mut loaded = match parse_portable(text, "routes.yaml") {
        Ok(loaded) => loaded,
        Err(report) => panic!("{report}"),
    };
    let mut warnings = std::mem::take(&mut loaded.warnings);
    warnings.extend(crate::check::judge(&loaded.config));
    review(&loaded, warnings, true)
}

/// What is found, with its place.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let open = reviewed(text).open.into_iter();
    open.map(|finding| (finding.risk.code(), finding.place.unwrap_or_default())).collect()
}

/// That something is found at a place, and is not once the file is mended.
#[track_caller]
fn found_until_mended(code: &str, place: &str, weak: &str, mended: &str) {
    let (before, after) = (found(weak), found(mended));
    let wanted = (code, place.to_owned());
    assert_eq!(before.iter().filter(|it| **it == wanted).count(), 1, "{wanted:?} in {before:?}");
    assert!(after.iter().all(|(found, _)| *found != code), "{code} in {after:?}");
}

const POOL: &str =
    "user_pools: { main: { user_pool_id: eu-west-1_AbCdEfGhI, app_clients: [a] } }\n";

/// A file with one listener, on which these things are said.
fn listener(address: &str, more: &str, action: &str) -> String {
    format!(
        "target_groups: {{ web: {{ targets: [127.0.0.1:1] }} }}\n\
         listeners: {{ public: {{ address: '{address}', {more} default_action: {{ {action} }} }} }}\n"
    )
}

const PUBLIC: &str = "public: true, forward: web";
const BEARER: &str = "jwt_validation: { user_pools: [main] }, forward: web";
const TLS: &str = "tls: { certificates: [{ certificate: a.pem, private_key: a.key }] },";
const LOCAL: &str = "127.0.0.1:8080";
const WIDE: &str = "0.0.0.0:8443";

fn with_pool(rest: &str) -> String {
    format!("{POOL}{rest}")
}

#[test]
fn a_safe_file_has_no_findings() {
    let file = with_pool(&listener(WIDE, TLS, BEARER));
    assert_eq!(found(&file), []);
}

#[test]
fn open_rules_are_taken_over_from_the_ordinary_check_and_said_once() {
    let open = listener(LOCAL, "", "forward: web");
    let mended = with_pool(&listener(LOCAL, "", BEARER));
    found_until_mended("open-forward", "public/default", &open, &mended);
    assert_eq!(found(&open).len(), 1);
    found_until_mended("public-forward", "public/default", &listener(LOCAL, "", PUBLIC), &mended);
}

#[test]
fn an_open_rule_beside_a_protected_one_is_at_its_rule() {
    let rule = |public: &str| {
        with_pool(&listener(
            LOCAL,
            &format!(
                "rules: [{{ name: early, {public} conditions: {{ path_pattern: ['/*/x'] }}, forward: web }}, \
                 {{ name: late, conditions: {{ path_pattern: ['/a/*'] }}, {BEARER} }}],"
            ),
            "fixed_response: { status_code: 404 }",
        ))
    };
    let (open, mended) = (rule(""), rule("public: true,"));
    found_until_mended("open-beside-protected", "public/early", &open, &mended);
}

#[test]
fn any_app_client_is_at_its_pool() {
    let file = with_pool(&listener(LOCAL, "", BEARER));
    let any = file.replace("[a]", "any");
    found_until_mended("any-app-client", "main", &any, &file);
}

#[test]
fn whom_a_listener_believes() {
    let trusting =
        |who: &str| listener(WIDE, &format!("{TLS} trusted_proxies: ['{who}'],"), PUBLIC);
    let one = trusting("192.0.2.1/32");
    found_until_mended("trusts-everybody", "public", &trusting("0.0.0.0/0"), &one);
    for wide in ["10.0.0.0/8", "64.0.0.0/2", "2001::/16"] {
        found_until_mended("wide-trusted-proxies", "public", &trusting(wide), &one);
    }
    assert_eq!(found(&trusting("127.0.0.0/8")), found(&one));
    let proxied = listener(WIDE, &format!("{TLS} proxy_protocol: any,"), PUBLIC);
    let named =
        proxied.replace("proxy_protocol", "trusted_proxies: [192.0.2.1/32], proxy_protocol");
    found_until_mended("proxy-protocol-from-anybody", "public", &proxied, &named);
}

#[test]
fn what_a_listener_lets_pass() {
    let plain = listener(LOCAL, "", PUBLIC);
    let handed_on = "x_forwarded_for: preserve,";
    let weak = listener(WIDE, &format!("{TLS} {handed_on}"), PUBLIC);
    found_until_mended("forwarded-for-preserved", "public", &weak, &weak.replace(handed_on, ""));
    for (code, key) in [
        ("encoded-slash-kept", "path: { encoded_slash: keep },"),
        ("slashes-kept", "path: { merge_slashes: false },"),
        ("path-parameters-kept", "path: { parameters: keep },"),
        ("desync-monitored", "desync_mitigation_mode: monitor,"),
    ] {
        found_until_mended(code, "public", &listener(LOCAL, key, PUBLIC), &plain);
    }
}

#[test]
fn tokens_in_clear_are_found_where_nothing_in_front_is_named() {
    let clear = with_pool(&listener(WIDE, "plaintext: accepted,", BEARER));
    let behind = clear.replace("plaintext", "trusted_proxies: [192.0.2.1/32], plaintext");
    found_until_mended("tokens-in-clear", "public", &clear, &behind);
    assert_eq!(found(&clear.replace(WIDE, LOCAL).replace("plaintext: accepted,", "")), []);
}

#[test]
fn tls_of_a_listener() {
    let file = with_pool(&listener(WIDE, TLS, BEARER));
    let old = file.replace("tls: {", "tls: { security_policy: ELBSecurityPolicy-2016-08,");
    found_until_mended("no-tls-1-3", "public", &old, &file);
    let mutual = |what: &str| {
        file.replace("tls: {", &format!("tls: {{ mutual_authentication: {{ {what} }},"))
    };
    let verify = mutual("mode: verify, trust_store: ca.pem");
    let passed = mutual("mode: passthrough");
    found_until_mended("unverified-client-certificate", "public", &passed, &verify);
    let ended =
        verify.replace("mode: verify", "mode: verify, ignore_client_certificate_expiry: true");
    found_until_mended("expired-client-certificates", "public", &ended, &verify);
}

#[test]
fn the_admin_listener_beyond_loopback() {
    let rest = listener(LOCAL, "", "fixed_response: { status_code: 404 }");
    let admin = |what: &str| format!("admin: {{ {what} }}\n{rest}");
    let token = admin("address: 0.0.0.0:9901, token: '${env:ADMIN}'");
    found_until_mended("admin-without-token", "", &admin("address: 0.0.0.0:9901"), &token);
    found_until_mended("admin-beyond-loopback", "", &token, &admin("address: 127.0.0.1:9901"));
    assert_eq!(reviewed(&token).open[0].diagnostic.span.line, 1);
}

#[test]
fn query_strings_in_the_log() {
    let rest = listener(LOCAL, "", "fixed_response: { status_code: 404 }");
    let logged = format!("access_log: {{ query: true }}\n{rest}");
    found_until_mended("query-logged", "", &logged, &rest);
}

#[test]
fn personal_data_in_headers_of_the_file_and_of_a_rule() {
    let file = with_pool(&listener(LOCAL, "", BEARER));
    let personal = format!("claim_headers: {{ x-mail: email }}\n{file}");
    found_until_mended("personal-data-in-headers", "", &personal, &file);
    let own = |more: &str| {
        let bearer = BEARER.replace("[main]", &format!("[main]{more}"));
        with_pool(&listener(
            LOCAL,
            &format!("rules: [{{ name: own, conditions: {{ path_pattern: ['/a'] }}, {bearer} }}],"),
            BEARER,
        ))
    };
    let weak = own(", claim_headers: { x-born: birthdate }");
    found_until_mended("personal-data-in-headers", "public/own", &weak, &own(""));
}

#[test]
fn redirects_to_any_host_and_in_clear() {
    let redirect =
        |what: &str| listener(WIDE, "", &format!("redirect: {{ {what}, status_code: 301 }}"));
    let wide = redirect("protocol: HTTPS, port: '443'");
    let named = redirect("protocol: HTTPS, host: www.example.com, port: '443'");
    found_until_mended("redirect-to-any-host", "public/default", &wide, &named);
    found_until_mended("redirect-in-clear", "public/default", &redirect("path: /new"), &wide);
    assert_eq!(found(&wide.replace("0.0.0.0", "127.0.0.1")), []);
}

#[test]
fn streams_that_outlive_their_identity_and_tokens_of_either_kind() {
    let file = with_pool(&listener(LOCAL, "", BEARER));
    let lasting = file.replace("forward: web", "end_with_identity: false, forward: web");
    found_until_mended("outlives-identity", "public/default", &lasting, &file);
    let either = file.replace("[main]", "[main], token_use: any");
    found_until_mended("any-token-use", "public/default", &either, &file);
}
