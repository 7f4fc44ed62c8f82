//! Key fetch, file watch, clock, snapshot swap and metrics: where the pure crates meet the world.
//!
//! [`running`] holds the configuration in force and swaps it whole, on a reload and on a key rotation; every door reads
//! it through a [`Handle`]. [`keys`] keeps the key sets of remote providers, which it gets through [`http`]. [`texts`]
//! reads the configuration's files, [`watch`] notices when they change, and [`reload`] puts what they say in force.
//! [`metrics`] counts, and [`traces`] tells of single requests.

pub mod clock;
pub mod http;
pub mod keys;
pub mod metrics;
pub mod reload;
pub mod running;
pub mod texts;
pub mod traces;
pub mod watch;

pub use keys::KeyState;
pub use metrics::{Counter, Labels, Metrics, OpenConnection, Shard, Verdict};
pub use running::{Handle, ProviderKeys, Running};
pub use traces::Tracer;
