//! HTTP/2 on either side, and gRPC through it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_core::backend::{AppProtocol, BackendTls, Ca};
use countersign_testkit::client::Request as Http1;
use countersign_testkit::mint::Key;
use countersign_testkit::site::Reply;
use countersign_testkit::tls::{Authority, Identity};
use countersign_testkit::upstream::Upstream;
use futures_util::stream::unfold;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::scene::Scene;

type Sent = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

pub(super) async fn connect(to: SocketAddr) -> SendRequest<Sent> {
    let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(tcp))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limit = Duration::from_secs(20);
    runtime.block_on(async { timeout(limit, work).await.expect("in time") })
}

fn request(path: &str, body: &'static str) -> Request<Sent> {
    let uri = format!("http://shop.test{path}");
    Request::post(uri)
        .body(Full::from(body).boxed_unsync())
        .unwrap()
}

async fn whole(response: Response<Incoming>) -> (serde_json::Value, Option<HeaderMap>) {
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (
        serde_json::from_slice(&body.to_bytes()).unwrap_or_default(),
        trailers,
    )
}

fn scene(upstream: &Upstream, protocol: AppProtocol) -> Scene {
    let mut scene = Scene::to(upstream.address());
    scene.backends[0].protocol = protocol;
    scene
}

/// It would not be told, and could hold the body of a client that is long gone.
#[test]
fn a_backend_that_takes_nothing_learns_that_its_client_has_gone() {
    let (backend, mut end) = holding();
    let mut scene = Scene::to(backend);
    scene.backends[0].protocol = AppProtocol::Http2;
    let gateway = scene.start();
    run(async {
        let mut client = connect(gateway.address).await;
        let body = Full::from(vec![b'x'; 3 * WINDOW as usize]).boxed_unsync();
        let request = Request::post("http://shop.test/").body(body).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let early = timeout(Duration::from_millis(300), end.recv()).await;
        assert!(early.is_err(), "it has ended before");
        drop(answer);
        end.recv().await.unwrap();
    });
}

/// It answers pings, and may hold its other streams.
#[test]
fn a_client_that_takes_nothing_of_one_answer_loses_that() {
    let upstream = Upstream::start("a");
    for path in ["/taken", "/held"] {
        upstream.answer(path, Reply::new(200).body(vec![b'x'; 4_000_000]));
    }
    let mut scene = scene(&upstream, AppProtocol::Http);
    scene.settings.timeouts.idle = Duration::from_secs(2);
    let gateway = scene.start();
    run(async {
        let tcp = tokio::net::TcpStream::connect(gateway.address)
            .await
            .unwrap();
        let (mut client, connection) = Builder::new(TokioExecutor::new())
            .initial_connection_window_size(16_000_000)
            .handshake(TokioIo::new(tcp))
            .await
            .unwrap();
        tokio::spawn(connection);
        let taken = client.send_request(request("/taken", "")).await.unwrap();
        let held = client.send_request(request("/held", "")).await.unwrap();
        let whole = taken.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(whole.len(), 4_000_000);
        // To ask for its body would be to take of it.
        assert_eq!(gateway.logged("/held")["cut"], "client");
        let other = client.send_request(request("/other", "")).await.unwrap();
        assert_eq!(other.status(), 200);
        assert!(held.into_body().collect().await.is_err());
    });
}

const WINDOW: u32 = 65_535;

struct Ended(UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _unwanted = self.0.send(());
    }
}

/// A backend that begins an answer and takes nothing of the request; tells when the request has ended.
fn holding() -> (SocketAddr, UnboundedReceiver<()>) {
    let (ended, end) = unbounded_channel();
    let address = listen(move |listener| async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let kept = RefCell::new(Vec::new());
        let answer = service_fn(|request: Request<Incoming>| {
            kept.borrow_mut().push(request.into_body());
            let state = (Ended(ended.clone()), false);
            let pieces = unfold(state, |(ended, begun)| async move {
                if begun {
                    pending::<()>().await;
                }
                let piece = Frame::data(Bytes::from("begun"));
                Some((Ok::<_, Infallible>(piece), (ended, true)))
            });
            async { Ok::<_, Infallible>(Response::new(StreamBody::new(pieces))) }
        });
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.initial_stream_window_size(WINDOW);
        let _ended = http.serve_connection(TokioIo::new(tcp), answer).await;
    });
    (address, end)
}

/// Serves on a thread of its own.
fn listen<F: Future>(
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve(listener).await;
        });
    });
    address
}

#[test]
fn a_client_of_http2_and_a_backend_of_http1() {
    let upstream = Upstream::start("a");
    let gateway = scene(&upstream, AppProtocol::Http).start();
    run(async {
        let mut client = connect(gateway.address).await;
        let response = client.send_request(request("/a?b", "body")).await.unwrap();
        let (seen, _) = whole(response).await;
        assert_eq!(
            (&seen["version"], &seen["path"]),
            (&"HTTP/1.1".into(), &"/a?b".into())
        );
        assert_eq!(seen["body"], "body");
        assert_eq!(upstream.seen()[0].headers.all("host"), ["shop.test"]);
    });
    assert_eq!(gateway.logged("/a")["protocol"], "HTTP/2");
}

#[test]
fn a_client_of_http1_and_a_backend_of_http2() {
    let upstream = Upstream::start("a");
    let gateway = scene(&upstream, AppProtocol::Http2).start();
    for path in ["/1", "/2"] {
        let response = Http1::new("POST", path)
            .header("host", "shop.test")
            .body("x");
        let seen = response.send(gateway.address).json();
        assert_eq!(
            (&seen["version"], &seen["path"]),
            (&"HTTP/2".into(), &path.into())
        );
        assert_eq!(seen["body"], "x");
    }
    assert_eq!(upstream.seen()[0].headers.all(":authority"), ["shop.test"]);
    assert_eq!(upstream.seen()[0].headers.first("host"), None);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn many_requests_share_one_connection() {
    let upstream = Upstream::start("a");
    upstream.answer("/slow", Reply::new(200).after(Duration::from_millis(300)));
    let gateway = scene(&upstream, AppProtocol::Http2).start();
    run(async {
        let client = connect(gateway.address).await;
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let mut client = client.clone();
            running.spawn(async move {
                client
                    .send_request(request("/slow", ""))
                    .await
                    .unwrap()
                    .status()
            });
        }
        while let Some(status) = running.join_next().await {
            assert_eq!(status.unwrap(), 200);
        }
    });
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_shared_connection_that_was_cut_is_replaced() {
    let upstream = Upstream::start("a");
    let gateway = scene(&upstream, AppProtocol::Http2).start();
    for _ in 0..5 {
        assert_eq!(Http1::get("/").send(gateway.address).status, 200);
        upstream.cut();
    }
}

#[test]
fn grpc_with_trailers_both_ways() {
    let upstream = Upstream::start("a");
    let reply = Reply::new(200)
        .header("content-type", "application/grpc")
        .body("answer");
    upstream.answer(
        "/svc/Do",
        reply
            .trailer("grpc-status", "0")
            .trailer("grpc-message", "fine"),
    );
    let mut scene = scene(&upstream, AppProtocol::Http2);
    scene.issuer("i", &Key::rsa("k"), "authorization");
    let gateway = scene.start();
    run(async {
        let mut client = connect(gateway.address).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        trailers.insert("x-user", "root".parse().unwrap());
        let frames = [Frame::data(Bytes::from("call")), Frame::trailers(trailers)];
        let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok)));
        let request = Request::post("http://a.test/svc/Do")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body.boxed_unsync())
            .unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let collected = response.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap();
        assert_eq!(collected.to_bytes(), "answer");
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&"0".parse().unwrap(), &"fine".parse().unwrap())
        );
    });
    let seen = &upstream.seen()[0];
    assert_eq!(
        (&*seen.body, seen.headers.all("te")),
        (&b"call"[..], vec!["trailers"])
    );
    assert_eq!(seen.trailers.0, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn grpc_refusals_are_trailers_only() {
    let upstream = Upstream::start("a");
    let mut scene = scene(&upstream, AppProtocol::Http2);
    scene.issuer("i", &Key::rsa("k"), "authorization");
    scene.route("/svc", true);
    let dead = SocketAddr::from(([127, 0, 0, 1], countersign_testkit::port::free()));
    scene.backend(&[dead], AppProtocol::Http2, None);
    scene.route("/dead", false);
    let gateway = scene.strict().start();
    run(async {
        let mut client = connect(gateway.address).await;
        for (path, status) in [("/svc/Do", "16"), ("/dead/Do", "14")] {
            let mut call = request(path, "call");
            call.headers_mut()
                .insert("content-type", "application/grpc".parse().unwrap());
            let response = client.send_request(call).await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(hyper::body::Body::is_end_stream(response.body()), "{path}");
            assert_eq!(response.headers()["grpc-status"], status, "{path}");
        }
    });
    assert_eq!(gateway.logged("/dead/Do")["reason"], "upstream_unavailable");
}

/// `TE` concerns one connection, and `Connection` would have to name it there
/// (RFC 9110 section 10.1.4).
#[test]
fn trailers_are_asked_for_over_http2_alone() {
    for (protocol, te) in [
        (AppProtocol::Http, &[][..]),
        (AppProtocol::Http2, &["trailers"]),
    ] {
        let upstream = Upstream::start("a");
        let gateway = scene(&upstream, protocol).start();
        let http1 = Http1::get("/1")
            .header("connection", "te")
            .header("te", "trailers");
        assert_eq!(http1.send(gateway.address).status, 200);
        run(async {
            let mut call = request("/2", "");
            call.headers_mut().insert("te", "trailers".parse().unwrap());
            let mut client = connect(gateway.address).await;
            assert_eq!(client.send_request(call).await.unwrap().status(), 200);
        });
        for seen in upstream.wait(2) {
            assert_eq!(seen.headers.all("te"), te, "{protocol:?} {}", seen.target);
            assert_eq!(seen.headers.first("connection"), None);
        }
    }
}

/// A stream that is cut is reset, and the connection with the others goes on.
#[test]
fn a_cut_stream_is_reset_alone() {
    let upstream = Upstream::start("a");
    upstream.answer("/events", Reply::ticks("tick", Duration::from_millis(50)));
    let mut scene = scene(&upstream, AppProtocol::Http);
    scene.rules[0].timeouts.request = Some(Duration::from_millis(300));
    let gateway = scene.start();
    run(async {
        let mut client = connect(gateway.address).await;
        let events = client.send_request(request("/events", "")).await.unwrap();
        assert!(events.into_body().collect().await.is_err());
        assert_eq!(
            client
                .send_request(request("/", ""))
                .await
                .unwrap()
                .status(),
            200
        );
    });
    assert_eq!(gateway.logged("/events")["cut"], "timeout");
}

/// A TLS server that agrees on HTTP/2 if it is offered, and switches protocols
/// over HTTP/1.1.
fn alpn_server(identity: &Identity) -> SocketAddr {
    let mut config = ServerConfig::clone(&Authority::server(identity));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    listen(move |listener| async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
            let answer = service_fn(|request: Request<Incoming>| async move {
                let upgrade = request.headers().contains_key("upgrade");
                let version =
                    Full::<Bytes>::from(format!("{:?} {}", request.version(), request.uri()));
                let mut response = Response::new(version);
                if upgrade {
                    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
                    response
                        .headers_mut()
                        .insert("upgrade", "websocket".parse().unwrap());
                }
                Ok::<_, Infallible>(response)
            });
            let io = TokioIo::new(tls);
            if http2 {
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http.serve_connection(io, answer));
            } else {
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(io, answer).with_upgrades());
            }
        }
    })
}

#[test]
fn tls_agrees_on_http2_and_upgrades_take_http1() {
    let authority = Authority::new("ca");
    let address = alpn_server(&authority.issue(&["backend.test"]));
    let tls = BackendTls {
        server_name: "backend.test".into(),
        names: Box::default(),
        ca: Ca::Pem(authority.pem().into()),
    };
    let mut scene = Scene::to(address);
    for (path, protocol) in [
        ("/any", AppProtocol::Http),
        ("/two", AppProtocol::Http2),
        ("/socket", AppProtocol::WebSocket),
    ] {
        scene.backend(&[address], protocol, Some(tls.clone()));
        scene.route(path, false);
    }
    let gateway = scene.start();
    let ask = |path: &str| Http1::get(path).header("host", "shop.test");
    for (path, version) in [
        ("/any", "HTTP/2.0 https://shop.test/any"),
        ("/any", "HTTP/2.0 https://shop.test/any"),
        ("/two", "HTTP/2.0 https://shop.test/two"),
        ("/socket", "HTTP/1.1 /socket"),
    ] {
        assert_eq!(ask(path).send(gateway.address).text(), version, "{path}");
    }
    for path in ["/any", "/socket"] {
        let upgrade = ask(path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket");
        assert_eq!(upgrade.send(gateway.address).status, 101, "{path}");
    }
}
