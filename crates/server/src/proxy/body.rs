//! The body of an answer on its way to the client, and with it the rest of
//! the exchange: it is cut where it must not go on, and gives its backend
//! connection back at the end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_core::Reason;
use http::Method;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::bounds::{Bounds, Watch};
use super::cut::Cut;
use super::exchange::Exchange;
use super::progress::Fault;
use super::upstream::Lease;

/// The body of an answer.
pub struct Body {
    source: Source,
    exchange: Option<Box<Exchange>>,
}

enum Source {
    Nothing,
    Whole(Bytes),
    Backend(Box<Download>),
}

/// A backend's body.
struct Download {
    body: Incoming,
    lease: Lease,
    watch: Watch,
}

/// The answer will not come to its end: the connection closes or the stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(Cut);

impl Body {
    /// A few bytes of our own, or none.
    pub(crate) fn whole(mut exchange: Box<Exchange>, bytes: Bytes) -> Body {
        if bytes.is_empty() {
            exchange.complete();
            return Body {
                source: Source::Nothing,
                exchange: None,
            };
        }
        Body {
            source: Source::Whole(bytes),
            exchange: Some(exchange),
        }
    }

    /// No body, and an exchange that goes on elsewhere.
    pub(crate) fn detached() -> Body {
        Body {
            source: Source::Nothing,
            exchange: None,
        }
    }

    /// What a backend sends.
    pub(crate) fn backend(
        exchange: Box<Exchange>,
        body: Incoming,
        lease: Lease,
        bounds: Bounds,
    ) -> Body {
        if http_body::Body::is_end_stream(&body) || exchange.asker.method == Method::HEAD {
            lease.give_back();
            return Body::whole(exchange, Bytes::new());
        }
        let download = Box::new(Download {
            body,
            lease,
            watch: Watch::new(bounds),
        });
        Body {
            source: Source::Backend(download),
            exchange: Some(exchange),
        }
    }

    fn complete(&mut self) {
        if let Source::Backend(download) = std::mem::replace(&mut self.source, Source::Nothing) {
            download.lease.give_back();
        }
        if let Some(mut exchange) = self.exchange.take() {
            exchange.complete();
        }
    }

    /// The lease goes unreturned, so that the backend learns of it as well.
    fn cut(&mut self, cut: Cut) -> Broken {
        self.source = Source::Nothing;
        if let Some(mut exchange) = self.exchange.take() {
            let (cut, reason) = match (cut, exchange.fault()) {
                (Cut::Upstream, Some(Fault::TooLarge)) => (Cut::Upload, Some(Reason::BodyTooLarge)),
                (Cut::Upstream, Some(Fault::Stalled)) => (Cut::Upload, Some(Reason::ClientTimeout)),
                (Cut::Upstream, Some(Fault::Gone)) => (Cut::Client, None),
                (Cut::Upstream, Some(Fault::Cut(bound))) => (bound, bound.reason()),
                _ => (cut, cut.reason()),
            };
            exchange.cut(cut, reason);
        }
        Broken(cut)
    }

    fn count(&self, frame: &Frame<Bytes>) {
        if let (Some(exchange), Some(data)) = (&self.exchange, frame.data_ref()) {
            exchange.sent(data.len());
        }
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match http_body::Body::poll_frame(Pin::new(&mut self.body), cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Cut::Upstream))),
            Poll::Ready(Some(Ok(frame))) => {
                Poll::Ready(Some(self.watch.due().map_or(Ok(frame), Err)))
            }
            Poll::Pending => self.watch.poll(cx).map(|cut| Some(Err(cut))),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let polled = match &mut self.source {
            Source::Nothing => return Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Backend(download) => download.poll(cx),
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(cut))) => Poll::Ready(Some(Err(self.cut(cut)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.count(&frame);
                // Whoever sends may not ask again.
                if self.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Nothing => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Backend(download) => download.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Nothing => SizeHint::with_exact(0),
            Source::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Source::Backend(download) => download.body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cut::Client => "the client went away",
            Cut::Upstream => "the backend broke off",
            Cut::Token => "the token has lapsed",
            Cut::Timeout => "the exchange took too long",
            Cut::Idle => "nothing happened for too long",
            Cut::Drain => "the configuration was replaced",
            Cut::Upload => "the request's body went wrong",
        })
    }
}

impl std::error::Error for Broken {}
