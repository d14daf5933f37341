//! An API on its way into the file.

use super::super::yaml::{Writer, flow, scalar};

/// An API as the file will have it.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) is_rest: bool,
    /// The hosts of its custom domains.
    pub(super) hosts: Vec<String>,
    /// The host that AWS generated.
    pub(super) generated: Option<String>,
    pub(super) base_path: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) stage_in_path: bool,
    pub(super) stage_variables: Vec<(String, String)>,
    /// Where AWS runs it, and for whom.
    pub(super) region: Option<String>,
    /// See `region`.
    pub(super) account: Option<String>,
    /// Its id at AWS.
    pub(super) id: String,
    /// What stands under each name.
    pub(super) authorizers: Vec<(String, String)>,
    pub(super) cors: Vec<(&'static str, String)>,
    pub(super) throttle: Option<String>,
    pub(super) gateway_responses: Vec<GatewayResponse>,
    pub(super) routes: Vec<Route>,
}

/// What callers are told in place of API Gateway's words.
pub(super) struct GatewayResponse {
    pub(super) kind: String,
    pub(super) status: Option<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) template: Option<(String, String)>,
}

/// A route as the file will have it.
pub(super) struct Route {
    pub(super) key: String,
    /// `none` for nobody.
    pub(super) authorizer: String,
    pub(super) scopes: Vec<String>,
    pub(super) needs_api_key: bool,
    pub(super) throttle: Option<String>,
    /// Absent where nobody can serve it, which `comment` explains.
    pub(super) integration: Option<Integration>,
    pub(super) comment: Option<String>,
}

/// Who serves a route.
#[derive(Debug, Clone)]
pub(super) enum Integration {
    /// A target group.
    Proxy(Proxy),
    /// The gateway, with this answer.
    Mock(String),
}

/// A target group that serves a route.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxy {
    pub(super) group: String,
    pub(super) path: Option<String>,
    pub(super) timeout: Option<u64>,
    pub(super) request: Vec<(String, String)>,
    pub(super) response: Vec<(String, Vec<(String, String)>)>,
}

impl Route {
    /// A route that nobody serves, and why.
    pub(super) fn closed(key: &str, why: &str) -> Self {
        Self {
            key: key.to_owned(),
            authorizer: "none".to_owned(),
            scopes: Vec::new(),
            needs_api_key: false,
            throttle: None,
            integration: None,
            comment: Some(why.to_owned()),
        }
    }

    fn write(&self, file: &mut Writer) {
        if let Some(comment) = &self.comment {
            file.comment(comment);
        }
        file.under(&self.key, |file| {
            file.line("authorizer", &self.authorizer);
            if !self.scopes.is_empty() {
                file.list("scopes", self.scopes.iter().map(String::as_str));
            }
            if self.needs_api_key {
                file.raw("api_key_required", "true");
            }
            if let Some(throttle) = &self.throttle {
                file.raw("throttle", throttle);
            }
            let Some(integration) = &self.integration else {
                file.raw("integration", "{ mock: { status_code: 503 } }");
                return;
            };
            match integration {
                Integration::Proxy(proxy) => proxy.write(file),
                Integration::Mock(answer) => {
                    file.raw("integration", &format!("{{ mock: {answer} }}"));
                }
            }
        });
    }
}

impl Proxy {
    fn write(&self, file: &mut Writer) {
        file.under("integration", |file| {
            file.line("target_group", &self.group);
            if let Some(path) = &self.path {
                file.line("path", path);
            }
            if let Some(timeout) = self.timeout {
                file.raw("timeout", &format!("{timeout}ms"));
            }
            if !self.request.is_empty() {
                file.under("request_parameters", |file| pairs(file, &self.request));
            }
            if !self.response.is_empty() {
                file.under("response_parameters", |file| {
                    for (status, changes) in &self.response {
                        file.under(status, |file| pairs(file, changes));
                    }
                });
            }
        });
    }
}

fn pairs(file: &mut Writer, pairs: &[(String, String)]) {
    for (key, value) in pairs {
        file.line(key, value);
    }
}

impl Draft {
    /// As AWS calls it.
    pub(super) fn stage_name(&self) -> &str {
        self.stage.as_deref().unwrap_or(if self.is_rest { "prod" } else { "$default" })
    }

    /// Whether region and account mean anything: to who signs, and to who authorizes.
    pub(super) fn needs_arns(&self) -> bool {
        let asks = |(_, text): &(String, String)| text.contains(".invalid/");
        self.is_signed() || self.authorizers.iter().any(asks)
    }

    /// Whether a route asks for a signature.
    pub(super) fn is_signed(&self) -> bool {
        self.routes.iter().any(|route| route.authorizer == "aws_iam")
    }

    pub(super) fn write_conditions(&self, file: &mut Writer) {
        let hosts: Vec<&str> = match self.hosts.is_empty() {
            true => self.generated.iter().map(String::as_str).collect(),
            false => self.hosts.iter().map(String::as_str).collect(),
        };
        if !hosts.is_empty() {
            file.list("host_header", hosts.iter().copied());
        }
        if let Some(base) = &self.base_path {
            file.list("path_pattern", [base.as_str(), &format!("{base}/*")]);
        } else if hosts.is_empty() {
            file.list("host_header", [format!("{}.example.com", self.name).as_str()]);
        }
    }

    pub(super) fn write(&self, file: &mut Writer) {
        file.under(&self.name, |file| {
            file.line("type", if self.is_rest { "rest" } else { "http" });
            if let Some(base) = &self.base_path {
                file.line("base_path", base);
            }
            if let Some(stage) = &self.stage {
                file.line("stage", stage);
            }
            if self.stage_in_path {
                file.raw("stage_in_path", "true");
            }
            if !self.stage_variables.is_empty() {
                file.under("stage_variables", |file| pairs(file, &self.stage_variables));
            }
            file.line("compatibility", "aws");
            if self.needs_arns() {
                for (key, value) in [("region", &self.region), ("account_id", &self.account)] {
                    if let Some(value) = value {
                        file.line(key, value);
                    }
                }
            }
            if !self.authorizers.is_empty() {
                file.under("authorizers", |file| {
                    for (name, text) in &self.authorizers {
                        file.raw(name, text);
                    }
                });
            }
            if !self.cors.is_empty() {
                file.under("cors", |file| self.cors.iter().for_each(|(k, v)| file.raw(k, v)));
            }
            if let Some(throttle) = &self.throttle {
                file.raw("throttle", throttle);
            }
            if !self.gateway_responses.is_empty() {
                file.under("gateway_responses", |file| {
                    self.gateway_responses.iter().for_each(|response| response.write(file));
                });
            }
            file.under("routes", |file| self.routes.iter().for_each(|route| route.write(file)));
        });
    }
}

impl GatewayResponse {
    fn write(&self, file: &mut Writer) {
        file.under(&self.kind, |file| {
            if let Some(status) = &self.status {
                file.raw("status_code", status);
            }
            if !self.headers.is_empty() {
                file.under("response_parameters", |file| pairs(file, &self.headers));
            }
            if let Some((kind, template)) = &self.template {
                file.under("response_templates", |file| file.line(kind, template));
            }
        });
    }
}

/// `{ rate: 10, burst: 20 }`; `None` where nothing is limited.
pub(super) fn throttle(rate: Option<f64>, burst: Option<u64>) -> Option<String> {
    let (rate, burst) = (rate.filter(|rate| *rate > 0.0)?, burst.filter(|burst| *burst > 0)?);
    Some(format!("{{ rate: {rate}, burst: {burst} }}"))
}

/// `[a, b]`.
pub(super) fn list(values: &[&str]) -> String {
    flow(values.iter().copied())
}

/// A text on one line of YAML.
pub(super) fn text(value: &str) -> String {
    scalar(value)
}
