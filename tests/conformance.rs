//! The tables of `docs/conformance.md`: each test that they name is there, and each state is one of three.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STATES: [&str; 3] = ["holds", "differs on purpose", "not yet"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A row of a table, by its cells.
struct Row {
    section: String,
    number: String,
    state: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let (mut section, mut rows) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.to_owned();
        }
        // A bar inside of a cell is escaped.
        let line = line.replace("\\|", "/");
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        // Tables before the first section say what words mean.
        if section.is_empty() || !line.starts_with('|') {
            continue;
        }
        let [_, number, _, state, tests, _] = cells[..] else { panic!("not four cells: {line}") };
        if number == "#" || number.starts_with("---") {
            continue;
        }
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        let (section, number) = (section.clone(), number.to_owned());
        rows.push(Row { section, number, state: state.to_owned(), tests });
    }
    assert!(rows.len() > 200, "{} rows", rows.len());
    rows
}

/// Each Rust file with its text.
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
    walk(&root().join("src"), &mut found);
    walk(&root().join("tests"), &mut found);
    found
}

/// The modules that have a function of this name.
fn functions() -> BTreeMap<String, Vec<String>> {
    let mut functions = BTreeMap::<String, Vec<String>>::new();
    for (path, text) in sources() {
        let place = path.strip_prefix(root()).unwrap().with_extension("");
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let name = &rest[..end.unwrap_or(rest.len())];
            functions.entry(name.to_owned()).or_default().push(place.to_str().unwrap().to_owned());
        }
    }
    functions
}

/// Whether `gateway::reload::a_test` or the module `gateway::reload` is there, or a file of that path.
fn is_there(name: &str, functions: &BTreeMap<String, Vec<String>>, modules: &[PathBuf]) -> bool {
    if name.contains('/') {
        return root().join(name).is_file();
    }
    let parts: Vec<&str> =
        name.split("::").filter(|part| !matches!(*part, "*" | ".." | "tests")).collect();
    let Some((last, before)) = parts.split_last() else { return false };
    let is_function = functions.get(*last).is_some_and(|places| {
        before.last().is_none_or(|module| {
            places.iter().any(|place| place.split('/').any(|part| part == *module))
        })
    });
    is_function || modules.iter().any(|path| path.file_stem().is_some_and(|stem| stem == *last))
}

#[test]
fn each_test_that_is_named_is_there() {
    let functions = functions();
    let modules: Vec<PathBuf> = sources().into_iter().map(|(path, _)| path).collect();
    let missing: Vec<String> = rows()
        .iter()
        .flat_map(|row| row.tests.iter().map(move |test| (row, test)))
        .filter(|(_, test)| !is_there(test, &functions, &modules))
        .map(|(row, test)| format!("{} {}: {test}", row.section, row.number))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn each_state_is_one_of_three() {
    let wrong: Vec<String> = rows()
        .iter()
        .filter(|row| !STATES.iter().any(|state| row.state.starts_with(state)))
        .map(|row| format!("{} {}: {}", row.section, row.number, row.state))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_fault_and_attack_of_operation_is_told_once_and_with_a_test() {
    let rows = rows();
    let rows: Vec<&Row> =
        rows.iter().filter(|row| row.section == "Faults and attacks of operation").collect();
    let told: Vec<&str> = rows.iter().map(|row| row.number.as_str()).collect();
    let mut wanted: Vec<String> =
        ["F24", "F25", "F26", "F27", "F28", "F32", "F38", "F40"].map(str::to_owned).into();
    wanted.extend((1..=15).map(|number| format!("G{number}")));
    assert_eq!(told, wanted);
    for row in rows {
        assert!(!row.tests.is_empty(), "{}", row.number);
    }
}
