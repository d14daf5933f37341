//! `apis:`, their authorizers and routes.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::pattern::Refusal;
use super::{Judge, Scene, header, seconds};
use crate::config::diagnostics::{Diagnostic, Span};
use crate::config::field::{Field, Spanned, Table};
use crate::config::model::{
    Api, Demand, IdentitySource, Integration, JwtValidation, PoolIndex, Route, RoutePattern,
    Segment, TokenUse,
};
use crate::config::raw;
use crate::config::suggest;

/// Most routes of an API; AWS's quota is 300.
const MOST_ROUTES: usize = 20_000;
/// Most segments of a route's path.
const MOST_SEGMENTS: usize = 64;
/// Most scopes of a route, and longest of them (API Gateway's quotas).
const MOST_SCOPES: usize = 10;
const LONGEST_SCOPE: usize = 64;
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"];

/// What routes of one API refer to.
struct Doors {
    /// `None` when the authorizer is wrong.
    by_name: HashMap<String, Option<Door>>,
    /// Of routes that name none.
    default: Option<Spanned<String>>,
    is_strict: bool,
}

/// One authorizer.
#[derive(Clone)]
struct Door {
    pool: PoolIndex,
    source: IdentitySource,
}

impl Judge<'_> {
    /// One entry for each name; `None` where it is wrong.
    pub(super) fn apis(
        &mut self,
        raw: &Field<Table<raw::Api>>,
        scene: &mut Scene<'_>,
    ) -> Vec<Option<Api>> {
        let entries = raw.value().map(|table| &table.entries).into_iter().flatten();
        entries.map(|(name, api)| self.api(name, api.as_ref()?, scene)).collect()
    }

    fn api(
        &mut self,
        name: &Spanned<String>,
        raw: &raw::Api,
        scene: &mut Scene<'_>,
    ) -> Option<Api> {
        let kind = self.demand(&raw.kind, name.span, "type");
        let base_path = match raw.base_path.given() {
            None => Some(String::new()),
            Some(text) => self.accept("invalid-base-path", text.span, base_path(&text.value)),
        };
        let is_strict = !matches!(raw.compatibility.value(), Some(raw::Compatibility::Aws));
        let doors = Doors {
            by_name: self.authorizers(&raw.authorizers, scene),
            default: raw.authorizer.given().cloned(),
            is_strict,
        };
        if let Some(default) = &doors.default {
            self.door(&doors, default);
        }
        let cors = self.cors(&raw.cors);
        let table = self.demand(&raw.routes, name.span, "routes")?;
        let routes = self.routes(table, &doors, scene);
        let is_open = |routes: &Vec<Route>| routes.iter().all(|route| route.validation.is_none());
        let throttle = self.throttle(&raw.throttle, routes.as_ref().is_some_and(is_open));
        kind?;
        let routes = routes?;
        self.judge_throttle_memory(name.span, &throttle, &routes);
        Some(Api {
            name: name.value.as_str().into(),
            base_path: base_path?,
            is_strict,
            cors,
            throttle,
            routes,
            span: name.span,
        })
    }

    fn authorizers(
        &mut self,
        raw: &Field<Table<raw::Authorizer>>,
        scene: &mut Scene<'_>,
    ) -> HashMap<String, Option<Door>> {
        let mut doors = HashMap::new();
        for (name, authorizer) in raw.value().map(|table| &table.entries).into_iter().flatten() {
            self.check_name("authorizer", name);
            if name.value == "none" {
                let message = "`none` says that a route has no authorizer";
                self.report(Diagnostic::error("invalid-name", name.span, message));
            }
            let door = authorizer.as_ref().and_then(|raw| self.authorizer(name.span, raw, scene));
            doors.insert(name.value.clone(), door);
        }
        doors
    }

    fn authorizer(
        &mut self,
        place: Span,
        raw: &raw::Authorizer,
        scene: &mut Scene<'_>,
    ) -> Option<Door> {
        let jwt = self.demand(&raw.jwt, place, "jwt")?;
        let pool = self.demand(&jwt.value.user_pool, jwt.key, "user_pool");
        let pool = pool.and_then(|name| scene.pools.pool(self, name));
        let source = match jwt.value.identity_source.given() {
            None => Some("authorization".to_owned()),
            Some(text) => {
                let name = header::identity_source(&text.value);
                let name = self.accept("invalid-identity-source", text.span, name);
                self.token_headers.extend(name.clone().map(|name| (name, text.span)));
                name
            }
        };
        Some(Door { pool: pool?, source: IdentitySource::BearerOrBare(source?) })
    }

    /// The authorizer of this name: `Some(None)` for `none`.
    #[allow(clippy::option_option)]
    fn door(&mut self, doors: &Doors, name: &Spanned<String>) -> Option<Option<Door>> {
        if name.value == "none" {
            return Some(None);
        }
        if let Some(door) = doors.by_name.get(&name.value) {
            return door.clone().map(Some);
        }
        let shown = crate::config::decode::quoted(&name.value);
        let message = format!("this API has no authorizer {shown}");
        let mut finding = Diagnostic::error("unknown-authorizer", name.span, message);
        finding.help = suggest::did_you_mean(&name.value, doors.by_name.keys().map(String::as_str))
            .or_else(|| Some("name one of the API's `authorizers`, or `none`".to_owned()));
        self.report(finding);
        None
    }

    fn routes(
        &mut self,
        table: &Spanned<Table<raw::Route>>,
        doors: &Doors,
        scene: &mut Scene<'_>,
    ) -> Option<Vec<Route>> {
        if table.value.entries.is_empty() {
            let message = "`routes` may not be empty: every request would be answered 404";
            self.report(Diagnostic::error("missing-routes", table.key, message));
        }
        if let Some((key, _)) = table.value.entries.get(MOST_ROUTES) {
            let message = format!("more than {MOST_ROUTES} routes");
            self.report(Diagnostic::error("out-of-range", key.span, message));
            return None;
        }
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut routes = Vec::with_capacity(table.value.entries.len());
        let mut is_whole = true;
        for (key, raw) in &table.value.entries {
            let pattern = self.accept("invalid-route-key", key.span, route_key(&key.value));
            if let Some(pattern) = &pattern
                && let Some(first) = seen.insert(shape(pattern), key.span)
            {
                let message = format!("`{}` matches the same requests as another route", key.value);
                self.report(
                    Diagnostic::error("duplicate-route", key.span, message)
                        .related(first, "the other route"),
                );
            }
            let route = match (pattern, raw) {
                (Some(pattern), Some(raw)) => self.route(key, pattern, raw, doors, scene),
                _ => None,
            };
            is_whole &= route.is_some();
            routes.extend(route);
        }
        is_whole.then_some(routes)
    }

    fn route(
        &mut self,
        key: &Spanned<String>,
        pattern: RoutePattern,
        raw: &raw::Route,
        doors: &Doors,
        scene: &mut Scene<'_>,
    ) -> Option<Route> {
        let door = match (raw.authorizer.given(), &doors.default) {
            (Some(name), _) => self.door(doors, name),
            // A wrong default is told once, at its own place.
            (None, Some(name)) if raw.authorizer.is_absent() => match name.value.as_str() {
                "none" => Some(None),
                name => doors.by_name.get(name).cloned().flatten().map(Some),
            },
            _ => {
                let message = format!("`{}` does not say who may come", key.value);
                let help = "name one of the API's `authorizers`, or `authorizer: none`";
                if raw.authorizer.is_absent() {
                    let finding = Diagnostic::error("missing-authorizer", key.span, message);
                    self.report(finding.help(help));
                }
                None
            }
        };
        let scopes = self.route_scopes(raw);
        if let (Some(None), Some(place)) = (&door, raw.scopes.key()) {
            let message = "`scopes` without an authorizer: nobody would look at them";
            self.report(
                Diagnostic::error("contradiction", place, message)
                    .help("name an authorizer of the API"),
            );
        }
        let throttle = self.throttle(&raw.throttle, matches!(door, Some(None)));
        let integration = self.integration(key, &pattern, raw, scene);
        let validation = door?.map(|door| JwtValidation {
            pools: vec![door.pool],
            token_use: if doors.is_strict { TokenUse::Access } else { TokenUse::Any },
            scopes: scopes.map(Demand::AnyOf),
            groups: None,
            additional_claims: Vec::new(),
            identity_source: door.source,
            forward_authorization: true,
        });
        let key = key.value.as_str().into();
        Some(Route { key, pattern, validation, throttle, integration: integration? })
    }

    fn route_scopes(&mut self, raw: &raw::Route) -> Option<Vec<String>> {
        let list = raw.scopes.given()?;
        let scopes = self.texts(list, "`scopes`");
        if scopes.len() > MOST_SCOPES {
            let message = format!("more than {MOST_SCOPES} scopes");
            self.report(Diagnostic::error("out-of-range", list.key, message));
        }
        for item in &list.value.items {
            let is_scope = item.value.len() <= LONGEST_SCOPE
                && item.value.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
            if !is_scope {
                let message = "this is not a scope";
                let help =
                    format!("visible ASCII without quotes, at most {LONGEST_SCOPE} characters");
                self.report(Diagnostic::error("invalid-value", item.span, message).help(help));
            }
        }
        Some(scopes)
    }

    fn integration(
        &mut self,
        key: &Spanned<String>,
        pattern: &RoutePattern,
        raw: &raw::Route,
        scene: &mut Scene<'_>,
    ) -> Option<Integration> {
        let given = self.demand(&raw.integration, key.span, "integration")?;
        let raw = &given.value;
        let group = self.demand(&raw.target_group, given.key, "target_group");
        let group = group.and_then(|name| scene.groups.group(self, name));
        let path = match raw.path.given() {
            None if raw.path.is_absent() => None,
            None => return None,
            Some(text) => {
                let template = template(&text.value, pattern);
                Some(self.accept("invalid-integration-path", text.span, template)?)
            }
        };
        const SHORTEST: Duration = Duration::from_millis(50);
        let timeout = self.duration(&raw.timeout, seconds(30), SHORTEST..=seconds(30));
        Some(Integration { group: group?, path, timeout })
    }
}

fn refuse<T>(message: impl Into<String>, help: &str) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: Some(help.to_owned()) })
}

fn base_path(text: &str) -> Result<String, Refusal> {
    const HELP: &str = "write it like `/shop`, or leave it out";
    let Some(rest) = text.strip_prefix('/') else {
        return refuse("a base path begins with `/`", HELP);
    };
    for segment in rest.split('/') {
        literal(segment)?;
        if segment.is_empty() {
            return refuse("a base path has no empty segment, and no slash at its end", HELP);
        }
    }
    Ok(text.to_owned())
}

/// `METHOD /path` or `$default`.
fn route_key(text: &str) -> Result<RoutePattern, Refusal> {
    const HELP: &str = "write `GET /orders/{id}`, `ANY /files/{proxy+}` or `$default`";
    if text == "$default" {
        return Ok(RoutePattern::Default);
    }
    let Some((method, path)) = text.split_once(' ') else {
        return refuse("a route key is a method, one space and a path", HELP);
    };
    if !METHODS.contains(&method) {
        let upper = method.to_ascii_uppercase();
        let help = if METHODS.contains(&upper.as_str()) {
            format!("write `{upper}`")
        } else {
            format!("known: {}", METHODS.join(", "))
        };
        return refuse("this is not a method", &help);
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("the path of a route begins with `/`", HELP);
    };
    if rest.ends_with('/') {
        return refuse(
            "the path of a route has no slash at its end",
            "`/a/` is served by `/a/{proxy+}` or `$default`",
        );
    }
    let method = (method != "ANY").then(|| method.to_owned());
    Ok(RoutePattern::Path { method, segments: segments(rest)? })
}

fn segments(rest: &str) -> Result<Vec<Segment>, Refusal> {
    let texts: Vec<&str> = rest.split('/').collect();
    if texts.len() > MOST_SEGMENTS {
        return refuse("this path has too many segments", "at most 64");
    }
    let mut names = HashSet::new();
    let mut segments = Vec::with_capacity(texts.len());
    for (position, text) in texts.iter().enumerate() {
        let segment = segment(text)?;
        match &segment {
            Segment::Literal(text) if text.is_empty() && texts.len() > 1 => {
                return refuse("this path has an empty segment", "write one `/`, not two");
            }
            Segment::Literal(_) => {}
            Segment::Greedy(_) if position + 1 < texts.len() => {
                return refuse("a variable with `+` is the last segment", "put it last");
            }
            Segment::Variable(name) | Segment::Greedy(name) => {
                if !names.insert(name.clone()) {
                    return refuse(
                        format!("`{name}` stands twice in this path"),
                        "give each variable a name of its own",
                    );
                }
            }
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<Segment, Refusal> {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else { return literal(text) };
    let (name, is_greedy) = match inner.strip_suffix('+') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        return refuse("this is not a variable's name", "letters, digits, `_`, `-` and `.`");
    }
    let name = name.to_owned();
    Ok(if is_greedy { Segment::Greedy(name) } else { Segment::Variable(name) })
}

/// Text that is its own canonical spelling, so that it can match at all.
fn literal(text: &str) -> Result<Segment, Refusal> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&b);
    if text.contains(['{', '}']) {
        return refuse("a variable is a whole segment", "write `/{name}/` between slashes");
    }
    if matches!(text, "." | "..") || !text.bytes().all(is_plain) {
        return refuse(
            "this segment of a path could never match",
            "letters, digits and `-._~!$&'()*+,=:@`; no escapes, no dot segments",
        );
    }
    Ok(Segment::Literal(text.to_owned()))
}

/// The path of an integration; its variables must be the route's.
fn template(text: &str, pattern: &RoutePattern) -> Result<Vec<Segment>, Refusal> {
    let Some(rest) = text.strip_prefix('/') else {
        return refuse("the path of an integration begins with `/`", "write it like `/v1/{id}`");
    };
    let known: Vec<&Segment> = match pattern {
        RoutePattern::Default => Vec::new(),
        RoutePattern::Path { segments, .. } => segments.iter().collect(),
    };
    let mut parts: Vec<Segment> = Vec::new();
    for text in rest.split('/') {
        let part = segment(text)?;
        match parts.last() {
            Some(Segment::Greedy(name)) => {
                return refuse(
                    format!("`{name}` holds slashes, so nothing can stand behind it"),
                    "put it last",
                );
            }
            Some(Segment::Literal(before)) if before.is_empty() => {
                return refuse("this path has an empty segment", "write one `/`, not two");
            }
            _ => {}
        }
        let (Segment::Variable(name) | Segment::Greedy(name)) = &part else {
            parts.push(part);
            continue;
        };
        let found = known.iter().find(|segment| match segment {
            Segment::Literal(_) => false,
            Segment::Variable(known) | Segment::Greedy(known) => known == name,
        });
        let Some(found) = found else {
            return refuse(
                format!("the route has no variable `{name}`"),
                "only variables of the route key can stand here",
            );
        };
        parts.push((*found).clone());
    }
    Ok(parts)
}

/// Equal for patterns that match the same requests.
fn shape(pattern: &RoutePattern) -> String {
    let RoutePattern::Path { method, segments } = pattern else { return "$default".to_owned() };
    let mut shape = method.clone().unwrap_or_default();
    for segment in segments {
        shape.push('/');
        shape.push_str(match segment {
            Segment::Literal(text) => text,
            Segment::Variable(_) => "{}",
            Segment::Greedy(_) => "{+}",
        });
    }
    shape
}
