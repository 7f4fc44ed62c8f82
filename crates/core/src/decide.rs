//! Deciding one request: the same call serves the proxy, `explain`, `test`
//! and every later door.

mod connection;
mod outcome;
mod progress;
mod stream;

use countersign_jose::UnixTime;

use progress::Halt;

use crate::authz::Remarks;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::trace::{Event, Record, Trace};

pub use connection::{ConnectionDecision, decide_connection};
pub use outcome::{Action, Denial, Grant, Outcome};
pub use progress::Progress;
pub use stream::{StreamDecision, decide_stream};

/// An outcome with the steps that led to it.
#[derive(Debug)]
pub struct Decision<'s> {
    /// What becomes of the request.
    pub outcome: Outcome<'s>,
    /// What policies under trial and audits say beside it.
    pub remarks: Remarks,
    /// How that came about.
    pub trace: Trace,
}

/// Decides in one go, with all facts there are: a fact that is missing is
/// taken as not to be had.
pub fn decide<'s, F: Facts + ?Sized>(
    req: &Request<'_>,
    snap: &'s Snapshot,
    facts: &F,
    now: UnixTime,
) -> Decision<'s> {
    let (mut progress, mut trace) = (Progress::default(), Trace::default());
    loop {
        match decide_with(&mut progress, req, snap, facts, now, &mut trace) {
            Outcome::Need(_) => {}
            outcome => {
                let remarks = progress.into_remarks();
                return Decision {
                    outcome,
                    remarks,
                    trace,
                };
            }
        }
    }
}

/// Decides, or says what is missing. Each call goes on from `progress`.
pub fn decide_with<'r, 's, F: Facts + ?Sized, R: Record>(
    progress: &mut Progress<'r>,
    req: &Request<'r>,
    snap: &'s Snapshot,
    facts: &F,
    now: UnixTime,
    rec: &mut R,
) -> Outcome<'s> {
    let Some(listener) = snap.listener(req.listener) else {
        return deny(
            Denial::because(Reason::NoListener, "the listener is gone"),
            rec,
        );
    };
    match progress.advance(listener, req, snap, facts, now, rec) {
        Ok(grant) => {
            if R::ON {
                rec.record(Event::Allowed);
            }
            Outcome::Allow(grant)
        }
        Err(Halt::Need(need)) => Outcome::Need(need),
        Err(Halt::Deny(mut denial)) => {
            denial.route = progress.route();
            deny(*denial, rec)
        }
    }
}

fn deny<'s, R: Record>(denial: Denial, rec: &mut R) -> Outcome<'s> {
    if R::ON {
        rec.record(Event::Denied {
            origin: denial.origin.clone(),
            reason: denial.reason.clone(),
        });
    }
    Outcome::Deny(denial)
}
