//! Serves the admin pages on a socket of their own, on the control runtime.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Admin, pages};

/// Binds the socket; the future that comes with its address serves it.
///
/// # Errors
/// When the address cannot be bound.
pub(crate) fn listen(
    address: SocketAddr,
    admin: Admin,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let local = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    Ok((local, accept(listener, Arc::new(admin))))
}

async fn accept(listener: TcpListener, admin: Arc<Admin>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Fails only on a semaphore that was closed, and nobody does that.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let admin = admin.clone();
                tokio::spawn(async move {
                    converse(tcp, admin).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "admin accept");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Probes, a scraper and an operator need no more.
const CONNECTIONS: usize = 64;
const PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for a request, and so also for the next one.
const IDLE: Duration = Duration::from_secs(90);

async fn converse(tcp: TcpStream, admin: Arc<Admin>) {
    let answer = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let response = pages::answer(&admin, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    if let Err(error) = http.serve_connection(TokioIo::new(tcp), answer).await {
        tracing::debug!(%error, "admin connection");
    }
}
