//! Lists in the documents against the sources that they are lists of.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::page::root;

/// Codes with what is known of them: the severity, where a code is not handed around before it has one.
#[test]
fn diagnostics_have_a_line_each() {
    let page = read("docs/diagnostics.md");
    let rows: Vec<Vec<&str>> = rows(&page).collect();
    let documented: Vec<&str> = rows.iter().map(|row| code(row[0])).collect();
    let unique: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(unique.len(), documented.len(), "a code stands twice");

    let sources: Vec<String> = files("crates/config/src").map(|it| shipped(&it)).collect();
    let all = sources.join("\n");
    let found: BTreeSet<&str> = MARKERS
        .iter()
        .flat_map(|marker| literals(&all, marker))
        .collect();
    let kebab = |code: &&str| code.contains('-') && !code.contains(' ');
    let found: BTreeSet<&str> = found.into_iter().filter(kebab).collect();
    assert_eq!(unique, found);
    assert!(
        found.len() > 80,
        "the sources are no longer read rightly: {found:?}"
    );

    for severity in ["error", "warning", "note"] {
        for code in literals(&all, &format!("Diagnostic::{severity}(")) {
            let row = rows.iter().find(|row| self::code(row[0]) == code);
            let stated = row.map_or("", |row| row[1]);
            assert!(
                stated.contains(severity),
                "`{code}` can be a {severity}, the page says {stated:?}"
            );
        }
    }
}

/// What stands before a code: the constructors, and two types that hold one until they are told where.
const MARKERS: [&str; 5] = ["error(", "warning(", "note(", "Dangling::new(", "code: "];

#[test]
fn metrics_and_their_values_are_those_of_the_sources() {
    let page = read("docs/operations.md");
    let metrics = section(&page, "## Metrics");
    let names: BTreeSet<&str> = rows(metrics).map(|row| code(row[0])).collect();
    let folders = ["runtime", "server", "cli"].map(|it| format!("crates/{it}/src"));
    let sources = folders.iter().flat_map(|it| files(it));
    let sources: Vec<String> = sources.map(|it| shipped(&it)).collect();
    // A histogram is written as three series.
    let series = ["_bucket", "_sum", "_count"];
    let written: BTreeSet<&str> = sources
        .iter()
        .flat_map(|text| text.split('"'))
        .filter(|literal| literal.starts_with("countersign_"))
        .filter(|literal| literal.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_')))
        .filter(|literal| !series.iter().any(|it| literal.ends_with(it)))
        .collect();
    assert_eq!(names, written);

    let source = |path: &str| shipped(&root().join("crates/runtime/src").join(path));
    let codes = source("http/error.rs") + &source("keys/fetch.rs") + &source("keys/set.rs");
    let results: BTreeSet<&str> = literals(&codes, "=> ")
        .into_iter()
        .chain(literals(&codes, "code: "))
        .chain(literals(&codes, "failure("))
        .chain(["ok"])
        .filter(|code| !code.contains(' '))
        .collect();
    assert_eq!(listed(metrics, "- `result` of a fetch"), results);

    let reload = source("reload/mod.rs");
    let results: BTreeSet<&str> = literals(&reload, "=> ").into_iter().collect();
    assert_eq!(listed(metrics, "- `result` of a reload"), results);
}

#[test]
fn fields_of_the_access_log_are_those_of_the_sources() {
    let page = read("docs/operations.md");
    let log = section(&page, "## Access log");
    let fields: BTreeSet<&str> = rows(log).flat_map(|row| codes(row[0])).collect();
    let entry = shipped(&root().join("crates/server/src/access_log/entry.rs"));
    let written: BTreeSet<&str> = ["text", "number", "word", "some", "millis"]
        .iter()
        .flat_map(|kind| literals(&entry, &format!("line.{kind}(")))
        .chain(literals(&entry, "self.key("))
        .collect();
    assert_eq!(fields, written);

    let cut = shipped(&root().join("crates/server/src/proxy/cut.rs"));
    let (_, after) = cut.split_once("impl Cut {").expect("the codes of cuts");
    let cuts: BTreeSet<&str> = literals(
        after
            .split(
                "
}
",
            )
            .next()
            .expect("a block"),
        "=> ",
    )
    .into_iter()
    .collect();
    let row = rows(log).find(|row| row[0].contains("`cut`"));
    assert_eq!(codes(row.expect("a row")[1]).collect::<BTreeSet<_>>(), cuts);
}

#[test]
fn every_field_of_parameters_has_a_line() {
    let page = read("docs/configuration.md");
    let table = section(&page, "## GatewayParameters");
    let spec = shipped(&root().join("crates/config/src/gateway/parameters/spec.rs"));
    let names: BTreeSet<&str> = ["fields.optional(", "fields.required("]
        .iter()
        .flat_map(|marker| literals(&spec, marker))
        .collect();
    let rows: Vec<Vec<&str>> = rows(table).collect();
    let documented: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| row[0].split(['`', '.', '[', ']']))
        .chain(["port", "bind"])
        .filter(|name| !name.trim().is_empty())
        .collect();
    assert_eq!(documented, names);
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).expect("the page")
}

/// The text under a heading, up to the next of its kind.
fn section<'t>(page: &'t str, heading: &str) -> &'t str {
    let (_, rest) = page
        .split_once(&format!("{heading}\n"))
        .expect("the heading");
    rest.split("\n## ").next().unwrap_or_default()
}

/// The cells of every table row that begins with something in backticks.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect())
}

/// What stands in backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn code(cell: &str) -> &str {
    codes(cell).next().unwrap_or_default()
}

/// What stands in backticks in a list item, but for the first, which is what the list is of.
fn listed<'t>(text: &'t str, item: &str) -> BTreeSet<&'t str> {
    let (_, rest) = text.split_once(item).expect("the item");
    codes(
        rest.split("\n- ")
            .next()
            .and_then(|it| it.split("\n\n").next())
            .unwrap_or_default(),
    )
    .collect()
}

/// Every string literal that follows a marker.
fn literals<'t>(text: &'t str, marker: &str) -> Vec<&'t str> {
    let after = text.split(marker).skip(1);
    let literal = |rest: &'t str| rest.trim_start().strip_prefix('"')?.split('"').next();
    after.filter_map(literal).collect()
}

/// A source file without its tests.
fn shipped(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// All source files under a folder that are no tests.
fn files(folder: &str) -> impl Iterator<Item = PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                files.push(path);
            }
        }
    }
    files.into_iter()
}
