//! Target groups, their attributes and their targets.

use serde_json::Value;

use super::super::yaml::{Writer, scalar};
use super::super::{Kind, Object};
use super::attributes::Attributes;
use super::documents::Documents;
use super::{Import, attributes_of};

/// Attributes that have no meaning outside AWS, by their beginning.
const MEANINGLESS: &[&str] =
    &["load_balancing.cross_zone", "target_group_health.dns_failover", "lambda."];

impl Import<'_> {
    pub(super) fn write_target_groups(&mut self, file: &mut Writer) {
        let documents = self.documents;
        let arn = |group: &'_ Value| group.get("TargetGroupArn")?.as_str().map(str::to_owned);
        let is_used =
            |group: &&Value| arn(group).is_some_and(|arn| self.used_groups.contains(&arn));
        let (used, unused): (Vec<&Value>, Vec<&Value>) =
            documents.target_groups.iter().partition(is_used);
        for group in unused {
            let name = group.get("TargetGroupName").and_then(Value::as_str).unwrap_or("unnamed");
            self.note(Kind::Dropped, &format!("target group {name}"), "no rule forwards to it");
        }
        if used.is_empty() {
            return;
        }
        file.blank();
        file.under("target_groups", |file| {
            for group in used {
                self.write_target_group(file, group);
            }
        });
    }

    fn write_target_group(&mut self, file: &mut Writer, value: &Value) {
        let arn = value.get("TargetGroupArn").and_then(Value::as_str).unwrap_or_default();
        let Some(name) = self.groups.get(arn).map(str::to_owned) else { return };
        let place = format!("target group {name}");
        let Some(group) = Object::new(value, &*place) else { return };
        group.ignore(&[
            "TargetGroupArn",
            "TargetGroupName",
            "LoadBalancerArns",
            "VpcId",
            "IpAddressType",
        ]);
        let own_name = value.get("TargetGroupName").and_then(Value::as_str).unwrap_or(&name);
        let mut attributes = self.group_attributes(own_name);
        file.under(&name, |file| {
            self.write_targets(file, &group, own_name);
            let is_https = group.text("Protocol") == Some("HTTPS");
            if is_https {
                file.line("protocol", "https");
                file.raw(
                    "tls",
                    "insecure  # as the load balancer: targets' certificates are not verified",
                );
                self.note(
                    Kind::Advice,
                    &place,
                    "targets' certificates are not verified, as before; \
                     `tls: { server_name, authorities }` would",
                );
            }
            match group.text("ProtocolVersion") {
                Some("HTTP2") => file.line("protocol_version", "http2"),
                Some("GRPC") => file.line("protocol_version", "grpc"),
                _ => {}
            }
            write_attributes(file, &mut attributes);
            self.write_health_check(file, &group, is_https);
        });
        group.finish(&mut self.notes);
        attributes.finish(&place, MEANINGLESS, &mut self.notes);
    }

    fn group_attributes(&self, name: &str) -> Attributes {
        let mut attributes = Attributes::default();
        let is_ours =
            |answer: &Value| attributes_of(answer, "").has("deregistration_delay.timeout_seconds");
        for answer in
            Documents::about(&self.documents.attributes, name, &self.group_names(), is_ours)
        {
            attributes.extend(attributes_of(answer, name));
        }
        attributes
    }

    fn group_names(&self) -> Vec<&str> {
        let groups = self.documents.target_groups.iter();
        groups.filter_map(|group| group.get("TargetGroupName")?.as_str()).collect()
    }

    fn write_targets(&mut self, file: &mut Writer, group: &Object<'_>, own_name: &str) {
        let port = group.number("Port");
        let kind = group.text("TargetType").unwrap_or("instance");
        let documents = self.documents;
        let answers =
            Documents::about(&documents.target_health, own_name, &self.group_names(), |_| true);
        let mut addresses: Vec<String> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for description in
            answers.iter().filter_map(|a| a.get("TargetHealthDescriptions")?.as_array()).flatten()
        {
            let Some(target) = description.get("Target") else { continue };
            // A name and a port: of Kubernetes, AWS has none.
            if let Some(host) = target.get("Host").and_then(Value::as_str) {
                addresses.push(host.to_owned());
                continue;
            }
            let id = target.get("Id").and_then(Value::as_str).unwrap_or_default();
            let port = target.get("Port").and_then(Value::as_u64).or(port).unwrap_or(80);
            match id.parse::<std::net::IpAddr>() {
                Ok(address) => addresses.push(
                    std::net::SocketAddr::new(address, u16::try_from(port).unwrap_or(80))
                        .to_string(),
                ),
                Err(_) => unknown.push(format!("{id}, port {port}")),
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        for target in &unknown {
            file.comment(target);
        }
        file.list("targets", addresses.iter().map(String::as_str));
        let place = group.place().to_owned();
        if matches!(kind, "lambda" | "alb") {
            self.note(Kind::Dropped, &place, format!("targets of type `{kind}`; it answers 503"));
        } else if !unknown.is_empty() {
            let text =
                format!("the addresses of {}; without them it answers 503", unknown.join("; "));
            self.note(Kind::ToDo, &place, text);
        } else if addresses.is_empty() {
            self.note(
                Kind::ToDo,
                &place,
                format!(
                    "its targets: give what `aws elbv2 describe-target-health` prints in a file \
                     named {own_name}.json, or write addresses; without them it answers 503"
                ),
            );
        }
    }

    fn write_health_check(&mut self, file: &mut Writer, group: &Object<'_>, is_https: bool) {
        let place = group.place().to_owned();
        let enabled = group.flag("HealthCheckEnabled").unwrap_or(true);
        let protocol = group.text("HealthCheckProtocol");
        if enabled && protocol.is_some_and(|protocol| (protocol == "HTTPS") != is_https) {
            let text = "health checks speak the targets' own protocol, not another one";
            self.note(Kind::Changed, &place, text);
        }
        let mut parts = Vec::new();
        if !enabled {
            parts.push("enabled: false".to_owned());
        }
        if let Some(path) = group
            .text("HealthCheckPath")
            .filter(|path| *path != "/" && *path != "/AWS.ALB/healthcheck")
        {
            parts.push(format!("path: {}", scalar(path)));
        }
        if let Some(port) = group.text("HealthCheckPort").filter(|port| *port != "traffic-port") {
            parts.push(format!("port: {port}"));
        }
        for (key, ours, usual, unit) in [
            ("HealthCheckIntervalSeconds", "interval", 30, "s"),
            ("HealthCheckTimeoutSeconds", "timeout", 5, "s"),
            ("HealthyThresholdCount", "healthy_threshold", 5, ""),
            ("UnhealthyThresholdCount", "unhealthy_threshold", 2, ""),
        ] {
            if let Some(number) = group.number(key).filter(|number| *number != usual) {
                parts.push(format!("{ours}: {number}{unit}"));
            }
        }
        if let Some(matcher) = group.object("Matcher") {
            let http = matcher.text("HttpCode").filter(|code| *code != "200");
            let grpc = matcher.text("GrpcCode").filter(|code| *code != "12");
            if let Some(code) = http.or(grpc) {
                parts.push(format!("matcher: {}", scalar(code)));
            }
            matcher.finish(&mut self.notes);
        }
        if !parts.is_empty() {
            file.raw("health_check", &format!("{{ {} }}", parts.join(", ")));
        }
    }
}

fn write_attributes(file: &mut Writer, attributes: &mut Attributes) {
    if let Some(algorithm) = attributes.unusual("load_balancing.algorithm.type", "round_robin") {
        file.line("algorithm", &algorithm);
    }
    if attributes.unusual("load_balancing.algorithm.anomaly_mitigation", "off").is_some() {
        file.raw("anomaly_mitigation", "true");
    }
    if let Some(seconds) = attributes.unusual("slow_start.duration_seconds", "0") {
        file.raw("slow_start", &format!("{seconds}s"));
    }
    if let Some(seconds) = attributes.unusual("deregistration_delay.timeout_seconds", "300") {
        file.raw("deregistration_delay", &format!("{seconds}s"));
    }
    write_stickiness(file, attributes);
    let prefix = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
    let count = attributes.unusual(&format!("{prefix}.count"), "1");
    let percentage = attributes.unusual(&format!("{prefix}.percentage"), "off");
    let parts: Vec<String> = [("count", count), ("percentage", percentage)]
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}: {}", value?)))
        .collect();
    if !parts.is_empty() {
        let health = format!("{{ minimum_healthy_targets: {{ {} }} }}", parts.join(", "));
        file.raw("target_group_health", &health);
    }
}

fn write_stickiness(file: &mut Writer, attributes: &mut Attributes) {
    let is_on = attributes.take("stickiness.enabled").is_some_and(|value| value == "true");
    let kind = attributes.take("stickiness.type");
    let lb = attributes.take("stickiness.lb_cookie.duration_seconds");
    let app = attributes.take("stickiness.app_cookie.duration_seconds");
    let cookie = attributes.take("stickiness.app_cookie.cookie_name");
    if !is_on {
        return;
    }
    let is_app = kind.as_deref() == Some("app_cookie");
    let mut parts = vec![format!("type: {}", if is_app { "app_cookie" } else { "lb_cookie" })];
    if let Some(cookie) = cookie.filter(|_| is_app) {
        parts.push(format!("cookie_name: {}", scalar(&cookie)));
    }
    if let Some(seconds) = if is_app { app } else { lb } {
        parts.push(format!("duration: {seconds}s"));
    }
    file.raw("stickiness", &format!("{{ {} }}", parts.join(", ")));
}
