//! `aws_lb*` as what `aws elbv2 describe-*` would have printed.

use serde_json::{Map, Value, json};

use super::super::{Document, Kind, Note};
use super::resources::{Resource, Resources};
use super::words::{block, blocks, members, pascal, text};

pub(super) fn has_any(resources: &Resources) -> bool {
    resources.of("lb_listener").next().is_some()
}

pub(super) fn documents(resources: &Resources, notes: &mut Vec<Note>) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut add = |name: String, value: Value| {
        documents.push(Document { name, text: value.to_string() });
    };
    let balancers: Vec<Value> = resources.of("lb").map(|one| balancer(one, notes)).collect();
    for balancer in resources.of("lb") {
        let name = balancer.own_name().to_owned();
        add(name, json!({ "Attributes": balancer_attributes(&balancer.values) }));
    }
    add("load-balancers".to_owned(), json!({ "LoadBalancers": balancers }));
    let listeners: Vec<Value> =
        resources.of("lb_listener").map(|one| listener(one, resources, notes)).collect();
    add("listeners".to_owned(), json!({ "Listeners": listeners }));
    let mut rules: Vec<Value> = resources.of("lb_listener").map(default_rule).collect();
    rules.extend(resources.of("lb_listener_rule").filter_map(|one| rule(one, notes)));
    add("rules".to_owned(), json!({ "Rules": rules }));
    let groups: Vec<Value> = resources.of("lb_target_group").map(group).collect();
    add("target-groups".to_owned(), json!({ "TargetGroups": groups }));
    for group in resources.of("lb_target_group") {
        let name = group.own_name();
        add(name.to_owned(), json!({ "Attributes": group_attributes(&group.values) }));
        add(name.to_owned(), health(group, resources));
    }
    documents
}

fn balancer(balancer: &Resource, notes: &mut Vec<Note>) -> Value {
    if let Some(logs) = block(&balancer.values, "connection_logs")
        && logs.get("enabled") == Some(&Value::Bool(true))
    {
        notes.push(Note {
            kind: Kind::Dropped,
            place: balancer.address.clone(),
            text: "connection logs to S3; `connection_log` writes the same lines to a file"
                .to_owned(),
        });
    }
    json!({
        "LoadBalancerArn": balancer.text("arn"), "LoadBalancerName": balancer.own_name(),
        "Type": balancer.text("load_balancer_type").unwrap_or("application"),
    })
}

fn pairs(values: &Map<String, Value>, names: &[(&str, &str)]) -> Vec<Value> {
    let pair =
        |(key, theirs): &(&str, &str)| Some(json!({ "Key": theirs, "Value": text(values, key)? }));
    names.iter().filter_map(pair).collect()
}

fn balancer_attributes(values: &Map<String, Value>) -> Vec<Value> {
    let mut all = pairs(
        values,
        &[
            ("client_keep_alive", "client_keep_alive.seconds"),
            ("enable_http2", "routing.http2.enabled"),
            ("desync_mitigation_mode", "routing.http.desync_mitigation_mode"),
            ("drop_invalid_header_fields", "routing.http.drop_invalid_header_fields.enabled"),
            ("preserve_host_header", "routing.http.preserve_host_header.enabled"),
            (
                "enable_tls_version_and_cipher_suite_headers",
                "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
            ),
            ("xff_header_processing_mode", "routing.http.xff_header_processing.mode"),
            ("enable_xff_client_port", "routing.http.xff_client_port.enabled"),
        ],
    );
    // It is also by what a load balancer's attributes are known.
    let idle = text(values, "idle_timeout").unwrap_or_else(|| "60".to_owned());
    all.push(json!({ "Key": "idle_timeout.timeout_seconds", "Value": idle }));
    if let Some(logs) = block(values, "access_logs") {
        all.extend(pairs(logs, &[("enabled", "access_logs.s3.enabled")]));
    }
    all
}

fn listener(listener: &Resource, resources: &Resources, notes: &mut Vec<Note>) -> Value {
    let values = &listener.values;
    let arn = listener.text("arn").unwrap_or_default();
    let extra = resources.of("lb_listener_certificate");
    let extra = extra.filter(|one| one.text("listener_arn") == Some(arn));
    let certificates: Vec<Value> = listener
        .text("certificate_arn")
        .into_iter()
        .chain(extra.filter_map(|one| one.text("certificate_arn")))
        .map(|arn| json!({ "CertificateArn": arn }))
        .collect();
    let headers = values.keys().filter(|key| {
        key.starts_with("routing_http_") && text(values, key).is_some_and(|value| value != "true")
    });
    for header in headers {
        notes.push(Note {
            kind: Kind::Dropped,
            place: listener.address.clone(),
            text: format!("`{header}`: say it in `response_headers` or `request_headers`"),
        });
    }
    let mutual = block(values, "mutual_authentication").map(|mutual| members(mutual, pascal));
    let port = values.get("port").cloned().unwrap_or(Value::Null);
    json!({
        "ListenerArn": arn, "LoadBalancerArn": listener.text("load_balancer_arn"), "Port": port,
        "Protocol": listener.text("protocol").unwrap_or("HTTP"),
        "SslPolicy": listener.text("ssl_policy"), "Certificates": certificates,
        "MutualAuthentication": mutual,
    })
}

fn default_rule(listener: &Resource) -> Value {
    json!({
        "RuleArn": format!("{}/default", listener.text("arn").unwrap_or_default().replacen(":listener/", ":listener-rule/", 1)),
        "Priority": "default", "IsDefault": true, "Origin": listener.address,
        "Actions": blocks(&listener.values, "default_action").map(action).collect::<Vec<_>>(),
    })
}

fn rule(rule: &Resource, notes: &mut Vec<Note>) -> Option<Value> {
    let mut note = |kind, text: &str| {
        notes.push(Note { kind, place: rule.address.clone(), text: text.to_owned() });
    };
    let Some(listener) = rule.text("listener_arn") else {
        note(Kind::Dropped, "the whole rule: its listener is not known");
        return None;
    };
    let priority = text(&rule.values, "priority").unwrap_or_else(|| {
        note(Kind::ToDo, "its priority is not known before it is applied: it stands last");
        "50000".to_owned()
    });
    let conditions: Vec<Value> =
        blocks(&rule.values, "condition").flat_map(conditions_of).collect();
    if conditions.is_empty() {
        note(Kind::Dropped, "the whole rule: none of its conditions is known");
        return None;
    }
    // Without one of its conditions it would take more than it should.
    let is_whole = blocks(&rule.values, "condition").all(|one| !conditions_of(one).is_empty());
    let actions: Vec<Value> = if is_whole {
        blocks(&rule.values, "action").map(action).collect()
    } else {
        note(Kind::ToDo, "one of its conditions is not known: it answers 503");
        vec![closed()]
    };
    Some(json!({
        "RuleArn": format!("{}/{}", listener.replacen(":listener/", ":listener-rule/", 1), rule.address),
        "Priority": priority, "IsDefault": false, "Origin": rule.address, "Conditions": conditions,
        "Actions": actions,
        "Transforms": blocks(&rule.values, "transform").map(transform).collect::<Vec<_>>(),
    }))
}

fn conditions_of(condition: &Map<String, Value>) -> Vec<Value> {
    let mut all = Vec::new();
    // As it was written before version 3 of the provider.
    if let Some(field) = text(condition, "field") {
        all.push(json!({ "Field": field, "Values": condition.get("values") }));
        return all;
    }
    for (key, value) in condition {
        let blocks: Vec<&Map<String, Value>> =
            value.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
        let Some(first) = blocks.first() else { continue };
        let config = match &**key {
            "query_string" => {
                let values = blocks.iter().map(|pair| Value::Object(members(pair, pascal)));
                json!({ "Values": values.collect::<Vec<_>>() })
            }
            _ => Value::Object(members(first, pascal)),
        };
        let mut one = Map::new();
        one.insert("Field".to_owned(), key.replace('_', "-").into());
        one.insert(format!("{}Config", pascal(key)), config);
        all.push(Value::Object(one));
    }
    all
}

fn action(action: &Map<String, Value>) -> Value {
    let mut all = Map::new();
    let kind = text(action, "type").unwrap_or_default();
    all.insert("Type".to_owned(), kind.clone().into());
    let order = action.get("order").filter(|order| !order.is_null());
    all.extend(order.map(|order| ("Order".to_owned(), order.clone())));
    if let Some(arn) = text(action, "target_group_arn") {
        all.insert("TargetGroupArn".to_owned(), arn.into());
    }
    for (key, ours) in [
        ("redirect", "RedirectConfig"),
        ("fixed_response", "FixedResponseConfig"),
        ("authenticate_cognito", "AuthenticateCognitoConfig"),
        ("authenticate_oidc", "AuthenticateOidcConfig"),
    ] {
        if let Some(block) = block(action, key) {
            all.insert(ours.to_owned(), Value::Object(members(block, pascal)));
        }
    }
    if let Some(forward) = block(action, "forward") {
        all.insert("ForwardConfig".to_owned(), self::forward(forward));
    }
    let has_target = all.contains_key("TargetGroupArn")
        || block(action, "forward").is_some_and(|forward| {
            blocks(forward, "target_group").any(|group| text(group, "arn").is_some())
        });
    if kind == "forward" && !has_target {
        // Whose group is not known yet, which is told.
        return closed();
    }
    if let Some(jwt) = block(action, "jwt_validation") {
        let mut config = members(jwt, pascal);
        config.remove("AdditionalClaim");
        let claims = blocks(jwt, "additional_claim").map(|claim| members(claim, pascal));
        config.insert("AdditionalClaims".to_owned(), claims.map(Value::Object).collect());
        all.insert("JwtValidationConfig".to_owned(), Value::Object(config));
    }
    Value::Object(all)
}

fn closed() -> Value {
    json!({ "Type": "fixed-response", "FixedResponseConfig": { "StatusCode": "503" } })
}

fn forward(forward: &Map<String, Value>) -> Value {
    let groups = blocks(forward, "target_group").map(|group| {
        json!({ "TargetGroupArn": text(group, "arn"), "Weight": group.get("weight").filter(|weight| !weight.is_null()) })
    });
    let stickiness = block(forward, "stickiness").map(|stickiness| {
        json!({ "Enabled": stickiness.get("enabled"), "DurationSeconds": stickiness.get("duration") })
    });
    json!({ "TargetGroups": groups.collect::<Vec<_>>(), "TargetGroupStickinessConfig": stickiness })
}

fn transform(transform: &Map<String, Value>) -> Value {
    let mut all = Map::new();
    all.insert("Type".to_owned(), text(transform, "type").into());
    for (key, ours) in [
        ("host_header_rewrite_config", "HostHeaderRewriteConfig"),
        ("url_rewrite_config", "UrlRewriteConfig"),
    ] {
        if let Some(config) = block(transform, key) {
            let rewrites = blocks(config, "rewrite").map(|one| Value::Object(members(one, pascal)));
            all.insert(ours.to_owned(), json!({ "Rewrites": rewrites.collect::<Vec<_>>() }));
        }
    }
    Value::Object(all)
}

fn group(group: &Resource) -> Value {
    let values = &group.values;
    let mut all = json!({
        "TargetGroupArn": group.text("arn"), "TargetGroupName": group.own_name(),
        "Protocol": group.text("protocol"), "Port": values.get("port"),
        "TargetType": group.text("target_type"), "ProtocolVersion": group.text("protocol_version"),
    });
    if let (Some(check), Some(all)) = (block(values, "health_check"), all.as_object_mut()) {
        for (key, theirs) in [
            ("enabled", "HealthCheckEnabled"),
            ("path", "HealthCheckPath"),
            ("port", "HealthCheckPort"),
            ("protocol", "HealthCheckProtocol"),
            ("interval", "HealthCheckIntervalSeconds"),
            ("timeout", "HealthCheckTimeoutSeconds"),
            ("healthy_threshold", "HealthyThresholdCount"),
            ("unhealthy_threshold", "UnhealthyThresholdCount"),
        ] {
            all.extend(check.get(key).map(|value| (theirs.to_owned(), value.clone())));
        }
        if !check.contains_key("healthy_threshold") {
            // Terraform's own.
            all.insert("HealthyThresholdCount".to_owned(), 3.into());
        }
        let is_grpc = group.text("protocol_version") == Some("GRPC");
        let key = if is_grpc { "GrpcCode" } else { "HttpCode" };
        all.extend(text(check, "matcher").map(|code| ("Matcher".to_owned(), json!({ key: code }))));
    }
    all
}

fn group_attributes(values: &Map<String, Value>) -> Vec<Value> {
    let delay = text(values, "deregistration_delay").unwrap_or_else(|| "300".to_owned());
    let mut all = vec![json!({ "Key": "deregistration_delay.timeout_seconds", "Value": delay })];
    all.extend(pairs(
        values,
        &[
            ("slow_start", "slow_start.duration_seconds"),
            ("load_balancing_algorithm_type", "load_balancing.algorithm.type"),
            ("load_balancing_anomaly_mitigation", "load_balancing.algorithm.anomaly_mitigation"),
        ],
    ));
    if let Some(stickiness) = block(values, "stickiness") {
        all.extend(pairs(
            stickiness,
            &[
                ("enabled", "stickiness.enabled"),
                ("type", "stickiness.type"),
                ("cookie_name", "stickiness.app_cookie.cookie_name"),
                ("cookie_duration", "stickiness.app_cookie.duration_seconds"),
                ("cookie_duration", "stickiness.lb_cookie.duration_seconds"),
            ],
        ));
    }
    let health = block(values, "target_group_health");
    if let Some(routing) = health.and_then(|health| block(health, "unhealthy_state_routing")) {
        let prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
        all.extend(pairs(
            routing,
            &[
                ("minimum_healthy_targets_count", &format!("{prefix}.count")),
                ("minimum_healthy_targets_percentage", &format!("{prefix}.percentage")),
            ],
        ));
    }
    all
}

fn health(group: &Resource, resources: &Resources) -> Value {
    let targets = resources.of("lb_target_group_attachment").filter(|one| {
        one.text("target_group_arn").is_some_and(|arn| Some(arn) == group.text("arn"))
    });
    let targets = targets.map(|one| {
        let id = one.text("target_id").unwrap_or("a target that is not known yet");
        let port = one.values.get("port").filter(|port| !port.is_null());
        json!({ "Target": { "Id": id, "Port": port } })
    });
    json!({ "TargetHealthDescriptions": targets.collect::<Vec<_>>() })
}
