//! A real Envoy, with what istiod would make of the same policies, beside the gateway: random policies and requests,
//! and the same answers, or a decision of `docs/differences.md` that says why not.
//!
//! 2,000 decisions, always the same ones; with `COUNTERSIGN_LONG=1` 100,000 that are others every time. What was
//! counted is printed: `cargo test -p countersign --test differential -- --nocapture`. A difference is made small
//! before it is told, with the seed that makes it again under `COUNTERSIGN_SEED`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "whatever goes wrong here must fail the test"
)]

mod aim;
mod ask;
mod decisions;
mod envoy;
mod hostile;
mod judge;
mod keys;
mod oracle;
mod policies;
mod random;
mod report;
mod scene;
mod shrink;
mod vocabulary;
mod yaml;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_testkit::corpus;
use judge::judge;
use policies::Group;
use random::Random;
use report::Report;
use scene::{Scene, World};

#[test]
fn the_oracle_answers_as_recorded() {
    if corpus::shared(oracle::TRANSLATOR).is_none() {
        return;
    }
    let (asked, otherwise) = oracle::replay();
    println!("{asked} recorded cases asked again");
    assert!(otherwise.is_empty(), "{}", otherwise.join("\n"));
    assert!(asked > 1_500, "only {asked} cases were asked");
}

#[test]
fn random_policies_and_requests_are_decided_as_by_envoy() {
    if corpus::shared(oracle::TRANSLATOR).is_none() {
        return;
    }
    let run = Run::chosen();
    println!("seed {}", run.seed);
    let world = World::new();
    let mut report = Report::default();
    for batch in 0..run.batches {
        compare(&world, run.seed, batch, run.asks, &mut report);
    }
    println!("{report}");
    let told = report.tell(&world);
    assert!(told.is_empty(), "seed {}\n{}", run.seed, told.join("\n\n"));
    report.is_telling();
}

/// How much is asked.
struct Run {
    seed: u64,
    batches: u64,
    /// Requests per group.
    asks: usize,
}

impl Run {
    fn chosen() -> Self {
        let long = env::var_os("COUNTERSIGN_LONG").is_some();
        let given = env::var("COUNTERSIGN_SEED").ok();
        let seed = given.map(|it| it.parse().expect("a number in COUNTERSIGN_SEED"));
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let clock = since.expect("after 1970").as_secs();
        Self {
            seed: seed.unwrap_or(if long { clock } else { 1 }),
            batches: if long { 40 } else { 2 },
            asks: if long { 100 } else { 40 },
        }
    }
}

/// Groups that run side by side, under one mesh.
const GROUPS: usize = 25;

/// Our own trust domain, then its aliases.
const TRUST_DOMAINS: &[&[&str]] = &[
    &["cluster.local"],
    &["cluster.local", "old.example"],
    &["td2.example", "old.example"],
];

/// One batch: its groups on both sides, and the requests of each.
fn compare(world: &World, seed: u64, batch: u64, asks: usize, report: &mut Report) {
    let mut random = Random::part(seed, batch);
    let trust_domains = *random.pick(TRUST_DOMAINS);
    let groups: Vec<Group> = (0..GROUPS).map(|_| Group::random(&mut random)).collect();
    let mut scene = Scene::start(world, &groups, trust_domains)
        .unwrap_or_else(|why| panic!("seed {seed}, batch {batch}: {why}"));
    for (index, group) in groups.iter().enumerate() {
        for _ in 0..asks {
            let ask = aim::ask(&mut random, group);
            let (status, verdict) = judge(&mut scene, group, index, &ask);
            report.count(status, verdict, || {
                (trust_domains, group.clone(), ask.clone())
            });
        }
    }
}
