//! Decisions as a door asks for them: `prepare`, then `decide`.

#![expect(unreachable_pub, reason = "the modules of this test share one world")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever goes wrong here must fail the test"
)]

mod callers;
mod expressions;
mod hosts;
mod listeners;
mod policies;
mod stages;
mod streams;
mod tokens;
mod wire;
mod world;
