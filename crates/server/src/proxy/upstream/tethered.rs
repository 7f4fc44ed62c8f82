//! A request's body on an HTTP/2 connection, which others share: it must not
//! outlast its exchange because the backend takes nothing of it.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};

use crate::leash::Leash;

/// How long a backend may take nothing of the rest of a request that it has answered.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// The body, tied to what sends it.
#[derive(Debug)]
pub(crate) struct Tethered<B> {
    body: B,
    /// The backend may take nothing for as long as this.
    idle: Duration,
    tether: Rc<Tether>,
    /// It was asked for a piece where there is no leash.
    moved: bool,
}

/// The other end. Dropped by whoever has sent the request, it takes the body
/// from the backend with it.
#[derive(Debug)]
pub(super) struct Held(Rc<Tether>);

#[derive(Debug, Default)]
struct Tether {
    /// Of the work that sends the body.
    leash: RefCell<Option<Rc<Leash>>>,
    fate: Cell<Fate>,
}

/// What became of the request.
#[derive(Debug, Clone, Copy, Default)]
enum Fate {
    /// Somebody waits for the answer, or for the rest of it.
    #[default]
    Awaited,
    /// The answer is complete, and the backend may take nothing for so long.
    Answered(Duration),
    GivenUp,
}

impl<B> Tethered<B> {
    pub(super) fn new(body: B, idle: Duration) -> (Tethered<B>, Held) {
        let tether = Rc::<Tether>::default();
        let held = Held(tether.clone());
        let moved = false;
        let tethered = Tethered {
            body,
            idle,
            tether,
            moved,
        };
        (tethered, held)
    }

    pub(super) fn into_inner(self) -> B {
        self.body
    }

    /// What sends it, once that is known; `None` where it is yet to be moved there.
    fn leash(&mut self, cx: &Context<'_>) -> Option<Option<Rc<Leash>>> {
        let mut known = self.tether.leash.borrow_mut();
        if known.is_none() {
            *known = Leash::current();
            match &*known {
                Some(leash) => match self.tether.fate.get() {
                    Fate::Awaited => leash.allow(self.idle),
                    Fate::Answered(patience) => leash.allow(patience),
                    Fate::GivenUp => leash.pull(),
                },
                // hyper asks once before it gives the body work of its own, and
                // would wait for the backend in the work of the connection.
                None if !self.moved => {
                    self.moved = true;
                    cx.waker().wake_by_ref();
                    return None;
                }
                None => {}
            }
        }
        Some(known.clone())
    }
}

impl Held {
    /// The answer is complete; what is left of the request may still be sent,
    /// unless nothing of it is taken for so long.
    pub(super) fn answered(self, patience: Duration) {
        self.0.fate.set(Fate::Answered(patience));
        if let Some(leash) = &*self.0.leash.borrow() {
            leash.allow(patience);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !matches!(self.0.fate.get(), Fate::Awaited) {
            return;
        }
        self.0.fate.set(Fate::GivenUp);
        if let Some(leash) = &*self.0.leash.borrow() {
            leash.pull();
        }
    }
}

impl<B: Body + Unpin> Body for Tethered<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Some(leash) = self.leash(cx) else {
            return Poll::Pending;
        };
        let mut body = || Pin::new(&mut self.body).poll_frame(cx);
        match leash {
            Some(leash) => leash.poll(body),
            None => body(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::pin::pin;

    use bytes::Bytes;
    use futures_util::stream::unfold;
    use http::{Request, Response};
    use http_body_util::{BodyExt, Full, StreamBody};
    use hyper::body::Incoming;
    use hyper::client::conn::http2 as client;
    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::leash::leashed;

    const IDLE: Duration = Duration::from_secs(500);

    #[derive(Clone, Copy)]
    struct Local;

    impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
        fn execute(&self, work: F) {
            spawn_local(leashed(Rc::default(), work));
        }
    }

    /// Answers at once, or never, and takes nothing of any body.
    async fn deaf(stream: DuplexStream, answers: bool) {
        let kept = RefCell::new(Vec::new());
        let answer = service_fn(|request: Request<Incoming>| {
            kept.borrow_mut().push(request.into_body());
            async move {
                if !answers {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok")))
            }
        });
        let http = server::Builder::new(TokioExecutor::new());
        let _ended = http.serve_connection(TokioIo::new(stream), answer).await;
    }

    /// Sends a body of 4 MB to a backend that takes nothing. For how many seconds it is held then.
    async fn held(answers: bool, leave: impl FnOnce(Held)) -> u64 {
        let (near, far) = duplex(64 * 1024);
        spawn_local(deaf(far, answers));
        let opened = client::handshake(Local, TokioIo::new(near)).await;
        let (mut sender, connection) = opened.unwrap();
        spawn_local(async move { connection.await.ok() });
        let body = Rc::new(());
        let alive = Rc::downgrade(&body);
        let pieces = unfold((body, 64), |(body, left)| async move {
            let piece = Bytes::from(vec![b'x'; 64 * 1024]);
            (left > 0).then(|| (Ok::<_, Infallible>(Frame::data(piece)), (body, left - 1)))
        });
        let (body, held) = Tethered::new(Box::pin(StreamBody::new(pieces)), IDLE);
        let request = Request::post("http://a/").body(body).unwrap();
        // Not dropped before the end: hyper itself would end the request.
        let mut answer = pin!(sender.send_request(request));
        let second = Duration::from_secs(1);
        if let Ok(answer) = timeout(second, &mut answer).await {
            answer.unwrap().into_body().collect().await.unwrap();
        }
        leave(held);
        let mut seconds = 0;
        while alive.strong_count() > 0 && seconds < 1000 {
            sleep(second).await;
            seconds += 1;
        }
        seconds
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_takes_is_let_go() {
        for answers in [true, false] {
            let held = |leave: fn(Held)| {
                let local = LocalSet::new();
                async move { local.run_until(held(answers, leave)).await }
            };
            let at_once = held(drop).await;
            assert!(at_once <= 1, "{answers}: {at_once} s");
            let answered = held(|it| it.answered(STALL)).await;
            assert!((59..=61).contains(&answered), "{answers}: {answered} s");
            // Whoever waits for the answer goes on to do so.
            let waits = held(std::mem::forget).await;
            assert!((498..=501).contains(&waits), "{answers}: {waits} s");
        }
    }
}
