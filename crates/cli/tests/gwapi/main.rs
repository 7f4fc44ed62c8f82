//! Requests of the Gateway API conformance suite, through the running gateway.
//!
//! Every test of `gwapi/cases.jsonl` runs on its own manifests, as they stand. What the gateway does not support is
//! named, with the reason; and it must say so itself, by refusing those manifests.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "whatever goes wrong here must fail the test"
)]

mod ask;
mod case;
mod certificates;
mod dial;
mod echo;
mod grpc;
mod journal;
mod judge;
mod manifests;
mod scene;
mod shares;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::corpus;
use serde_json::Value;

use case::{Case, Step};
use scene::Scene;
use shares::Shares;

/// Features without which a test says nothing, why they are not there, and a word of the refusal.
const UNSUPPORTED: &[(&str, &str, &str)] = &[
    (
        "ListenerSet",
        "listeners stand in the Gateway itself",
        "ListenerSet",
    ),
    ("UDPRoute", "only HTTP is routed", "UDPRoute"),
    (
        "GatewayBackendClientCertificate",
        "backends are shown no client certificate",
        "no client certificate is shown",
    ),
    (
        "HTTPRouteRetry",
        "requests are not tried again",
        "not tried again",
    ),
];

/// Changes that the suite makes between two requests, which the format has no words for: before this request of that
/// test all objects of a kind go away.
const REMOVED: &[(&str, usize, &str)] = &[("HTTPRouteReferenceGrant", 1, "ReferenceGrant")];

/// How long a change may take until requests feel it.
const RELOAD: Duration = Duration::from_secs(10);

#[test]
fn requests_of_the_conformance_suite() {
    let Some(folder) = corpus::shared("conformance/gwapi") else {
        return;
    };
    let mut tally = Tally::default();
    for line in corpus::cases::<Value>("gwapi/cases.jsonl") {
        tally.run(line, &folder);
    }
    tally.print();
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
    assert!(tally.requests > 0, "nothing ran");
}

#[derive(Default)]
struct Tally {
    tests: usize,
    requests: usize,
    not_run: Vec<String>,
    failed: Vec<String>,
}

impl Tally {
    fn run(&mut self, mut line: Value, folder: &Path) {
        let name = line["test"].as_str().unwrap_or("nameless").to_owned();
        let requests = line["requests"].as_array().map_or(0, Vec::len);
        let needs = |feature: &str| {
            let features = line["features"].as_array();
            features.is_some_and(|all| all.iter().any(|it| it == feature))
        };
        let lacking = UNSUPPORTED.iter().find(|(feature, ..)| needs(feature));
        if lacking.is_some() {
            // They may well speak of what nobody here knows.
            line["requests"] = Value::Array(Vec::new());
        }
        let case: Case = match serde_json::from_value(line) {
            Ok(case) => case,
            Err(error) => return self.fail(&name, &format!("not understood: {error}")),
        };
        let case = dial::fill(case);
        if requests == 0 {
            return self.not_run.push(format!("{name}: it sends no requests"));
        }
        match (lacking, Scene::start(&case, folder)) {
            (None, Ok(mut scene)) => self.ask_all(&case, &mut scene),
            (None, Err(refusal)) => self.fail(&name, &refusal),
            (Some((feature, reason, word)), Err(refusal)) if refusal.contains(word) => {
                let line = format!("{name}: {requests} requests; {feature}: {reason}");
                self.not_run.push(line);
            }
            (Some((feature, ..)), Err(refusal)) => {
                self.fail(&name, &format!("refused, but not for {feature}: {refusal}"));
            }
            (Some((feature, ..)), Ok(_)) => {
                self.fail(&name, &format!("{feature} is taken silently"));
            }
        }
    }

    fn fail(&mut self, what: &str, why: &str) {
        self.failed.push(format!("{what}: {why}"));
    }

    fn ask_all(&mut self, case: &Case, scene: &mut Scene) {
        self.tests += 1;
        for (index, step) in case.requests.iter().enumerate() {
            match ask_step(case, index, step, scene) {
                Ok(()) => self.requests += 1,
                Err(why) => {
                    let name = step.name.as_deref().unwrap_or_default();
                    let what = format!("{} {} {name}", case.test, step.id);
                    self.fail(&what, &format!("{why}\n  {}", scene.said()));
                }
            }
        }
    }

    fn print(&self) {
        for line in &self.not_run {
            println!("not run: {line}");
        }
        println!(
            "{} requests of {} tests agree, {} fail; {} tests are not run; status conditions are not compared",
            self.requests,
            self.tests,
            self.failed.len(),
            self.not_run.len()
        );
    }
}

fn ask_step(case: &Case, index: usize, step: &Step, scene: &mut Scene) -> Result<(), String> {
    let change = REMOVED
        .iter()
        .find(|(test, at, _)| *test == case.test && *at == index);
    let Some((_, _, kind)) = change else {
        let earlier = case.requests.iter().take(index);
        let mut twins =
            earlier.filter(|it| it.gateway == step.gateway && it.request == step.request);
        let disagrees = |it: &Step| it.request.is_some() && it.statuses() != step.statuses();
        if twins.any(disagrees) {
            return Err("an earlier step wants another status: what changes between them?".into());
        }
        return ask(step, scene);
    };
    scene.remove(kind)?;
    let deadline = Instant::now() + RELOAD;
    loop {
        match ask(step, scene) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            done => return done,
        }
    }
}

/// Sends the request of a step as often as it takes, and judges all that comes of it.
fn ask(step: &Step, scene: &Scene) -> Result<(), String> {
    let shares = Shares::of(step, &scene.own_documents())?;
    let mut mirrors = Vec::new();
    for mirror in &step.expect.mirrored_to {
        mirrors.extend(mirror.share()?.map(|share| (mirror, share / 100.0)));
    }
    let count = if shares.is_some() || !mirrors.is_empty() {
        shares::ENOUGH
    } else {
        step.repeat.unwrap_or(1)
    };
    let (mut counts, mut ids) = (BTreeMap::new(), Vec::new());
    if step.dial.is_some_and(|dial| dial.refused) {
        return match ask::ask(scene, step) {
            Ok(answer) => Err(format!(
                "{} instead of no connection",
                answer.response.status
            )),
            Err(_) => Ok(()),
        };
    }
    for _ in 0..count {
        let answer = ask::ask(scene, step)?;
        if let Some(workload) = judge::judge(step, &answer, &scene.journal)? {
            *counts.entry(workload).or_insert(0) += 1;
        }
        ids.push(answer.id);
    }
    if let Some(shares) = shares {
        shares.check(&counts)?;
    }
    for (mirror, share) in mirrors {
        // The last ones may still be on their way.
        thread::sleep(Duration::from_millis(500));
        let name = &mirror.backend_ref.name;
        let sightings = ids.iter().flat_map(|id| scene.journal.of(id));
        let mirrored = sightings.filter(|it| it.workload == *name).count();
        shares::check(&format!("the mirror {name}"), share, mirrored, count)?;
    }
    Ok(())
}
