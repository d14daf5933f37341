//! What comes of a request: who may come, and where it goes then.

use serde_json::{Map, Value, json};

use super::super::Kind;
use super::annotations::Annotations;
use super::note;
use super::objects::Ingress;
use super::rules::{Rules, fixed, text};

impl Rules<'_> {
    /// Whether it redirects to where it was asked.
    pub(super) fn comes_back(&self, action: &Value) -> bool {
        let Some(config) = action.get("RedirectConfig") else { return false };
        let is = |key: &str, own: &[&str]| {
            let said = text(config, key);
            said.is_empty() || own.contains(&said)
        };
        let port = self.front.rsplit('/').next().unwrap_or_default();
        let own = if self.is_https { "HTTPS" } else { "HTTP" };
        is("Protocol", &["#{protocol}", own])
            && is("Port", &["#{port}", port])
            && is("Host", &["#{host}"])
            && is("Path", &["/#{path}"])
            && is("Query", &["#{query}"])
    }

    /// What comes of a request, and whether it was understood.
    pub(super) fn actions(
        &mut self,
        ingress: &Ingress,
        backend: &Value,
        at: &str,
    ) -> (Vec<Value>, bool) {
        if self.answers.backends.is_closed(&ingress.name()) {
            return (vec![fixed("503")], true);
        }
        let Some(service) = backend.pointer("/service/name").and_then(Value::as_str) else {
            note(self.notes, Kind::Dropped, at, "a backend that is no Service: it answers 503");
            return (vec![fixed("503")], true);
        };
        let port =
            backend.pointer("/service/port/number").or(backend.pointer("/service/port/name"));
        let port = port.cloned().unwrap_or_default();
        let mut whose = ingress.annotations.clone();
        let action = if port.as_str() == Some("use-annotation") {
            match ingress.annotations.json(&format!("actions.{service}")) {
                Ok(Some(action)) => self.custom(ingress, action, &mut whose, at),
                Ok(None) | Err(()) => return (Vec::new(), false),
            }
        } else {
            if let Some(known) = self.objects.service(&ingress.namespace, service) {
                whose = known.annotations.or(&whose);
            }
            let place = (ingress.namespace.as_str(), service);
            let arn = self.answers.backends.arn(self.objects, place, &port, &whose, at);
            json!({ "Type": "forward", "TargetGroupArn": arn })
        };
        let Some(guard) = self.guard(&whose, at) else { return (vec![fixed("503")], true) };
        let ordered = guard.into_iter().chain([action]).enumerate().map(|(order, mut action)| {
            action["Order"] = (order + 1).into();
            action
        });
        (ordered.collect(), true)
    }

    /// An action of an annotation, with its Services as target groups.
    fn custom(
        &mut self,
        ingress: &Ingress,
        mut action: Value,
        whose: &mut Annotations,
        at: &str,
    ) -> Value {
        let groups =
            action.pointer_mut("/ForwardConfig/TargetGroups").and_then(Value::as_array_mut);
        let Some(groups) = groups else { return action };
        let is_only = groups.len() == 1;
        for group in groups {
            let Some(service) = group.get("ServiceName").and_then(Value::as_str) else { continue };
            let known = self.objects.service(&ingress.namespace, service);
            let own = known.map_or_else(
                || ingress.annotations.clone(),
                |known| known.annotations.or(&ingress.annotations),
            );
            let port = group.get("ServicePort").cloned().unwrap_or_default();
            let place = (ingress.namespace.as_str(), service);
            let arn = self.answers.backends.arn(self.objects, place, &port, &own, at);
            let weight = group.get("Weight").cloned().unwrap_or_else(|| 1.into());
            *group = json!({ "TargetGroupArn": arn, "Weight": weight });
            if is_only {
                *whose = own;
            }
        }
        action
    }

    /// Who may come. `None` when that cannot be carried over.
    fn guard(&mut self, whose: &Annotations, at: &str) -> Option<Vec<Value>> {
        let mut guard = Vec::new();
        let kind = whose.text("auth-type").unwrap_or("none");
        if kind != "none" && self.is_https {
            let (key, theirs) = match kind {
                "cognito" => ("auth-idp-cognito", "AuthenticateCognitoConfig"),
                _ => ("auth-idp-oidc", "AuthenticateOidcConfig"),
            };
            let provider = whose.json(key).ok().flatten();
            let Some(Value::Object(mut config)) =
                provider.filter(|_| matches!(kind, "cognito" | "oidc"))
            else {
                let text = format!(
                    "`auth-type: {kind}` without a provider that is understood: it answers 503"
                );
                note(self.notes, Kind::Dropped, at, text);
                return None;
            };
            if let Some(secret) = config.remove("SecretName") {
                let text = format!("`client_id`: it is in the secret {secret} of the cluster");
                note(self.notes, Kind::ToDo, at, text);
                config.insert("ClientId".to_owned(), "CHANGE-ME".into());
            }
            for (key, ours) in [
                ("auth-scope", "Scope"),
                ("auth-session-cookie", "SessionCookieName"),
                ("auth-session-timeout", "SessionTimeout"),
                ("auth-on-unauthenticated-request", "OnUnauthenticatedRequest"),
            ] {
                config.extend(whose.text(key).map(|text| (ours.to_owned(), text.into())));
            }
            let mut action = Map::new();
            action.insert("Type".to_owned(), format!("authenticate-{kind}").into());
            action.insert(theirs.to_owned(), Value::Object(config));
            guard.push(Value::Object(action));
        } else if kind != "none" {
            let text =
                "on HTTP nobody signs in, as before; `ssl-redirect` would send people to HTTPS";
            note(self.notes, Kind::Advice, at, text);
        }
        match whose.json("jwt-validation") {
            Ok(None) => {}
            Ok(Some(config)) => {
                guard.push(json!({ "Type": "jwt-validation", "JwtValidationConfig": config }));
            }
            Err(()) => {
                note(
                    self.notes,
                    Kind::Dropped,
                    at,
                    "`jwt-validation` is not understood: it answers 503",
                );
                return None;
            }
        }
        Some(guard)
    }
}

/// As version 1 spells it; the beta had `serviceName` and `servicePort`.
pub(super) fn backend(value: Option<&Value>) -> Value {
    let Some(backend) = value else { return Value::Null };
    let Some(name) = backend.get("serviceName") else { return backend.clone() };
    let port = backend.get("servicePort").cloned().unwrap_or_default();
    let key = if port.is_number() { "number" } else { "name" };
    json!({ "service": { "name": name, "port": { key: port } } })
}
