//! What the documents show of the command line is what the built program says.
//!
//! In README.md and docs/, a fenced block with the info string `console` is a terminal: each line that begins
//! with `$ ` is run by a shell in a scratch folder of that document, and what follows it must be
//! all that was said, on both streams. A line `...` stands for any lines. A block whose info string
//! has `file=NAME` is put into that folder first. Nothing is fetched, and no port is opened.
//!
//! `TRANSCRIPTS=write cargo test --test transcripts` writes what was said into blocks that differ.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that no document shows. Keep it empty.
const NOT_SHOWN: [&str; 0] = [];

struct Block {
    info: String,
    /// Positions of its lines in the document, without the fences.
    lines: std::ops::Range<usize>,
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("docs");
    let docs = docs.map(|entry| entry.expect("an entry").path());
    let mut all: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    all.push(root.join("README.md"));
    all.sort();
    all
}

fn blocks(lines: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (number, line) in lines.iter().enumerate() {
        match (&open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().to_owned(), number + 1)),
            (Some(_), Some("")) => {
                let (info, first) = open.take().expect("an open block");
                blocks.push(Block { info, lines: first..number });
            }
            _ => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

/// What a terminal shows, command by command.
fn exchanges(lines: &[String]) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), all.last_mut()) {
            (Some(command), _) => all.push((command.to_owned(), Vec::new())),
            (None, Some((_, said))) => said.push(line.clone()),
            (None, None) => panic!("a terminal begins with a command, not with `{line}`"),
        }
    }
    all
}

fn run(command: &str, folder: &Path) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_portcullis")).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", program.display());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .output()
        .expect("a shell");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// Whether `said` is what `shown` shows, where `...` is any number of lines.
fn fits(shown: &[String], said: &[String]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=said.len()).any(|skipped| fits(rest, &said[skipped..]))
        }
        Some((line, rest)) => said.first() == Some(line) && fits(rest, &said[1..]),
    }
}

#[test]
fn dots_stand_for_any_lines_and_for_nothing_else() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a ... d"), &lines("a b c d")));
    assert!(fits(&lines("a ... b"), &lines("a b")));
    assert!(!fits(&lines("a ... d"), &lines("a b c")));
    assert!(!fits(&lines("a b"), &lines("a b c")));
    assert!(!fits(&lines("a b c"), &lines("a b")));
}

#[test]
fn what_documents_show_is_what_the_program_says() {
    let is_writing = std::env::var("TRANSCRIPTS").is_ok_and(|word| word == "write");
    let (mut shown, mut wrong) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).expect("a document");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let folder = tempfile::tempdir().expect("a folder");
        // From the last one, so that places in front stay right while blocks are written.
        let mut written = Vec::new();
        for block in blocks(&lines) {
            let inside = &lines[block.lines.clone()];
            if let Some(name) = block.info.split("file=").nth(1) {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, inside.join("\n") + "\n").expect("written");
            }
            if block.info != "console" {
                continue;
            }
            let mut now = Vec::new();
            for (command, expected) in exchanges(inside) {
                let said = run(&command, folder.path());
                shown += 1;
                now.push(format!("$ {command}"));
                if fits(&expected, &said) {
                    now.extend(expected);
                } else {
                    let (expected, heard) = (expected.join("\n"), said.join("\n"));
                    let name = document.display();
                    wrong.push(format!("{name}: $ {command}\n{expected}\n-- said:\n{heard}\n"));
                    now.extend(said);
                }
            }
            written.push((block.lines, now));
        }
        if is_writing {
            for (place, now) in written.into_iter().rev() {
                lines.splice(place, now);
            }
            fs::write(&document, lines.join("\n") + "\n").expect("written");
        }
    }
    assert!(shown > 0, "no document shows a command");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The commands that `portcullis --help`, or a command's, lists.
fn commands(of: &[&str]) -> Vec<String> {
    let said = help(of);
    let listed = said.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(of: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(of).arg("--help").output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{of:?} --help");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_command_is_shown_has_an_example_and_takes_a_wrong_option_for_what_it_is() {
    let text: String = documents().iter().map(|d| fs::read_to_string(d).expect("text")).collect();
    let shown: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("$ portcullis ")).collect();
    let all = commands(&[]);
    assert!(all.iter().any(|name| name == "check"), "{all:?}");
    for name in &all {
        let inner = commands(&[name]);
        let paths: Vec<Vec<&str>> = match inner.is_empty() {
            true => vec![vec![name]],
            false => inner.iter().map(|inner| vec![name.as_str(), inner]).collect(),
        };
        for path in paths {
            let words = path.join(" ");
            let is_shown = shown.iter().any(|line| {
                line.strip_prefix(words.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ';', '|']))
            });
            let is_known = NOT_SHOWN.contains(&words.as_str());
            assert_ne!(is_shown, is_known, "`portcullis {words}`: shown, or in NOT_SHOWN");
            let help = help(&path);
            let has_example =
                help.contains("Example") || help.contains(&format!("\n  portcullis {words} "));
            assert!(has_example, "`portcullis {words} --help` has no example");
            let wrong = Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .args(&path)
                .arg("--no-such-option")
                .output()
                .expect("the program runs");
            assert_eq!(wrong.status.code(), Some(2), "{words}");
        }
    }
}
