//! The configuration in force with the keys as they are, swapped whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_config::compiled::{Compiled, KeySource};
use countersign_core::provider::Provider;
use countersign_core::{Keys, Need, ProviderId};
use countersign_jose::Expect;
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::keys::{Dice, Fetch, Keeper, KeyState, Owner};
use crate::metrics::Metrics;

/// The running configuration with the keys as they are: swapped whole, on a reload and on a key rotation.
pub struct Running {
    /// Grows by one with every swap.
    pub version: u64,
    /// Grows with configuration reloads only.
    pub load: u64,
    /// What decides and what the edges run from.
    pub compiled: Arc<Compiled>,
    /// By [`ProviderId`].
    pub keys: Box<[ProviderKeys]>,
}

/// The keys of one provider.
#[derive(Clone)]
pub struct ProviderKeys {
    /// The same provider, that is the same expectations and source of keys, has the same number across reloads, and no
    /// other provider ever has it. A provider with inline keys has a new one after each reload that changed something.
    pub uid: u64,
    /// What is known of its keys.
    pub state: KeyState,
    owner: Option<Arc<Owner>>,
}

impl Running {
    /// The keys of a provider, as [`countersign_core::Facts::keys`] wants them.
    pub fn facts(&self, provider: ProviderId) -> Keys<'_> {
        self.provider(provider)
            .map_or(Keys::Unavailable, |keys| keys.state.facts())
    }

    /// The keys of a provider; `None` only for an index of another configuration.
    pub fn provider(&self, provider: ProviderId) -> Option<&ProviderKeys> {
        self.keys.get(provider.0 as usize)
    }
}

/// What everybody holds on the running configuration. Cheap to clone; may be used from any thread and any runtime.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    current: ArcSwap<Running>,
    version: AtomicU64,
    changed: watch::Sender<u64>,
    /// Held while a new value is made of the current one.
    writing: Mutex<Uids>,
    keeper: Keeper,
    metrics: Arc<Metrics>,
    reload: Notify,
}

/// Hands out [`ProviderKeys::uid`].
#[derive(Default)]
struct Uids(u64);

impl Handle {
    /// Puts the first configuration in force and starts to fetch its keys, on the tokio runtime that this is called in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(
        compiled: Arc<Compiled>,
        fetch: Arc<dyn Fetch>,
        dice: Dice,
        metrics: Arc<Metrics>,
    ) -> Self {
        let control = tokio::runtime::Handle::current();
        let handle = Self(Arc::new_cyclic(|weak: &Weak<Shared>| {
            let weak = weak.clone();
            let rotate = move || {
                if let Some(shared) = weak.upgrade() {
                    shared.rotate();
                }
            };
            metrics.loaded(clock::now());
            let keeper = Keeper::new(control, fetch, dice, metrics.clone(), rotate);
            let mut uids = Uids::default();
            let owners = keeper.adopt(&compiled);
            let keys = keys(&compiled, owners, None, &mut uids);
            Shared {
                current: ArcSwap::from_pointee(Running {
                    version: 1,
                    load: 1,
                    compiled,
                    keys,
                }),
                version: AtomicU64::new(1),
                changed: watch::Sender::new(1),
                writing: Mutex::new(uids),
                keeper,
                metrics,
                reload: Notify::new(),
            }
        }));
        // A fetch that ended before this value was whole told nobody.
        handle.0.rotate();
        handle
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Running> {
        self.0.current.load_full()
    }

    /// [`Running::version`] of the configuration in force, or of one that is just being replaced: one atomic load.
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Tells of every swap.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// What counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Gets the fact that a decision lacks, or finds that it cannot be had; the decision then goes on with
    /// [`Handle::current`]. Waits for the first fetch of a key set or for a refetch, never longer than one fetch may
    /// take, and not at all if the throttle does not let a refetch through.
    pub async fn satisfy(&self, running: &Running, need: Need) {
        let (Need::Keys(provider) | Need::FreshKeys { provider, .. }) = need;
        let Some(owner) = running
            .provider(provider)
            .and_then(|keys| keys.owner.as_ref())
        else {
            return;
        };
        match need {
            Need::Keys(_) => owner.first().await,
            Need::FreshKeys { generation, .. } => owner.newer(generation).await,
        }
    }

    /// Asks for the configuration to be read again, even if no file seems to have changed (SIGHUP).
    pub fn reload(&self) {
        self.0.reload.notify_one();
    }

    /// Waits for [`Handle::reload`].
    pub(crate) async fn reload_wanted(&self) {
        self.0.reload.notified().await;
    }

    /// Puts a new configuration in force. Key sets that it shares with the last one are kept with their age.
    pub fn replace(&self, compiled: Arc<Compiled>) {
        self.0.metrics.loaded(clock::now());
        self.0.swap(|keeper, old, uids| {
            let owners = keeper.adopt(&compiled);
            let keys = keys(&compiled, owners, Some(old), uids);
            Some(Running {
                version: old.version + 1,
                load: old.load + 1,
                compiled,
                keys,
            })
        });
    }
}

impl Shared {
    /// Takes over the states of all owners.
    fn rotate(&self) {
        self.swap(|_, old, _| {
            let keys: Box<[_]> = old.keys.iter().map(ProviderKeys::renewed).collect();
            let same = keys
                .iter()
                .zip(&old.keys)
                .all(|(new, old)| new.state.same(&old.state));
            let compiled = old.compiled.clone();
            (!same).then_some(Running {
                version: old.version + 1,
                load: old.load,
                compiled,
                keys,
            })
        });
    }

    fn swap(&self, next: impl FnOnce(&Keeper, &Running, &mut Uids) -> Option<Running>) {
        let mut uids = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = next(&self.keeper, &self.current.load(), &mut uids) else {
            return;
        };
        let version = next.version;
        self.current.store(Arc::new(next));
        self.version.store(version, Ordering::Release);
        self.changed.send_replace(version);
    }
}

impl ProviderKeys {
    /// Time since they were last fetched with success, at this very moment. `None` for keys that are never fetched, and
    /// before the first success.
    pub fn age(&self) -> Option<Duration> {
        self.owner.as_ref()?.age()
    }

    fn renewed(&self) -> Self {
        let state = self
            .owner
            .as_ref()
            .map_or_else(|| self.state.clone(), |owner| owner.state());
        Self {
            uid: self.uid,
            state,
            owner: self.owner.clone(),
        }
    }
}

impl Uids {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn keys(
    compiled: &Compiled,
    owners: Box<[Option<Arc<Owner>>]>,
    old: Option<&Running>,
    uids: &mut Uids,
) -> Box<[ProviderKeys]> {
    let mut known = old.map(providers).unwrap_or_default();
    let one = |((provider, source), owner): ((&Provider, &KeySource), Option<Arc<Owner>>)| {
        let at = known
            .iter()
            .position(|it| same_expect(it.0, &provider.expect) && same_source(it.1, source));
        let uid = at.map_or_else(|| uids.next(), |at| known.swap_remove(at).2);
        let state = match (&owner, source) {
            (_, KeySource::Inline(set)) => KeyState::Ready {
                set: set.clone(),
                generation: 1,
            },
            (Some(owner), _) => owner.state(),
            (None, _) => KeyState::Unavailable,
        };
        ProviderKeys { uid, state, owner }
    };
    compiled
        .snapshot
        .providers
        .iter()
        .zip(&compiled.keys)
        .zip(owners)
        .map(one)
        .collect()
}

fn providers(running: &Running) -> Vec<(&Expect, &KeySource, u64)> {
    let Compiled { snapshot, keys, .. } = &*running.compiled;
    let all = snapshot.providers.iter().zip(keys).zip(&running.keys);
    all.map(|((provider, source), keys)| (&provider.expect, source, keys.uid))
        .collect()
}

fn same_expect(a: &Expect, b: &Expect) -> bool {
    // Field by field without `..`: a new one must not be forgotten here.
    let Expect {
        issuer,
        audiences,
        skew,
        algs,
        zero_exp,
    } = a;
    (issuer, audiences, skew, algs, zero_exp)
        == (&b.issuer, &b.audiences, &b.skew, &b.algs, &b.zero_exp)
}

fn same_source(a: &KeySource, b: &KeySource) -> bool {
    match (a, b) {
        (KeySource::Inline(a), KeySource::Inline(b)) => Arc::ptr_eq(a, b),
        (KeySource::Remote(a), KeySource::Remote(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
