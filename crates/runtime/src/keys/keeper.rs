//! All owners, by source: shared between providers, kept across reloads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_config::compiled::{Compiled, KeySource, RemoteKeys};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::owner::{Owner, Tools};
use super::{Dice, Fetch};
use crate::metrics::Metrics;

/// Holds one owner for each distinct source of the configuration in force.
pub struct Keeper {
    tools: Arc<Tools>,
    control: Handle,
    owners: Mutex<HashMap<RemoteKeys, Kept>>,
}

struct Kept {
    owner: Arc<Owner>,
    task: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
        self.owner.retire();
    }
}

impl Keeper {
    /// A keeper whose owners run on `control` and call `changed` whenever what [`Owner::state`] says has changed.
    pub fn new(
        control: Handle,
        fetch: Arc<dyn Fetch>,
        dice: Dice,
        metrics: Arc<Metrics>,
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let tools = Arc::new(Tools {
            fetch,
            dice,
            metrics,
            changed: Box::new(changed),
        });
        Self {
            tools,
            control,
            owners: Mutex::default(),
        }
    }

    /// Finds or makes the owner of each provider, `None` where the keys stand in the configuration, and drops owners
    /// that the configuration no longer names.
    pub fn adopt(&self, compiled: &Compiled) -> Box<[Option<Arc<Owner>>]> {
        let names = names(compiled);
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, names) in &names {
            let names: Arc<[Arc<str>]> = names.as_slice().into();
            let kin = owners
                .values()
                .find(|it| it.owner.same_place(source))
                .map(|it| it.owner.clone());
            match owners.entry((*source).clone()) {
                Entry::Occupied(kept) => kept.get().owner.rename(names),
                Entry::Vacant(place) => {
                    place.insert(self.start(Owner::new((*source).clone(), names, kin.as_deref())));
                }
            }
        }
        owners.retain(|source, _| names.contains_key(source));
        self.tools.metrics.providers(names.values().flatten());
        let owner = |source: &KeySource| match source {
            KeySource::Inline(_) => None,
            KeySource::Remote(source) => owners.get(source).map(|kept| kept.owner.clone()),
        };
        compiled.keys.iter().map(owner).collect()
    }

    fn start(&self, owner: Owner) -> Kept {
        let owner = Arc::new(owner);
        let task = self
            .control
            .spawn(owner.clone().run(self.tools.clone()))
            .abort_handle();
        Kept { owner, task }
    }
}

/// The distinct sources, each with the providers that use it.
fn names(compiled: &Compiled) -> HashMap<&RemoteKeys, Vec<Arc<str>>> {
    let mut names: HashMap<&RemoteKeys, Vec<Arc<str>>> = HashMap::new();
    for (provider, source) in compiled.snapshot.providers.iter().zip(&compiled.keys) {
        if let KeySource::Remote(source) = source {
            names.entry(source).or_default().push(provider.name.clone());
        }
    }
    names
}
