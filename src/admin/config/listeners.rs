//! Listeners and their rules as JSON.

use serde_json::{Value, json};

use super::claims::{claim_headers, jwt_validation};
use super::{Names, path, seconds};
use crate::config::model::{
    Action, CertificateFiles, Conditions, FixedResponse, Listener, ListenerTls, Located,
    PathPolicy, Redirect, Rule, WeightedGroup,
};

pub(super) fn listener(listener: &Listener, names: &Names<'_>) -> Value {
    let Listener {
        name: _,
        address,
        tls,
        http2,
        path,
        idle_timeout,
        client_keep_alive,
        head_timeout,
        desync_mitigation_mode,
        max_request_body,
        max_connections,
        rules,
        default_rule,
        span: _,
    } = listener;
    json!({
        "address": address.to_string(),
        "tls": tls.as_ref().map(self::tls),
        "http2": http2,
        "path": path_policy(*path),
        "idle_timeout": seconds(*idle_timeout),
        "client_keep_alive": seconds(*client_keep_alive),
        "head_timeout": seconds(*head_timeout),
        "desync_mitigation_mode": format!("{desync_mitigation_mode:?}").to_ascii_lowercase(),
        "max_request_body": max_request_body,
        "max_connections": max_connections,
        "rules": rules.iter().map(|rule| self::rule(rule, names)).collect::<Vec<_>>(),
        "default_action": rule(default_rule, names),
    })
}

/// Paths of files only; what is in them is not in the model.
fn tls(tls: &ListenerTls) -> Value {
    let ListenerTls { certificates } = tls;
    let files = |files: &CertificateFiles| {
        let CertificateFiles { certificate, private_key, span: _ } = files;
        json!({ "certificate": path(certificate), "private_key": path(private_key) })
    };
    json!({ "certificates": certificates.iter().map(files).collect::<Vec<_>>() })
}

fn path_policy(policy: PathPolicy) -> Value {
    let PathPolicy { keep_encoded_slash, merge_slashes, keep_parameters } = policy;
    let keep = |keep: bool| if keep { "keep" } else { "refuse" };
    json!({
        "encoded_slash": keep(keep_encoded_slash),
        "merge_slashes": merge_slashes,
        "parameters": keep(keep_parameters),
    })
}

fn rule(rule: &Rule, names: &Names<'_>) -> Value {
    let Rule {
        name,
        priority,
        conditions,
        authentication,
        public,
        action,
        claim_headers: headers,
        span: _,
    } = rule;
    let mut value = json!({
        "name": &**name,
        "priority": priority,
        "conditions": self::conditions(conditions),
        "jwt_validation": authentication.as_ref().map(|jwt| jwt_validation(jwt, names)),
        "public": public,
        "claim_headers": claim_headers(headers),
    });
    let (kind, action) = self::action(action, names);
    value[kind] = action;
    value
}

fn conditions(conditions: &Conditions) -> Value {
    let Conditions { host_header, path_pattern, http_request_method } = conditions;
    let texts = |texts: &[Located<String>]| -> Vec<String> {
        texts.iter().map(|text| text.value.clone()).collect()
    };
    json!({
        "host_header": texts(host_header),
        "path_pattern": texts(path_pattern),
        "http_request_method": texts(http_request_method),
    })
}

fn action(action: &Action, names: &Names<'_>) -> (&'static str, Value) {
    match action {
        Action::Forward(groups) => {
            let group = |weighted: &WeightedGroup| {
                let WeightedGroup { group, weight } = weighted;
                let name = names.groups.get(group.0).map(|name| &***name);
                json!({ "name": name, "weight": weight })
            };
            let groups: Vec<Value> = groups.iter().map(group).collect();
            ("forward", json!({ "target_groups": groups }))
        }
        Action::Redirect(redirect) => {
            let Redirect { protocol, host, port, path, query, status_code } = redirect;
            let value = json!({
                "protocol": protocol,
                "host": host,
                "port": port,
                "path": path,
                "query": query,
                "status_code": status_code,
            });
            ("redirect", value)
        }
        Action::FixedResponse(response) => {
            let FixedResponse { status_code, content_type, message_body } = response;
            let value = json!({
                "status_code": status_code,
                "content_type": content_type,
                "message_body": message_body,
            });
            ("fixed_response", value)
        }
    }
}
