//! The simple tests of cel-spec, all of them: what agrees, what is refused and why, by section; and
//! that `docs/expressions.md` says the same.

#![expect(
    clippy::expect_used,
    reason = "a corpus that cannot be read must fail the test, with its reason"
)]

#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/table.rs"]
mod table;

use std::path::Path;

use case::{Case, Outcome};
use countersign_testkit::corpus;
use table::Table;

/// What is refused when the configuration loads: the start of a section's name, and why. In all other
/// sections every case agrees.
const REFUSED: [(&str, &str); 8] = [
    ("macros2/", "macros with two variables"),
    ("fields/quoted_map_fields", "field names in backticks"),
    ("bindings_ext/", "`cel.bind`"),
    ("block_ext/", "`cel.block`, which only optimizers write"),
    ("encoders_ext/", "`base64`"),
    ("math_ext/", "`math`"),
    ("network_ext/", "`ip` and `cidr`"),
    ("optionals/", "optional values"),
];

#[test]
fn every_case_agrees_or_its_section_is_refused() {
    let cases: Vec<Case> = corpus::cases("cel/cases.jsonl");
    if cases.is_empty() {
        return;
    }
    let mut table = Table::default();
    let mut wrong = Vec::new();
    for case in &cases {
        let section = format!("{}/{}", case.file, case.section);
        let refused = REFUSED.iter().find(|(name, _)| section.starts_with(name));
        let refused = refused.map(|(_, reason)| *reason);
        let outcome = case.run();
        let problem = match &outcome {
            Outcome::Agrees if refused.is_some() => Some("agrees, though it is refused"),
            Outcome::Refused(mistakes) if refused.is_none() => Some(mistakes.as_str()),
            Outcome::Differs(seen) => Some(seen.as_str()),
            Outcome::Agrees | Outcome::Refused(_) => None,
        };
        if let Some(problem) = problem {
            wrong.push(format!("{}: `{}`: {problem}", case.id, case.expr));
        }
        table.count(&section, case.profile == "core", refused);
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 1_400, "only {} cases", cases.len());
    compare_with_document(&table);
}

/// The table of the document is the one that was counted.
fn compare_with_document(table: &Table) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/expressions.md");
    let document = std::fs::read_to_string(path).expect("docs/expressions.md");
    let told: String = document
        .lines()
        .skip_while(|line| !line.starts_with("| Section of"))
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(
        told,
        table.to_string(),
        "docs/expressions.md is out of date"
    );
}
