//! Compiling a thousand AuthorizationPolicies of ten rules each, as every reload does.

use countersign_core::authz::PolicySet;
use criterion::{BatchSize, Criterion};

use crate::world::policies;

pub(crate) fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile 1000 policies");
    group.sample_size(10);
    for shape in ["host", "claim"] {
        let list = policies(shape, 1000).unwrap();
        group.bench_function(shape, |bencher| {
            bencher.iter_batched(|| list.clone(), PolicySet::new, BatchSize::LargeInput);
        });
    }
}
