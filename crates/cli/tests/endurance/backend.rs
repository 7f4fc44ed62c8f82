//! A backend that can take any number of requests without remembering them, dies in an instant and comes back.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A running backend. It answers with its name and the header `x-user` that it was sent: `green ann`. Under `/slow/MS`
/// it does so after that many milliseconds, under `/silent` never.
pub(crate) struct Backend {
    address: SocketAddr,
    counts: Arc<Counts>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    answered: AtomicU64,
    open: AtomicU64,
    slow: AtomicU64,
}

impl Backend {
    pub(crate) fn start(name: &'static str) -> Self {
        Self::bind(name, (Ipv4Addr::LOCALHOST, 0).into()).expect("a free port")
    }

    /// Serves on this address.
    pub(crate) fn bind(name: &'static str, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let own = Arc::clone(&counts);
        let thread = std::thread::spawn(move || run(&runtime, listener, name, &own, stopped));
        Ok(Self {
            address,
            counts,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Requests that it has seen.
    pub(crate) fn taken(&self) -> u64 {
        self.counts.taken.load(Ordering::Relaxed)
    }

    /// Requests that it has answered.
    pub(crate) fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// Requests under `/slow/` that it has seen.
    pub(crate) fn slow(&self) -> u64 {
        self.counts.slow.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }
}

/// Dropping it closes listener and connections at once, whatever is under way on them.
impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn run(
    runtime: &Runtime,
    listener: TcpListener,
    name: &'static str,
    counts: &Arc<Counts>,
    mut stopped: oneshot::Receiver<()>,
) {
    // The runtime is dropped after this, and with it every connection.
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        loop {
            let stream = tokio::select! {
                _ = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = stream {
                let _nagles = stream.set_nodelay(true);
                tokio::spawn(converse(stream, name, Arc::clone(counts)));
            }
        }
    });
}

async fn converse(stream: tokio::net::TcpStream, name: &'static str, counts: Arc<Counts>) {
    counts.open.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(|request| {
        let counts = Arc::clone(&counts);
        async move { Ok::<_, Infallible>(answer(request, name, &counts).await) }
    });
    // The gateway may break off, and then only this connection ends.
    let _broken = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    counts.open.fetch_sub(1, Ordering::Relaxed);
}

async fn answer(request: Request<Incoming>, name: &str, counts: &Counts) -> Response<Full<Bytes>> {
    counts.taken.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path();
    if path == "/silent" {
        std::future::pending::<()>().await;
    }
    if let Some(millis) = path.strip_prefix("/slow/") {
        counts.slow.fetch_add(1, Ordering::Relaxed);
        let millis = millis.parse().expect("milliseconds");
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let user = request.headers().get("x-user");
    let user = user.map_or(&b"nobody"[..], |user| user.as_bytes());
    counts.answered.fetch_add(1, Ordering::Relaxed);
    let body = [name.as_bytes(), b" ", user].concat();
    Response::new(Full::from(body))
}
