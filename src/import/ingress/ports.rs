//! Where a load balancer listens, and with which certificates.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Kind, Note};
use super::note;
use super::objects::Ingress;
use super::rules::place;

/// A port, and whether it speaks HTTPS.
pub(super) type Port = (u64, bool);

/// `[{"HTTP": 80}]`
pub(super) fn listen_ports(ingress: &Ingress, notes: &mut Vec<Note>) -> Vec<Port> {
    let annotations = &ingress.annotations;
    let usual = match annotations.text("certificate-arn") {
        Some(_) => (443, true),
        None => (80, false),
    };
    let Some(text) = annotations.text("listen-ports") else { return vec![usual] };
    let list: Vec<BTreeMap<String, u64>> = serde_json::from_str(text).unwrap_or_default();
    let ports: Vec<Port> = list
        .iter()
        .flatten()
        .filter(|(protocol, _)| matches!(&***protocol, "HTTP" | "HTTPS"))
        .map(|(protocol, port)| (*port, protocol == "HTTPS"))
        .collect();
    if ports.is_empty() {
        let text = format!("`listen-ports` is not understood: port {} it is", usual.0);
        note(notes, Kind::ToDo, &place(ingress), text);
        return vec![usual];
    }
    ports
}

/// Those that are named, or else those of `tls`.
pub(super) fn certificates(ingresses: &[&Ingress]) -> Vec<Value> {
    let named = ingresses.iter().flat_map(|one| one.annotations.list("certificate-arn"));
    let mut all: Vec<String> = named.collect();
    if all.is_empty() {
        let tls = ingresses.iter().filter_map(|one| one.spec.get("tls")?.as_array()).flatten();
        let secrets = tls.filter_map(|tls| tls.get("secretName")?.as_str());
        all = secrets.map(|secret| format!("secret/{secret}")).collect();
    }
    if all.is_empty() {
        all.push("certificate/edge".to_owned());
    }
    all.iter().map(|arn| json!({ "CertificateArn": arn })).collect()
}
