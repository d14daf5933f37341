//! Listeners and their rules as JSON.

use serde_json::{Value, json};

use super::claims::{claim_headers, jwt_validation};
use super::sign_in::{authenticate, sign_out};
use super::{Names, path, seconds};
use crate::config::model::{
    Action, CertificateFiles, ClientHeader, Conditions, ErrorPage, ErrorPages, FixedResponse,
    Forward, HeaderCondition, Listener, ListenerTls, Located, MutualAuthentication, MutualMode,
    PageFor, PathPolicy, ProxyProtocol, QueryParameter, Redirect, Regex, RequestHeaders,
    ResponseHeaders, Rule, ServerHeader, TlsHeaders, Transforms, TrustStore, WeightedGroup,
};
use crate::http::TrustedProxies;
use crate::http::forwarded::ForwardedFor;

pub(super) fn listener(listener: &Listener, names: &Names<'_>) -> Value {
    let Listener {
        name: _,
        address,
        tls,
        http2,
        path,
        trusted_proxies,
        proxy_protocol,
        request_headers,
        response_headers,
        error_pages,
        idle_timeout,
        client_keep_alive,
        head_timeout,
        desync_mitigation_mode,
        max_request_body,
        max_connections,
        max_connections_per_client,
        max_http2_requests,
        rules,
        default_rule,
        span: _,
    } = listener;
    let RequestHeaders { forwarded_for, preserve_host, drop_invalid, tls: tls_headers } =
        request_headers;
    json!({
        "address": address.to_string(),
        "tls": tls.as_ref().map(self::tls),
        "http2": http2,
        "path": path_policy(*path),
        "trusted_proxies": networks(trusted_proxies),
        "proxy_protocol": proxy_protocol.map(self::proxy_protocol),
        "x_forwarded_for": self::forwarded_for(*forwarded_for),
        "preserve_host_header": preserve_host,
        "drop_invalid_header_fields": drop_invalid,
        "tls_headers": tls_headers.as_ref().map(self::tls_headers),
        "response_headers": self::response_headers(response_headers),
        "error_pages": self::error_pages(error_pages),
        "idle_timeout": seconds(*idle_timeout),
        "client_keep_alive": seconds(*client_keep_alive),
        "head_timeout": seconds(*head_timeout),
        "desync_mitigation_mode": format!("{desync_mitigation_mode:?}").to_ascii_lowercase(),
        "max_request_body": max_request_body,
        "max_connections": max_connections,
        "max_connections_per_client": max_connections_per_client,
        "max_http2_requests": max_http2_requests,
        "rules": rules.iter().map(|rule| self::rule(rule, names)).collect::<Vec<_>>(),
        "default_action": rule(default_rule, names),
    })
}

fn networks(trusted: &TrustedProxies) -> Vec<String> {
    trusted.networks().iter().map(ToString::to_string).collect()
}

const fn proxy_protocol(version: ProxyProtocol) -> &'static str {
    match version {
        ProxyProtocol::V1 => "v1",
        ProxyProtocol::V2 => "v2",
        ProxyProtocol::Any => "any",
    }
}

fn forwarded_for(policy: ForwardedFor) -> Value {
    let (mode, client_port) = match policy {
        ForwardedFor::Append { client_port } => ("append", client_port),
        ForwardedFor::Preserve => ("preserve", false),
        ForwardedFor::Remove => ("remove", false),
    };
    json!({ "mode": mode, "client_port": client_port })
}

fn tls_headers(names: &TlsHeaders) -> Value {
    let TlsHeaders { version, cipher_suite } = names;
    json!({ "version": &**version, "cipher_suite": &**cipher_suite })
}

fn response_headers(headers: &ResponseHeaders) -> Value {
    let ResponseHeaders { server: ServerHeader { value, remove_from_targets }, added } = headers;
    let mut shown = serde_json::Map::new();
    let server = json!({
        "enabled": value.is_some(),
        "value": value,
        "remove_from_targets": remove_from_targets,
    });
    shown.insert("server".to_owned(), server);
    for (header, value) in added {
        shown.insert(header.key().to_owned(), json!(value));
    }
    Value::Object(shown)
}

/// Without their texts, which may be long.
fn error_pages(pages: &ErrorPages) -> Value {
    let pages = pages.iter().map(|(target, page)| {
        let ErrorPage { content_type, body, file } = page;
        let target = match target {
            PageFor::Status(status) => status.to_string(),
            PageFor::Class(class) => format!("{class}xx"),
        };
        let shown = json!({
            "content_type": content_type,
            "bytes": body.len(),
            "file": file.as_deref().map(path),
        });
        (target, shown)
    });
    Value::Object(pages.collect())
}

/// Paths of files only; what is in them is not in the model.
fn tls(tls: &ListenerTls) -> Value {
    let ListenerTls { certificates, security_policy, mutual_authentication } = tls;
    let files = |files: &CertificateFiles| {
        let CertificateFiles { certificate, private_key, span: _ } = files;
        json!({ "certificate": path(certificate), "private_key": path(private_key) })
    };
    json!({
        "certificates": certificates.iter().map(files).collect::<Vec<_>>(),
        "security_policy": security_policy.name,
        "mutual_authentication": mutual_authentication.as_ref().map(mutual),
    })
}

fn mutual(mutual: &MutualAuthentication) -> Value {
    let MutualAuthentication { mode, header_names } = mutual;
    let names: serde_json::Map<_, _> = ClientHeader::ALL
        .iter()
        .map(|&header| {
            let key = header.default_name().to_ascii_lowercase().replace('-', "_");
            (key, header_names.name(header).into())
        })
        .collect();
    match mode {
        MutualMode::Passthrough => json!({ "mode": "passthrough", "header_names": names }),
        MutualMode::Verify(store) => {
            let TrustStore {
                authorities,
                revocation_lists,
                ignore_expiry,
                advertise_names,
                span: _,
            } = store;
            let lists: Vec<_> = revocation_lists.iter().map(|(list, _)| path(list)).collect();
            json!({
                "mode": "verify",
                "trust_store": path(authorities),
                "revocation_lists": lists,
                "ignore_client_certificate_expiry": ignore_expiry,
                "advertise_trust_store_ca_names": advertise_names,
                "header_names": names,
            })
        }
    }
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
        sign_in,
        transforms,
        ends_with_identity,
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
        "authenticate": sign_in.as_ref().map(|sign_in| authenticate(sign_in, names)),
        "transforms": self::transforms(transforms),
        "end_with_identity": ends_with_identity,
        "public": public,
        "claim_headers": claim_headers(headers),
    });
    let (kind, action) = self::action(action, names);
    value[kind] = action;
    value
}

fn transforms(transforms: &Transforms) -> Value {
    let Transforms { host, url } = transforms;
    json!({
        "host_header_rewrite": host.as_ref().map(ToString::to_string),
        "url_rewrite": url.as_ref().map(ToString::to_string),
    })
}

fn conditions(conditions: &Conditions) -> Value {
    let Conditions {
        host_header,
        host_regex,
        path_pattern,
        path_regex,
        http_request_method,
        http_header,
        query_string,
        source_ip,
    } = conditions;
    let texts = |texts: &[Located<String>]| -> Vec<String> {
        texts.iter().map(|text| text.value.clone()).collect()
    };
    let regexes = |regexes: &[Located<Regex>]| -> Vec<String> {
        regexes.iter().map(|regex| regex.value.as_str().to_owned()).collect()
    };
    let either = |values: &[Located<String>], regex_values: &[Located<Regex>]| {
        if regex_values.is_empty() {
            json!(texts(values))
        } else {
            json!({ "regex_values": regexes(regex_values) })
        }
    };
    let header = |condition: &HeaderCondition| {
        let HeaderCondition { name, values, regex_values } = condition;
        json!({ "name": name, "values": texts(values), "regex_values": regexes(regex_values) })
    };
    let parameter = |parameter: &QueryParameter| {
        let QueryParameter { key, value } = parameter;
        json!({ "key": key, "value": value })
    };
    let any_of = |parameters: &Vec<QueryParameter>| -> Value {
        json!({ "any_of": parameters.iter().map(parameter).collect::<Vec<_>>() })
    };
    json!({
        "host_header": either(host_header, host_regex),
        "path_pattern": either(path_pattern, path_regex),
        "http_request_method": texts(http_request_method),
        "http_header": http_header.iter().map(header).collect::<Vec<_>>(),
        "query_string": query_string.iter().map(any_of).collect::<Vec<_>>(),
        "source_ip": source_ip.iter().map(|ip| ip.value.to_string()).collect::<Vec<_>>(),
    })
}

fn action(action: &Action, names: &Names<'_>) -> (&'static str, Value) {
    match action {
        Action::Forward(Forward { groups, stickiness }) => {
            let group = |weighted: &WeightedGroup| {
                let WeightedGroup { group, weight } = weighted;
                let name = names.groups.get(group.0).map(|name| &***name);
                json!({ "name": name, "weight": weight })
            };
            let groups: Vec<Value> = groups.iter().map(group).collect();
            let stickiness = stickiness.map(|duration| json!({ "duration": seconds(duration) }));
            ("forward", json!({ "target_groups": groups, "stickiness": stickiness }))
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
        Action::SignOut(action) => ("sign_out", sign_out(action, names)),
        Action::FixedResponse(response) => {
            let FixedResponse { status_code, content_type, message_body } = response;
            let value = json!({
                "status_code": status_code,
                "content_type": content_type,
                "message_body": message_body,
            });
            ("fixed_response", value)
        }
        Action::Api(api) => ("api", json!(names.apis.get(api.0).map(|name| &***name))),
    }
}
