//! Who serves a route: what an integration's address says of a target group and of a path.

use url::Url;

use super::super::Kind;
use super::super::name::slug;
use super::super::yaml::Writer;
use super::Import;

/// A target group that an integration needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Empty where an address must be filled in.
    targets: Vec<String>,
    is_https: bool,
    server_name: Option<String>,
}

/// Where an integration leads.
pub(super) struct Place {
    pub(super) group: String,
    /// The path that targets get; absent where it is the request's own.
    pub(super) path: Option<String>,
}

impl Import<'_> {
    /// The group and the path of an address, with stage variables put in. `Err` says why not.
    pub(super) fn place_of(
        &mut self,
        uri: &str,
        variables: &[(String, String)],
        server_name: Option<&str>,
    ) -> Result<Place, String> {
        let uri = variables.iter().fold(uri.to_owned(), |uri, (name, value)| {
            uri.replace(&format!("${{stageVariables.{name}}}"), value)
        });
        if uri.contains("${") {
            return Err(format!("a variable in its address `{uri}` that the stage does not have"));
        }
        if uri.starts_with("arn:") {
            return Ok(Place { group: self.private_group(&uri, server_name), path: None });
        }
        // Braces of path variables are not a URL's.
        let masked = uri.replace('{', "(").replace('}', ")");
        let url = Url::parse(&masked).map_err(|_| format!("its address `{uri}` is no URL"))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(format!("its address `{uri}` has no host"));
        };
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || host.contains('(')
        {
            return Err(format!("its address `{uri}` has a variable host or a query"));
        }
        let group = Group {
            targets: vec![format!("{host}:{port}")],
            is_https: url.scheme() == "https",
            server_name: server_name.map(str::to_owned),
        };
        let path = url.path().replace('(', "{").replace(')', "}").replace("+}", "}");
        Ok(Place { group: self.group(host, group), path: Some(path) })
    }

    /// A load balancer or a service in a VPC: its name is all that is known.
    fn private_group(&mut self, arn: &str, server_name: Option<&str>) -> String {
        let mut parts = arn.rsplit('/');
        let own = parts.nth(if arn.contains(":listener/") { 2 } else { 0 }).unwrap_or(arn);
        let group = Group {
            targets: Vec::new(),
            is_https: server_name.is_some(),
            server_name: server_name.map(str::to_owned),
        };
        let name = self.group(own, group);
        let text = format!("the addresses behind {arn}; without them it answers 503");
        let place = format!("target group {name}");
        if !self.notes.iter().any(|note| note.place == place) {
            self.note(Kind::ToDo, &place, text);
        }
        name
    }

    fn group(&mut self, own: &str, group: Group) -> String {
        let name = slug(own);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let fits = |name: &String| self.groups.get(name).is_none_or(|known| *known == group);
        let name = std::iter::once(name.clone()).chain(numbered).find(fits).unwrap_or(name);
        self.groups.entry(name.clone()).or_insert(group);
        name
    }

    pub(super) fn write_groups(&mut self, file: &mut Writer) {
        let groups = std::mem::take(&mut self.groups);
        if groups.is_empty() {
            return;
        }
        file.blank();
        file.under("target_groups", |file| {
            for (name, group) in &groups {
                file.under(name, |file| {
                    file.list("targets", group.targets.iter().map(String::as_str));
                    if group.is_https {
                        file.line("protocol", "https");
                    }
                    let host = group.targets.first().and_then(|target| target.rsplit_once(':'));
                    let server_name =
                        group.server_name.as_deref().or_else(|| host.map(|(host, _)| host));
                    if let Some(server_name) = server_name.filter(|_| group.is_https) {
                        file.under("tls", |file| file.line("server_name", server_name));
                    }
                    if !group.targets.is_empty() {
                        file.raw("health_check", "{ enabled: false }");
                    }
                });
            }
        });
        if groups.values().any(|group| !group.targets.is_empty()) {
            self.note(
                Kind::Advice,
                "target groups",
                "API Gateway does not check its backends' health; say in `health_check` how they \
                 are asked",
            );
        }
    }
}

/// Whether a route's own path is what the integration asks for.
pub(super) fn is_own_path(route: &str, asked: &str) -> bool {
    route.replace("+}", "}") == asked
}

/// Whether each variable of a path is one of the route's, as a whole segment.
pub(super) fn has_its_variables(route: &str, asked: &str) -> bool {
    let known = route.replace("+}", "}");
    let known: Vec<&str> = known.split('/').filter(|segment| segment.starts_with('{')).collect();
    asked.split('/').all(|segment| !segment.contains(['{', '}']) || known.contains(&segment))
}
