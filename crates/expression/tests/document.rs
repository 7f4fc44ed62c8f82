//! `docs/expressions.md` says what the crate does: its examples compile, its limits are the limits, and every function
//! that it names exists.

#![expect(
    clippy::expect_used,
    reason = "a document that cannot be read must fail the test"
)]

use std::path::Path;

use countersign_expression::{Environment, MAX_COST, MAX_DEPTH, MAX_SOURCE_CHARS, Program, Shape};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/expressions.md");
    std::fs::read_to_string(path).expect("docs/expressions.md")
}

/// The text between a heading and the next one.
fn section(heading: &str) -> String {
    let document = document();
    let (_, after) = document
        .split_once(&format!("\n## {heading}\n"))
        .expect(heading);
    after.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn examples_compile() {
    let environment = Environment::default()
        .variable("jwt", Shape::Open)
        .variable("request", Shape::Open);
    let document = document();
    let block = document
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let examples: Vec<&str> = block.expect("a block of examples").lines().collect();
    assert!(examples.len() > 3, "{examples:?}");
    for example in examples {
        Program::compile(example, &environment).expect(example);
    }
}

#[test]
fn limits_are_the_limits() {
    let limits = section("Limits").replace(',', "");
    for told in [
        format!("{MAX_SOURCE_CHARS} characters"),
        format!("{MAX_DEPTH} levels"),
        format!("{MAX_COST} steps"),
    ] {
        assert!(limits.contains(&told), "{told}");
    }
}

#[test]
fn functions_exist() {
    let environment = Environment::default()
        .variable("list", Shape::Open)
        .variable("x", Shape::Open);
    let functions = section("Functions");
    let rows = functions
        .lines()
        .filter(|line| line.starts_with("| Strings") || line.starts_with("| Times"));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let mut count = 0;
    for name in names.filter(|name| name.chars().all(char::is_alphanumeric)) {
        let calls =
            ["", "'a'", "0", "'a', 'b'", "[]"].map(|arguments| format!("x.{name}({arguments})"));
        let exists = calls
            .iter()
            .any(|call| Program::any(call, &environment).is_ok());
        assert!(exists, "{name}");
        count += 1;
    }
    assert!(count > 20, "{count}");
}
