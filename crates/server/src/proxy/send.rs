//! Getting a request to a backend and the head of its answer back: once, or
//! once more where a connection was found closed.

use std::time::Duration;

use countersign_core::{Denial, Reason};
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::bounds::Bounds;
use super::cut::Cut;
use super::exchange::Exchange;
use super::progress::Fault;
use super::upload::Upload;
use super::upstream::{Lease, Upstream};

/// How a request is sent.
pub(crate) struct Sending<'a> {
    pub(crate) upstream: &'a Upstream,
    /// An upgrade, which takes HTTP/1.1.
    pub(crate) upgrade: bool,
    /// How long connecting may take.
    pub(crate) connect: Duration,
    /// What ends it before there is an answer.
    pub(crate) bounds: Bounds,
    /// How long one attempt may take: `timeouts.backendRequest`.
    pub(crate) attempt: Option<Duration>,
}

/// The head of an answer, its body to come.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    /// The bounds that still hold.
    pub(crate) bounds: Bounds,
}

impl Sending<'_> {
    /// Sends it.
    ///
    /// # Errors
    /// What the client is told.
    pub(crate) async fn send(
        &self,
        exchange: &mut Exchange,
        mut request: Request<Upload>,
    ) -> Result<Answered, Denial> {
        let mut fresh = false;
        loop {
            let bounds = self.bounds.attempt(self.attempt);
            let ready = if fresh {
                None
            } else {
                self.upstream.ready(self.upgrade)
            };
            let mut lease = match ready {
                Some(lease) => lease,
                // Boxed: TLS takes much room that most requests have no use for.
                None => Box::pin(self.connect(&bounds, fresh)).await?,
            };
            exchange.sends(lease.label());
            let spare = if lease.reused && !fresh {
                spare(&request)
            } else {
                None
            };
            let failed = match bounds.within(lease.send(request)).await {
                Ok(Ok(response)) => {
                    return Ok(Answered {
                        response,
                        lease,
                        bounds,
                    });
                }
                Ok(Err(failed)) => failed,
                Err(cut) => return Err(late(cut, "no answer in time")),
            };
            let again = failed.unsent.or(spare).filter(|_| !fresh);
            match (exchange.fault(), again) {
                (None, Some(unsent)) => request = unsent,
                (fault, _) => return Err(broken(fault, &failed.error)),
            }
            fresh = true;
        }
    }
}

impl Sending<'_> {
    async fn connect(&self, bounds: &Bounds, fresh: bool) -> Result<Lease, Denial> {
        let connected = self.upstream.connect(self.upgrade, fresh, self.connect);
        match bounds.within(connected).await {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(error)) => Err(Denial::because(
                Reason::UpstreamUnavailable,
                &error.to_string(),
            )),
            Err(cut) => Err(late(cut, "no connection in time")),
        }
    }
}

/// A copy of a request that may be sent twice, for when the connection turns
/// out to have been closed before the backend took it.
fn spare(request: &Request<Upload>) -> Option<Request<Upload>> {
    let idempotent = [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ]
    .contains(request.method());
    if !idempotent || !request.body().is_empty() {
        return None;
    }
    let mut copy = Request::new(Upload::Empty);
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// A bound was reached before there was an answer.
pub(crate) fn late(cut: Cut, what: &str) -> Denial {
    match cut {
        Cut::Token => Denial {
            challenge: Some("Bearer error=\"invalid_token\"".into()),
            ..Denial::because(
                Reason::TokenLapsed,
                "the token lapsed before there was an answer",
            )
        },
        Cut::Drain => Denial::because(
            Reason::Timeout,
            "a new configuration came, and no answer within `timeouts.drain` of it",
        ),
        _ => Denial::because(Reason::Timeout, what),
    }
}

/// The backend's fault, unless the client broke off its own body.
fn broken(fault: Option<Fault>, error: &hyper::Error) -> Denial {
    match fault {
        Some(Fault::TooLarge) => Denial::because(
            Reason::BodyTooLarge,
            "the body grew beyond the listener's limit",
        ),
        Some(Fault::Stalled) => {
            Denial::because(Reason::ClientTimeout, "the client stopped sending its body")
        }
        Some(Fault::Cut(cut)) => late(cut, "the body did not end in time"),
        Some(Fault::Gone) => Denial::because(Reason::BadRequest, "the body is broken off"),
        None => {
            let mut detail = error.to_string();
            if let Some(cause) = std::error::Error::source(error) {
                detail = format!("{detail}: {cause}");
            }
            Denial::because(Reason::UpstreamReset, &detail)
        }
    }
}
