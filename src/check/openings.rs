//! Rules that forward without asking who is calling, and do not say that this is meant.

use super::finding;
use crate::api::{Bypass, bypasses};
use crate::config::diagnostics::{Diagnostic, Severity};
use crate::config::model::{Action, Api, Config, Listener, Rule, UsagePlan};
use crate::routing::RuleTable;

/// Most pairs of rules that are compared; open rules beyond are called open, no more.
const MAX_PAIRS: usize = 1_000_000;

pub(super) fn judge(listener: &Listener, table: &RuleTable, findings: &mut Vec<Diagnostic>) {
    let protected: Vec<usize> = positions(&listener.rules, Rule::is_protected);
    let mut pairs = 0;
    for position in positions(&listener.rules, is_open) {
        let beside = protected.iter().copied().find(|&other| {
            pairs += 1;
            pairs <= MAX_PAIRS && table.overlap(position, other)
        });
        findings.extend(listener.rules.get(position).map(|rule| open(rule, listener, beside)));
    }
    // The default rule has no conditions, so it is beside whatever is protected.
    if is_open(&listener.default_rule) {
        findings.push(open(&listener.default_rule, listener, protected.first().copied()));
    }
}

/// Routes of an API that does as AWS does.
pub(super) fn judge_api(api: &Api, findings: &mut Vec<Diagnostic>) {
    for Bypass { protected, open, request } in bypasses(api) {
        let message = format!(
            "the open route `{}` of the API `{}` serves `{request}`, which the protected `{}` seems \
             to cover",
            open.key, api.name, protected.key
        );
        findings.push(Diagnostic {
            severity: Severity::Warning,
            code: "open-route-beside-protected",
            message,
            span: api.span,
            help: Some(
                "without `compatibility: aws` such requests are refused; or give the open route an \
                 authorizer"
                    .to_owned(),
            ),
            related: Vec::new(),
        });
    }
}

/// Routes that ask for an API key and for nothing else, and keys that nobody can use.
pub(super) fn judge_api_keys(config: &Config, findings: &mut Vec<Diagnostic>) {
    let mut warn = |code, api: &Api, message: String, help: &str| {
        findings.push(Diagnostic::warning(code, api.span, message).help(help));
    };
    for (index, api) in config.apis.iter().enumerate() {
        let asking = || api.routes.iter().filter(|route| route.is_api_key_required);
        let Some(first) = asking().next() else { continue };
        if let Some(route) = asking().find(|route| route.authorizer.is_none()) {
            let message = format!(
                "the route `{}` of the API `{}` asks for an API key only, which is no authentication",
                route.key, api.name
            );
            let help = "a key says who is counted, not who is calling: name an authorizer";
            warn("api-key-only", api, message, help);
        }
        let has_plan = |plan: &UsagePlan| plan.apis.iter().any(|api| api.api.0 == index);
        if !config.usage.plans.iter().any(has_plan) {
            let message = format!(
                "the route `{}` of the API `{}` asks for an API key, and no usage plan opens it",
                first.key, api.name
            );
            warn("no-usage-plan", api, message, "add the API to a plan under `usage_plans`");
        }
    }
}

fn positions(rules: &[Rule], is_wanted: impl Fn(&Rule) -> bool) -> Vec<usize> {
    let wanted = rules.iter().enumerate().filter(|(_, rule)| is_wanted(rule));
    wanted.map(|(position, _)| position).collect()
}

fn is_open(rule: &Rule) -> bool {
    matches!(rule.action, Action::Forward(_)) && !rule.authenticates() && !rule.public
}

fn open(rule: &Rule, listener: &Listener, beside: Option<usize>) -> Diagnostic {
    let name = &rule.name;
    let help =
        Some("say `public: true` if everybody may come here, or add `jwt_validation` or `authenticate_cognito`".to_owned());
    match beside.and_then(|beside| listener.rules.get(beside)) {
        None => {
            let message = format!("rule `{name}` forwards without authentication");
            Diagnostic { help, ..finding(Severity::Warning, "open-forward", rule, message) }
        }
        Some(protected) => {
            let message = format!(
                "rule `{name}` forwards without authentication, and takes requests that the \
                 protected rule `{}` matches too: only their order keeps them apart",
                protected.name
            );
            let related = vec![(protected.span, "the protected rule".to_owned())];
            let code = "open-beside-protected";
            Diagnostic { help, related, ..finding(Severity::Warning, code, rule, message) }
        }
    }
}
