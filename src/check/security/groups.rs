//! Target groups: how requests get there, and how targets know who sends them.

use super::{Findings, Place, leaves_the_machine, rules_of};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::model::{Action, Config, GroupIndex, Protocol, Rule, TargetGroup};
use crate::config::risk::Risk;

pub(super) fn judge(config: &Config, findings: &mut Findings) {
    let told = told(config);
    for (group, told) in config.target_groups.iter().zip(told) {
        if !leaves_the_machine(group) {
            continue;
        }
        let place = Place::named(&group.name, group.span);
        let name = &group.name;
        if group.protocol == Protocol::Http {
            findings.tell(
                Risk::PlainHttpTargets,
                &place,
                format!("requests to `{name}` cross the network over plain HTTP"),
                "say `protocol: https`, or keep the way private",
            );
        }
        let Some(span) = told.filter(|_| !proves_origin(group)) else { continue };
        findings.tell(
            Risk::NoProofOfOrigin,
            &place,
            format!("targets of `{name}` believe claim headers, and cannot tell this gateway from whoever else reaches them"),
            "say `identity_assertion: true`, show a `client_certificate`, or let nobody else reach them",
        );
        let here = span != Span::default();
        if let Some(last) = findings.0.last_mut().filter(|_| here) {
            let diagnostic = Diagnostic::clone(&last.diagnostic);
            last.diagnostic = diagnostic.related(span, "this rule sends claim headers there");
        }
    }
}

/// By target group: the first rule that sends it claim headers without `x-amzn-oidc-data`, which
/// is signed.
fn told(config: &Config) -> Vec<Option<Span>> {
    let mut told = vec![None; config.target_groups.len()];
    let mut tell = |GroupIndex(index): GroupIndex, rule: &Rule| {
        if let Some(first) = told.get_mut(index) {
            first.get_or_insert(rule.span);
        }
    };
    for rule in config.listeners.iter().flat_map(rules_of) {
        if rule.claim_headers.is_empty() {
            continue;
        }
        match &rule.action {
            Action::Forward(forward) if rule.authentication.is_some() => {
                forward.groups.iter().for_each(|weighted| tell(weighted.group, rule));
            }
            Action::Api(index) => {
                let routes = config.apis.get(index.0).into_iter().flat_map(|api| &api.routes);
                let protected = routes.filter(|route| route.authorizer.is_some());
                let groups = protected.filter_map(|route| route.integration.backend.group());
                groups.for_each(|group| tell(group, rule));
            }
            _ => {}
        }
    }
    told
}

fn proves_origin(group: &TargetGroup) -> bool {
    let shows_certificate = match &group.protocol {
        Protocol::Https(tls) => tls.client_certificate.is_some(),
        Protocol::Http => false,
    };
    group.identity_assertion || shows_certificate
}
