//! A request's body on its way to the backend: counted, bounded, cleaned of
//! trailers that nobody may send, copied for mirrors where there are any.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign_core::headers::filter_trailers;
use countersign_core::listener::IdentityHeaders;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::bounds::{Bounds, Watch};
use super::progress::{Fault, Progress};

/// A body as a backend connection sends it.
#[derive(Debug)]
pub(crate) enum Upload {
    Empty,
    Whole(Bytes),
    Stream(Box<Stream>),
}

/// A client's body.
#[derive(Debug)]
pub(crate) struct Stream {
    body: Incoming,
    progress: Rc<Progress>,
    /// Bytes that may still come.
    left: u64,
    /// The client may say nothing for as long as this.
    patience: Duration,
    /// The backend may take nothing for as long as this.
    idle: Duration,
    /// Since when it says nothing, though it is asked.
    silent: Option<Instant>,
    stall: Option<Pin<Box<Sleep>>>,
    watch: Watch,
    identity: Rc<IdentityHeaders>,
    tee: Option<Tee>,
}

/// What the backend connection is told when a body ends by a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted(Fault);

/// Collects a copy of a small body. Dropped, and with it the sender, when the
/// body is too large or never ends.
#[derive(Debug)]
pub(crate) struct Tee {
    copy: Vec<u8>,
    most: usize,
    whole: oneshot::Sender<Bytes>,
}

/// What holds for a client's body.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Bytes at most.
    pub(crate) most: Option<u64>,
    /// Silence at most; less where a body is no stream ([`patience`]).
    pub(crate) idle: Duration,
    /// What ends it though neither side would.
    pub(crate) bounds: Bounds,
    /// Names that trailers may not have.
    pub(crate) identity: Rc<IdentityHeaders>,
}

impl Upload {
    /// A client's body, which has not ended yet.
    pub(crate) fn stream(body: Incoming, terms: Terms, tee: Option<Tee>) -> (Upload, Rc<Progress>) {
        let progress = Progress::new();
        let patience = patience(&body, terms.idle);
        let stream = Stream {
            body,
            progress: progress.clone(),
            left: terms.most.unwrap_or(u64::MAX),
            patience,
            idle: terms.idle,
            silent: None,
            stall: None,
            watch: Watch::new(terms.bounds),
            identity: terms.identity,
            tee,
        };
        (Upload::Stream(Box::new(stream)), progress)
    }

    /// How far a client's body has come.
    pub(crate) fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Upload::Stream(stream) => Some(stream.progress.clone()),
            Upload::Empty | Upload::Whole(_) => None,
        }
    }

    /// How long a backend may take nothing of it.
    pub(crate) fn idle(&self) -> Duration {
        match self {
            Upload::Stream(stream) => stream.idle,
            Upload::Empty | Upload::Whole(_) => PATIENCE,
        }
    }

    /// Nothing, or nothing that is gone once it was sent.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Upload::Empty)
    }
}

impl Tee {
    /// Copies at most this much.
    pub(crate) fn new(most: usize) -> (Tee, oneshot::Receiver<Bytes>) {
        let (whole, receiver) = oneshot::channel();
        (
            Tee {
                copy: Vec::new(),
                most,
                whole,
            },
            receiver,
        )
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                self.progress.waits();
                if self.poll_stall(cx).is_ready() {
                    return Poll::Ready(Some(Err(self.fail(Fault::Stalled))));
                }
                self.watch
                    .poll(cx)
                    .map(|cut| Some(Err(self.fail(Fault::Cut(cut)))))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.fail(Fault::Gone)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.progress.moves();
                self.silent = None;
                Poll::Ready(Some(match self.watch.due() {
                    None => self.pass(frame),
                    Some(cut) => Err(self.fail(Fault::Cut(cut))),
                }))
            }
        }
    }

    fn pass(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Aborted> {
        if let Some(data) = frame.data_ref() {
            let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let Some(left) = self.left.checked_sub(size) else {
                return Err(self.fail(Fault::TooLarge));
            };
            self.left = left;
            self.progress.passes(size);
            self.copy(data);
        }
        if let Some(trailers) = frame.trailers_mut() {
            filter_trailers(trailers, &self.identity);
        }
        if self.body.is_end_stream() {
            // Whoever sends may not ask again.
            self.end();
        }
        Ok(frame)
    }

    fn copy(&mut self, data: &Bytes) {
        match &mut self.tee {
            Some(tee) if tee.copy.len() + data.len() <= tee.most => {
                tee.copy.extend_from_slice(data);
            }
            Some(_) => self.tee = None,
            None => {}
        }
    }

    fn end(&mut self) {
        self.progress.ends();
        if let Some(tee) = self.tee.take() {
            // Nobody waits for it where the request failed meanwhile.
            let _unwanted = tee.whole.send(tee.copy.into());
        }
    }

    fn fail(&mut self, fault: Fault) -> Aborted {
        self.tee = None;
        self.progress.fails(fault);
        Aborted(fault)
    }

    /// Ready once the client has been silent for too long. The timer is moved
    /// only when it runs out, not with every piece.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = *self.silent.get_or_insert_with(Instant::now) + self.patience;
            let stall = self.stall.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if stall.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            stall.as_mut().reset(due);
        }
    }
}

/// How long a client may be silent in the middle of its body.
///
/// One that has said how much it will send has no reason to wait, and holds a
/// backend's connection meanwhile. Who has not may be a stream that says what
/// it has to say as it comes about, such as a call of gRPC that is open for a
/// day; that is bounded as an idle connection is.
fn patience(body: &Incoming, idle: Duration) -> Duration {
    match body.size_hint().exact() {
        Some(_known) => idle.min(PATIENCE),
        None => idle,
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Body for Upload {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        match &mut *self {
            Upload::Stream(stream) => stream.poll(cx),
            Upload::Empty => Poll::Ready(None),
            Upload::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Upload::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Stream(stream) => stream.body.is_end_stream(),
            Upload::Empty => true,
            Upload::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Stream(stream) => stream.body.size_hint(),
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Whole(bytes) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Fault::TooLarge => "the body is larger than the limit",
            Fault::Stalled => "the client stopped sending",
            Fault::Gone => "the client broke off",
            Fault::Cut(_) => "it went on for too long",
        })
    }
}

impl std::error::Error for Aborted {}
