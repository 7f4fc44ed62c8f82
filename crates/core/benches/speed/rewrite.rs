//! What happens to a request's head between the client and the backend, as far as the core does it: hop-by-hop and
//! identity headers off, path and host judged, the decision, the token off, claims in, `X-Forwarded-…` in.

use criterion::{BatchSize, Criterion};

use crate::world::{Scenario, TURNS};

pub(crate) fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewrite");
    for name in ["plain", "token", "token-headers"] {
        let scenario = Scenario::named(name).unwrap();
        let mut turns = (0..TURNS).cycle();
        let mut next = || turns.next().and_then(|turn| scenario.head(turn)).unwrap();
        assert!(scenario.rewrite(next()).is_some(), "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter_batched(&mut next, |it| scenario.rewrite(it), BatchSize::SmallInput);
        });
    }
}
