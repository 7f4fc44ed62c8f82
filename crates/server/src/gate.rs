//! Counts open connections: per port against its limit, per worker for an even spread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use countersign_runtime::OpenConnection;
use tokio::sync::Notify;

/// The connections of one port and how many there may be.
#[derive(Debug)]
pub(crate) struct Gate {
    open: AtomicU32,
    limit: AtomicU32,
    /// Signalled when a connection ends or the limit changes.
    changed: Notify,
}

impl Gate {
    pub(crate) fn new(limit: u32) -> Arc<Gate> {
        Arc::new(Gate {
            open: AtomicU32::new(0),
            limit: AtomicU32::new(limit),
            changed: Notify::new(),
        })
    }

    /// The limit holds for connections to come; open ones stay.
    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Waits until one more connection is allowed. Whoever waits is the only
    /// one to let connections in, or the limit is missed by as many as wait.
    pub(crate) async fn free(&self) {
        loop {
            let changed = self.changed.notified();
            if self.open.load(Ordering::Acquire) < self.limit.load(Ordering::Relaxed) {
                return;
            }
            changed.await;
        }
    }

    /// Counts a connection of this port, handled by the worker of this load.
    pub(crate) fn enter(self: &Arc<Gate>, load: &Arc<Load>) -> Permit {
        self.open.fetch_add(1, Ordering::AcqRel);
        load.open.fetch_add(1, Ordering::AcqRel);
        Permit {
            gate: self.clone(),
            load: load.clone(),
            gauge: None,
        }
    }
}

/// How many connections a worker has.
#[derive(Debug, Default)]
pub(crate) struct Load {
    open: AtomicUsize,
    /// Signalled when the last one ends.
    none: Notify,
}

impl Load {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Waits until there are none.
    pub(crate) async fn none(&self) {
        loop {
            let none = self.none.notified();
            if self.open() == 0 {
                return;
            }
            none.await;
        }
    }
}

/// One open connection; dropping it lets the next one in.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    load: Arc<Load>,
    gauge: Option<OpenConnection>,
}

impl Permit {
    /// Shows the connection in the metrics as well, for as long as it is open.
    pub(crate) fn show(&mut self, gauge: OpenConnection) {
        self.gauge = Some(gauge);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Ordering::AcqRel);
        if self.load.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.load.none.notify_waiters();
        }
        self.gate.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_gate_opens_when_a_connection_ends_or_the_limit_grows() {
        let (gate, load) = (Gate::new(1), Arc::new(Load::default()));
        gate.free().await;
        let permit = gate.enter(&load);
        assert_eq!(load.open(), 1);
        let full = tokio::time::timeout(std::time::Duration::from_secs(1), gate.free()).await;
        assert!(full.is_err());

        gate.set_limit(2);
        gate.free().await;
        gate.set_limit(1);
        let (_, ()) = tokio::join!(gate.free(), async { drop(permit) });
        assert_eq!(load.open(), 0);
    }
}
