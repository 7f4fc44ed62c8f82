//! Who calls, by client certificate and by address, and what AuthorizationPolicies make of it: through the binary.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod addresses;
mod certificates;
mod world;
