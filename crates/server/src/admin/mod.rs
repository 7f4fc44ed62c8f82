//! The admin listener: health, metrics, the running configuration and the log
//! level, for the operator and never for clients.

mod listener;
mod pages;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use countersign_runtime::Handle;

pub(crate) use listener::listen;

/// What the pages show.
pub(crate) struct Admin {
    pub(crate) handle: Handle,
    pub(crate) stage: Stage,
    pub(crate) log: Log,
}

/// The level of the process's log, kept by whoever set up the log.
pub struct Log {
    /// What is logged now.
    pub level: Box<dyn Fn() -> String + Send + Sync>,
    /// Changes it.
    pub set: Box<SetLevel>,
}

/// Changes the log level; the error says which levels there are.
pub type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// Where the server is in its life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage(Arc<AtomicU8>);

impl Stage {
    pub(crate) fn serves(&self) {
        self.0.store(SERVES, Ordering::Release);
    }

    pub(crate) fn drains(&self) {
        self.0.store(DRAINS, Ordering::Release);
    }

    /// Why no traffic should be sent here; `None` when it should.
    fn unready(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Acquire) {
            SERVES => None,
            DRAINS => Some("draining"),
            _ => Some("starting"),
        }
    }
}

const SERVES: u8 = 1;
const DRAINS: u8 = 2;
