//! TCP and TLS listeners through the binary: who gets through, to whom, and what the log says of it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod backend;
mod policies;
mod reload;
mod tcp;
mod tls;
mod world;
