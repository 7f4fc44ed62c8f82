//! Decisions recorded from a real Envoy, replayed through the running gateway.
//!
//! Every case must agree in status, body, challenge, path and upstream headers,
//! or stand by its id in `docs/differences.md` with the decision that it follows.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod scene;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use countersign_testkit::agreement::Level;
use countersign_testkit::corpus::{self, Istio};

use scene::Scene;

/// Kinds that the gateway does not enforce yet: their cases belong to a later suite.
fn is_about_tokens(case: &Istio) -> bool {
    !case.policy_yaml.contains("AuthorizationPolicy")
}

#[test]
fn recorded_decisions_about_tokens() {
    let mut cases = corpus::cases::<Istio>("istio/cases.jsonl");
    cases.extend(corpus::cases::<Istio>("istio/istio-expectations.jsonl"));
    let all = cases.len();
    if all == 0 {
        return;
    }
    cases.retain(is_about_tokens);
    let mut groups: BTreeMap<String, Vec<Istio>> = BTreeMap::new();
    for case in cases {
        groups.entry(case.group.clone()).or_default().push(case);
    }
    let known = Differences::read();
    let (mut agree, mut differ, mut failed) = (0, Vec::new(), Vec::new());
    for (group, cases) in &groups {
        let scene = Scene::start(&cases[0]);
        for case in cases {
            let level = if case.mesh.get("remoteJwks").is_some() {
                Level::Status
            } else {
                Level::Full
            };
            match scene.ask(case, level) {
                None => agree += 1,
                Some(_) if known.lists(&case.id) => differ.push(case.id.clone()),
                Some(why) => failed.push(format!("{}: {why}", case.id)),
            }
        }
        println!("{group}: {} cases", cases.len());
    }
    println!(
        "{agree} agree, {} differ as docs/differences.md says, {} fail; {} cases about authorization are not replayed",
        differ.len(),
        failed.len(),
        all - agree - differ.len() - failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let stale = known.unused(&differ);
    assert!(
        stale.is_empty(),
        "listed as different, but they agree: {stale:?}"
    );
}

/// The table under "Recorded cases" in `docs/differences.md`: rows `| `id` | … | T4 |`.
struct Differences {
    ids: Vec<String>,
}

impl Differences {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/differences.md");
        let text = fs::read_to_string(path).expect("docs/differences.md");
        let (_, text) = text
            .split_once("\n## Recorded cases\n")
            .expect("its section");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let ids = rows.filter_map(|row| {
            let id = row.split('`').nth(1)?;
            let decision = row.trim_end_matches([' ', '|']).rsplit('|').next()?.trim();
            let (kind, number) = decision.split_at_checked(1)?;
            let cites =
                matches!(kind, "T" | "P") && number.chars().all(|it| it.is_ascii_alphanumeric());
            assert!(cites, "{id} cites no decision: {decision}");
            Some(id.to_owned())
        });
        Self { ids: ids.collect() }
    }

    fn lists(&self, id: &str) -> bool {
        self.ids.iter().any(|it| it == id)
    }

    fn unused(&self, seen: &[String]) -> Vec<&String> {
        self.ids.iter().filter(|id| !seen.contains(id)).collect()
    }
}
