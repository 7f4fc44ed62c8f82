//! What ends a stream before its time: its token, its route's timeout, a new
//! configuration.
//!
//! Decision P12 is about streams that live long. Who was let in with a good
//! token gets an ordinary answer though the token lapses meanwhile; so, once
//! the token has lapsed:
//!
//! - a tunnel is cut at once, for it has no end of its own;
//! - anything else has [`GRACE`] to come to its end. What still runs then is
//!   taken for a stream: the body of the request, the wait for the answer
//!   (401, `token_lapsed`) and the body of the answer alike.
//!
//! A new configuration gives all of them `timeouts.drain`, and the wait for an
//! answer ends with 504. A shutdown is no bound of an exchange: it ends the
//! client's connection, and what runs on it ends with that.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::clock::Clock;
use super::cut::Cut;
use super::reign::Reign;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// When the token lapses that opened it.
    lapse: Option<Instant>,
    /// How long after that it is cut.
    grace: Duration,
    /// The route's limit on the whole exchange.
    clock: Clock,
    /// What it began under.
    reign: Rc<Reign>,
    /// How long it may go on after that was replaced.
    drain: Duration,
}

impl Bounds {
    /// Without a limit of the route.
    pub(crate) fn new(lapse: Option<Instant>, reign: Rc<Reign>, drain: Duration) -> Bounds {
        Bounds {
            lapse,
            grace: GRACE,
            clock: Clock::default(),
            reign,
            drain,
        }
    }

    /// With this limit as well.
    pub(crate) fn with(self, clock: Clock) -> Bounds {
        Bounds { clock, ..self }
    }

    /// With a bound on the attempt that starts now.
    pub(crate) fn attempt(&self, limit: Option<Duration>) -> Bounds {
        self.clone().with(self.clock.attempt(limit))
    }

    /// What is left once the head of an answer is there.
    pub(crate) fn for_body(self) -> Bounds {
        Bounds {
            clock: self.clock.for_body(),
            ..self
        }
    }

    /// What is left for a tunnel, which is no answer that a timeout could wait for.
    pub(crate) fn for_tunnel(self) -> Bounds {
        Bounds {
            grace: Duration::ZERO,
            clock: Clock::default(),
            ..self
        }
    }

    /// Comes when it must end.
    pub(crate) async fn reached(&self) -> Cut {
        loop {
            let replaced = self.reign.replaced();
            let now = Instant::now();
            let next = match self.next(now) {
                Some((at, cut)) if at <= now => return cut,
                next => next.map(|(at, _)| at),
            };
            let time = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = replaced => {}
            }
        }
    }

    /// Runs `work` until it must end.
    ///
    /// # Errors
    /// What ended it.
    pub(crate) async fn within<F: Future>(&self, work: F) -> Result<F::Output, Cut> {
        tokio::select! {
            biased;
            output = work => Ok(output),
            cut = self.reached() => Err(cut),
        }
    }

    /// Whether it must end now; for streams that never wait.
    pub(crate) fn due(&self) -> Option<Cut> {
        if self.lapse.is_none() && !self.clock.runs() && !self.reign.has_ended() {
            return None;
        }
        let now = Instant::now();
        let next = self.next(now).filter(|(at, _)| *at <= now);
        next.map(|(_, cut)| cut)
    }

    /// What will end it first, as far as can be told now.
    fn next(&self, now: Instant) -> Option<(Instant, Cut)> {
        let lapse = self.lapse.and_then(|at| at.checked_add(self.grace));
        let bounds = [
            (lapse, Cut::Token),
            (self.clock.due(now), Cut::Timeout),
            (self.reign.over(self.drain), Cut::Drain),
        ];
        let bounds = bounds.into_iter().filter_map(|(at, cut)| Some((at?, cut)));
        bounds.min_by_key(|(at, _)| *at)
    }
}

/// Bounds under the eyes of one who is polled.
pub(crate) struct Watch {
    bounds: Bounds,
    /// Made when there is first something to wait for: most bodies are there at once.
    reached: Option<Pin<Box<dyn Future<Output = Cut>>>>,
}

impl Watch {
    pub(crate) fn new(bounds: Bounds) -> Watch {
        Watch {
            bounds,
            reached: None,
        }
    }

    /// [`Bounds::due`].
    pub(crate) fn due(&self) -> Option<Cut> {
        self.bounds.due()
    }

    /// [`Bounds::reached`].
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cut> {
        let bounds = &self.bounds;
        let reached = self.reached.get_or_insert_with(|| {
            let bounds = bounds.clone();
            Box::pin(async move { bounds.reached().await })
        });
        reached.as_mut().poll(cx)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bounds.fmt(f)
    }
}

/// What an ordinary exchange may take once its token has lapsed.
const GRACE: Duration = Duration::from_secs(5);
