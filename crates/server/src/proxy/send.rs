//! Getting a request to a backend and the head of its answer back: once, or
//! once more where a connection was found closed.

use std::time::Duration;

use countersign_core::{Denial, Reason};
use http::{Method, Request, Response};
use hyper::body::Incoming;

use super::clock::Clock;
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
    /// How long all of it may take.
    pub(crate) clock: Clock,
    /// How long one attempt may take: `timeouts.backendRequest`.
    pub(crate) attempt: Option<Duration>,
}

/// The head of an answer, its body to come.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    /// The bounds that still hold.
    pub(crate) clock: Clock,
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
            let clock = self.clock.attempt(self.attempt);
            let ready = if fresh {
                None
            } else {
                self.upstream.ready(self.upgrade)
            };
            let mut lease = match ready {
                Some(lease) => lease,
                // Boxed: TLS takes much room that most requests have no use for.
                None => Box::pin(self.connect(&clock, fresh)).await?,
            };
            exchange.sends(lease.label());
            let spare = if lease.reused && !fresh {
                spare(&request)
            } else {
                None
            };
            let mut error = match clock.within(lease.send(request)).await {
                Some(Ok(response)) => {
                    return Ok(Answered {
                        response,
                        lease,
                        clock,
                    });
                }
                Some(Err(error)) => error,
                None => return Err(Denial::because(Reason::Timeout, "no answer in time")),
            };
            let again = error.take_message().or(spare).filter(|_| !fresh);
            match (exchange.fault(), again) {
                (None, Some(unsent)) => request = unsent,
                (fault, _) => return Err(broken(fault, &error.into_error())),
            }
            fresh = true;
        }
    }
}

impl Sending<'_> {
    async fn connect(&self, clock: &Clock, fresh: bool) -> Result<Lease, Denial> {
        let connected = self.upstream.connect(self.upgrade, fresh, self.connect);
        match clock.within(connected).await {
            Some(Ok(lease)) => Ok(lease),
            Some(Err(error)) => Err(Denial::because(
                Reason::UpstreamUnavailable,
                &error.to_string(),
            )),
            None => Err(Denial::because(Reason::Timeout, "no connection in time")),
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
