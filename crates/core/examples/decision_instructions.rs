//! Does one kind of work many times, to be counted by `scripts/check-instructions`:
//! `decision_instructions SCENARIO TIMES`, where `rewrite-…` is the whole way of a request's head. What is counted
//! stands in functions whose names begin with `measured`. For `scripts/policy-curve`,
//! `decision_instructions compile SHAPE NUMBER` tells how long it takes to compile so many policies.

#![expect(clippy::print_stdout, reason = "it says what it did")]

#[path = "../benches/speed/world/mod.rs"]
mod world;

use std::hint::black_box;
use std::time::Instant;

use countersign_core::authz::PolicySet;
use http::request::Parts;

use world::{Scenario, TURNS, policies as policies_of};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [scenario, times] => run(scenario, number(times)?),
        [compile, shape, policies] if compile == "compile" => {
            let policies = policies_of(shape, number(policies)?)?;
            let start = Instant::now();
            black_box(PolicySet::new(policies));
            println!("{} ms", start.elapsed().as_millis());
            Ok(())
        }
        _ => Err("decision_instructions SCENARIO TIMES | compile SHAPE NUMBER".to_owned()),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn run(name: &str, times: usize) -> Result<(), String> {
    let right = match name.strip_prefix("rewrite-") {
        Some(name) => {
            let scenario = Scenario::named(name)?;
            let heads = |times| (0..times).filter_map(|turn| scenario.head(turn)).collect();
            warm_rewrites(&scenario, heads(TURNS));
            measured_rewrites(&scenario, heads(times))
        }
        None => {
            let scenario = Scenario::named(name)?;
            warm_decisions(&scenario);
            measured_decisions(&scenario, times)
        }
    };
    if right == times {
        Ok(())
    } else {
        Err(format!("{right} of {times} ended as they should"))
    }
}

#[inline(never)]
fn measured_decisions(scenario: &Scenario, times: usize) -> usize {
    (0..times).filter(|turn| scenario.decide(*turn)).count()
}

#[inline(never)]
fn measured_rewrites(scenario: &Scenario, heads: Vec<Parts>) -> usize {
    let rewritten = heads.into_iter().map(|head| scenario.rewrite(head));
    rewritten.filter(|it| black_box(it).is_some()).count()
}

/// What is made at its first use shall not be counted.
fn warm_decisions(scenario: &Scenario) {
    black_box((0..TURNS).filter(|turn| scenario.decide(*turn)).count());
}

fn warm_rewrites(scenario: &Scenario, heads: Vec<Parts>) {
    for head in heads {
        black_box(scenario.rewrite(head));
    }
}
