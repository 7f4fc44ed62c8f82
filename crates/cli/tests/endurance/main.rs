//! The gateway under load while everything around it changes, fails, ends or misbehaves.
//!
//! What was counted is printed: `cargo test -p countersign --test endurance -- --nocapture`. With `COUNTERSIGN_LONG=1`
//! there are ten thousand reloads instead of a few hundred.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "whatever goes wrong here must fail the test"
)]

mod backend;
mod broken;
mod hostile;
mod issuer;
mod listeners;
mod load;
mod process;
mod reloads;
mod scene;
mod shutdown;
mod upstream;

use std::env;

/// Whether time does not matter.
fn long() -> bool {
    env::var_os("COUNTERSIGN_LONG").is_some()
}
