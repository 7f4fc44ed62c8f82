//! What bounds a stream: its token (decision P12), the configuration that it
//! began under, the life of the gateway. And what must not be taken for one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_core::backend::AppProtocol;
use countersign_testkit::client::Request;
use countersign_testkit::mint::Key;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use super::http2::{connect, run};
use super::scene::{Gateway, Scene, unix};

/// A gateway before this backend, and a token that lapses within so many seconds.
fn lapsing(backend: SocketAddr, protocol: AppProtocol, seconds: u64) -> (Gateway, String) {
    let key = Key::rsa("k");
    let mut scene = Scene::to(backend);
    scene.backends[0].protocol = protocol;
    scene.issuer("i", &key, "authorization");
    scene.route("/api", true);
    scene.settings.timeouts.request = Duration::from_secs(30);
    let gateway = scene.strict().start();
    let token = key.token(&json!({ "iss": "i", "sub": "alice", "exp": unix() + seconds }));
    (gateway, token)
}

/// Sends a head and chunks behind it until the other side has enough; what is
/// returned brings the whole answer.
fn pour(to: SocketAddr, fields: &str) -> Receiver<String> {
    let mut up = TcpStream::connect(to).unwrap();
    let mut down = up.try_clone().unwrap();
    let head =
        format!("POST /api HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{fields}\r\n");
    thread::spawn(move || {
        let mut sent = up.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = up.write_all(b"4\r\npour\r\n");
            thread::sleep(Duration::from_millis(50));
        }
    });
    let (answer, answered) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A reset ends it as well.
        let _end = down.read_to_end(&mut bytes);
        let _unwanted = answer.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    answered
}

/// A backend that answers at once and takes for as long as it is sent
/// something; tells when that is over.
fn early_bird() -> (SocketAddr, Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (over, told) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let mut taken = stream.read(&mut bytes).unwrap() as u64;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly";
        stream.write_all(answer).unwrap();
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            taken += count as u64;
        }
        over.send(taken).unwrap();
    });
    (address, told)
}

/// The token is good when the request comes and has lapsed when it is answered.
#[test]
fn an_ordinary_answer_comes_whole_though_its_token_lapses_meanwhile() {
    let upstream = Upstream::start("a");
    let late = Duration::from_secs(3);
    upstream.answer(
        "/api",
        Reply::new(200).body(vec![b'x'; 300_000]).after(late),
    );
    upstream.answer("/api/chunked", Reply::spaces(300_000).after(late));
    let (gateway, token) = lapsing(upstream.address(), AppProtocol::Http, 1);
    let asked = ["/api", "/api/chunked"].map(|path| {
        let (request, to) = (Request::get(path).bearer(&token), gateway.address);
        thread::spawn(move || request.send(to))
    });
    for asked in asked {
        let response = asked.join().unwrap();
        assert_eq!((response.status, response.body.len()), (200, 300_000));
    }
    for path in ["/api", "/api/chunked"] {
        let line = gateway.logged(path);
        assert!(
            line.get("cut").is_none() && line["reason"] == "ok",
            "{line}"
        );
    }
}

#[test]
fn an_upload_ends_soon_after_its_token() {
    let upstream = Upstream::start("a");
    let (gateway, token) = lapsing(upstream.address(), AppProtocol::Http, 2);
    let start = Instant::now();
    let answer = pour(
        gateway.address,
        &format!("authorization: Bearer {token}\r\n"),
    );
    let answer = answer.recv_timeout(Duration::from_secs(10)).unwrap();
    let took = start.elapsed();
    assert!(took > Duration::from_secs(5), "{took:?}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    assert!(head.contains("www-authenticate: Bearer"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(body, "Jwt is expired");
    let line = gateway.logged("/api");
    assert_eq!(line["reason"], "token_lapsed");
    assert!(line["rule"].as_str().unwrap().contains("test/i"), "{line}");
    assert_eq!(upstream.seen().len(), 0);
}

#[test]
fn a_wait_for_an_answer_ends_soon_after_the_token() {
    let upstream = Upstream::start("a");
    upstream.answer("/api", Reply::silence());
    let (gateway, token) = lapsing(upstream.address(), AppProtocol::Http, 1);
    let start = Instant::now();
    let response = Request::get("/api").bearer(&token).send(gateway.address);
    let took = start.elapsed();
    assert_eq!(
        (response.status, &*response.text()),
        (401, "Jwt is expired")
    );
    assert!(
        took > Duration::from_secs(5) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

/// What the client still sends after the answer is bounded as well.
#[test]
fn an_upload_that_goes_on_behind_its_answer_ends_soon_after_its_token() {
    let (backend, over) = early_bird();
    let (gateway, token) = lapsing(backend, AppProtocol::Http, 2);
    let answer = pour(
        gateway.address,
        &format!("authorization: Bearer {token}\r\n"),
    );
    assert!(over.recv_timeout(Duration::from_secs(4)).is_err());
    let taken = over.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(taken > 50 * "4\r\npour\r\n".len() as u64, "{taken}");
    let answer = answer.recv_timeout(Duration::from_secs(1)).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("early"),
        "{answer}"
    );
}

#[test]
fn a_reload_ends_uploads_and_waits_that_began_before_it() {
    let upstream = Upstream::start("a");
    upstream.answer("/silent", Reply::silence());
    let gateway = Scene::to(upstream.address()).start();
    let (backend, over) = early_bird();
    let mut other = Scene::to(backend);
    other.settings.timeouts.request = Duration::ZERO;
    let other = other.start();
    let to = gateway.address;
    let upload = pour(to, "");
    let behind = pour(other.address, "");
    let wait = thread::spawn(move || Request::get("/silent").send(to).status);
    thread::sleep(Duration::from_millis(500));
    assert!(upload.try_recv().is_err() && over.try_recv().is_err() && !wait.is_finished());

    let start = Instant::now();
    gateway.reload(|next| next.snapshot.rules[0].name = "test/renamed/0".into());
    other.reload(|next| next.snapshot.rules[0].name = "test/renamed/0".into());
    let answer = upload.recv_timeout(Duration::from_secs(2)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert_eq!(wait.join().unwrap(), 504);
    over.recv_timeout(Duration::from_secs(2)).unwrap();
    behind.recv_timeout(Duration::from_secs(2)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
    for path in ["/api", "/silent"] {
        let line = gateway.logged(path);
        assert_eq!(line["reason"], "timeout");
        assert!(
            line["detail"].as_str().unwrap().contains("configuration"),
            "{line}"
        );
    }
}

#[test]
fn a_shutdown_ends_uploads() {
    let (backend, over) = early_bird();
    let gateway = Scene::to(backend).start();
    let answer = pour(gateway.address, "");
    thread::sleep(Duration::from_millis(300));
    assert!(over.try_recv().is_err());
    drop(gateway);
    over.recv_timeout(Duration::from_secs(2)).unwrap();
    answer.recv_timeout(Duration::from_secs(2)).unwrap();
}

/// A call of gRPC whose client sends without end.
async fn call(to: SocketAddr, token: &str) -> (String, Duration) {
    let tick = |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok(Frame::data(Bytes::from("message"))), ()))
    };
    let request = http::Request::post("http://a.test/api/Do")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {token}"))
        .body(StreamBody::new(unfold((), tick)).boxed_unsync())
        .unwrap();
    let start = Instant::now();
    let mut client = connect(to).await;
    let response = client.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let status = response.headers()["grpc-status"].to_str().unwrap();
    (status.to_owned(), start.elapsed())
}

#[test]
fn a_client_that_streams_is_bound_over_http2_as_well() {
    let upstream = Upstream::start("a");
    for (seconds, status) in [(2, "16"), (60, "14")] {
        let (gateway, token) = lapsing(upstream.address(), AppProtocol::Http2, seconds);
        let took = run(async {
            let called = call(gateway.address, &token);
            let reload = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                if status == "14" {
                    gateway.reload(|next| next.snapshot.rules[0].name = "test/renamed/0".into());
                }
            };
            let ((got, took), ()) = tokio::join!(called, reload);
            assert_eq!(got, status);
            took.as_secs()
        });
        let bounds = if status == "16" { 5..=8 } else { 0..=2 };
        assert!(bounds.contains(&took), "{took} s");
    }
    assert_eq!(upstream.seen().len(), 0);
}
