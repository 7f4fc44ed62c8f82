//! Tokens that were verified are kept, and never for longer than what they were verified by: proofs on the running
//! gateway that a hot token is nothing from the very next request on once its key, its issuer's terms or a policy is
//! another one (decision T17).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod changes;
mod flood;
mod providers;
mod world;
