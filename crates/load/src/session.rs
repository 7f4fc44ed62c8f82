//! A run as it goes: what its connections share, and what they count.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use crate::pace::{Pace, Ticket};
use crate::plan::Plan;
use crate::report::Tally;

/// What all connections of a run share.
pub(crate) struct Session {
    pub(crate) plan: Rc<Plan>,
    pub(crate) pace: Pace,
    pub(crate) tally: RefCell<Tally>,
    /// Requests begun.
    pub(crate) sent: Cell<u64>,
}

impl Session {
    /// Counts a request that is about to be sent.
    pub(crate) fn sending(&self) {
        self.sent.set(self.sent.get() + 1);
    }

    /// Takes a request back that the server did not look at.
    pub(crate) fn unsent(&self) {
        self.sent.set(self.sent.get() - 1);
    }

    /// Records the answer to a ticket.
    pub(crate) fn record(&self, ticket: &Ticket, bytes: u64) {
        let mut tally = self.tally.borrow_mut();
        tally.record(ticket.since, Instant::now(), bytes);
    }

    /// Counts a connection that takes the place of one that the server ended in good order.
    pub(crate) fn reconnected(&self) {
        self.tally.borrow_mut().reconnects += 1;
    }
}
