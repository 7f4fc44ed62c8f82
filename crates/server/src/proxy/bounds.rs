//! What ends a stream before its time: its token, its route's timeout, a new
//! configuration.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::clock::Clock;
use super::context::Plan;
use super::cut::Cut;

/// See the module.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// When the token that opened it lapses (decision P12).
    pub(crate) ends: Option<Instant>,
    /// The route's limit on the whole exchange.
    pub(crate) clock: Clock,
    /// What it began under.
    pub(crate) plan: Rc<Plan>,
    /// How long it may go on after that was replaced.
    pub(crate) drain: Duration,
}

impl Bounds {
    /// Comes when it must end.
    pub(crate) async fn reached(&self) -> Cut {
        let lapse = async {
            match self.ends {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = lapse => Cut::Token,
            () = self.clock.expired() => Cut::Timeout,
            () = self.plan.reign.over(self.drain) => Cut::Drain,
        }
    }

    /// Whether it must end now; for streams that never wait.
    pub(crate) fn due(&self) -> Option<Cut> {
        if self.ends.is_none() && !self.clock.runs() && !self.plan.reign.has_ended() {
            return None;
        }
        let now = Instant::now();
        if self.ends.is_some_and(|at| at <= now) {
            Some(Cut::Token)
        } else if self.clock.is_expired(now) {
            Some(Cut::Timeout)
        } else if self.plan.reign.is_over(now, self.drain) {
            Some(Cut::Drain)
        } else {
            None
        }
    }
}
