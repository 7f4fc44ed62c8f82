//! How long an exchange may take: the rule's timeouts or the listener's.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::progress::Progress;

/// The bounds of one exchange.
///
/// Time counts from when the backend has the whole request, or has kept us
/// waiting with the rest of it: a slow client's upload is bounded by its
/// silence, not by this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    request: Option<Bound>,
    attempt: Option<Bound>,
    upload: Option<Rc<Progress>>,
    /// The bound on the request is nobody's wish: it ends with the head of the answer.
    default: bool,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    start: Instant,
    limit: Duration,
}

impl Clock {
    /// `timeouts.request` of a rule, from `start`; `default` where it has none.
    /// Zero is no bound.
    pub(crate) fn new(
        start: Instant,
        limit: Option<Duration>,
        default: Duration,
        upload: Option<Rc<Progress>>,
    ) -> Clock {
        let request = bound(start, Some(limit.unwrap_or(default)));
        Clock {
            request,
            attempt: None,
            upload,
            default: limit.is_none(),
        }
    }

    /// What is left of it once the head of the answer is there: what a rule
    /// states holds for the whole answer, the default does not, lest it cut
    /// event streams that nobody thought of.
    pub(crate) fn for_body(mut self) -> Clock {
        if self.default {
            self.request = None;
        }
        self
    }

    /// The same with a bound on the attempt that starts now.
    pub(crate) fn attempt(&self, limit: Option<Duration>) -> Clock {
        Clock {
            attempt: bound(Instant::now(), limit),
            ..self.clone()
        }
    }

    /// Whether there is any bound.
    pub(crate) fn runs(&self) -> bool {
        self.request.is_some() || self.attempt.is_some()
    }

    /// Comes when time is up; never where there is no bound.
    pub(crate) async fn expired(&self) {
        loop {
            let now = Instant::now();
            match self.due(now) {
                Some(at) if at <= now => return,
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Whether time is up now.
    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.due(now).is_some_and(|at| at <= now)
    }

    /// Runs `work` within the bounds; `None` when it took too long.
    pub(crate) async fn within<F: Future>(&self, work: F) -> Option<F::Output> {
        if !self.runs() {
            return Some(work.await);
        }
        tokio::select! {
            biased;
            output = work => Some(output),
            () = self.expired() => None,
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let due = |bound: &Bound| {
            let since = match &self.upload {
                Some(upload) => upload.backend_since(now).max(bound.start),
                None => bound.start,
            };
            since.checked_add(bound.limit)
        };
        [&self.request, &self.attempt]
            .into_iter()
            .flatten()
            .filter_map(due)
            .min()
    }
}

fn bound(start: Instant, limit: Option<Duration>) -> Option<Bound> {
    limit
        .filter(|limit| !limit.is_zero())
        .map(|limit| Bound { start, limit })
}
