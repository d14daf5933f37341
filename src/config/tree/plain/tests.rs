use proptest::prelude::*;

use super::super::{Node, Root, Value, options};

fn by_deserializer(text: &str) -> Option<Node> {
    serde_saphyr::from_str_with_options(text, options()).ok().and_then(|Root(node)| node)
}

/// Both ways agree wherever the short one answers.
fn same(text: &str) -> Result<(), TestCaseError> {
    if let Some(node) = super::read(text) {
        let other = by_deserializer(text);
        prop_assert_eq!(format!("{other:?}"), format!("{:?}", Some(node)), "{}", text);
    }
    Ok(())
}

#[test]
fn a_plain_file_is_read_as_the_deserializer_reads_it() {
    let demo = include_str!("../../../../routes.yaml");
    assert!(super::read(demo).is_some(), "the demo's file is plain");
    same(demo).unwrap();
}

#[test]
fn every_kind_of_scalar_is_what_the_deserializer_says() {
    let scalars = [
        "~",
        "null",
        "Null",
        "NULL",
        "nULL",
        "",
        "true",
        "True",
        "TRUE",
        "yes",
        "No",
        "on",
        "0",
        "1",
        "007",
        "0o17",
        "0x1F",
        "1_000",
        "-1",
        "+1",
        "1.5",
        ".5",
        "5.",
        "1e3",
        "-1e300",
        ".nan",
        ".NaN",
        "nan",
        ".inf",
        "-.inf",
        "inf",
        "infinity",
        "10.0.0.1:80",
        "10.0.0.0/8",
        "2026-11-23",
        "1:30",
        "-",
        "--",
        "-a",
        "?b",
        ":c",
        "a: b",
        "a:b",
        "a#b",
        "a #b",
        "/x/*",
        "'*.example.com'",
        "\"a\\nb\"",
        "${env:X}",
        "99999999999999999999",
        "12h",
        "é",
        "日本",
        "|\n    two\n    lines",
        ">-\n    folded\n    text",
        "many\n    words",
        "[1, a]",
        "{a: 1}",
        "%a",
        "@a",
        "`a`",
        "*a",
        "&a b",
        "!t c",
        "!!str 1",
        "<<",
        "=",
        "\u{feff}",
    ];
    for scalar in scalars {
        same(&format!("key: {scalar}\nother: 1\n")).unwrap();
        same(&format!("list:\n  - {scalar}\n  - x\n")).unwrap();
        same(&format!("flow: [{scalar}, x]\n")).unwrap();
        same(&format!("{scalar}: value\n")).unwrap();
    }
}

#[test]
fn what_is_not_plain_is_left_to_the_deserializer() {
    let left = [
        "",
        "null",
        "a",
        "[1]",
        "a: &x 1\nb: *x\n",
        "a: !t 1\n",
        "a: 1\n---\nb: 2\n",
        "a: [1\n",
        "a: 1\n b: 2\n",
    ];
    for text in left {
        assert!(super::read(text).is_none(), "{text:?}");
    }
    assert!(super::read(&format!("a: {}1{}", "[".repeat(40), "]".repeat(40))).is_none());
}

#[test]
fn a_key_without_a_value_is_null_at_its_place() {
    let Some(Node { value: Value::Map(map), .. }) = super::read("a:\nb: 1\n") else {
        panic!("no map")
    };
    assert!(matches!(map[0].1.value, Value::Null));
    same("a:\nb: 1\n").unwrap();
}

proptest! {
    #[test]
    fn random_texts_mean_the_same_by_both_ways(text in "([a-c1 -]|: |\n|\n  |\n  - |\\[|\\]|\\{|\\}|, |'|\"|#|~|\\.|/|\\*|&|!|\\||>|%|\\?){0,40}") {
        same(&text)?;
    }

    #[test]
    fn random_scalars_mean_the_same_by_both_ways(scalar in "[-+0-9a-fA-FxonNuUlLinty_.:/~]{0,10}") {
        same(&format!("key: {scalar}\n"))?;
        same(&format!("[{scalar}]: {{x: {scalar}}}\n"))?;
    }
}
