//! Key fetch, file watch, clock, snapshot swap and metrics: where the pure crates meet the world.
//!
//! [`running`] holds the configuration in force and swaps it whole, on a reload and on a key rotation; every door reads
//! it through a [`Handle`]. [`keys`] keeps the key sets of remote providers, and [`metrics`] counts.

pub mod clock;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod running;

pub use keys::KeyState;
pub use metrics::{Labels, Metrics, OpenConnection, Shard};
pub use running::{Handle, ProviderKeys, Running};
