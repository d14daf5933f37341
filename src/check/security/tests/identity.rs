//! Where browsers sign in, where keys come from, what APIs ask, and what targets are told.

use super::*;

const PROVIDER: &str = "user_pools: { main: { user_pool_id: eu-west-1_AbCdEfGhI, domain: auth.example.com, \
                        client_id: a, client_secret: '${env:SECRET}' } }\n";

fn signing_in(more: &str) -> String {
    let rule = format!(
        "rules: [{{ name: app, conditions: {{ host_header: [app.example.com] }}, authenticate_cognito: \
         {{ user_pool: main, session_timeout: 12h, session_cookie_name: __Host-app, {more} }}, \
         forward: web }}],"
    );
    let listener = listener(WIDE, &format!("{TLS} {rule}"), "fixed_response: { status_code: 404 }");
    format!("{PROVIDER}{listener}")
}

#[test]
fn sign_in_that_is_weaker_than_it_could_be() {
    let safe = signing_in("");
    assert_eq!(found(&safe), []);
    let at = "public/app";
    for (code, more) in [
        ("unauthenticated-let-on", "on_unauthenticated_request: allow"),
        ("session-cookie-forwarded", "forward_session_cookies: true"),
    ] {
        found_until_mended(code, at, &signing_in(more), &safe);
    }
    let long = safe.replace("12h", "25h");
    found_until_mended("long-session", at, &long, &safe);
    let sibling = safe.replace("__Host-app", "app");
    found_until_mended("cookie-without-host-prefix", at, &sibling, &safe);
    let anywhere = safe.replace("host_header: [app.example.com]", "path_pattern: [/app]");
    found_until_mended("sign-in-at-any-host", at, &anywhere, &safe);
    let every = safe.replace("[app.example.com]", "['*']");
    found_until_mended("sign-in-at-any-host", at, &every, &safe);
}

#[test]
fn codes_and_id_tokens_that_are_bound_to_nobody() {
    let safe = signing_in("");
    let without = |key: &str| safe.replace("client_id: a", &format!("client_id: a, {key}: false"));
    found_until_mended("no-pkce", "main", &without("pkce"), &safe);
    found_until_mended("no-nonce", "main", &without("nonce"), &safe);
}

#[test]
fn keys_over_http_matter_where_others_are_served() {
    let pool = "user_pools: { main: { issuer: http://127.0.0.1:9/p, app_clients: [a], \
                audiences: [b], jwks_uri: 'http://127.0.0.1:9/keys' } }\n";
    let pool = pool.replace("app_clients: [a], ", "");
    let served = format!("{pool}{}", listener(WIDE, TLS, BEARER));
    let local = format!("{pool}{}", listener(LOCAL, "", BEARER));
    found_until_mended("key-set-over-http", "main", &served, &local);
}

#[test]
fn keys_that_are_used_for_long_unfetched() {
    let file = with_pool(&listener(LOCAL, "", BEARER));
    let long = file.replace("[a]", "[a], max_stale: 48h");
    found_until_mended("long-stale-keys", "main", &long, &file);
}

#[test]
fn routes_of_apis() {
    let api = |authorizer: &str, source: &str| {
        let listener = listener(LOCAL, "", "api: shop");
        with_pool(&format!(
            "{listener}apis: {{ shop: {{ type: http, authorizers: {{ main: {{ jwt: {{ user_pool: main {source} }} }} }}, \
             routes: {{ GET /a: {{ authorizer: {authorizer}, integration: {{ target_group: web }} }} }} }} }}\n"
        ))
    };
    let safe = api("main", "");
    found_until_mended("open-api-route", "shop", &api("none", ""), &safe);
    let in_query = api("main", ", identity_source: $request.querystring.token");
    found_until_mended("token-in-query", "shop", &in_query, &safe);
}

#[test]
fn the_way_to_targets() {
    let group = |what: &str| {
        with_pool(&listener(LOCAL, "", BEARER)).replace("targets: [127.0.0.1:1]", what)
    };
    let remote = group("targets: [10.0.0.1:80]");
    let local = group("targets: ['[::1]:1', localhost:2]");
    found_until_mended("plain-http-targets", "web", &remote, &local);
    found_until_mended("no-proof-of-origin", "web", &remote, &local);
    let verified = group("protocol: https, targets: [web.internal:443]");
    found_until_mended("plain-http-targets", "web", &remote, &verified);
    found_until_mended(
        "insecure-target-tls",
        "web",
        &group("protocol: https, tls: insecure, targets: [web.internal:443]"),
        &verified,
    );
    let shown = group(
        "protocol: https, targets: [web.internal:443], \
         tls: { client_certificate: { certificate: a.pem, private_key: a.key } }",
    );
    found_until_mended("no-proof-of-origin", "web", &verified, &shown);
    let asserted = group("identity_assertion: true, targets: [10.0.0.1:80]");
    let asserted = format!("identity_assertion: {{ issuer: 'https://a.example' }}\n{asserted}");
    found_until_mended("no-proof-of-origin", "web", &remote, &asserted);
    let untold = format!("claim_headers: {{}}\n{remote}");
    found_until_mended("no-proof-of-origin", "web", &remote, &untold);
}

#[test]
fn a_group_that_only_signed_in_browsers_come_to_has_proof_in_albs_header() {
    let file = signing_in("").replace("127.0.0.1:1", "10.0.0.1:80");
    assert_eq!(found(&file), [("plain-http-targets", "web".to_owned())]);
}
