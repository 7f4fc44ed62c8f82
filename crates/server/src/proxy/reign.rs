//! How long a configuration is in force, for what began under it.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// How long a configuration is in force.
#[derive(Debug, Default)]
pub(crate) struct Reign {
    ended: Cell<Option<Instant>>,
    replaced: Notify,
}

impl Reign {
    /// The configuration was replaced.
    pub(crate) fn end(&self) {
        self.ended.set(Some(Instant::now()));
        self.replaced.notify_waiters();
    }

    /// When what began under it must end, once it was replaced (decision P12).
    pub(crate) fn over(&self, drain: Duration) -> Option<Instant> {
        self.ended.get()?.checked_add(drain)
    }

    /// Whether it was replaced.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Comes when it is replaced, if that is still to come.
    pub(crate) fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }
}
