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
use std::net::Ipv4Addr;
use std::time::{SystemTime, UNIX_EPOCH};

use ask::Ask;
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
        Batch::start(&world, run.seed, batch).ask(run.asks, &mut report);
    }
    println!("{report}");
    let told = report.tell(&world);
    assert!(told.is_empty(), "seed {}\n{}", run.seed, told.join("\n\n"));
    report.is_telling();
}

/// A gateway that overlooks something is found out: no decision explains its answers away.
#[test]
fn a_gateway_that_is_wrong_is_found_out() {
    if corpus::shared(oracle::TRANSLATOR).is_none() {
        return;
    }
    let world = World::new();
    let mut unnoticed: Vec<&Mistake> = MISTAKES.iter().collect();
    // Few policies mind some of them.
    for number in 0..6 {
        let mut batch = Batch::start(&world, 7, number);
        unnoticed.retain(|(what, misread)| {
            batch.scene.misread = *misread;
            let mut report = Report::default();
            batch.ask(25, &mut report);
            let found = report.differences();
            println!("{found} of {} differ by a gateway that {what}", 25 * GROUPS);
            found == 0
        });
        if unnoticed.is_empty() {
            return;
        }
    }
    let unnoticed: Vec<&str> = unnoticed.iter().map(|(what, _)| *what).collect();
    panic!("nobody notices a gateway that {unnoticed:?}");
}

type Mistake = (&'static str, fn(&Ask) -> Ask);

const MISTAKES: &[Mistake] = &[
    ("takes every method for GET", |ask| Ask {
        method: "GET".into(),
        ..ask.clone()
    }),
    ("cuts a slash off the path", |ask| Ask {
        path: ask.path.replace("//", "/"),
        ..ask.clone()
    }),
    ("takes paths in any case", |ask| Ask {
        path: ask.path.to_ascii_lowercase(),
        ..ask.clone()
    }),
    ("never looks at ports in hosts", |ask| Ask {
        host: ask.host.replace(":8080", ""),
        ..ask.clone()
    }),
    ("overlooks a header", |ask| {
        let mut read = ask.clone();
        read.headers.retain(|it| it.0 != "x-role");
        read
    }),
    ("overlooks tokens", |ask| Ask {
        tokens: Vec::new(),
        ..ask.clone()
    }),
    ("overlooks proxies", |ask| {
        let mut read = ask.clone();
        read.headers.retain(|it| it.0 != "x-forwarded-for");
        read
    }),
    ("takes everybody for one peer", |ask| Ask {
        from: Ipv4Addr::LOCALHOST,
        ..ask.clone()
    }),
    ("overlooks client certificates", |ask| Ask {
        tls: ask.tls.clone().map(|(name, _)| (name, None)),
        ..ask.clone()
    }),
];

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

/// Groups side by side, in a scene of their own.
struct Batch<'a> {
    random: Random,
    trust_domains: &'static [&'static str],
    groups: Vec<Group>,
    scene: Scene<'a>,
}

impl<'a> Batch<'a> {
    fn start(world: &'a World, seed: u64, number: u64) -> Self {
        let mut random = Random::part(seed, number);
        let trust_domains = *random.pick(TRUST_DOMAINS);
        let groups: Vec<Group> = (0..GROUPS).map(|_| Group::random(&mut random)).collect();
        let scene = Scene::start(world, &groups, trust_domains)
            .unwrap_or_else(|why| panic!("seed {seed}, batch {number}: {why}"));
        Self {
            random,
            trust_domains,
            groups,
            scene,
        }
    }

    /// So many requests to each group.
    fn ask(&mut self, count: usize, report: &mut Report) {
        for (index, group) in self.groups.iter().enumerate() {
            for _ in 0..count {
                let ask = aim::ask(&mut self.random, group);
                let (status, verdict) = judge(&mut self.scene, group, index, &ask);
                report.count(status, verdict, || {
                    (self.trust_domains, group.clone(), ask.clone())
                });
            }
        }
    }
}
