//! How long parts of a decision take: `cargo bench -p countersign-core`.

#![expect(
    clippy::unwrap_used,
    reason = "what goes wrong here ends the benchmark"
)]

mod compile;
mod decision;
mod lookup;
mod rewrite;
mod world;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    decision::benchmark,
    lookup::benchmark,
    rewrite::benchmark,
    compile::benchmark
);
criterion_main!(benches);
