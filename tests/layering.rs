//! The tiers of `docs/architecture.md`, held true by reading the `use` lines.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, its tier, and the modules of its own tier that it may use.
const TIERS: &[(&str, u8, &[&str])] = &[
    ("clock", 0, &[]),
    ("telemetry", 0, &["clock", "http"]),
    ("http", 0, &["clock"]),
    ("config", 1, &[]),
    ("limit", 2, &[]),
    ("routing", 2, &[]),
    ("auth", 2, &[]),
    ("aws", 2, &[]),
    ("session", 2, &[]),
    ("upstream", 2, &[]),
    ("tls", 2, &[]),
    ("answer", 2, &[]),
    ("transform", 2, &[]),
    ("api", 3, &[]),
    ("assertion", 3, &["auth"]),
    ("stickiness", 3, &[]),
    ("sign_in", 3, &[]),
    ("snapshot", 4, &[]),
    ("check", 4, &[]),
    ("import", 4, &[]),
    ("engine", 5, &[]),
    ("connection", 6, &[]),
    ("recording", 6, &["explain"]),
    ("proxy", 6, &["connection", "explain", "fetch", "recording"]),
    ("fetch", 6, &[]),
    ("admin", 6, &[]),
    ("user_pool", 6, &[]),
    ("explain", 6, &[]),
    ("route_tests", 6, &["explain"]),
    ("diff", 6, &["admin", "explain", "recording"]),
    ("app", 7, &[]),
    ("cli", 8, &[]),
];

/// Where a type of Pingora may be named.
const PINGORA: &[&str] = &["app", "connection", "proxy", "tls", "upstream/peer", "upstream/probe"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// `src/auth/jwks.rs` is `auth/jwks`.
fn place(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let relative = path.strip_prefix(root).unwrap().with_extension("");
    relative.to_str().unwrap().to_owned()
}

/// Names that follow `crate::` on lines that are not comments.
fn uses(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            &rest[..end]
        })
        .filter(|name| !name.is_empty())
}

#[test]
fn a_module_uses_lower_tiers_only() {
    let tiers: BTreeMap<_, _> =
        TIERS.iter().map(|(name, tier, same)| (*name, (*tier, *same))).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let place = place(&path);
        let module = place.split('/').next().unwrap();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some((tier, same)) = tiers.get(module) else {
            panic!("{place}: the module `{module}` has no tier; give it one here and in the docs");
        };
        // Unit tests may build their input with whatever they like.
        if place.ends_with("tests") {
            continue;
        }
        for used in uses(&text) {
            let Some((other, _)) = tiers.get(used) else { continue };
            let fine = used == module || other < tier || same.contains(&used);
            if !fine {
                wrong.push(format!("{place} (tier {tier}) uses {used} (tier {other})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pingora_is_named_only_where_it_is_dealt_with() {
    let wrong: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| {
            text.lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains("pingora_"))
        })
        .map(|(path, _)| place(&path))
        .filter(|place| {
            !PINGORA.iter().any(|may| place == may || place.starts_with(&format!("{may}/")))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
