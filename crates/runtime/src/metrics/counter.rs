//! Plain counters, for what happens seldom enough to share a number.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters of one name.
#[derive(Default)]
pub(super) struct Family {
    pub(super) help: &'static str,
    /// By the value of the label `result`; empty for none.
    pub(super) results: BTreeMap<&'static str, Counter>,
}

/// A number that is read when it is asked for.
pub(super) struct Gauge {
    pub(super) help: &'static str,
    pub(super) read: Box<dyn Fn() -> u64 + Send + Sync>,
}
