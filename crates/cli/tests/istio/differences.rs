//! The table under "Recorded cases" in `docs/differences.md`: rows `| `id` | … | T4 |`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use countersign_testkit::corpus::Istio;

/// Decisions by which we may admit what Envoy refuses, or hand on something else than it does.
const OTHERWISE: &[&str] = &["T2", "T6", "T7", "P7", "P8"];

/// In what a case came out otherwise than recorded.
pub(crate) struct Disagreement {
    pub(crate) why: String,
    /// Status that the client got; none where there is no answer.
    pub(crate) status: Option<u16>,
    /// Whether the request got through.
    pub(crate) admitted: bool,
}

/// What the page says of each case that it lists.
pub(crate) struct Differences(BTreeMap<String, Row>);

struct Row {
    /// What the client gets: the status in front of the row's words, or 200.
    status: u16,
    decision: String,
}

impl Differences {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
        let text = fs::read_to_string(path).expect("docs/differences.md");
        let (_, text) = text
            .split_once("\n## Recorded cases\n")
            .expect("its section");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let rows = rows.map(|row| {
            let id = row.split('`').nth(1).expect("an id");
            let decision = row.trim_end_matches([' ', '|']).rsplit('|').next();
            let decision = decision.expect("a decision").trim();
            let cites = decision.split_at_checked(1).is_some_and(|(kind, number)| {
                matches!(kind, "T" | "P") && number.chars().all(|it| it.is_ascii_alphanumeric())
            });
            // The page's own section of this name says why a message is refused before any policy.
            let cites = cites || decision == "HTTP";
            assert!(cites, "{id} cites no decision: {decision}");
            let words = row.split('|').nth(2).expect("words").trim();
            let status = words.split_once(':').and_then(|(it, _)| it.parse().ok());
            let row = Row {
                status: status.unwrap_or(200),
                decision: decision.to_owned(),
            };
            (id.to_owned(), row)
        });
        Self(rows.collect())
    }

    /// Whether the case may come out so: it is listed with this status, and refused unless its decision says otherwise.
    pub(crate) fn explain(&self, case: &Istio, came: &Disagreement) -> Result<(), String> {
        let Some(Row { status, decision }) = self.0.get(&case.id) else {
            return Err("not in docs/differences.md".to_owned());
        };
        if came.status != Some(*status) {
            return Err(format!("docs/differences.md says {status}"));
        }
        if came.admitted && !OTHERWISE.contains(&&**decision) {
            return Err(format!("{decision} does not say that it is admitted"));
        }
        Ok(())
    }

    /// Listed, but not among these.
    pub(crate) fn unused(&self, seen: &[String]) -> Vec<&String> {
        self.0.keys().filter(|id| !seen.contains(id)).collect()
    }
}
