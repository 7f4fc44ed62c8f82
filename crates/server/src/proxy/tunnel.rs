//! After an upgrade: bytes both ways until one side or the time ends it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use countersign_core::Reason;
use countersign_core::headers::strip_response_hop_by_hop;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, UPGRADE};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};

use super::body::Body;
use super::bounds::Bounds;
use super::cut::Cut;
use super::exchange::Exchange;
use super::upstream::Lease;

/// Answers 101 as the backend did, and splices the two connections until
/// nothing has gone through for `idle`.
pub(crate) fn open(
    mut exchange: Box<Exchange>,
    client: OnUpgrade,
    mut switched: Response<Incoming>,
    lease: Lease,
    bounds: Bounds,
    idle: Duration,
) -> Response<Body> {
    exchange.answers(StatusCode::SWITCHING_PROTOCOLS, Reason::Ok);
    let backend = hyper::upgrade::on(&mut switched);
    let mut response = Response::new(Body::detached());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let mut headers = std::mem::take(switched.headers_mut());
    let protocol = headers.remove(UPGRADE);
    strip_response_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
    }
    exchange.tell(&mut headers);
    *response.headers_mut() = headers;
    spawn_local(async move {
        let both = async { tokio::try_join!(client, backend) };
        match timeout(HANDSHAKE, both).await {
            Ok(Ok((client, backend))) => splice(exchange, client, backend, &bounds, idle).await,
            Ok(Err(_)) | Err(_) => exchange.cut(Cut::Client, None),
        }
        drop(lease);
    });
    response
}

/// The way back is short: both ends have agreed already.
const HANDSHAKE: Duration = Duration::from_secs(10);

async fn splice(
    mut exchange: Box<Exchange>,
    client: Upgraded,
    backend: Upgraded,
    bounds: &Bounds,
    idle: Duration,
) {
    let connection = exchange.connection.clone();
    let moved = Cell::new(Instant::now());
    let ended = {
        let mut client = Counted {
            io: TokioIo::new(client),
            exchange: &exchange,
            moved: &moved,
        };
        let mut backend = TokioIo::new(backend);
        tokio::select! {
            biased;
            cut = bounds.reached() => Err(cut),
            () = silence(&moved, idle) => Err(Cut::Idle),
            () = connection.ended() => Err(Cut::Drain),
            copied = copy_bidirectional(&mut client, &mut backend) => {
                copied.map(|_| ()).map_err(|_| Cut::Client)
            }
        }
    };
    match ended {
        Ok(()) => exchange.complete(),
        Err(cut) => exchange.cut(cut, cut.reason()),
    }
}

/// Comes when nothing has moved for so long.
pub(crate) async fn silence(moved: &Cell<Instant>, idle: Duration) {
    loop {
        let due = moved.get() + idle;
        if due <= Instant::now() {
            return;
        }
        sleep_until(due).await;
    }
}

/// The client's end, which counts what goes through it, from either side.
struct Counted<'e> {
    io: TokioIo<Upgraded>,
    exchange: &'e Exchange,
    moved: &'e Cell<Instant>,
}

impl Counted<'_> {
    fn sent(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = written {
            self.exchange.sent(*count);
            self.moved.set(Instant::now());
        }
    }
}

impl AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let count = buf.filled().len().saturating_sub(before);
        if count > 0 {
            self.exchange.received(count);
            self.moved.set(Instant::now());
        }
        polled
    }
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.sent(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.sent(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
