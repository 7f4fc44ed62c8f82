//! Counters and gauges, rendered in Prometheus' text format.
//!
//! Each worker counts in a [`Shard`] of its own, whose lock nobody else wants except a scrape. Label values come from
//! the configuration and from closed lists; a shard that has seen too many of them counts further ones as `_other`.

mod counter;
mod policies;
mod render;
mod shard;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::UnixTime;
use tokio::time::Instant;

pub use counter::Counter;
pub use policies::Verdict;
pub use shard::{Labels, OpenConnection, Shard};

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    shards: Mutex<BTreeMap<usize, Arc<Shard>>>,
    control: Mutex<Control>,
    counters: Mutex<BTreeMap<&'static str, counter::Family>>,
    gauges: Mutex<BTreeMap<&'static str, counter::Gauge>>,
}

/// What the control runtime counts.
#[derive(Default)]
struct Control {
    providers: BTreeMap<Arc<str>, Fetches>,
    reloads: BTreeMap<&'static str, u64>,
    loaded: Option<UnixTime>,
}

#[derive(Default)]
struct Fetches {
    results: BTreeMap<&'static str, u64>,
    fresh: Option<Instant>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The shard of a worker; the same one for the same number.
    pub fn shard(&self, worker: usize) -> Arc<Shard> {
        lock(&self.shards).entry(worker).or_default().clone()
    }

    /// The counter of this name and this value of its label `result`, which is left out where it is empty. The same
    /// one for the same words.
    pub fn counter(&self, name: &'static str, result: &'static str, help: &'static str) -> Counter {
        let mut counters = lock(&self.counters);
        let family = counters.entry(name).or_default();
        family.help = help;
        family.results.entry(result).or_default().clone()
    }

    /// Shows a number that somebody else keeps, read anew at each scrape. The last one of a name counts.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let read = Box::new(read);
        lock(&self.gauges).insert(name, counter::Gauge { help, read });
    }

    /// All of it, in Prometheus' text format 0.0.4 (`text/plain; version=0.0.4`).
    pub fn render(&self) -> String {
        let shards: Vec<Arc<Shard>> = lock(&self.shards).values().cloned().collect();
        let mut out = String::new();
        let totals = shard::Totals::over(&shards);
        render::requests(&mut out, &totals);
        render::policies(&mut out, &totals.policies);
        render::tokens(&mut out, &totals);
        render::control(&mut out, &lock(&self.control), Instant::now());
        render::counters(&mut out, &lock(&self.counters));
        render::gauges(&mut out, &lock(&self.gauges));
        out
    }

    /// These are the providers whose keys are fetched; numbers of others are dropped.
    pub(crate) fn providers<'a>(&self, names: impl Iterator<Item = &'a Arc<str>>) {
        let mut control = lock(&self.control);
        let mut before = std::mem::take(&mut control.providers);
        for name in names {
            // Providers of one name share their numbers.
            let fetches = || before.remove(name).unwrap_or_default();
            control
                .providers
                .entry(name.clone())
                .or_insert_with(fetches);
        }
    }

    /// One attempt to fetch the keys of these providers has ended.
    pub(crate) fn fetched(&self, names: &[Arc<str>], result: &'static str) {
        self.each(names, |provider| {
            *provider.results.entry(result).or_default() += 1;
        });
    }

    /// The keys of these providers were current at this moment.
    pub(crate) fn fresh(&self, names: &[Arc<str>], at: Instant) {
        self.each(names, |provider| provider.fresh = Some(at));
    }

    /// A reload has ended.
    pub(crate) fn reloaded(&self, result: &'static str) {
        *lock(&self.control).reloads.entry(result).or_default() += 1;
    }

    /// A configuration was put in force.
    pub(crate) fn loaded(&self, at: UnixTime) {
        lock(&self.control).loaded = Some(at);
    }

    fn each(&self, names: &[Arc<str>], change: impl Fn(&mut Fetches)) {
        let mut control = lock(&self.control);
        for name in names {
            if let Some(provider) = control.providers.get_mut(name) {
                change(provider);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
