//! What single rules allow: who comes past them, where browsers are sent, how long a session is.

use std::time::Duration;

use super::{Findings, Place, gateway, is_exposed, rules_of};
use crate::config::model::{
    Action, Authenticate, Config, Listener, OnUnauthenticatedRequest, Redirect, Rule, TokenUse,
};
use crate::config::risk::Risk;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn judge(config: &Config, findings: &mut Findings) {
    for listener in &config.listeners {
        for rule in rules_of(listener) {
            let place = Place::of_rule(listener, rule);
            access(rule, &place, findings);
            if let Action::Redirect(redirect) = &rule.action {
                of_redirect(redirect, rule, listener, &place, findings);
            }
            if let Some(sign_in) = &rule.sign_in {
                of_sign_in(sign_in, rule, listener, &place, findings);
            }
            if rule.authenticates() {
                let own = rule.claim_headers.iter();
                let own = own.filter(|header| !config.claim_headers.contains(header));
                gateway::personal(own, &place, findings);
            }
        }
    }
}

fn access(rule: &Rule, place: &Place, findings: &mut Findings) {
    let name = &rule.name;
    if matches!(rule.action, Action::Forward(_)) && rule.public && !rule.authenticates() {
        findings.tell(
            Risk::PublicForward,
            place,
            format!("rule `{name}` forwards for everybody, and says so"),
            "see that its target needs no identity, and accept it",
        );
    }
    if rule.authenticates() && !rule.ends_with_identity {
        findings.tell(
            Risk::OutlivesIdentity,
            place,
            format!("streams and WebSockets of rule `{name}` go on when their token or session has ended"),
            "leave `end_with_identity` at `true`",
        );
    }
    if rule.authentication.as_ref().is_some_and(|auth| auth.token_use == TokenUse::Any) {
        findings.tell(
            Risk::AnyTokenUse,
            place,
            format!("rule `{name}` takes ID tokens for access tokens: they have no scopes, and clients hand them on"),
            "say `token_use: access`",
        );
    }
}

fn of_redirect(
    redirect: &Redirect,
    rule: &Rule,
    listener: &Listener,
    place: &Place,
    findings: &mut Findings,
) {
    if !is_exposed(listener.address) || !redirect.host.contains("#{host}") {
        return;
    }
    let name = &rule.name;
    if serves_any_host(rule) {
        findings.tell(
            Risk::RedirectToAnyHost,
            place,
            format!("rule `{name}` redirects to whatever `Host` the client names: a cache may keep such an answer for others"),
            "give the rule a `host_header`, or the redirect a `host`",
        );
    }
    if listener.tls.is_none() && redirect.protocol != "HTTPS" {
        findings.tell(
            Risk::RedirectInClear,
            place,
            format!("rule `{name}` redirects from plain HTTP to plain HTTP"),
            "say `protocol: HTTPS`",
        );
    }
}

fn of_sign_in(
    sign_in: &Authenticate,
    rule: &Rule,
    listener: &Listener,
    place: &Place,
    findings: &mut Findings,
) {
    let name = &rule.name;
    let forwards = !matches!(rule.action, Action::Redirect(_) | Action::FixedResponse(_));
    if forwards && sign_in.on_unauthenticated_request == OnUnauthenticatedRequest::Allow {
        findings.tell(
            Risk::UnauthenticatedLetOn,
            place,
            format!("rule `{name}` lets callers without a session on: its target must refuse where claim headers are absent"),
            "leave `on_unauthenticated_request` at `authenticate`, or say `deny`",
        );
    }
    if sign_in.session_timeout > DAY {
        findings.tell(
            Risk::LongSession,
            place,
            format!("a session of rule `{name}` lasts longer than a day: so does a stolen cookie"),
            "shorten `session_timeout`",
        );
    }
    if sign_in.forward_session_cookies {
        findings.tell(
            Risk::SessionCookieForwarded,
            place,
            format!(
                "targets of rule `{name}` get session cookies, with which one can be their owner"
            ),
            "leave `forward_session_cookies` out",
        );
    }
    if !is_exposed(listener.address) {
        return;
    }
    if serves_any_host(rule) {
        findings.tell(
            Risk::SignInAtAnyHost,
            place,
            format!("rule `{name}` signs browsers in at any `Host`: only the user pool's list of callback URLs keeps strangers' names out"),
            "give the rule a `host_header`",
        );
    }
    if !sign_in.session_cookie_name.starts_with("__Host-") {
        findings.tell(
            Risk::CookieWithoutHostPrefix,
            place,
            format!("sibling domains can set the session cookie `{}`, and so put a browser into another account", sign_in.session_cookie_name),
            "let `session_cookie_name` begin with `__Host-`",
        );
    }
}

fn serves_any_host(rule: &Rule) -> bool {
    let conditions = &rule.conditions;
    let patterns = &conditions.host_header;
    let names_any = patterns.is_empty() || patterns.iter().any(|pattern| pattern.value == "*");
    names_any && conditions.host_regex.is_empty()
}
