//! Traces: what a collector gets to know of requests, and what backends are told of the trace they belong to.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod collector;
mod context;
mod exported;
mod scene;
