//! Wycheproof, RFC vectors and generated attacks as bearer tokens, through the running gateway.
//!
//! One gateway serves all cases: each set of keys, issuer and audiences is a provider of its own, on a route of its own,
//! under kgateway's `Strict`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "whatever goes wrong here must fail the test"
)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_testkit::corpus::{self, Jwt};

use world::{Provider, World};

/// The suite allows 100 ms; the rest is for a machine that has other things to do.
const SLOWEST: Duration = Duration::from_secs(1);

#[test]
fn tokens_that_keep_their_verdict() {
    let mut cases = corpus::cases::<Jwt>("jwt/cases.jsonl");
    if cases.is_empty() {
        return;
    }
    cases.retain(|case| case.live);
    let mut providers: Vec<Provider> = Vec::new();
    let mut at = Vec::new();
    for case in &cases {
        let provider = Provider::of(case);
        let known = providers.iter().position(|it| *it == provider);
        at.push(known.unwrap_or_else(|| {
            providers.push(provider);
            providers.len() - 1
        }));
    }
    let world = World::start(&providers);
    let mut tally = Tally::default();
    for (case, provider) in cases.iter().zip(at) {
        tally.judge(case, provider, &world);
    }
    tally.print(cases.len(), providers.len());
    world.assert_alive();
    assert!(tally.failed.is_empty(), "{}", tally.failed.join("\n"));
    assert!(tally.agreed.contains_key("accept"), "nothing was accepted");
}

#[derive(Default)]
struct Tally {
    /// How many cases of each verdict agree.
    agreed: BTreeMap<String, usize>,
    /// Cases whose keys the gateway did not load.
    without_keys: Vec<String>,
    /// Cases whose token fits into no header.
    not_sent: Vec<String>,
    failed: Vec<String>,
    slowest: Duration,
}

impl Tally {
    fn judge(&mut self, case: &Jwt, provider: usize, world: &World) {
        if let Some(refusal) = world.refused.get(&provider) {
            self.without_keys.push(case.id.clone());
            if case.expect == "accept" {
                let why = format!("{}: its keys are refused: {refusal}", case.id);
                self.failed.push(why);
            }
            return;
        }
        if !world::fits_into_a_header(&case.token) {
            self.not_sent.push(case.id.clone());
            return;
        }
        let why = match world.ask(&case.token, provider) {
            Err(error) => Some(format!("no answer: {error}")),
            Ok(answer) => {
                self.slowest = self.slowest.max(answer.took);
                disagreement(&case.expect, &answer)
            }
        };
        match why {
            None => *self.agreed.entry(case.expect.clone()).or_default() += 1,
            Some(why) => self.failed.push(format!(
                "{} ({}): {why}\n  {}",
                case.id,
                case.note,
                world.said()
            )),
        }
    }

    fn print(&self, cases: usize, providers: usize) {
        println!(
            "{cases} cases of {providers} providers; agree: {:?}",
            self.agreed
        );
        println!(
            "{} fail; the slowest answer took {:?}",
            self.failed.len(),
            self.slowest
        );
        for id in &self.without_keys {
            println!("rejected, because its keys do not load: {id}");
        }
        for id in &self.not_sent {
            println!("not sent, because no header can hold it: {id}");
        }
    }
}

fn disagreement(expect: &str, answer: &world::Answer) -> Option<String> {
    let agrees = match (expect, answer.status) {
        ("accept", status) => status == 200 && answer.reached,
        ("reject", status) => matches!(status, 401 | 403) && !answer.reached,
        ("either", status) => answer.reached == (status == 200),
        (other, _) => panic!("a verdict {other:?}"),
    };
    if !agrees {
        return Some(format!(
            "want {expect}, got {} {:?}, upstream reached: {}",
            answer.status, answer.body, answer.reached
        ));
    }
    (answer.took > SLOWEST).then(|| format!("the answer took {:?}", answer.took))
}
