//! Where a file goes beyond what AWS allows an Application Load Balancer.
//!
//! None of these are limits here. Who wants to be able to go back asks with `--aws-quotas`. Figures
//! are alb.md 13, after the AWS page `load-balancer-limits`.

use crate::config::diagnostics::{Diagnostic, Severity, Span};
use crate::config::model::{Action, Config, Listener, Rule};

const LISTENERS: usize = 50;
const RULES: usize = 100;
const VALUES: usize = 5;
const WILDCARDS: usize = 6;
const LONGEST_VALUE: usize = 128;
const GROUPS_PER_ACTION: usize = 5;
const GROUPS: usize = 100;
const TARGETS: usize = 1_000;
const CERTIFICATES: usize = 25;
const LONGEST_BODY: usize = 1_024;

/// One warning for each quota at each place.
#[must_use]
pub fn judge(config: &Config) -> Vec<Diagnostic> {
    let mut findings = Findings(Vec::new());
    let rules: usize = config.listeners.iter().map(|listener| listener.rules.len()).sum();
    if let Some(listener) = config.listeners.last() {
        findings.most("listeners", config.listeners.len(), LISTENERS, listener.span);
        let last = config.listeners.iter().rev().find_map(|listener| listener.rules.last());
        findings.most("rules", rules, RULES, last.map_or(listener.span, |rule| rule.span));
    }
    if let Some(group) = config.target_groups.last() {
        findings.most("target groups", config.target_groups.len(), GROUPS, group.span);
    }
    for group in &config.target_groups {
        findings.most("targets in a group", group.targets.len(), TARGETS, group.span);
    }
    for listener in &config.listeners {
        of_listener(listener, &mut findings);
    }
    findings.0
}

struct Findings(Vec<Diagnostic>);

impl Findings {
    fn most(&mut self, what: &str, count: usize, quota: usize, span: Span) {
        if count > quota {
            let message = format!("{count} {what}: AWS allows {quota}");
            let (severity, code) = (Severity::Warning, "aws-quota");
            self.0.push(Diagnostic {
                severity,
                code,
                message,
                span,
                help: None,
                related: Vec::new(),
            });
        }
    }
}

fn of_listener(listener: &Listener, findings: &mut Findings) {
    if let Some(tls) = &listener.tls {
        // The default certificate is not counted.
        let more = tls.certificates.len().saturating_sub(1);
        findings.most("certificates beside the default one", more, CERTIFICATES, listener.span);
    }
    for rule in listener.rules.iter().chain([&listener.default_rule]) {
        of_rule(rule, findings);
    }
}

fn of_rule(rule: &Rule, findings: &mut Findings) {
    let values = values(rule);
    findings.most("condition values in a rule", values.len(), VALUES, rule.span);
    let wildcards = values.iter().map(|(text, _)| text.matches(['*', '?']).count()).sum();
    findings.most("wildcards in a rule", wildcards, WILDCARDS, rule.span);
    for (text, span) in &values {
        findings.most("characters in a condition value", text.len(), LONGEST_VALUE, *span);
    }
    match &rule.action {
        Action::Forward(forward) => {
            let groups = forward.groups.len();
            findings.most("target groups in an action", groups, GROUPS_PER_ACTION, rule.span);
        }
        Action::FixedResponse(fixed) => {
            let length = fixed.message_body.chars().count();
            findings.most("characters in a message body", length, LONGEST_BODY, rule.span);
        }
        Action::Redirect(_) | Action::SignOut(_) | Action::Api(_) => {}
    }
}

/// Every value of every condition, and where it stands.
fn values(rule: &Rule) -> Vec<(String, Span)> {
    let conditions = &rule.conditions;
    let texts =
        [&conditions.host_header, &conditions.path_pattern, &conditions.http_request_method];
    let of_headers = conditions.http_header.iter().map(|header| &header.values);
    let texts = texts.into_iter().chain(of_headers).flatten();
    let regexes = [&conditions.host_regex, &conditions.path_regex];
    let of_headers = conditions.http_header.iter().map(|header| &header.regex_values);
    let regexes = regexes.into_iter().chain(of_headers).flatten();
    let parameters = conditions.query_string.iter().flatten();
    texts
        .map(|text| (text.value.clone(), text.span))
        .chain(regexes.map(|regex| (regex.value.as_str().to_owned(), regex.span)))
        .chain(parameters.map(|parameter| (parameter.value.clone(), rule.span)))
        .chain(conditions.source_ip.iter().map(|ip| (ip.value.to_string(), ip.span)))
        .collect()
}
