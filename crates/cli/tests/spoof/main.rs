//! Attempts to be somebody else, and configurations that are half written: the gateway as a whole must not give in.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod h2;
mod identity;
mod preflight;
mod reload;
mod world;
