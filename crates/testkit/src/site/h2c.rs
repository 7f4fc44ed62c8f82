//! One HTTP/2 connection of a [`super::Site`], by prior knowledge.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpStream},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{sync::mpsc, time};

use super::{
    Seen, Shared,
    reply::{Body, Reply},
};
use crate::wire::{self, Headers};

/// Whether the client opens with the HTTP/2 preface. Waits for its first bytes and takes none of them.
pub(super) fn opens(stream: &TcpStream) -> io::Result<bool> {
    // Three bytes tell it from every method that a test would send.
    let mut start = [0; 3];
    loop {
        let seen = stream.peek(&mut start)?;
        if seen == 0 || !b"PRI".starts_with(&start[..seen]) {
            return Ok(false);
        }
        if seen == start.len() {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream, connection: u64) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let peer = stream.peer_addr()?;
        stream.set_nonblocking(true)?;
        let io = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
        let service = service_fn(|request: Request<Incoming>| {
            let shared = Arc::clone(shared);
            async move {
                let seen = read_request(request, peer, connection)
                    .await
                    .map_err(wire::bad)?;
                let reply = shared.answer(seen);
                time::sleep(reply.delay).await;
                respond(reply).await
            }
        });
        http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await
            .map_err(wire::bad)
    })
}

async fn read_request(
    request: Request<Incoming>,
    peer: SocketAddr,
    connection: u64,
) -> Result<Seen, hyper::Error> {
    let (parts, mut body) = request.into_parts();
    let mut headers = Headers::default();
    if let Some(authority) = parts.uri.authority() {
        headers.0.push((":authority".into(), authority.to_string()));
    }
    headers.0.extend(latin1(&parts.headers).0);
    let (mut bytes, mut trailers) = (Vec::new(), Headers::default());
    while let Some(frame) = body.frame().await.transpose()? {
        match frame.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.trailers_ref().map(latin1).unwrap_or_default(),
        }
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let method = parts.method.to_string();
    Ok(Seen {
        version: "HTTP/2",
        method,
        target,
        headers,
        body: bytes,
        trailers,
        connection,
        peer,
        head: Vec::new(),
    })
}

async fn respond(reply: Reply) -> io::Result<Response<Frames>> {
    if let Body::Raw(_) | Body::Echo = reply.body {
        return Err(wire::bad("this reply has no form in HTTP/2"));
    }
    if let Body::Silence = reply.body {
        std::future::pending::<()>().await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if let Body::Promised(length) = reply.body {
        response = response.header("content-length", length);
    }
    let (frames, receiver) = mpsc::channel(4);
    tokio::spawn(feed(reply, frames));
    response.body(Frames(receiver)).map_err(wire::bad)
}

/// A response body fed through a channel.
struct Frames(mpsc::Receiver<Frame<Bytes>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// Sends body and trailers; stops when the peer no longer wants them.
async fn feed(reply: Reply, frames: mpsc::Sender<Frame<Bytes>>) {
    let data = async |bytes: Vec<u8>| frames.send(Frame::data(bytes.into())).await.is_ok();
    match reply.body {
        Body::Whole(body) => {
            if !data(body).await {
                return;
            }
        }
        Body::Spaces(mut left) => {
            while left > 0 {
                let length = left.min(64 * 1024);
                if !data(vec![b' '; usize::try_from(length).unwrap_or_default()]).await {
                    return;
                }
                left -= length;
            }
        }
        Body::Ticks { chunk, every } => {
            while data(chunk.clone()).await {
                time::sleep(every).await;
            }
        }
        Body::Promised(_) | Body::Silence | Body::Raw(_) | Body::Echo => frames.closed().await,
    }
    if !reply.trailers.is_empty() {
        let _unwanted = frames.send(Frame::trailers(fields(&reply.trailers))).await;
    }
}

fn latin1(map: &HeaderMap) -> Headers {
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    Headers(
        map.iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
    )
}

fn fields(pairs: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    map
}
