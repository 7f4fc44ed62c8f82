//! HTTP on a connection: hyper with our limits, and a driver that ends what is
//! too slow, floods, or is asked to end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use countersign_config::compiled::{Limits, Timeouts};
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, Sleep, sleep};

use super::check;
use super::framing::{Framing, Most};
use super::handler::Handler;
use super::pulse::{InFlight, Late, Pulse, Verdict};
use super::stream::Stream;
use super::wire::Wire;
use crate::connection::Connection;
use crate::leash::{Leash, leashed};

/// Speaks HTTP until the connection ends or goes over to another protocol.
pub(super) async fn serve<H: Handler>(
    wire: Wire,
    connection: Rc<Connection>,
    handler: Rc<H>,
    (limits, timeouts): (Limits, Timeouts),
) {
    let pulse = Pulse::new();
    let most = Most {
        bytes: limits.header_bytes as usize,
        fields: limits.headers as usize,
    };
    let framing = (!connection.http2).then(|| Framing::new(most));
    let io = TokioIo::new(Stream::new(wire, pulse.clone(), framing));
    let requests = Requests {
        pulse: pulse.clone(),
        connection: connection.clone(),
        handler,
        limits,
        idle: timeouts.idle,
    };
    let end = if connection.http2 {
        let mut conversation = over_http2(&limits).serve_connection(io, requests);
        drive(&mut conversation, &connection, &pulse, &timeouts).await
    } else {
        let conversation = over_http1(&limits).serve_connection(io, requests);
        let mut conversation = conversation.with_upgrades();
        let end = drive(&mut conversation, &connection, &pulse, &timeouts).await;
        if matches!(end, End::Done(Ok(())))
            && pulse.fault().is_some()
            && let Some(parts) = conversation.into_parts()
        {
            parts.io.into_inner().linger().await;
        }
        end
    };
    let (peer, listener) = (connection.peer.ip(), connection.listener().map(|it| &**it));
    match end {
        End::Done(Ok(())) | End::Late(Late::Idle) => {}
        End::Done(Err(error)) => tracing::debug!(%peer, %error, "connection broken off"),
        End::Late(late) => tracing::debug!(%peer, listener, reason = ?late, "client too slow"),
        End::Flood => tracing::debug!(%peer, listener, "a client gives up its requests too often"),
        End::Cut => tracing::debug!(%peer, "connection cut at the end of its time"),
    }
}

fn over_http1(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    let header_bytes = limits.header_bytes as usize;
    // The driver keeps time: hyper's own would run on idle connections too.
    http.header_read_timeout(None);
    // Heads beyond these limits never come here; trailers might.
    http.max_header_size(header_bytes);
    http.max_buf_size(SMALLEST_BUFFER.max(header_bytes));
    if limits.headers as usize != HYPERS_HEADERS {
        http.max_headers(limits.headers as usize);
    }
    http
}

fn over_http2(limits: &Limits) -> http2::Builder<Local> {
    let mut http = http2::Builder::new(Local);
    http.timer(TokioTimer::new());
    http.max_concurrent_streams(limits.streams);
    // Nobody hears of what h2 refuses by itself, so it is given some room.
    http.max_header_list_size(limits.header_bytes.saturating_mul(2));
    // All that a client has open, reset at once before we came to it, is no flood.
    http.max_pending_accept_reset_streams(limits.streams.max(PENDING_RESETS) as usize);
    http.max_local_error_reset_streams(ERROR_RESETS);
    http.initial_stream_window_size(STREAM_WINDOW);
    http.initial_connection_window_size(CONNECTION_WINDOW);
    http.keep_alive_interval(PING);
    http.keep_alive_timeout(PING);
    http
}

/// Also what hyper reads of a body at once.
const SMALLEST_BUFFER: usize = 64 * 1024;
/// hyper's own limit, which it keeps without an allocation.
const HYPERS_HEADERS: usize = 100;
/// Streams that a client may reset before we saw them, where it may have open
/// fewer.
const PENDING_RESETS: u32 = 20;
/// Streams that we may reset for a client's errors until it is told to go away.
const ERROR_RESETS: usize = 128;
/// What a client may send ahead of us.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How often a connection with open streams is asked for a sign of life, and
/// how long it may take.
const PING: Duration = Duration::from_secs(30);

/// Runs HTTP/2 streams on the thread of their connection.
#[derive(Debug, Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(leashed(Rc::default(), stream));
    }
}

/// What both versions of HTTP have in common.
trait Conversation: Future<Output = hyper::Result<()>> + Unpin {
    /// Takes no further requests, and ends once those that run have ended.
    fn wind_down(&mut self);
}

impl<S, B> Conversation for http1::UpgradeableConnection<TokioIo<Stream>, S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    fn wind_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<S, B> Conversation for http2::Connection<TokioIo<Stream>, S, Local>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Unpin,
    S::Future: 'static,
    B: Body<Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
{
    fn wind_down(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// How a conversation ended.
enum End {
    Done(hyper::Result<()>),
    Late(Late),
    Flood,
    Cut,
}

async fn drive(
    conversation: &mut impl Conversation,
    connection: &Connection,
    pulse: &Pulse,
    timeouts: &Timeouts,
) -> End {
    let mut asked = pin!(connection.asked_to_close());
    let mut ended = pin!(connection.ended());
    let mut alarm = pin!(sleep(timeouts.idle));
    let (mut closing, mut winding, mut tired) = (false, false, false);
    poll_fn(|cx| {
        if !closing && asked.as_mut().poll(cx).is_ready() {
            closing = true;
            if pulse.fresh() && !connection.http2 {
                return Poll::Ready(End::Done(Ok(())));
            }
        }
        loop {
            // A request that is on its way is served.
            if closing && !winding && !pulse.is_mid_head() {
                winding = true;
                conversation.wind_down();
            }
            if let Poll::Ready(done) = Pin::new(&mut *conversation).poll(cx) {
                return Poll::Ready(End::Done(done));
            }
            if !closing || winding || pulse.is_mid_head() {
                break;
            }
        }
        if pulse.floods() {
            return Poll::Ready(End::Flood);
        }
        if closing && ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Cut);
        }
        if !tired {
            match ready!(poll_late(pulse, timeouts, alarm.as_mut(), cx)) {
                Late::Idle => {}
                // It is answered like any other, by the stand-in for its head.
                Late::Head if pulse.late() => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                late => return Poll::Ready(End::Late(late)),
            }
            // In HTTP/2 the client is told before it is left, and a request
            // that crosses the farewell is served.
            tired = true;
            conversation.wind_down();
            cx.waker().wake_by_ref();
            alarm.as_mut().reset(Instant::now() + FAREWELL);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if !pulse.runs() {
                return Poll::Ready(End::Late(Late::Idle));
            }
            alarm.as_mut().reset(Instant::now() + FAREWELL);
        }
        Poll::Pending
    })
    .await
}

/// Comes when the connection is too slow. The alarm is moved ahead at once but
/// back only when it rings, so that a request costs no timer.
fn poll_late(
    pulse: &Pulse,
    timeouts: &Timeouts,
    mut alarm: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Late> {
    loop {
        let due = pulse.due(timeouts);
        if let Some((at, _)) = due
            && at < alarm.deadline()
        {
            alarm.as_mut().reset(at);
        }
        ready!(alarm.as_mut().poll(cx));
        let now = Instant::now();
        match due {
            Some((at, late)) if at <= now => return Poll::Ready(late),
            Some((at, _)) => alarm.as_mut().reset(at),
            None => alarm.as_mut().reset(now + timeouts.idle.max(SHORTEST_IDLE)),
        }
    }
}

/// How long a client may take to leave when it is told to.
const FAREWELL: Duration = Duration::from_secs(5);
/// Keeps the alarm from ringing without pause.
const SHORTEST_IDLE: Duration = Duration::from_secs(1);

/// The requests of one connection on their way to the handler.
struct Requests<H> {
    pulse: Arc<Pulse>,
    connection: Rc<Connection>,
    handler: Rc<H>,
    limits: Limits,
    /// How long a client may take nothing of an answer.
    idle: Duration,
}

impl<H: Handler> Service<Request<Incoming>> for Requests<H> {
    type Response = Response<Tracked<H::Body>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut flight = self.pulse.request();
        let (handler, connection) = (self.handler.clone(), self.connection.clone());
        let checked = check::request(&request, &self.limits, self.pulse.fault());
        let request = match checked {
            Ok(()) => request,
            Err(_) => check::leaned(request),
        };
        let (pulse, idle) = (self.pulse.clone(), self.idle);
        let switches = !connection.http2 && request.headers().contains_key(UPGRADE);
        Box::pin(async move {
            let response = match checked {
                Ok(()) => handler.handle(connection, request).await,
                Err(denial) => {
                    let response = handler.refuse(connection, &request, denial);
                    check::last_word(response, request.version())
                }
            };
            if switches {
                pulse.decide(match response.status() {
                    StatusCode::SWITCHING_PROTOCOLS => Verdict::Switched,
                    _ => Verdict::Stays,
                });
            }
            flight.answered();
            let leash = Leash::current();
            if let Some(leash) = &leash {
                leash.allow(idle);
            }
            Ok(response.map(|body| Tracked {
                body,
                leash,
                _flight: flight,
            }))
        })
    }
}

/// A body that keeps its request running until all of it was sent.
struct Tracked<B> {
    body: B,
    /// In HTTP/2. In HTTP/1 the [`Pulse`] knows of a client that takes nothing.
    leash: Option<Rc<Leash>>,
    _flight: InFlight,
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Tracked { body, leash, .. } = &mut *self;
        let poll = || Pin::new(body).poll_frame(cx);
        match leash {
            Some(leash) => leash.poll(poll),
            None => poll(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
