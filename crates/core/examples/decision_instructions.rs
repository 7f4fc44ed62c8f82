//! Does one kind of work many times, to be counted by `scripts/check-instructions`:
//! `decision_instructions SCENARIO TIMES`, where `rewrite-…` is the whole way of a request's head. What is counted
//! stands in functions whose names begin with `measured`.

#![expect(clippy::print_stdout, reason = "it says what it did")]

#[path = "../benches/speed/world/mod.rs"]
mod world;

use std::hint::black_box;
use std::time::Instant;

use http::request::Parts;

use world::{Scenario, TURNS};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = &arguments[..] else {
        return Err("decision_instructions SCENARIO TIMES".to_owned());
    };
    let times = times
        .parse::<usize>()
        .map_err(|_| format!("`{times}` is no number"))?;
    let start = Instant::now();
    let (right, compiled) = match name.strip_prefix("rewrite-") {
        Some(name) => {
            let scenario = Scenario::named(name)?;
            let compiled = start.elapsed();
            let heads = |times| (0..times).filter_map(|turn| scenario.head(turn)).collect();
            warm_rewrites(&scenario, heads(TURNS));
            (measured_rewrites(&scenario, heads(times)), compiled)
        }
        None => {
            let scenario = Scenario::named(name)?;
            let compiled = start.elapsed();
            warm_decisions(&scenario);
            (measured_decisions(&scenario, times), compiled)
        }
    };
    if right != times {
        return Err(format!("{right} of {times} ended as they should"));
    }
    println!("built in {} us, {times} times", compiled.as_micros());
    Ok(())
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
