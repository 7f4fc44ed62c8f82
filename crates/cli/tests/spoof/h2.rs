//! The same attempts over HTTP/2, where headers and trailers take another way in.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::world::{SPELLINGS, WHO, World, kgateway, token, told};

const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a `POST` with these headers and trailers, and returns the status.
fn post(to: SocketAddr, headers: &[(&str, &str)], trailers: HeaderMap) -> u16 {
    let mut request = http::Request::post("http://localhost/").header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let data = Frame::data(Bytes::from_static(b"hello"));
    let body = Frames([data, Frame::trailers(trailers)].into());
    let request = request.body(body).expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let exchange = async {
            let tcp = TcpStream::connect(to).await.expect("a listener");
            let opened = http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await;
            let (mut sender, connection) = opened.expect("HTTP/2");
            tokio::spawn(connection);
            let answer = sender.send_request(request).await;
            answer.expect("an answer").status().as_u16()
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("an answer in time")
    })
}

/// A body whose length nobody knows before: one with a length could have no trailers over HTTP/1.1.
struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    };
    pairs.iter().map(field).collect()
}

#[test]
fn neither_headers_nor_trailers_carry_an_identity() {
    let world = World::start(&kgateway("AllowMissing"));
    let bearer = format!("Bearer {}", token("alice"));
    for &spelling in SPELLINGS {
        let before = world.plain.seen().len();
        let trailers = fields(&[(spelling, "mallory"), ("x-sum", "1")]);
        let announced = format!("{spelling}, x-sum");
        let spoof = [(spelling, "mallory"), ("trailer", &announced)];
        assert_eq!(post(world.address, &spoof, trailers.clone()), 200);
        let own = [&[("authorization", bearer.as_str())], &spoof[..]].concat();
        assert_eq!(post(world.address, &own, trailers), 200);

        let seen = world.plain.wait(before + 2);
        for (seen, who) in seen[before..].iter().zip([&[][..], &["alice"]]) {
            assert_eq!(seen.body, b"hello");
            assert_eq!(told(&seen.headers, WHO), who, "{spelling}");
            assert!(told(&seen.trailers, WHO).is_empty(), "{spelling}: {seen:?}");
        }
        // Trailers as such do come through.
        assert_eq!(seen[before].trailers.first("x-sum"), Some("1"));
    }
}
