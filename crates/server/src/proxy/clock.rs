//! How long an exchange may take: the rule's timeouts or the listener's.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

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

    /// When time will be up, as far as can be told now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
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
