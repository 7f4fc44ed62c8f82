//! Decisions about requests whose head has been prepared.

use criterion::Criterion;

use crate::world::{Scenario, TURNS};

const SCENARIOS: [&str; 12] = [
    "plain",
    "token",
    "token-headers",
    "token-missing",
    "expressions",
    "refused",
    "policies-host-1",
    "policies-host-100",
    "policies-host-1000",
    "policies-claim-1",
    "policies-claim-100",
    "policies-claim-1000",
];

pub(crate) fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    for name in SCENARIOS {
        let scenario = Scenario::named(name).unwrap();
        assert!((0..TURNS).all(|turn| scenario.decide(turn)), "{name}");
        let mut turns = (0..TURNS).cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| turns.next().map(|turn| scenario.decide(turn)));
        });
    }
}
