//! The real binary as people and scripts use it: what it prints, to which stream, and how it ends.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever goes wrong here must fail the test, with its reason"
)]

mod binary;
mod cases;
mod check;
mod demo;
mod explain;
mod footguns;
mod general;
mod identity;
mod run;
mod sample;
mod streams;
mod token;
