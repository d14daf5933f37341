//! `alb.ingress.kubernetes.io/*`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const PREFIX: &str = "alb.ingress.kubernetes.io/";

/// What is read, by its name behind the prefix.
const READ: &[&str] = &[
    "group.name",
    "group.order",
    "load-balancer-name",
    "load-balancer-attributes",
    "listen-ports",
    "ssl-redirect",
    "inbound-cidrs",
    "certificate-arn",
    "ssl-policy",
    "backend-protocol",
    "backend-protocol-version",
    "target-group-attributes",
    "healthcheck-port",
    "healthcheck-protocol",
    "healthcheck-path",
    "healthcheck-interval-seconds",
    "healthcheck-timeout-seconds",
    "healthy-threshold-count",
    "unhealthy-threshold-count",
    "success-codes",
    "auth-type",
    "auth-idp-cognito",
    "auth-idp-oidc",
    "auth-on-unauthenticated-request",
    "auth-scope",
    "auth-session-cookie",
    "auth-session-timeout",
    "jwt-validation",
];
const READ_BEGINNINGS: &[&str] = &["actions.", "conditions.", "transforms."];
/// What has no meaning outside AWS and lets nobody in.
const MEANINGLESS: &[&str] = &[
    "tags",
    "ip-address-type",
    "scheme",
    "subnets",
    "customer-owned-ipv4-pool",
    "target-type",
    "target-node-labels",
    "manage-backend-security-group-rules",
    "listener-attributes",
    "multi-cluster-target-group",
    "minimum-load-balancer-capacity",
    "ipam-ipv4-pool-id",
    "frontend-nlb-scheme",
    "enable-frontend-nlb",
];
/// Beginnings of what says who may come.
const GUARDS: &[&str] = &["auth", "jwt", "mutual", "use-regex"];

/// Annotations of one object.
#[derive(Debug, Default, Clone)]
pub(super) struct Annotations(BTreeMap<String, String>);

impl Annotations {
    pub(super) fn of(value: Option<&Value>) -> Self {
        let members = value.and_then(Value::as_object).into_iter().flatten();
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        Self(members.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0
            .get(&format!("{PREFIX}{key}"))
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    }

    /// These, and where they are silent those.
    pub(super) fn or(&self, those: &Self) -> Self {
        let mut all = those.0.clone();
        all.extend(self.0.clone());
        Self(all)
    }

    /// `a,b`.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        let text = self.text(key).unwrap_or_default();
        text.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    }

    /// `k1=v1,k2=v2`, as attributes.
    pub(super) fn attributes(&self, key: &str) -> Vec<Value> {
        let pairs = self.list(key);
        let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(k, v)| json!({ "Key": k.trim(), "Value": v.trim() })).collect()
    }

    /// JSON, with the names of AWS's answers. `Err` for what is none.
    pub(super) fn json(&self, key: &str) -> Result<Option<Value>, ()> {
        let Some(text) = self.text(key) else { return Ok(None) };
        serde_json::from_str(text).map(|value| Some(named(value))).map_err(|_| ())
    }

    /// What is not read, each with whether it may say who may come.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.keys().filter_map(|key| match key.strip_prefix(PREFIX) {
            Some(own) => {
                let is_read = READ.contains(&own)
                    || MEANINGLESS.contains(&own)
                    || READ_BEGINNINGS.iter().any(|front| own.starts_with(front));
                let is_guard = GUARDS.iter().any(|front| own.starts_with(front));
                (!is_read).then_some((key.as_str(), is_guard))
            }
            // Other controllers say who may come with theirs.
            None => {
                let (domain, name) = key.split_once('/')?;
                let is_foreign = domain.contains("ingress.")
                    || domain.contains("nginx")
                    || domain.contains("traefik")
                    || domain.contains("haproxy")
                    || domain.contains("konghq");
                (is_foreign && !name.ends_with("ingress.class")).then_some((key.as_str(), true))
            }
        })
    }
}

/// `targetGroupARN` as `TargetGroupArn`.
fn named(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(named).collect(),
        Value::Object(members) => {
            let rename = |(key, value): (String, Value)| {
                // These are the user's own words.
                let value = match key.eq_ignore_ascii_case("authenticationRequestExtraParams") {
                    true => value,
                    false => named(value),
                };
                (name(&key), value)
            };
            Value::Object(members.into_iter().map(rename).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn name(key: &str) -> String {
    let mut characters = key.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default();
    let text = first + characters.as_str();
    match &*text {
        "TargetGroupARN" => "TargetGroupArn".to_owned(),
        "UserPoolARN" => "UserPoolArn".to_owned(),
        "UserPoolClientID" => "UserPoolClientId".to_owned(),
        "HttpHeaderName" | "HTTPHeaderName" => "HttpHeaderName".to_owned(),
        _ => text,
    }
}
