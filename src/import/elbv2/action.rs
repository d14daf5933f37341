//! The actions of a rule.

use serde_json::Value;

use super::super::name::{cognito_pool, slug, unique};
use super::super::yaml::{Writer, flow, scalar};
use super::super::{Kind, Note, Object};
use super::{Import, Pool};

impl Import<'_> {
    /// Writes what comes of a request, in AWS's order. Says whether it is forwarded.
    pub(super) fn write_actions(
        &mut self,
        file: &mut Writer,
        actions: &[Value],
        place: &str,
    ) -> bool {
        let mut actions: Vec<Object<'_>> =
            actions.iter().filter_map(|action| Object::new(action, place)).collect();
        actions.sort_by_key(|action| action.number("Order").unwrap_or(u64::MAX));
        let is_guarded = actions
            .iter()
            .any(|action| is_sign_in(action) || action.text("Type") == Some("jwt-validation"));
        let (mut is_lost, mut is_forwarded) = (false, false);
        for action in actions {
            action.ignore(&["Order"]);
            match action.text("Type").unwrap_or_default() {
                kind if is_sign_in(&action) => {
                    if !self.write_sign_in(file, &action) {
                        let text = format!(
                            "`{kind}`: not all that is needed is there, or the issuer has another \
                             client already; the rule answers 503"
                        );
                        self.note(Kind::Dropped, place, text);
                        ignore_all(&action);
                        file.comment(&format!("{kind}: see the report"));
                        file.raw("fixed_response", "{ status_code: 503 }");
                        is_lost = true;
                    }
                }
                "jwt-validation" => self.write_jwt_validation(file, &action),
                // Nobody may come past a sign-in that is not there.
                _ if is_lost => ignore_all(&action),
                "forward" => {
                    if !is_guarded {
                        file.raw("public", "true");
                    }
                    self.write_forward(file, &action);
                    is_forwarded = true;
                }
                "redirect" => write_redirect(file, &action, &mut self.notes),
                "fixed-response" => write_fixed_response(file, &action, &mut self.notes),
                other => {
                    let text = format!("the action `{other}`: the rule answers 503");
                    self.note(Kind::Dropped, place, text);
                    ignore_all(&action);
                    file.raw("fixed_response", "{ status_code: 503 }");
                }
            }
            action.finish(&mut self.notes);
        }
        is_forwarded
    }

    /// Writes what of a request changes on its way.
    pub(super) fn write_transforms(
        &mut self,
        file: &mut Writer,
        transforms: &[Value],
        place: &str,
    ) {
        let transforms: Vec<Object<'_>> =
            transforms.iter().filter_map(|one| Object::new(one, place)).collect();
        if transforms.is_empty() {
            return;
        }
        file.under("transforms", |file| {
            for transform in transforms {
                let (key, config) = match transform.text("Type") {
                    Some("host-header-rewrite") => {
                        ("host_header_rewrite", transform.object("HostHeaderRewriteConfig"))
                    }
                    _ => ("url_rewrite", transform.object("UrlRewriteConfig")),
                };
                let rewrites = config.as_ref().map(|config| config.list("Rewrites"));
                for rewrite in rewrites.into_iter().flatten().take(1) {
                    let Some(rewrite) = Object::new(rewrite, place) else { continue };
                    let text = |key| scalar(rewrite.text(key).unwrap_or_default());
                    let (regex, replace) = (text("Regex"), text("Replace"));
                    file.raw(key, &format!("{{ regex: {regex}, replace: {replace} }}"));
                    rewrite.finish(&mut self.notes);
                }
                if let Some(config) = config {
                    config.finish(&mut self.notes);
                }
                transform.finish(&mut self.notes);
            }
        });
    }

    fn write_jwt_validation(&mut self, file: &mut Writer, action: &Object<'_>) {
        let Some(config) = action.object("JwtValidationConfig") else { return };
        let issuer = config.text("Issuer").unwrap_or_default().to_owned();
        let jwks_uri = config.text("JwksEndpoint").map(str::to_owned);
        let mut audiences = Vec::new();
        let mut claims = Vec::new();
        for claim in config.list("AdditionalClaims") {
            let Some(claim) = Object::new(claim, action.place()) else { continue };
            let (name, values) = (claim.text("Name").unwrap_or_default(), claim.texts("Values"));
            if name == "aud" || (name == "client_id" && cognito_pool(&issuer).is_some()) {
                audiences.extend(values.into_iter().map(str::to_owned));
                claim.ignore(&["Format"]);
            } else {
                let format = claim.text("Format").unwrap_or("single-string").replace('-', "_");
                claims.push(format!(
                    "{{ name: {}, format: {format}, values: {} }}",
                    scalar(name),
                    flow(values)
                ));
            }
            claim.finish(&mut self.notes);
        }
        let pool = Pool { issuer, jwks_uri, audiences, verifies: true, sign_in: None };
        let name = self.pool_name(&pool);
        file.under("jwt_validation", |file| {
            file.list("user_pools", [&*name]);
            if cognito_pool(&pool.issuer).is_some() {
                file.line("token_use", "any");
            }
            if !claims.is_empty() {
                file.raw("additional_claims", &format!("[{}]", claims.join(", ")));
            }
        });
        config.finish(&mut self.notes);
    }

    /// The name of a pool like this one, which is made where there is none.
    pub(super) fn pool_name(&mut self, pool: &Pool) -> String {
        // One that people sign in at may be the same but for that.
        let is_same = |known: &Pool| {
            known.issuer == pool.issuer
                && (!known.verifies || known.audiences == pool.audiences)
                && (known.jwks_uri.is_none() || known.jwks_uri == pool.jwks_uri)
        };
        if let Some((name, known)) = self.pools.iter_mut().find(|(_, known)| is_same(known)) {
            if !known.verifies {
                known.audiences.clone_from(&pool.audiences);
                known.jwks_uri.clone_from(&pool.jwks_uri);
                known.verifies = pool.verifies;
            }
            return name.clone();
        }
        let base = match cognito_pool(&pool.issuer) {
            Some(id) => slug(id),
            None => slug(pool.issuer.trim_start_matches("https://")),
        };
        let mut taken = self.pools.keys().cloned().collect();
        let name = unique(&base, &mut taken);
        self.pools.insert(name.clone(), pool.clone());
        name
    }

    fn write_forward(&mut self, file: &mut Writer, action: &Object<'_>) {
        let single = action.text("TargetGroupArn");
        let config = action.object("ForwardConfig");
        let mut groups: Vec<(String, u64)> = Vec::new();
        for group in config.iter().flat_map(|config| config.list("TargetGroups")) {
            let Some(group) = Object::new(group, action.place()) else { continue };
            let weight = group.number("Weight").unwrap_or(1);
            groups.extend(
                group.text("TargetGroupArn").map(|arn| (self.group(arn, action.place()), weight)),
            );
            group.finish(&mut self.notes);
        }
        if groups.is_empty() {
            groups.extend(single.map(|arn| (self.group(arn, action.place()), 1)));
        }
        let stickiness = config.as_ref().and_then(|config| {
            let stickiness = config.object("TargetGroupStickinessConfig")?;
            let seconds = stickiness.number("DurationSeconds");
            stickiness.flag("Enabled")?.then_some(seconds.unwrap_or(3600))
        });
        if let Some(config) = config {
            config.finish(&mut self.notes);
        }
        match (groups.as_slice(), stickiness) {
            ([(only, _)], _) => file.line("forward", only),
            (several, stickiness) => file.under("forward", |file| {
                file.under("target_groups", |file| {
                    for (name, weight) in several {
                        file.item(|file| {
                            file.line("name", name);
                            file.raw("weight", &weight.to_string());
                        });
                    }
                });
                if let Some(seconds) = stickiness {
                    file.raw("stickiness", &format!("{{ duration: {seconds}s }}"));
                }
            }),
        }
    }

    fn group(&mut self, arn: &str, place: &str) -> String {
        if !self.used_groups.iter().any(|used| used == arn) {
            self.used_groups.push(arn.to_owned());
        }
        if let Some(name) = self.groups.get(arn) {
            return name.to_owned();
        }
        // `...:targetgroup/NAME/ID`
        let name = arn.rsplit('/').nth(1).map_or_else(|| "unknown".to_owned(), slug);
        self.note(
            Kind::ToDo,
            place,
            format!(
                "the target group `{name}`: give what `aws elbv2 describe-target-groups` prints"
            ),
        );
        name
    }
}

fn is_sign_in(action: &Object<'_>) -> bool {
    matches!(action.text("Type"), Some("authenticate-cognito" | "authenticate-oidc"))
}

/// The rule that it belongs to answers by itself, which is told.
fn ignore_all(action: &Object<'_>) {
    action.ignore(&[
        "AuthenticateCognitoConfig",
        "AuthenticateOidcConfig",
        "TargetGroupArn",
        "ForwardConfig",
        "RedirectConfig",
        "FixedResponseConfig",
        "JwtValidationConfig",
    ]);
}

fn write_redirect(file: &mut Writer, action: &Object<'_>, notes: &mut Vec<Note>) {
    let Some(config) = action.object("RedirectConfig") else { return };
    let mut parts = Vec::new();
    for (key, ours, usual) in [
        ("Protocol", "protocol", "#{protocol}"),
        ("Host", "host", "#{host}"),
        ("Port", "port", "#{port}"),
        ("Path", "path", "/#{path}"),
        ("Query", "query", "#{query}"),
    ] {
        if let Some(value) = config.text(key).filter(|value| *value != usual) {
            parts.push(format!("{ours}: {}", scalar(value)));
        }
    }
    let status = if config.text("StatusCode") == Some("HTTP_301") { 301 } else { 302 };
    parts.push(format!("status_code: {status}"));
    config.finish(notes);
    file.raw("redirect", &format!("{{ {} }}", parts.join(", ")));
}

fn write_fixed_response(file: &mut Writer, action: &Object<'_>, notes: &mut Vec<Note>) {
    let Some(config) = action.object("FixedResponseConfig") else { return };
    let status = config.number("StatusCode").unwrap_or(503);
    let mut parts = vec![format!("status_code: {status}")];
    if let Some(kind) = config.text("ContentType").filter(|kind| *kind != "text/plain") {
        parts.push(format!("content_type: {}", scalar(kind)));
    }
    if let Some(body) = config.text("MessageBody") {
        parts.push(format!("message_body: {}", scalar(body)));
    }
    config.finish(notes);
    file.raw("fixed_response", &format!("{{ {} }}", parts.join(", ")));
}
