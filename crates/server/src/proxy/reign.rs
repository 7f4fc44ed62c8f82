//! How long a configuration is in force, for what began under it.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long a configuration is in force.
#[derive(Default)]
pub(crate) struct Reign {
    ended: Cell<Option<Instant>>,
    over: Notify,
}

impl Reign {
    /// The configuration was replaced.
    pub(crate) fn end(&self) {
        self.ended.set(Some(Instant::now()));
        self.over.notify_waiters();
    }

    /// Comes when what began under a configuration that was replaced must end
    /// (decision P12).
    pub(crate) async fn over(&self, grace: Duration) {
        loop {
            let over = self.over.notified();
            match self.ended.get() {
                Some(at) => return sleep_until(at + grace).await,
                None => over.await,
            }
        }
    }

    /// Whether that has come.
    pub(crate) fn is_over(&self, now: Instant, grace: Duration) -> bool {
        self.ended
            .get()
            .is_some_and(|at| now.duration_since(at) >= grace)
    }

    /// Whether the configuration was replaced.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }
}
