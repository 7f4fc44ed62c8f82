//! How far a client's body has come, and what went wrong with it.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::Instant;

use super::cut::Cut;

/// How far a client's body has come, for those who wait for the answer to it.
#[derive(Debug)]
pub(crate) struct Progress {
    received: Cell<u64>,
    ended: Cell<Option<Instant>>,
    /// Last time that a piece was taken.
    moved: Cell<Instant>,
    /// It is the client that we wait for, not the backend.
    waiting: Cell<bool>,
    fault: Cell<Option<Fault>>,
}

/// Why a body did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More bytes than the listener takes.
    TooLarge,
    /// The client fell silent.
    Stalled,
    /// The client broke off.
    Gone,
    /// It went on for too long.
    Cut(Cut),
}

impl Progress {
    /// Of a body that begins now.
    pub(crate) fn new() -> Rc<Progress> {
        Rc::new(Progress {
            received: Cell::new(0),
            ended: Cell::new(None),
            moved: Cell::new(Instant::now()),
            waiting: Cell::new(false),
            fault: Cell::new(None),
        })
    }

    /// There is nothing to take.
    pub(crate) fn waits(&self) {
        self.waiting.set(true);
    }

    /// A piece is taken.
    pub(crate) fn moves(&self) {
        self.waiting.set(false);
        self.moved.set(Instant::now());
    }

    /// So many bytes go on.
    pub(crate) fn passes(&self, bytes: u64) {
        self.received.set(self.received.get().saturating_add(bytes));
    }

    /// All of it was taken.
    pub(crate) fn ends(&self) {
        self.waiting.set(false);
        if self.ended.get().is_none() {
            self.ended.set(Some(Instant::now()));
        }
    }

    /// It will not come to its end.
    pub(crate) fn fails(&self, fault: Fault) {
        self.fault.set(Some(fault));
    }

    /// Bytes so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// What went wrong on the client's side.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// Since when it is the backend that keeps everybody waiting: the end of
    /// the body, or the last piece that the backend took. `now` while it is
    /// the client's turn.
    pub(crate) fn backend_since(&self, now: Instant) -> Instant {
        match self.ended.get() {
            Some(at) => at,
            None if self.waiting.get() => now,
            None => self.moved.get(),
        }
    }
}
