//! A small HTTP/1.1 server for the two neighbours of the gateway.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// An answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// A bound port of this machine.
pub(super) struct Site {
    listener: TcpListener,
    address: SocketAddr,
}

impl Site {
    /// Binds `port` of 127.0.0.1, or any free one where it is taken.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(super) async fn bind(port: u16) -> io::Result<Self> {
        let wanted = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = match wanted {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request, in a task of the present runtime.
    pub(super) fn serve(self, answer: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static) {
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            loop {
                match self.listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&answer)))),
                    // Too many open files, perhaps: it passes.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
    }
}

async fn converse<F>(stream: TcpStream, answer: Arc<F>)
where
    F: Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
{
    let service = service_fn(move |request| {
        let answer = Arc::clone(&answer);
        async move {
            let answer = match whole(request).await {
                Some(request) => answer(&request),
                None => text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
            };
            Ok::<_, Infallible>(answer)
        }
    });
    // What breaks a connection is the client's business.
    let _broken = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The request with its body, unless that is longer than anybody needs here.
async fn whole(request: Request<Incoming>) -> Option<Request<Bytes>> {
    const MOST: usize = 1024 * 1024;
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MOST).collect().await.ok()?;
    Some(Request::from_parts(head, body.to_bytes()))
}

/// An answer in plain text.
pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", body.into())
}

/// An answer in JSON, laid out for reading.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    answer(status, "application/json", format!("{value:#}\n").into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
