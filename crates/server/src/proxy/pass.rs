//! The way of a connection that is passed on unread: decided, connected to a
//! backend, spliced with it, logged.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use countersign_core::id::{BackendId, ListenerId};
use countersign_core::listener::Mode;
use countersign_core::{Denial, NoRecord, Reason, StreamDecision, decide_stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::Instant;

use super::context::{Context, View};
use super::cut::Cut;
use super::passage::{Passage, Place};
use super::tunnel::silence;
use super::upstream::Dialled;
use crate::connection::Connection;
use crate::edge::wire::Wire;

/// Passes a connection on until one side or the time ends it.
pub(crate) async fn pass(context: Rc<Context>, connection: Rc<Connection>, mut wire: Wire) {
    let view = context.view();
    let mut passage = Passage::begin(context, view.clone(), connection);
    let opened = open(&mut passage, &view).await;
    drop(view);
    match opened {
        Ok(mut dialled) => splice(&mut passage, &mut wire, &mut dialled).await,
        Err(denial) => passage.refused(denial),
    }
}

/// Decides, and connects to a backend. Not a byte goes there before.
async fn open(passage: &mut Passage, view: &Rc<View>) -> Result<Dialled, Denial> {
    let gone = || Denial::because(Reason::NoListener, "the port is gone");
    let (listener, mode) = listener(passage.connection(), view).ok_or_else(gone)?;
    passage.at(listener);
    let StreamDecision { outcome, remarks } =
        decide(passage.connection(), view, listener).ok_or_else(gone)?;
    passage.remarked(remarks);
    let (id, rule) = outcome?;
    passage.routed(id);
    let none = |detail: &str| Denial {
        origin: Some(rule.origin.clone()),
        ..Denial::because(Reason::NoBackend, detail)
    };
    let chosen = rule.pick(passage.random()).and_then(|it| it.backend);
    let backend = chosen.ok_or_else(|| none("the reference to the backend leads nowhere"))?;
    let upstream = view.plan.upstreams.find(backend);
    let upstream = upstream.ok_or_else(|| none("the backend is gone"))?;
    passage.chose(backend);
    let timeouts = passage.timeouts().ok_or_else(gone)?;
    // Whose TLS goes on is checked by the client itself.
    let sealed = mode == Mode::Passthrough;
    let connected = upstream.dial(sealed, timeouts.connect);
    let dialled = tokio::select! {
        dialled = connected => dialled,
        () = passage.connection().ended() => {
            return Err(Denial::because(Reason::UpstreamUnavailable, "no connection in time"));
        }
    };
    let dialled = dialled
        .map_err(|error| Denial::because(Reason::UpstreamUnavailable, &error.to_string()))?;
    passage.reached(&dialled.label);
    Ok(dialled)
}

/// The listener of a connection under some configuration, if its connections
/// are still passed on in the same way.
fn listener(connection: &Connection, view: &View) -> Option<(ListenerId, Mode)> {
    let arrival = connection.arrival(&view.running)?;
    let id = arrival.tls.or_else(|| connection.widest(&view.running))?;
    let mode = view.snapshot().listener(id)?.mode;
    let same = (mode == Mode::Passthrough) == connection.passes() && mode != Mode::Http;
    same.then_some((id, mode))
}

fn decide<'v>(
    connection: &Connection,
    view: &'v View,
    listener: ListenerId,
) -> Option<StreamDecision<'v>> {
    let arrival = connection.arrival(&view.running)?;
    let snapshot = view.snapshot();
    Some(decide_stream(
        snapshot,
        listener,
        &arrival.connection,
        &mut NoRecord,
    ))
}

async fn splice(passage: &mut Passage, wire: &mut Wire, dialled: &mut Dialled) {
    let Some(timeouts) = passage.timeouts() else {
        return;
    };
    let moved = Cell::new(Instant::now());
    let ended = {
        let passage = &*passage;
        let mut client = Counted {
            wire,
            passage,
            moved: &moved,
        };
        tokio::select! {
            biased;
            () = outdated(passage, timeouts.drain) => Err(Cut::Drain),
            () = silence(&moved, timeouts.idle) => Err(Cut::Idle),
            () = passage.connection().ended() => Err(Cut::Drain),
            copied = copy_bidirectional(&mut client, &mut dialled.stream) => {
                copied.map(|_| ()).map_err(|_| passage.broken())
            }
        }
    };
    passage.ended(ended);
}

/// Comes when a new configuration would not let the connection go where it
/// went, with the drain bound behind it.
async fn outdated(passage: &Passage, drain: Duration) {
    loop {
        {
            let reign = passage.reign();
            let replaced = pin!(reign.replaced());
            if !reign.has_ended() {
                replaced.await;
            }
        }
        match stands(passage, passage.context().view()) {
            Some(place) => passage.moves(place),
            None => return tokio::time::sleep(drain).await,
        }
    }
}

/// Where a connection belongs under another configuration, if it would be let
/// in and could go to the same endpoint.
fn stands(passage: &Passage, view: Rc<View>) -> Option<Place> {
    let connection = passage.connection();
    let (listener, _) = listener(connection, &view)?;
    let (rule, backend) = {
        let (id, rule) = decide(connection, &view, listener)?.outcome.ok()?;
        let live = rule.backends.iter().filter(|it| it.weight > 0);
        let mut backends = live.filter_map(|it| it.backend);
        let same = |id: &BackendId| {
            let backend = view.snapshot().backend(*id);
            backend.is_some_and(|it| passage.goes_to(it))
        };
        (id, backends.find(same)?)
    };
    Some(Place {
        view,
        listener: Some(listener),
        rule: Some(rule),
        backend: Some(backend),
    })
}

/// The client's end, which counts what goes through it, from either side.
struct Counted<'p> {
    wire: &'p mut Wire,
    passage: &'p Passage,
    moved: &'p Cell<Instant>,
}

impl Counted<'_> {
    fn sent(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(count)) => {
                self.passage.sent(*count);
                self.moved.set(Instant::now());
            }
            Poll::Ready(Err(_)) => self.passage.client_broke(),
            Poll::Pending => {}
        }
    }
}

impl AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.wire).poll_read(cx, buf);
        let count = buf.filled().len().saturating_sub(before);
        if count > 0 {
            self.passage.received(count);
            self.moved.set(Instant::now());
        }
        if let Poll::Ready(Err(_)) = polled {
            self.passage.client_broke();
        }
        polled
    }
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.wire).poll_write(cx, bytes);
        self.sent(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.wire).poll_write_vectored(cx, bytes);
        self.sent(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.wire).poll_shutdown(cx)
    }
}
