//! Which route takes a request: a trie of segments, so that the cost is that of the path and not
//! of the number of routes.
//!
//! A full match beats a greedy one, then more literal segments win, then more segments in front of
//! a greedy variable, then the literal that stands first; of equals the method beats `ANY`.
//! `$default` comes last. That is an HTTP API. A REST API tries at each segment its literal, then
//! the variable, then the greedy one, and takes the first way that ends at a route. A path of another method does not stand in the way, except in a strict
//! API where the path's route is protected and the other one is open.

use std::collections::HashMap;

use crate::config::model::{Api, Flavour, Route, RoutePattern, Segment};

/// Methods that `ANY` stands for.
pub(super) const ANY: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Routes of one API, ready to be looked up. Positions are those in the file.
pub(super) struct RouteTable {
    nodes: Vec<Node>,
    default: Option<usize>,
    doors: Vec<Door>,
    /// Whether a route without an authorizer must make way for a protected one.
    guards: bool,
    /// Whether the first match is the one that counts, as in a REST API.
    takes_first: bool,
}

/// Who may come by a route.
#[derive(Clone, Copy)]
struct Door {
    is_protected: bool,
    is_for_options: bool,
}

#[derive(Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    variable: Option<usize>,
    /// Routes that end here.
    here: Methods,
    /// Routes that take all the rest from here.
    greedy: Methods,
}

#[derive(Default)]
struct Methods {
    exact: Vec<(Box<str>, usize)>,
    any: Option<usize>,
}

/// How good a match is: better is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_full: bool,
    literals: usize,
    depth: usize,
}

/// Which of the routes at a place are looked for.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// One for this method.
    Method(&'a str),
    /// A protected one, of whatever method.
    Protected,
}

struct Search<'a> {
    wanted: Wanted<'a>,
    best: Option<(Rank, usize)>,
}

impl RouteTable {
    pub(super) fn compile(api: &Api) -> Self {
        let doors: Vec<Door> = api.routes.iter().map(Door::of).collect();
        let guards = api.is_strict && doors.iter().any(|door| door.is_protected);
        let takes_first = api.flavour == Flavour::Rest;
        let nodes = vec![Node::default()];
        let mut table = Self { nodes, default: None, doors, guards, takes_first };
        for (position, route) in api.routes.iter().enumerate() {
            match &route.pattern {
                RoutePattern::Default => table.default = Some(position),
                RoutePattern::Path { method, segments } => {
                    table.add(method.as_deref(), segments, position);
                }
            }
        }
        table
    }

    fn add(&mut self, method: Option<&str>, segments: &[Segment], position: usize) {
        let mut at = 0;
        let mut is_greedy = false;
        for segment in segments {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = match segment {
                Segment::Literal(text) => {
                    *node.literals.entry(text.as_str().into()).or_insert(next)
                }
                Segment::Variable(_) => *node.variable.get_or_insert(next),
                Segment::Greedy(_) => {
                    is_greedy = true;
                    break;
                }
            };
            if at == next {
                self.nodes.push(Node::default());
            }
        }
        let Some(node) = self.nodes.get_mut(at) else { return };
        let methods = if is_greedy { &mut node.greedy } else { &mut node.here };
        match method {
            Some(method) => methods.exact.push((method.into(), position)),
            None => methods.any = Some(position),
        }
    }

    /// The route for a method and a canonical path that begins with `/`.
    pub(super) fn select(&self, method: &str, path: &str) -> Option<usize> {
        let (rank, route) = self.find(method, path)?;
        (!(self.guards && self.passes_by(path, rank, route))).then_some(route)
    }

    /// The open route that would serve what a protected one names.
    pub(super) fn bypass(&self, method: &str, path: &str) -> Option<usize> {
        let (rank, route) = self.find(method, path)?;
        self.passes_by(path, rank, route).then_some(route)
    }

    /// The route by preference alone, and how good a match it is; `$default` is none.
    fn find(&self, method: &str, path: &str) -> Option<(Option<Rank>, usize)> {
        let found = self.search(path, Wanted::Method(method));
        let is_root = path == "/";
        let default = self.default.filter(|_| ANY.contains(&method));
        match found {
            // `/` is no rest of a path where somebody has said what everything else is.
            Some((rank, route)) if rank.is_full || !is_root || default.is_none() => {
                Some((Some(rank), route))
            }
            _ => Some((None, default?)),
        }
    }

    /// Whether an open route would serve what a protected one, closer to the path, names with
    /// another method or another slash at the end.
    fn passes_by(&self, path: &str, rank: Option<Rank>, route: usize) -> bool {
        let Some(door) = self.doors.get(route) else { return false };
        if door.is_protected || door.is_for_options {
            return false;
        }
        let other = match path.strip_suffix('/') {
            Some("") | None => format!("{path}/"),
            Some(shorter) => shorter.to_owned(),
        };
        [path, other.as_str()].into_iter().any(|path| {
            let closest = self.search(path, Wanted::Protected);
            closest.is_some_and(|(protected, _)| rank.is_none_or(|rank| protected > rank))
        })
    }

    fn search(&self, path: &str, wanted: Wanted<'_>) -> Option<(Rank, usize)> {
        let mut search = Search { wanted, best: None };
        let rest = path.strip_prefix('/')?;
        self.walk(0, Some(rest), Rank { is_full: false, literals: 0, depth: 0 }, &mut search);
        search.best
    }

    /// Literals first: of two equal matches the one found first stays.
    fn walk(&self, at: usize, rest: Option<&str>, rank: Rank, search: &mut Search<'_>) {
        let Some(node) = self.nodes.get(at) else { return };
        let Some(rest) = rest else {
            let rank = Rank { is_full: true, ..rank };
            return self.note(&node.here, rank, search);
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let depth = rank.depth + 1;
        if let Some(&next) = node.literals.get(segment) {
            let rank = Rank { literals: rank.literals + 1, depth, ..rank };
            self.walk(next, after, rank, search);
        }
        if let Some(next) = node.variable.filter(|_| !segment.is_empty()) {
            self.walk(next, after, Rank { depth, ..rank }, search);
        }
        // `/{proxy+}` of a REST API does not take `/`.
        if !(self.takes_first && rest.is_empty()) {
            self.note(&node.greedy, rank, search);
        }
    }

    fn note(&self, methods: &Methods, rank: Rank, search: &mut Search<'_>) {
        let takes_first = self.takes_first && matches!(search.wanted, Wanted::Method(_));
        if search.best.is_some_and(|(best, _)| takes_first || best >= rank) {
            return;
        }
        let found = match search.wanted {
            Wanted::Method(method) => methods.of(method),
            Wanted::Protected => {
                let is_protected =
                    |route: &usize| self.doors.get(*route).is_some_and(|door| door.is_protected);
                let all = methods.exact.iter().map(|(_, route)| *route).chain(methods.any);
                all.into_iter().find(is_protected)
            }
        };
        if let Some(route) = found {
            search.best = Some((rank, route));
        }
    }
}

impl Door {
    fn of(route: &Route) -> Self {
        let is_for_options = matches!(
            &route.pattern,
            RoutePattern::Path { method: Some(method), .. } if method == "OPTIONS"
        );
        Self { is_protected: route.authorizer.is_some(), is_for_options }
    }
}

impl Methods {
    fn of(&self, method: &str) -> Option<usize> {
        let exact = self.exact.iter().find(|(known, _)| **known == *method);
        exact.map(|(_, route)| *route).or(self.any.filter(|_| ANY.contains(&method)))
    }
}
