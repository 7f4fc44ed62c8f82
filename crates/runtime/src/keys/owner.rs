//! One fetched key set: when it is fetched, how long it is kept, who waits for it.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_config::compiled::RemoteKeys;
use countersign_jose::KeySet;
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::set::{Fetched, lifetime, read, same_entries};
use super::throttle::Bucket;
use super::{Dice, Failure, Fetch, KeyState, log};
use crate::metrics::Metrics;

/// The keys of one distinct source. Its task fetches; everybody else looks and waits.
pub struct Owner {
    source: RemoteKeys,
    inner: Mutex<Inner>,
    /// Wakes the task for a fetch out of turn.
    asked: Notify,
    /// Fetches that have ended, well or not.
    ended: watch::Sender<u64>,
}

/// What an owner's task works with.
pub(super) struct Tools {
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) dice: Dice,
    pub(super) metrics: Arc<Metrics>,
    /// Called when the state of an owner has changed, before those who wait are woken.
    pub(super) changed: Box<dyn Fn() + Send + Sync>,
}

struct Inner {
    state: KeyState,
    last: Option<Good>,
    generation: u64,
    /// A fetch runs or was asked for: whoever needs one joins it.
    busy: bool,
    bucket: Bucket,
    retired: bool,
    /// Providers that use the set, for logs and metrics.
    names: Arc<[Arc<str>]>,
    /// Code of the failure that was logged last; `None` while all is well.
    trouble: Option<&'static str>,
}

/// The last set that was fetched with success.
#[derive(Clone)]
struct Good {
    set: Arc<KeySet>,
    /// The entries as published, to tell whether a later set differs.
    entries: Arc<[Value]>,
    generation: u64,
    at: Instant,
}

impl Owner {
    /// An owner that knows nothing yet, or what `kin` knows: one of the same place under other settings.
    pub(super) fn new(source: RemoteKeys, names: Arc<[Arc<str>]>, kin: Option<&Self>) -> Self {
        let (state, last, generation) = kin.map_or((KeyState::Pending, None, 0), |kin| {
            let inner = kin.lock();
            (inner.state.clone(), inner.last.clone(), inner.generation)
        });
        let bucket = Bucket::new(BURST, EVERY, Instant::now());
        let inner = Inner {
            state,
            last,
            generation,
            busy: true,
            bucket,
            retired: false,
            names,
            trouble: None,
        };
        Self {
            source,
            inner: Mutex::new(inner),
            asked: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }

    /// What is known right now.
    pub fn state(&self) -> KeyState {
        self.lock().state.clone()
    }

    /// Time since the keys were last fetched with success, changed or not.
    pub fn age(&self) -> Option<Duration> {
        self.lock().last.as_ref().map(|last| last.at.elapsed())
    }

    /// Whether the same keys would come from there, whatever the timing.
    pub(super) fn same_place(&self, source: &RemoteKeys) -> bool {
        let RemoteKeys {
            location,
            connect,
            ca,
            guard,
            ..
        } = &self.source;
        (location, connect, ca, guard)
            == (&source.location, &source.connect, &source.ca, &source.guard)
    }

    pub(super) fn rename(&self, names: Arc<[Arc<str>]>) {
        self.lock().names = names;
    }

    /// Nobody uses it any more: those who wait are sent away.
    pub(super) fn retire(&self) {
        self.lock().retired = true;
        self.ended.send_modify(|ended| *ended += 1);
    }

    /// Waits for the first fetch to end, one fetch's timeout at most.
    pub async fn first(&self) {
        let mut ended = {
            let inner = self.lock();
            let ended = self.ended.subscribe();
            // The state is no sign: it is set before everybody can see it.
            if inner.retired || *ended.borrow() > 0 {
                return;
            }
            ended
        };
        self.patiently(ended.changed()).await;
    }

    /// Waits for keys newer than `generation`: for the fetch that runs, or for one of its own if the throttle lets it.
    pub async fn newer(&self, generation: u64) {
        let mut ended = {
            let mut inner = self.lock();
            let stale =
                matches!(inner.state, KeyState::Ready { generation: now, .. } if now == generation);
            // Newer keys that a fetch has brought can be seen by all once it has ended.
            if inner.retired || !stale && !inner.busy {
                return;
            }
            if !inner.busy {
                if !inner.bucket.take(Instant::now()) {
                    return;
                }
                inner.busy = true;
                self.asked.notify_one();
            }
            // INVARIANT: `ended` grows under the lock that clears `busy`, so this sees the end of that very fetch.
            self.ended.subscribe()
        };
        self.patiently(ended.changed()).await;
    }

    async fn patiently(&self, ended: impl Future<Output = Result<(), watch::error::RecvError>>) {
        // Late or retired: the caller decides with what there is.
        let _late = timeout(self.source.timeout, ended).await;
    }

    /// Fetches when it is time or somebody asks, without end.
    pub(super) async fn run(self: Arc<Self>, tools: Arc<Tools>) {
        loop {
            self.lock().busy = true;
            let outcome = self.attempts(&tools).await;
            let due = Instant::now() + self.settle(outcome, &tools);
            self.idle(due, &tools).await;
        }
    }

    /// One fetch with its further attempts.
    async fn attempts(&self, tools: &Tools) -> Result<Fetched, Failure> {
        let mut left = self.source.retries.min(MOST_RETRIES);
        let mut backoff = self.source.backoff;
        loop {
            let outcome = tools
                .fetch
                .fetch(&self.source)
                .await
                .and_then(|document| read(&document));
            let names = self.lock().names.clone();
            tools.metrics.fetched(
                &names,
                outcome
                    .as_ref()
                    .map_or_else(|failure| failure.code, |_| "ok"),
            );
            if outcome.is_ok() || left == 0 {
                return outcome;
            }
            left -= 1;
            sleep(
                backoff
                    .min(self.source.backoff_max)
                    .mul_f64(0.5 + (tools.dice)() / 2.0),
            )
            .await;
            backoff = backoff.saturating_mul(2);
        }
    }

    /// Takes in what a fetch brought, and says how long to wait for the next one.
    fn settle(&self, outcome: Result<Fetched, Failure>, tools: &Tools) -> Duration {
        let wait = match outcome {
            Ok(fetched) => {
                let wait = lifetime(self.source.refresh, fetched.fresh_for)
                    .mul_f64(1.0 - (tools.dice)() / 10.0);
                self.succeed(fetched, tools);
                wait
            }
            Err(failure) => {
                let pause = self
                    .source
                    .after_failure
                    .clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                let wait = pause.mul_f64(1.0 + (tools.dice)() / 5.0);
                self.fail(&failure, wait, tools);
                wait
            }
        };
        let mut inner = self.lock();
        inner.busy = false;
        self.ended.send_modify(|ended| *ended += 1);
        wait
    }

    fn succeed(&self, fetched: Fetched, tools: &Tools) {
        let at = Instant::now();
        let mut inner = self.lock();
        let changed = match &mut inner.last {
            Some(last) if same_entries(&last.entries, &fetched.entries) => {
                last.at = at;
                false
            }
            _ => true,
        };
        if changed {
            inner.generation += 1;
            let generation = inner.generation;
            log::rotated(&inner.names, &self.source, &fetched.set);
            inner.last = Some(Good {
                set: fetched.set,
                entries: fetched.entries,
                generation,
                at,
            });
        }
        if inner.trouble.take().is_some() {
            log::recovered(&inner.names, &self.source);
        }
        let state = inner
            .last
            .as_ref()
            .map_or(KeyState::Pending, |last| KeyState::Ready {
                set: last.set.clone(),
                generation: last.generation,
            });
        tools.metrics.fresh(&inner.names, at);
        publish(inner, state, tools);
    }

    fn fail(&self, failure: &Failure, wait: Duration, tools: &Tools) {
        let mut inner = self.lock();
        let kept = inner
            .last
            .as_ref()
            .map(|last| last.at.elapsed())
            .filter(|age| *age < KEEP);
        if inner.trouble != Some(failure.code) {
            inner.trouble = Some(failure.code);
            log::failed(&inner.names, &self.source, failure, wait, kept);
        } else {
            log::failed_again(&inner.names, failure);
        }
        let state = match inner.state {
            KeyState::Ready { .. } if kept.is_none() => {
                log::expired(&inner.names, &self.source);
                KeyState::Unavailable
            }
            KeyState::Pending => KeyState::Unavailable,
            _ => inner.state.clone(),
        };
        publish(inner, state, tools);
    }

    /// Until a fetch is due or asked for; meanwhile a set may become too old to be used.
    async fn idle(&self, due: Instant, tools: &Tools) {
        loop {
            let ends = self.ends();
            tokio::select! {
                () = sleep_until(due) => return,
                // A permit may be left over from an asker whom a fetch in turn has served already.
                () = self.asked.notified() => if self.lock().busy { return },
                () = sleep_until(ends.unwrap_or(due)), if ends.is_some() => {
                    let inner = self.lock();
                    log::expired(&inner.names, &self.source);
                    publish(inner, KeyState::Unavailable, tools);
                }
            }
        }
    }

    /// When the last good set may no longer be used.
    fn ends(&self) -> Option<Instant> {
        let inner = self.lock();
        let ready = matches!(inner.state, KeyState::Ready { .. });
        inner
            .last
            .as_ref()
            .filter(|_| ready)
            .map(|last| last.at + KEEP)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the state; tells, without the lock, if it is another one.
fn publish(mut inner: MutexGuard<'_, Inner>, state: KeyState, tools: &Tools) {
    let changed = !inner.state.same(&state);
    inner.state = state;
    drop(inner);
    if changed {
        (tools.changed)();
    }
}

/// How long the last good set is used while no newer one can be had (decision T10).
const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Whatever is configured, a dead issuer is not asked more often and not more rarely than this.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// An unknown `kid` may start so many fetches at once, then one each [`EVERY`]: strangers who make up key names cost an
/// issuer little, and cannot keep a real rotation waiting for longer.
const BURST: u32 = 3;
const EVERY: Duration = Duration::from_secs(10);
const MOST_RETRIES: u32 = 10;
