//! What one worker counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::Origin;

use super::lock;
use super::policies::{Policies, Sums, Verdict};

/// The numbers of one worker.
#[derive(Default)]
pub struct Shard {
    inner: Mutex<Inner>,
    /// Written by one worker alone, so nobody waits for them.
    tokens_known: AtomicU64,
    tokens_new: AtomicU64,
}

#[derive(Default)]
struct Inner {
    requests: Map<Map<Series>>,
    /// Number of routes in `requests`.
    routes: usize,
    connections: Map<i64>,
    streams: Map<Map<Streams>>,
    /// Number of routes in `streams`.
    stream_routes: usize,
    policies: Policies,
}

type Map<T> = HashMap<Arc<str>, T, foldhash::fast::RandomState>;

/// What a request is counted under.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// `namespace/gateway/listener`.
    pub listener: &'a Arc<str>,
    /// `namespace/route/rule`; empty where no route was found.
    pub route: &'a Arc<str>,
    /// What the client got.
    pub status: u16,
    /// Code of the reason.
    pub reason: &'static str,
}

/// Connections by reason.
pub(super) type Streams = BTreeMap<&'static str, u64>;

/// The requests of one route.
#[derive(Default, Clone)]
pub(super) struct Series {
    /// By status and reason. Few, so a list is quickest.
    pub(super) outcomes: Vec<(u16, &'static str, u64)>,
    /// Requests by duration, each in the first bucket that it fits in; the last one takes what fits in none.
    pub(super) buckets: [u64; BOUNDS.len() + 1],
    pub(super) seconds: f64,
}

/// Upper bounds of the duration buckets, in seconds.
pub(super) const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Routes that a shard tells apart. Reloads may bring new names without end.
const MOST_ROUTES: usize = 10_000;

/// Stands for every route beyond [`MOST_ROUTES`].
const OTHER: &str = "_other";

impl Shard {
    /// Counts one request that took so long.
    pub fn count(&self, labels: &Labels<'_>, took: Duration) {
        let mut inner = lock(&self.inner);
        let Some(series) = inner.series(labels.listener, labels.route) else {
            return;
        };
        let same =
            |it: &&mut (u16, &'static str, u64)| it.0 == labels.status && it.1 == labels.reason;
        match series.outcomes.iter_mut().find(same) {
            Some(outcome) => outcome.2 += 1,
            None => series.outcomes.push((labels.status, labels.reason, 1)),
        }
        let seconds = took.as_secs_f64();
        series.seconds += seconds;
        let bucket = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        if let Some(bucket) = series.buckets.get_mut(bucket) {
            *bucket += 1;
        }
    }

    /// Counts a token that was verified before.
    pub fn token_known(&self) {
        self.tokens_known.fetch_add(1, Relaxed);
    }

    /// Counts a good token that had to be verified.
    pub fn token_new(&self) {
        self.tokens_new.fetch_add(1, Relaxed);
    }

    /// Counts what a rule had to say.
    pub fn judge(&self, rule: &Arc<Origin>, verdict: Verdict) {
        lock(&self.inner).policies.count(rule, verdict);
    }

    /// Counts one connection that was passed on, or refused, without a look at its bytes.
    pub fn stream(&self, listener: &Arc<str>, route: &Arc<str>, reason: &'static str) {
        let mut inner = lock(&self.inner);
        let known = inner
            .streams
            .get(listener)
            .is_some_and(|routes| routes.contains_key(route));
        let other = Arc::from(OTHER);
        let (listener, route) = if known || inner.stream_routes < MOST_ROUTES {
            (listener, route)
        } else {
            (&other, &other)
        };
        if !known {
            inner.stream_routes += 1;
        }
        let routes = inner.streams.entry(listener.clone()).or_default();
        *routes
            .entry(route.clone())
            .or_default()
            .entry(reason)
            .or_default() += 1;
    }

    /// Counts a connection as open until the value returned is dropped.
    pub fn open(self: &Arc<Self>, listener: &Arc<str>) -> OpenConnection {
        self.connect(listener, 1);
        OpenConnection {
            shard: self.clone(),
            listener: listener.clone(),
        }
    }

    fn connect(&self, listener: &Arc<str>, change: i64) {
        let mut inner = lock(&self.inner);
        match inner.connections.get_mut(&**listener) {
            Some(open) => *open += change,
            None => {
                inner.connections.insert(listener.clone(), change);
            }
        }
    }
}

impl Inner {
    /// Finds or makes the numbers of a route. Names are cloned only when they are new: the count of a shared name is
    /// what all workers would fight for.
    fn series(&mut self, listener: &Arc<str>, route: &Arc<str>) -> Option<&mut Series> {
        let known = |it: &Self, listener: &str, route: &str| {
            it.requests
                .get(listener)
                .is_some_and(|routes| routes.contains_key(route))
        };
        if known(self, listener, route) {
            return self.requests.get_mut(&**listener)?.get_mut(&**route);
        }
        let other = Arc::from(OTHER);
        let (listener, route) = if self.routes < MOST_ROUTES {
            (listener, route)
        } else {
            (&other, &other)
        };
        if !known(self, listener, route) {
            self.routes += 1;
        }
        Some(
            self.requests
                .entry(listener.clone())
                .or_default()
                .entry(route.clone())
                .or_default(),
        )
    }
}

/// A connection that is counted as open.
pub struct OpenConnection {
    shard: Arc<Shard>,
    listener: Arc<str>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.shard.connect(&self.listener, -1);
    }
}

/// The sums over all shards, in the order of their names.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) requests: BTreeMap<(Arc<str>, Arc<str>), Series>,
    pub(super) connections: BTreeMap<Arc<str>, i64>,
    pub(super) streams: BTreeMap<(Arc<str>, Arc<str>), Streams>,
    pub(super) policies: Sums,
    pub(super) tokens_known: u64,
    pub(super) tokens_new: u64,
}

impl Totals {
    pub(super) fn over(shards: &[Arc<Shard>]) -> Self {
        let mut totals = Self::default();
        for shard in shards {
            totals.tokens_known += shard.tokens_known.load(Relaxed);
            totals.tokens_new += shard.tokens_new.load(Relaxed);
            let inner = lock(&shard.inner);
            for (listener, routes) in &inner.requests {
                for (route, series) in routes {
                    totals
                        .requests
                        .entry((listener.clone(), route.clone()))
                        .or_default()
                        .add(series);
                }
            }
            totals.policies.add(&inner.policies);
            for (listener, routes) in &inner.streams {
                for (route, reasons) in routes {
                    let key = (listener.clone(), route.clone());
                    let sums = totals.streams.entry(key).or_default();
                    for (reason, count) in reasons {
                        *sums.entry(reason).or_default() += count;
                    }
                }
            }
            for (listener, open) in &inner.connections {
                *totals.connections.entry(listener.clone()).or_default() += open;
            }
        }
        totals
    }
}

impl Series {
    fn add(&mut self, other: &Self) {
        for (status, reason, count) in &other.outcomes {
            match self
                .outcomes
                .iter_mut()
                .find(|it| it.0 == *status && it.1 == *reason)
            {
                Some(outcome) => outcome.2 += count,
                None => self.outcomes.push((*status, reason, *count)),
            }
        }
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += count;
        }
        self.seconds += other.seconds;
        self.outcomes.sort_unstable();
    }
}
