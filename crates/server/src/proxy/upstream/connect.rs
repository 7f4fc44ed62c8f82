//! From an endpoint to a connection that speaks HTTP.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use countersign_core::backend::{AppProtocol, Endpoint};
use hyper::client::conn::{http1, http2};
use hyper::rt::{Executor, Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, oneshot};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::super::progress::Progress;
use super::super::upload::Upload;
use super::tethered::{STALL, Tethered};
use super::tls::{HTTP2, Tls};
use crate::keepalive::keep_alive;
use crate::leash::{Leash, leashed};

/// Why there is no connection. Says nothing that a log may not say.
#[derive(Debug)]
pub(crate) enum Unreachable {
    /// The backend has no endpoint.
    NoEndpoint,
    /// Its name has no address.
    Name(io::Error),
    /// TCP failed.
    Tcp(io::Error),
    /// The TLS handshake failed, or was not even tried.
    Tls(String),
    /// HTTP could not begin.
    Http(hyper::Error),
    /// It took longer than connecting may take.
    TimedOut,
}

/// A connection that was just opened.
pub(super) enum Opened {
    Http1(http1::SendRequest<Upload>, Hold),
    Http2(http2::SendRequest<Tethered<Upload>>, Hold),
}

/// Held by whoever uses a connection.
///
/// hyper closes a connection that nobody uses any more, but sends first what it
/// has begun to send, and to a backend that takes nothing it would do so
/// forever, with the client's body and its connection.
#[derive(Debug)]
pub(super) struct Hold(oneshot::Sender<Parting>);

/// The answer is complete, and what is left of this body may still be sent.
/// To drop the [`Hold`] instead is to give up.
type Parting = Option<Rc<Progress>>;

impl Hold {
    /// The answer is complete, the request is not.
    pub(super) fn answered(self, body: Parting) {
        // It fails where the connection has ended.
        let _ended = self.0.send(body);
    }
}

/// What an address lookup found, for a while.
#[derive(Debug)]
pub(super) struct Addresses {
    endpoint: Endpoint,
    /// The endpoint is an address already.
    literal: Option<SocketAddr>,
    known: RefCell<Option<(Instant, Rc<[SocketAddr]>)>>,
    /// One lookup at a time; the others wait for its answer.
    looking: Mutex<()>,
    next: Cell<usize>,
}

impl Addresses {
    pub(super) fn new(endpoint: &Endpoint) -> Addresses {
        let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
        let literal = host.parse::<IpAddr>().ok();
        Addresses {
            endpoint: endpoint.clone(),
            literal: literal.map(|address| SocketAddr::new(address, endpoint.port)),
            known: RefCell::new(None),
            looking: Mutex::new(()),
            next: Cell::new(0),
        }
    }

    /// Opens a TCP connection to the next address, or to one behind it.
    pub(super) async fn connect(&self) -> Result<TcpStream, Unreachable> {
        let stream = match self.literal {
            Some(address) => TcpStream::connect(address)
                .await
                .map_err(Unreachable::Tcp)?,
            None => self.connect_by_name().await?,
        };
        stream.set_nodelay(true).map_err(Unreachable::Tcp)?;
        keep_alive(&stream).map_err(Unreachable::Tcp)?;
        Ok(stream)
    }

    async fn connect_by_name(&self) -> Result<TcpStream, Unreachable> {
        let found = self.lookup().await?;
        let first = self.next.get();
        self.next.set(first.wrapping_add(1));
        let mut failure = Unreachable::NoEndpoint;
        let start = first.checked_rem(found.len()).unwrap_or(0);
        for address in found.iter().cycle().skip(start).take(found.len()) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Unreachable::Tcp(error),
            }
        }
        Err(failure)
    }

    async fn lookup(&self) -> Result<Rc<[SocketAddr]>, Unreachable> {
        if let Some(found) = self.fresh() {
            return Ok(found);
        }
        let _one = self.looking.lock().await;
        if let Some(found) = self.fresh() {
            return Ok(found);
        }
        let looked = tokio::net::lookup_host((&*self.endpoint.host, self.endpoint.port)).await;
        let found: Rc<[SocketAddr]> = match looked {
            Ok(found) => found.collect(),
            // An old answer is better than none while the resolver is away.
            Err(error) => match &*self.known.borrow() {
                Some((_, old)) => old.clone(),
                None => return Err(Unreachable::Name(error)),
            },
        };
        *self.known.borrow_mut() = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    fn fresh(&self) -> Option<Rc<[SocketAddr]>> {
        let known = self.known.borrow();
        let (at, found) = known.as_ref()?;
        (at.elapsed() < NAME_LIFETIME).then(|| found.clone())
    }
}

/// Opens a connection. With `upgrade` it speaks HTTP/1.1 whatever else the
/// backend could.
pub(super) async fn open(
    addresses: &Addresses,
    tls: Option<&Result<Tls, String>>,
    protocol: AppProtocol,
    upgrade: bool,
) -> Result<Opened, Unreachable> {
    let tls = match tls {
        Some(Ok(tls)) => Some(tls),
        // Not even a connection: nothing it could show would be trusted.
        Some(Err(why)) => return Err(Unreachable::Tls(why.clone())),
        None => None,
    };
    let stream = addresses.connect().await?;
    let Some(tls) = tls else {
        return match protocol {
            AppProtocol::Http2 => begin_http2(TokioIo::new(stream)).await,
            AppProtocol::Http | AppProtocol::WebSocket => begin_http1(TokioIo::new(stream)).await,
        };
    };
    let connector = if upgrade {
        &tls.upgrades
    } else {
        &tls.requests
    };
    let stream = connector
        .connect(tls.name.clone(), stream)
        .await
        .map_err(|error| Unreachable::Tls(error.to_string()))?;
    let agreed = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
    match protocol {
        _ if agreed => begin_http2(TokioIo::new(stream)).await,
        AppProtocol::Http2 => Err(Unreachable::Tls("it does not speak HTTP/2".to_owned())),
        AppProtocol::Http | AppProtocol::WebSocket => begin_http1(TokioIo::new(stream)).await,
    }
}

async fn begin_http1<T>(io: T) -> Result<Opened, Unreachable>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io).await.map_err(Unreachable::Http)?;
    let (hold, left) = oneshot::channel::<Parting>();
    spawn_local(async move {
        let mut connection = pin!(connection.with_upgrades());
        let parting = tokio::select! {
            biased;
            // Whoever waits for the answer learns of errors.
            _ended = &mut connection => return,
            parting = left => parting,
        };
        let patience = if parting.is_ok() { STALL } else { FAREWELL };
        let body = parting.ok().flatten();
        while timeout(patience, &mut connection).await.is_err() {
            let now = Instant::now();
            let taken = body.as_ref().map(|it| it.backend_since(now));
            if taken.is_none_or(|at| now.duration_since(at) >= patience) {
                return;
            }
        }
    });
    Ok(Opened::Http1(sender, Hold(hold)))
}

async fn begin_http2<T>(io: T) -> Result<Opened, Unreachable>
where
    T: Read + Write + Unpin + 'static,
{
    let leash = Rc::<Leash>::default();
    let (sender, connection) = http2::Builder::new(Local::new(&leash))
        .timer(TokioTimer::new())
        .max_header_list_size(MOST_HEADER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING)
        .handshake(io)
        .await
        .map_err(Unreachable::Http)?;
    let (hold, left) = oneshot::channel();
    spawn_local(async move {
        // It ends before the last of its streams, where the backend takes no more of them.
        let _ended = connection.await;
        let _left = left.await;
        // A backend that hangs would be told farewell forever.
        sleep(STALL).await;
        leash.pull();
    });
    Ok(Opened::Http2(sender, Hold(hold)))
}

/// Runs HTTP/2's own tasks on this worker.
#[derive(Debug, Clone)]
struct Local {
    /// For the first of them, which reads and writes the connection.
    connection: Rc<RefCell<Option<Rc<Leash>>>>,
}

impl Local {
    fn new(connection: &Rc<Leash>) -> Local {
        Local {
            connection: Rc::new(RefCell::new(Some(connection.clone()))),
        }
    }
}

impl<F> Executor<F> for Local
where
    F: Future + 'static,
{
    fn execute(&self, work: F) {
        let leash = self.connection.take().unwrap_or_default();
        spawn_local(leashed(leash, work));
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreachable::NoEndpoint => f.write_str("it has no endpoint"),
            Unreachable::Name(error) => write!(f, "its name was not found: {error}"),
            Unreachable::Tcp(error) => write!(f, "{error}"),
            Unreachable::Tls(why) => write!(f, "TLS: {why}"),
            Unreachable::Http(error) => write!(f, "{error}"),
            Unreachable::TimedOut => f.write_str("connecting took too long"),
        }
    }
}

const NAME_LIFETIME: Duration = Duration::from_secs(5);
/// How long it may take for what was begun of one that was given up.
const FAREWELL: Duration = Duration::from_secs(1);
/// A busy HTTP/2 connection whose peer hangs is found out by this. Servers of
/// gRPC hang up on who pings them more often than every five minutes while
/// they have nothing to say.
const PING: Duration = Duration::from_secs(330);
const MOST_HEADER_BYTES: u32 = 64 * 1024;
/// What a backend may send ahead of a slow client; and room for as many of
/// these as share a connection, lest they hold up the others on it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::{BodyExt, Full};
    use hyper::body::Incoming;
    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioExecutor;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Notify;
    use tokio::task::LocalSet;

    use super::*;

    /// Sends a request that is too large for any buffer to a backend that answers it and takes nothing of it. Whether
    /// the connection is still there so long after its user has left.
    async fn lasts(time: Duration, leave: impl FnOnce(Hold)) -> bool {
        let (near, mut far) = duplex(1024);
        let opened = begin_http1(TokioIo::new(near)).await.unwrap();
        let Opened::Http1(mut sender, hold) = opened else {
            panic!("it is no HTTP/1.1");
        };
        let body = Upload::Whole(vec![b'x'; 1024 * 1024].into());
        let answer = sender.send_request(Request::post("/").body(body).unwrap());
        far.read_exact(&mut [0; 4]).await.unwrap();
        let says = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        far.write_all(says).await.unwrap();
        let answer = answer.await.unwrap().into_body().collect().await;
        assert_eq!(answer.unwrap().to_bytes(), "ok");
        drop(sender);
        leave(hold);
        sleep(time).await;
        far.write_all(b"\0").await.is_ok()
    }

    /// hyper alone would hold it, and the client's body with it, for as long as the backend likes.
    #[tokio::test(start_paused = true)]
    async fn a_backend_that_takes_nothing_is_left() {
        let local = LocalSet::new();
        let lasts = |time, leave: fn(Hold)| local.run_until(lasts(time, leave));
        let answered: fn(Hold) = |it| it.answered(None);
        let moment = FAREWELL / 2;
        assert!(lasts(STALL - moment, answered).await);
        assert!(!lasts(STALL + moment, answered).await);
        assert!(lasts(FAREWELL - moment, drop).await);
        assert!(!lasts(FAREWELL + moment, drop).await);
    }

    /// Not even what it says first is read on the other side.
    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_that_hangs_ends_when_nobody_uses_it() {
        let (near, mut far) = duplex(64);
        let local = LocalSet::new();
        let ended = local.run_until(async {
            let opened = begin_http2(TokioIo::new(near)).await;
            sleep(10 * STALL).await;
            assert!(far.write_all(b"\0").await.is_ok(), "it is in use");
            drop(opened);
            sleep(2 * STALL).await;
            far.write_all(b"\0").await.is_err()
        });
        assert!(ended.await);
    }

    /// Answers one request after a while, and says at once that it takes no others.
    async fn last_of_its_kind(stream: DuplexStream) {
        let told = Notify::new();
        let answer = service_fn(|_: Request<Incoming>| {
            told.notify_one();
            async {
                sleep(10 * STALL).await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("at last")))
            }
        });
        let http = server::Builder::new(TokioExecutor::new());
        let mut served = pin!(http.serve_connection(TokioIo::new(stream), answer));
        tokio::select! {
            _ended = &mut served => return,
            () = told.notified() => served.as_mut().graceful_shutdown(),
        }
        let _ended = served.await;
    }

    #[tokio::test(start_paused = true)]
    async fn streams_outlive_a_farewell_of_the_backend() {
        let (near, far) = duplex(64 * 1024);
        let local = LocalSet::new();
        let answered = local.run_until(async {
            spawn_local(last_of_its_kind(far));
            let opened = begin_http2(TokioIo::new(near)).await.unwrap();
            let Opened::Http2(mut sender, _hold) = opened else {
                panic!("it is no HTTP/2");
            };
            let mut ask = || {
                let (body, held) = Tethered::new(Upload::Empty, STALL);
                let request = Request::get("http://a/").body(body).unwrap();
                (sender.send_request(request), held)
            };
            let (answer, _held) = ask();
            let late = async {
                sleep(STALL).await;
                ask().0.await.is_err()
            };
            let (answer, refused) = tokio::join!(answer, late);
            assert!(refused);
            let body = answer.unwrap().into_body();
            body.collect().await.unwrap().to_bytes()
        });
        assert_eq!(answered.await, "at last");
    }

    #[tokio::test]
    async fn backends_that_vanish_are_found_out() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let endpoint = Endpoint {
                host: host.into(),
                port,
            };
            let stream = Addresses::new(&endpoint).connect().await.unwrap();
            let socket = socket2::SockRef::from(&stream);
            assert!(socket.keepalive().unwrap(), "{host}");
            let time = socket.tcp_keepalive_time().unwrap();
            assert_eq!(time, Duration::from_secs(60), "{host}");
        }
    }
}
