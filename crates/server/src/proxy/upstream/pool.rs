//! A worker's connections to one endpoint: HTTP/1.1 ones wait their turn,
//! HTTP/2 ones are shared.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use countersign_core::backend::{AppProtocol, BackendTls, Endpoint};
use futures_util::TryFutureExt;
use futures_util::future::Either;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Request, Response, Uri, Version, uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::progress::Progress;
use super::super::upload::Upload;
use super::connect::{Addresses, Hold, Opened, Unreachable, open};
use super::dial::{Dialled, Duplex};
use super::tethered::{Held, STALL, Tethered};
use super::tls::Tls;

/// Connections to one endpoint, kept by one worker.
pub(crate) struct Pool {
    label: Rc<str>,
    protocol: AppProtocol,
    addresses: Addresses,
    tls: Option<Result<Tls, String>>,
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Rc<Shared>>>,
    /// TLS has agreed on HTTP/2 before.
    multiplexes: Cell<bool>,
    /// Held while a connection to share is opened, so that all who need one wait for it.
    opening: Mutex<()>,
    /// When connecting failed last.
    failed: Cell<Option<Instant>>,
}

struct Idle {
    sender: http1::SendRequest<Upload>,
    hold: Hold,
    since: Instant,
}

/// An HTTP/2 connection.
struct Shared {
    sender: RefCell<http2::SendRequest<Tethered<Upload>>>,
    /// By all who use it.
    _hold: Hold,
    streams: Cell<usize>,
    idle_since: Cell<Instant>,
}

/// The use of a connection for one exchange. Dropped without
/// [`Lease::give_back`], an HTTP/1.1 connection closes.
pub(crate) struct Lease {
    pool: Rc<Pool>,
    sender: Sender,
    /// How far the body is that was sent.
    upload: Option<Rc<Progress>>,
    /// The body that was sent over HTTP/2.
    held: Option<Held>,
    /// It has served before, so its end may be on the way to us.
    pub(crate) reused: bool,
}

enum Sender {
    Http1(http1::SendRequest<Upload>, Hold),
    Http2(Stream),
}

/// One of the streams of a shared connection.
struct Stream(Rc<Shared>);

impl Pool {
    pub(super) fn new(
        endpoint: &Endpoint,
        protocol: AppProtocol,
        tls: Option<&BackendTls>,
    ) -> Pool {
        Pool {
            label: format!("{}:{}", endpoint.host, endpoint.port).into(),
            protocol,
            addresses: Addresses::new(endpoint),
            tls: tls.map(|tls| Tls::new(tls, protocol)),
            idle: RefCell::default(),
            shared: RefCell::default(),
            multiplexes: Cell::new(protocol == AppProtocol::Http2),
            opening: Mutex::new(()),
            failed: Cell::new(None),
        }
    }

    /// Whether connecting failed a moment ago.
    pub(super) fn is_cooling(&self) -> bool {
        self.failed.get().is_some_and(|at| at.elapsed() < COOLING)
    }

    /// Notes that it cannot be reached at the moment.
    pub(super) fn cool(&self) {
        self.failed.set(Some(Instant::now()));
    }

    /// A connection that is there already.
    pub(super) fn take(self: &Rc<Self>, upgrade: bool) -> Option<Lease> {
        if !upgrade && let Some(lease) = self.take_shared(STREAMS) {
            return Some(lease);
        }
        loop {
            let idle = self.idle.borrow_mut().pop()?;
            if idle.sender.is_ready() {
                return Some(self.lease(Sender::Http1(idle.sender, idle.hold), true));
            }
        }
    }

    /// A new connection; or, where they are shared, one that somebody else has
    /// opened meanwhile.
    pub(super) async fn open(self: &Rc<Self>, upgrade: bool) -> Result<Lease, Unreachable> {
        let shares = self.multiplexes.get() && !upgrade;
        let _first = if shares {
            Some(self.opening.lock().await)
        } else {
            None
        };
        if shares {
            let enough = self.shared.borrow().len() >= CONNECTIONS;
            let most = if enough { usize::MAX } else { STREAMS };
            if let Some(lease) = self.take_shared(most) {
                return Ok(lease);
            }
        }
        let opened = open(&self.addresses, self.tls.as_ref(), self.protocol, upgrade).await?;
        self.failed.set(None);
        Ok(match opened {
            Opened::Http1(sender, hold) => self.lease(Sender::Http1(sender, hold), false),
            Opened::Http2(sender, hold) => {
                self.multiplexes.set(true);
                let shared = Rc::new(Shared {
                    sender: RefCell::new(sender),
                    _hold: hold,
                    streams: Cell::new(0),
                    idle_since: Cell::new(Instant::now()),
                });
                self.shared.borrow_mut().push(shared.clone());
                self.lease(Sender::Http2(Stream::new(shared)), false)
            }
        })
    }

    /// A new connection for bytes of any kind, in TLS where the backend's
    /// certificate is to be checked, unless they are `sealed` already.
    pub(super) async fn dial(&self, sealed: bool) -> Result<Dialled, Unreachable> {
        let tls = match self.tls.as_ref().filter(|_| !sealed) {
            Some(Ok(tls)) => Some(tls),
            Some(Err(why)) => return Err(Unreachable::Tls(why.clone())),
            None => None,
        };
        let tcp = self.addresses.connect().await?;
        let stream: Box<dyn Duplex> = match tls {
            None => Box::new(tcp),
            Some(tls) => {
                let connected = tls.bytes.connect(tls.name.clone(), tcp).await;
                Box::new(connected.map_err(|error| Unreachable::Tls(error.to_string()))?)
            }
        };
        self.failed.set(None);
        Ok(Dialled {
            stream,
            label: self.label.clone(),
        })
    }

    /// Closes what has not been used for long or is closed already.
    pub(super) fn sweep(&self) {
        self.idle
            .borrow_mut()
            .retain(|it| !it.sender.is_closed() && it.since.elapsed() < IDLE);
        self.shared.borrow_mut().retain(|it| {
            let unused = it.streams.get() == 0 && it.idle_since.get().elapsed() >= IDLE;
            !unused && !it.sender.borrow().is_closed()
        });
    }

    /// The shared connection with the fewest streams, if that is below `most`.
    fn take_shared(self: &Rc<Self>, most: usize) -> Option<Lease> {
        if !self.multiplexes.get() {
            return None;
        }
        let mut shared = self.shared.borrow_mut();
        shared.retain(|it| !it.sender.borrow().is_closed());
        let emptiest = shared.iter().min_by_key(|it| it.streams.get())?;
        let stream = (emptiest.streams.get() < most).then(|| Stream::new(emptiest.clone()))?;
        Some(self.lease(Sender::Http2(stream), true))
    }

    fn lease(self: &Rc<Self>, sender: Sender, reused: bool) -> Lease {
        Lease {
            pool: self.clone(),
            sender,
            upload: None,
            held: None,
            reused,
        }
    }
}

impl Lease {
    /// `host:port` for logs.
    pub(crate) fn label(&self) -> &Rc<str> {
        &self.pool.label
    }

    /// Sends a request; what is returned waits for the head of its answer, or
    /// for what broke, with the request itself if nothing of it was sent.
    pub(crate) fn send(
        &mut self,
        mut request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, Failed>> + use<> {
        self.upload = request.body().progress();
        match &mut self.sender {
            Sender::Http1(sender, _) => {
                to_http1(&mut request);
                let answer = sender.try_send_request(request);
                Either::Left(answer.map_err(|error| Failed::new(error, |it| it)))
            }
            Sender::Http2(stream) => {
                to_http2(&mut request, self.pool.tls.is_some());
                let (head, body) = request.into_parts();
                let idle = body.idle();
                let (body, held) = Tethered::new(body, idle);
                self.held = Some(held);
                let request = Request::from_parts(head, body);
                let answer = stream.0.sender.borrow_mut().try_send_request(request);
                Either::Right(answer.map_err(|error| Failed::new(error, Tethered::into_inner)))
            }
        }
    }

    /// Ends the exchange: the connection may serve another.
    pub(crate) fn give_back(self) {
        let Lease {
            pool,
            sender,
            upload,
            held,
            ..
        } = self;
        if let Some(held) = held {
            held.answered(STALL);
        }
        let Sender::Http1(sender, hold) = sender else {
            return;
        };
        if !sender.is_ready() {
            // The connection closes behind the rest of the request.
            hold.answered(upload);
            return;
        }
        let mut idle = pool.idle.borrow_mut();
        if idle.len() < MOST_IDLE {
            idle.push(Idle {
                sender,
                hold,
                since: Instant::now(),
            });
        }
    }
}

/// A request that was not answered.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: hyper::Error,
    /// The request, where nothing of it was sent.
    pub(crate) unsent: Option<Request<Upload>>,
}

impl Failed {
    fn new<B>(mut error: TrySendError<Request<B>>, body: impl FnOnce(B) -> Upload) -> Failed {
        let unsent = error.take_message().map(|request| request.map(body));
        Failed {
            error: error.into_error(),
            unsent,
        }
    }
}

impl Stream {
    fn new(shared: Rc<Shared>) -> Stream {
        shared.streams.set(shared.streams.get() + 1);
        Stream(shared)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0 {
            self.0.idle_since.set(Instant::now());
        }
    }
}

/// Origin form with `Host`, as requests come from [`countersign_core::prepare`].
fn to_http1(request: &mut Request<Upload>) {
    *request.version_mut() = Version::HTTP_11;
    // `Connection` would have to name it (RFC 9110 section 10.1.4).
    request.headers_mut().remove(TE);
    if !request.body().is_end_stream() && !request.headers().contains_key(CONTENT_LENGTH) {
        // Said here, or hyper would take a GET to have no body.
        request
            .headers_mut()
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let Some(authority) = request.uri().authority() else {
        return;
    };
    // It was on its way over HTTP/2 before.
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(HOST, host);
    }
    let target = request.uri().path_and_query().cloned();
    *request.uri_mut() = target.map(Uri::from).unwrap_or_default();
}

/// `Host` becomes `:authority` (RFC 9113 section 8.3.1).
fn to_http2(request: &mut Request<Upload>, tls: bool) {
    *request.version_mut() = Version::HTTP_2;
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| uri::Authority::try_from(host).ok()) else {
        return;
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(if tls {
        uri::Scheme::HTTPS
    } else {
        uri::Scheme::HTTP
    });
    parts.authority = Some(authority);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request.headers_mut().remove(HOST);
    request.headers_mut().remove(TRANSFER_ENCODING);
}

/// An endpoint that could not be reached is passed over for as long as others can.
const COOLING: Duration = Duration::from_secs(5);
/// An unused connection closes after this.
pub(super) const IDLE: Duration = Duration::from_secs(60);
const MOST_IDLE: usize = 256;
/// Beyond so many streams another HTTP/2 connection is opened, up to [`CONNECTIONS`].
const STREAMS: usize = 100;
const CONNECTIONS: usize = 4;
