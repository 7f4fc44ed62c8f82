//! Both ends of HTTP/2 without TLS, and of unary calls over it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use countersign_testkit::client::Response;
use countersign_testkit::site::Reply;
use countersign_testkit::wire::Headers;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// The service that the manifests route.
pub(crate) const SERVICE: &str = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho/";

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a request with prior knowledge of HTTP/2 (RFC 9113 section 3.3), over a connection of its own.
pub(crate) fn send(to: SocketAddr, request: http::Request<Full<Bytes>>) -> io::Result<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // The timer belongs to the runtime in which it is made.
    let _entered = runtime.enter();
    let exchange = tokio::time::timeout(PATIENCE, exchange(to, request));
    runtime
        .block_on(exchange)
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(to: SocketAddr, request: http::Request<Full<Bytes>>) -> io::Result<Response> {
    let io = TokioIo::new(TcpStream::connect(to).await?);
    let opened = http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = opened.map_err(io::Error::other)?;
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await;
    let (head, body) = response.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let trailers = body.trailers().map(fields).unwrap_or_default();
    driver.abort();
    Ok(Response {
        status: head.status.as_u16(),
        headers: fields(&head.headers),
        body: body.to_bytes().to_vec(),
        trailers,
    })
}

fn fields(map: &HeaderMap) -> Headers {
    let text =
        |value: &http::HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    let pairs = map
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    Headers(pairs.collect())
}

/// A message in its frame: not compressed, and how long it is.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    frame.extend(message);
    frame
}

/// The answer of the echo service. Who it was is read from the journal, so the message only has to be whole.
pub(crate) fn reply(workload: &str) -> Reply {
    Reply::new(200)
        .header("content-type", "application/grpc")
        .body(frame(workload.as_bytes()))
        .trailer("grpc-status", "0")
}

/// The name of the status of a call, as a gRPC client tells it: what the answer says, or what its HTTP status is taken
/// for (gRPC, "HTTP to gRPC Status Code Mapping").
pub(crate) fn code(answer: &Response) -> String {
    let stated = answer.trailers.first("grpc-status");
    let stated = stated.or_else(|| answer.headers.first("grpc-status"));
    if let Some(stated) = stated {
        let number: Option<usize> = stated.parse().ok();
        let name = number.and_then(|it| CODES.get(it));
        return name.map_or_else(|| format!("code {stated}"), |it| (*it).to_owned());
    }
    match answer.status {
        400 => "Internal",
        401 => "Unauthenticated",
        403 => "PermissionDenied",
        404 => "Unimplemented",
        429 | 502 | 503 | 504 => "Unavailable",
        _ => "Unknown",
    }
    .into()
}

const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
