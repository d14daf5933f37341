//! APIs side by side, with their routes.

use serde_json::{Map, Value};

use super::{Part, PartChange, fate, named};
use crate::config::model::{Api, Config, Route};

/// APIs by name: those that went, those that changed, those that came.
pub(super) fn compare(
    old: &Config,
    new: &Config,
    (mut before, mut after): (Map<String, Value>, Map<String, Value>),
) -> Vec<Part> {
    let routes: Vec<_> = names(&before, &after)
        .into_iter()
        .map(|name| {
            let of = |side: &mut Map<String, Value>| side.get_mut(&name).map(routes_of);
            let sides = (of(&mut before), of(&mut after));
            let mut parts = match sides {
                (Some(before), Some(after)) => named("route", &before, &after),
                (None, Some(after)) => named("route", &Map::new(), &after),
                // Its routes went with it.
                (Some(before), None) => named("route", &before, &Map::new()),
                (None, None) => Vec::new(),
            };
            for part in &mut parts {
                let config = match part.change {
                    PartChange::Added => new,
                    PartChange::Removed => old,
                    PartChange::Changed(_) => continue,
                };
                part.about = about(config, &name, &part.name);
            }
            (name, parts)
        })
        .collect();
    let mut parts = named("API", &before, &after);
    for (name, routes) in routes.into_iter().filter(|(_, routes)| !routes.is_empty()) {
        if let Some(part) = parts.iter_mut().find(|part| part.name == name) {
            part.routes = routes;
        } else {
            let part = Part::new("API", &name, PartChange::Changed(Vec::new()));
            parts.push(Part { routes, ..part });
        }
    }
    parts
}

fn names(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let added = after.keys().filter(|name| !before.contains_key(*name));
    before.keys().chain(added).cloned().collect()
}

/// Takes the routes out of an API, by their keys.
fn routes_of(api: &mut Value) -> Map<String, Value> {
    super::take(api, "routes")
}

/// What a route does.
fn about(config: &Config, api: &str, key: &str) -> String {
    let route = config
        .apis
        .iter()
        .find(|known: &&Api| *known.name == *api)
        .and_then(|api| api.routes.iter().find(|route: &&Route| *route.key == *key));
    route.map_or_else(String::new, |route| {
        let demand = fate::demand(route);
        let end = fate::serves(route, config);
        if demand.is_empty() { end } else { format!("{demand}, then: {end}") }
    })
}
