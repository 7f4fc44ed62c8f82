//! What is printed about configurations, compared with files: `golden/NAME.yaml` with `golden/NAME.txt`.
//!
//! With `UPDATE_GOLDEN=1` the files are written instead; read the difference before it is committed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its files fails"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use countersign_config::diagnostic::{Diagnostics, Style};
use countersign_config::object::Objects;
use countersign_config::source::{Files, Text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn load(name: &str) -> (Files, Objects, Diagnostics) {
    let content = std::fs::read_to_string(folder().join(name)).unwrap();
    let files = Files::new([Text {
        name: name.into(),
        content,
    }]);
    let mut diags = Diagnostics::new();
    let env = |name: &str| match name {
        "SECRET" => Some("hunter2".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let objects = Objects::collect(&files, &env, &mut diags);
    diags.sort();
    (files, objects, diags)
}

fn compare(name: &str, actual: &str) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual, expected,
        "{name} differs; UPDATE_GOLDEN=1 writes it anew"
    );
    assert!(!actual.contains("hunter2"), "{name} shows a secret");
}

#[test]
fn plain_text() {
    let mut names: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let (files, objects, diags) = load(&name);
        let mut actual = String::new();
        for object in objects.iter() {
            let _ = writeln!(
                actual,
                "read {} from line {}",
                object.reference(),
                object.origin.line
            );
        }
        let _ = write!(actual, "\n{}", diags.render(&files, Style::Plain));
        compare(&name.replace(".yaml", ".txt"), &actual);
    }
}

#[test]
fn json_lines() {
    let (files, _, diags) = load("kinds.yaml");
    let actual = diags.render(&files, Style::Json);
    compare("kinds.jsonl", &actual);
    for line in actual.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            object["code"].is_string() && object["line"].is_u64(),
            "{line}"
        );
    }
}

#[test]
fn colours() {
    let (files, _, diags) = load("envelope.yaml");
    compare("envelope.ansi", &diags.render(&files, Style::Fancy));
}
