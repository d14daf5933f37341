//! Listeners, the attributes of their load balancer, and their rules.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::name::{load_balancer, slug, unique};
use super::super::yaml::{Writer, scalar};
use super::super::{Kind, Object};
use super::attributes::Attributes;
use super::documents::Documents;
use super::{Import, attributes_of};
use crate::config::model::SecurityPolicy;

/// Attributes that have no meaning outside AWS, or that are told elsewhere, by their beginning.
const MEANINGLESS: &[&str] = &[
    "deletion_protection.",
    "load_balancing.",
    "zonal_shift.",
    "ipv6.",
    "waf.",
    "access_logs.s3.",
    "connection_logs.s3.",
    "health_check_logs.s3.",
];

impl Import<'_> {
    pub(super) fn listeners(&mut self, file: &mut Writer) {
        let documents = self.documents;
        let mut taken = BTreeSet::new();
        let mut ports = BTreeSet::new();
        file.under("listeners", |file| {
            for value in &documents.listeners {
                let Some(listener) = Object::new(value, "listener") else { continue };
                self.listener(file, listener, &mut taken, &mut ports);
            }
        });
        self.load_balancers();
    }

    fn load_balancers(&mut self) {
        for value in &self.documents.load_balancers {
            let name = value.get("LoadBalancerName").and_then(Value::as_str).unwrap_or("unnamed");
            let place = format!("load balancer {name}");
            let Some(balancer) = Object::new(value, &*place) else { continue };
            if let Some(kind) = balancer.text("Type").filter(|kind| *kind != "application") {
                self.note(Kind::Dropped, &place, format!("it is of type `{kind}`"));
            }
            balancer.ignore(&[
                "LoadBalancerArn",
                "LoadBalancerName",
                "DNSName",
                "CanonicalHostedZoneId",
                "CreatedTime",
                "Scheme",
                "VpcId",
                "State",
                "AvailabilityZones",
                "SecurityGroups",
                "IpAddressType",
                "EnablePrefixForIpv6SourceNat",
            ]);
            balancer.finish(&mut self.notes);
            let mut logs = self.balancer_attributes(name);
            for (key, ours) in [
                ("access_logs.s3.enabled", "access_log: { alb: … }"),
                ("connection_logs.s3.enabled", "connection_log"),
                ("health_check_logs.s3.enabled", "health_check_log"),
            ] {
                if logs.take(key).is_some_and(|value| value == "true") {
                    let text =
                        format!("logs to S3 (`{key}`); `{ours}` writes the same lines to a file");
                    self.note(Kind::Dropped, &place, text);
                }
            }
        }
    }

    fn balancer_attributes(&self, name: &str) -> Attributes {
        let names: Vec<&str> = self
            .documents
            .load_balancers
            .iter()
            .filter_map(|balancer| balancer.get("LoadBalancerName")?.as_str())
            .collect();
        let names = if names.is_empty() { vec![name] } else { names };
        let is_ours =
            |answer: &Value| attributes_of(answer, "").has("idle_timeout.timeout_seconds");
        let mut attributes = Attributes::default();
        for answer in Documents::about(&self.documents.attributes, name, &names, is_ours) {
            attributes.extend(attributes_of(answer, name));
        }
        attributes
    }

    fn listener(
        &mut self,
        file: &mut Writer,
        listener: Object<'_>,
        taken: &mut BTreeSet<String>,
        ports: &mut BTreeSet<u64>,
    ) {
        let protocol = listener.text("Protocol").unwrap_or_default();
        let port = listener.number("Port").unwrap_or_default();
        if !matches!(protocol, "HTTP" | "HTTPS") {
            let place = format!("listener on port {port}");
            self.note(Kind::Dropped, &place, format!("it speaks `{protocol}`"));
            return;
        }
        let arn = listener.text("ListenerArn").unwrap_or_default();
        let balancer = load_balancer(arn)
            .or_else(|| load_balancer(listener.text("LoadBalancerArn").unwrap_or_default()))
            .unwrap_or("unnamed");
        listener.ignore(&["LoadBalancerArn"]);
        let several = self.documents.load_balancers.len() > 1;
        let base = if several {
            format!("{}-{port}", slug(balancer))
        } else {
            protocol.to_ascii_lowercase()
        };
        let name = unique(&base, taken);
        let place = format!("listener {name}");
        let listener = listener.at(&*place);
        if !ports.insert(port) {
            self.note(
                Kind::ToDo,
                &place,
                format!("another listener has port {port} too: give one of them another address"),
            );
        }
        if taken.len() > 1 {
            file.blank();
        }
        file.under(&name, |file| {
            file.line("address", &format!("0.0.0.0:{port}"));
            self.is_https = protocol == "HTTPS";
            if self.is_https {
                self.write_tls(file, &listener, &place);
            } else {
                listener.ignore(&["SslPolicy", "Certificates", "MutualAuthentication"]);
            }
            let mut attributes = self.balancer_attributes(balancer);
            write_attributes(file, &mut attributes);
            attributes.finish(&format!("load balancer {balancer}"), MEANINGLESS, &mut self.notes);
            self.write_rules(file, &listener, arn, &name);
        });
        listener.finish(&mut self.notes);
    }

    fn write_tls(&mut self, file: &mut Writer, listener: &Object<'_>, place: &str) {
        let mut arns: Vec<&str> = certificate_arns(listener.list("Certificates"));
        let https = self
            .documents
            .listeners
            .iter()
            .filter(|one| one.get("Protocol").and_then(Value::as_str) == Some("HTTPS"))
            .count();
        let documents = self.documents;
        if https == 1 {
            for (_, answer) in &documents.certificates {
                let more = answer.get("Certificates").and_then(Value::as_array);
                arns.extend(certificate_arns(more.map_or(&[], Vec::as_slice)));
            }
        } else if !documents.certificates.is_empty() {
            self.note(
                Kind::ToDo,
                place,
                "the certificates of `describe-listener-certificates` that belong to it",
            );
        }
        let mut seen = BTreeSet::new();
        arns.retain(|arn| seen.insert(*arn));
        file.under("tls", |file| {
            file.under("certificates", |file| {
                for arn in &arns {
                    let id = slug(arn.rsplit('/').next().unwrap_or(arn));
                    file.item(|file| {
                        file.line("certificate", &format!("certificates/{id}.pem"));
                        file.line("private_key", &format!("certificates/{id}.key"));
                    });
                    self.note(
                        Kind::ToDo,
                        place,
                        format!("certificates/{id}.pem and .key: the certificate {arn}, whose key AWS may not hand out"),
                    );
                }
            });
            if let Some(policy) = listener.text("SslPolicy") {
                if SecurityPolicy::named(policy).is_some() {
                    file.line("security_policy", policy);
                } else {
                    let text = format!("the security policy `{policy}`: the default is used");
                    self.note(Kind::Changed, place, text);
                }
            }
            self.write_mutual_authentication(file, listener, place);
        });
    }

    fn write_mutual_authentication(
        &mut self,
        file: &mut Writer,
        listener: &Object<'_>,
        place: &str,
    ) {
        let Some(mutual) = listener.object("MutualAuthentication") else { return };
        let mode = mutual.text("Mode").unwrap_or("off");
        mutual.ignore(&["TrustStoreAssociationStatus"]);
        if mode == "off" {
            return;
        }
        file.under("mutual_authentication", |file| {
            file.line("mode", mode);
            if let Some(arn) = mutual.text("TrustStoreArn") {
                let name = slug(arn.rsplit('/').nth(1).unwrap_or(arn));
                file.line("trust_store", &format!("trust-stores/{name}.pem"));
                self.note(
                    Kind::ToDo,
                    place,
                    format!("trust-stores/{name}.pem: the authorities of {arn}, and its revocation lists"),
                );
            }
            if mutual.flag("IgnoreClientCertificateExpiry") == Some(true) {
                file.raw("ignore_client_certificate_expiry", "true");
            }
            if mutual.text("AdvertiseTrustStoreCaNames") == Some("on") {
                file.raw("advertise_trust_store_ca_names", "true");
            }
        });
        mutual.finish(&mut self.notes);
    }

    fn write_rules(&mut self, file: &mut Writer, listener: &Object<'_>, arn: &str, name: &str) {
        let documents = self.documents;
        // `...:listener/app/NAME/ID/LISTENER` and `...:listener-rule/app/NAME/ID/LISTENER/RULE`
        let own = arn.split_once(":listener/").map_or(arn, |(_, rest)| rest);
        let is_ours = |rule: &&Value| {
            let rule_arn = rule.get("RuleArn").and_then(Value::as_str).unwrap_or_default();
            let rest = rule_arn.split_once(":listener-rule/").map_or(rule_arn, |(_, rest)| rest);
            rest.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'))
        };
        let mut rules: Vec<(u64, &Value)> = Vec::new();
        let mut default = None;
        for rule in documents.rules.iter().filter(is_ours) {
            let priority = rule.get("Priority").and_then(Value::as_str).unwrap_or_default();
            match priority.parse() {
                Ok(number) => rules.push((number, rule)),
                Err(_) => default = Some(rule),
            }
        }
        rules.sort_by_key(|(priority, _)| *priority);
        if rules.is_empty() && default.is_none() {
            let text = "its rules: give what `aws elbv2 describe-rules --listener-arn …` prints";
            self.note(Kind::ToDo, &format!("listener {name}"), text);
        }
        let mut names = BTreeSet::new();
        if !rules.is_empty() {
            file.under("rules", |file| {
                for (priority, rule) in rules {
                    let origin = rule.get("Origin").and_then(Value::as_str);
                    let place = origin.map_or_else(
                        || format!("rule {priority} of listener {name}"),
                        |origin| format!("{origin} (rule {priority} of listener {name})"),
                    );
                    let Some(rule) = Object::new(rule, &*place) else { continue };
                    self.write_rule(file, &rule, priority, &mut names);
                    rule.ignore(&["RuleArn", "Priority", "IsDefault"]);
                    rule.finish(&mut self.notes);
                }
            });
        }
        let place = format!("default rule of listener {name}");
        let actions = default.and_then(|rule| rule.get("Actions")?.as_array()).map(Vec::as_slice);
        let stated = listener.list("DefaultActions");
        let actions = actions.unwrap_or(stated);
        if !actions.is_empty() {
            file.under("default_action", |file| {
                self.write_actions(file, actions, &place);
            });
        }
    }

    fn write_rule(
        &mut self,
        file: &mut Writer,
        rule: &Object<'_>,
        priority: u64,
        names: &mut BTreeSet<String>,
    ) {
        let place = rule.place().to_owned();
        let conditions: Vec<Object<'_>> = rule
            .list("Conditions")
            .iter()
            .filter_map(|value| Object::new(value, &*place))
            .collect();
        let actions = rule.list("Actions");
        let transforms = rule.list("Transforms");
        let name = unique(&rule_name(&conditions, priority), names);
        let Some(conditions) = self.conditions(conditions, &place) else { return };
        file.item(|file| {
            if let Some(origin) = rule.text("Origin") {
                file.comment(origin);
            }
            file.line("name", &name);
            file.raw("priority", &priority.to_string());
            conditions.write(file);
            let is_forwarded = self.write_actions(file, actions, &place);
            if is_forwarded {
                self.write_transforms(file, transforms, &place);
            }
        });
    }
}

/// After its path or host, as a person would call it.
fn rule_name(conditions: &[Object<'_>], priority: u64) -> String {
    for (field, config) in
        [("path-pattern", "PathPatternConfig"), ("host-header", "HostHeaderConfig")]
    {
        for condition in conditions.iter().filter(|one| one.text("Field") == Some(field)) {
            let object = condition.object(config);
            let values = object.map(|object| object.texts("Values")).unwrap_or_default();
            let first =
                values.first().copied().or_else(|| condition.texts("Values").first().copied());
            if let Some(name) = first.map(slug).filter(|name| name != "unnamed") {
                return name;
            }
        }
    }
    format!("rule-{priority}")
}

fn certificate_arns(certificates: &[Value]) -> Vec<&str> {
    certificates.iter().filter_map(|one| one.get("CertificateArn")?.as_str()).collect()
}

fn write_attributes(file: &mut Writer, attributes: &mut Attributes) {
    for (key, ours, usual) in [
        ("idle_timeout.timeout_seconds", "idle_timeout", "60"),
        ("client_keep_alive.seconds", "client_keep_alive", "3600"),
    ] {
        if let Some(seconds) = attributes.unusual(key, usual) {
            file.raw(ours, &format!("{seconds}s"));
        }
    }
    if attributes.unusual("routing.http2.enabled", "true").is_some() {
        file.raw("http2", "false");
    }
    if let Some(mode) = attributes.unusual("routing.http.desync_mitigation_mode", "defensive") {
        file.line("desync_mitigation_mode", &mode);
    }
    for (key, ours) in [
        ("routing.http.drop_invalid_header_fields.enabled", "drop_invalid_header_fields"),
        ("routing.http.preserve_host_header.enabled", "preserve_host_header"),
        ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "tls_headers"),
    ] {
        if attributes.unusual(key, "false").is_some() {
            file.raw(ours, "true");
        }
    }
    let mode = attributes.unusual("routing.http.xff_header_processing.mode", "append");
    let port = attributes.unusual("routing.http.xff_client_port.enabled", "false").is_some();
    match (mode, port) {
        (mode, true) => {
            let mode = mode.unwrap_or_else(|| "append".to_owned());
            file.raw(
                "x_forwarded_for",
                &format!("{{ mode: {}, client_port: true }}", scalar(&mode)),
            );
        }
        (Some(mode), false) => file.line("x_forwarded_for", &mode),
        (None, false) => {}
    }
}
