//! Serves the admin pages on a socket of their own, on the control runtime.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

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
/// Who does not read what he asks for would keep his place forever.
const LONGEST: Duration = Duration::from_secs(600);

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, admin: Arc<Admin>) {
    let answer = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let response = pages::answer(&admin, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE);
    let mut conversation = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = match timeout(LONGEST, &mut conversation).await {
        Ok(ended) => ended,
        Err(_late) => {
            conversation.as_mut().graceful_shutdown();
            timeout(IDLE, conversation).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection");
    }
}

#[cfg(test)]
mod tests {
    use countersign_config::compiled::{Compiled, RemoteKeys};
    use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
    use countersign_runtime::{Handle, Metrics};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::super::{Log, Stage};
    use super::*;

    struct Nothing;

    impl Fetch for Nothing {
        fn fetch(&self, _: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
            Box::pin(std::future::pending())
        }
    }

    fn admin() -> Arc<Admin> {
        let log = Log {
            level: Box::new(String::new),
            set: Box::new(|_| Ok(())),
        };
        let metrics = Metrics::new();
        let compiled = Arc::new(Compiled::default());
        Arc::new(Admin {
            handle: Handle::start(compiled, Arc::new(Nothing), || 0.5, metrics),
            stage: Stage::default(),
            log,
        })
    }

    const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_loses_his_place() {
        let (mut client, server) = duplex(1024);
        let (start, admin) = (Instant::now(), admin());
        let asks = async {
            while client.write_all(ASK).await.is_ok() {}
            start.elapsed()
        };
        let (held, ()) = tokio::join!(asks, converse(server, admin));
        assert!(held >= LONGEST && held <= LONGEST + IDLE, "{held:?}");
    }

    /// The last answer comes whole, and the next one over a new connection.
    #[tokio::test(start_paused = true)]
    async fn a_scraper_is_asked_to_come_again() {
        let (mut client, server) = duplex(1024);
        let admin = admin();
        let scrapes = async {
            let mut count = 0;
            let mut answer = vec![0; 1024];
            loop {
                let sent = client.write_all(ASK).await;
                let length = client.read(&mut answer).await.unwrap_or_default();
                if sent.is_err() || length == 0 {
                    return count;
                }
                assert!(answer[..length].ends_with(b"ok\n"));
                count += 1;
                sleep(Duration::from_secs(15)).await;
            }
        };
        let (count, ()) = tokio::join!(scrapes, converse(server, admin));
        assert!((40..=41).contains(&count), "{count}");
    }
}
