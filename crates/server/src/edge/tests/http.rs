//! HTTP/1.1 and HTTP/2 on cleartext, PROXY headers, and shutting down.

use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request as Ask};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::*;

const SOON: Duration = Duration::from_secs(2);

/// An HTTP/2 client on a connection of its own, by prior knowledge.
pub(crate) async fn h2c(to: SocketAddr) -> http2::SendRequest<Empty<Bytes>> {
    h2c_watched(to).await.0
}

/// The same, with how its connection ends.
pub(crate) async fn h2c_watched(
    to: SocketAddr,
) -> (
    http2::SendRequest<Empty<Bytes>>,
    JoinHandle<hyper::Result<()>>,
) {
    let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(tcp))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

pub(crate) fn ask(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://h.test{path}"))
        .body(Empty::new())
        .unwrap()
}

#[test]
fn http1_with_keep_alive_and_pipelining() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let mut client = port.client();
    client
        .write(&[Ask::get("/1").bytes(), Ask::get("/2").body("four").bytes()].concat())
        .unwrap();
    let (first, second) = (client.read().unwrap().json(), client.read().unwrap().json());
    assert_eq!(
        (&first["path"], &first["http2"]),
        (&"/1".into(), &false.into())
    );
    assert_eq!(
        (&second["path"], &second["body"]),
        (&"/2".into(), &4.into())
    );
    assert_eq!(first["peer"], "127.0.0.1");
    assert_eq!(first["port"], port.bind);
    assert_eq!(
        (&first["tls"], &first["sni"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(client.send(&Ask::get("/3")).unwrap().json()["path"], "/3");
}

#[test]
fn http2_by_prior_knowledge() {
    let port = Port::free();
    let running = Running::start(&[&port]);
    running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        let (never, answer) = (
            sender.send_request(ask("/never")),
            sender.clone().send_request(ask("/a")),
        );
        let body = answer
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let seen: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&seen["path"], &seen["http2"]),
            (&"/a".into(), &true.into())
        );
        drop(never);
    });
}

#[test]
fn a_preface_that_comes_in_pieces_and_one_that_does_not_end() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let mut client = port.client();
    for piece in [
        &b"PRI * HT"[..],
        b"TP/2.0\r\n\r\nSM\r\n\r",
        b"\n\0\0\0\x04\0\0\0\0\0",
    ] {
        client.write(piece).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let settings = client.read_bytes(9).unwrap();
    assert_eq!(settings[3], 4, "a SETTINGS frame");

    let mut client = port.client();
    client.write(b"PRI * HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!(
        client.read().unwrap().status,
        200,
        "a method like any other"
    );
}

#[test]
fn proxy_headers_are_read_from_proxies_and_only_from_them() {
    let trusting = Port {
        proxies: vec!["127.0.0.1/32"],
        ..Port::free()
    };
    let plain = Port::free();
    let _running = Running::start(&[&trusting, &plain]);
    let v1 = b"PROXY TCP4 203.0.113.7 127.0.0.1 4000 80\r\n";
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x08\x7f\0\0\x01\0\x50\0\x50";

    for (header, peer) in [(&v1[..], "203.0.113.7"), (v2, "203.0.113.8")] {
        let mut client = trusting.client();
        client
            .write(&[header, &Ask::get("/").bytes()].concat())
            .unwrap();
        assert_eq!(client.read().unwrap().json()["peer"], peer);
    }
    let mut client = trusting.client();
    client.write(&Ask::get("/").bytes()).unwrap();
    assert!(client.closes_within(SOON), "a proxy without its header");
    let mut client = trusting.client();
    client
        .write(b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\n\r\n")
        .unwrap();
    assert!(client.closes_within(SOON));

    let mut other = Client::connect_from([127, 0, 0, 2].into(), trusting.address()).unwrap();
    assert_eq!(
        other.send(&Ask::get("/")).unwrap().json()["peer"],
        "127.0.0.2"
    );
    let mut other = Client::connect_from([127, 0, 0, 2].into(), trusting.address()).unwrap();
    other
        .write(&[&v1[..], &Ask::get("/").bytes()].concat())
        .unwrap();
    assert_eq!(other.read().unwrap().status, 400, "garbage like any other");
    let mut client = plain.client();
    client
        .write(&[&v1[..], &Ask::get("/").bytes()].concat())
        .unwrap();
    assert_eq!(client.read().unwrap().status, 400);
}

#[test]
fn connections_are_spread_evenly() {
    let port = Port::free();
    let _running = Running::with(&[&port], 3);
    let mut clients: Vec<Client> = (0..6).map(|_| port.client()).collect();
    let worker =
        |client: &mut Client| client.send(&Ask::get("/")).unwrap().json()["worker"].clone();
    let mut workers: Vec<Value> = clients.iter_mut().map(worker).collect();
    workers.sort_by_key(Value::as_u64);
    assert_eq!(workers, [0, 0, 1, 1, 2, 2]);
    // The next one goes where most room is.
    let idle: Vec<Client> = clients.drain(..2).collect();
    drop(idle);
    drop(clients);
}

#[test]
fn shutdown_lets_requests_end_and_takes_no_more() {
    let port = Port::free();
    let mut running = Running::start(&[&port]);
    let mut busy = port.client();
    busy.write(&Ask::get("/slow").bytes()).unwrap();
    let mut idle = port.client();
    assert_eq!(idle.send(&Ask::get("/")).unwrap().status, 200);
    let mut fresh = port.client();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(running.admin(&Ask::get("/readyz")).status, 200);

    let start = Instant::now();
    let ended = running.shutdown();
    assert!(idle.closes_within(SOON) && fresh.closes_within(SOON));
    assert!(Client::connect(port.address()).is_err());
    let answer = busy.read().unwrap();
    assert_eq!(
        (answer.status, answer.headers.first("connection")),
        (200, Some("close"))
    );
    assert_eq!(answer.json()["closing"], true);
    running.runtime.block_on(ended).unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "nobody waits for the whole bound"
    );
}

#[test]
fn shutdown_cuts_what_does_not_end() {
    let port = Port {
        timeouts: Timeouts {
            drain: Duration::from_millis(300),
            ..Timeouts::default()
        },
        ..Port::free()
    };
    let mut running = Running::start(&[&port]);
    let mut endless = port.client();
    endless.write(&Ask::get("/endless").bytes()).unwrap();
    assert_eq!(endless.read_head().unwrap().status, 200);
    let stream = running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        sender
            .send_request(ask("/endless"))
            .await
            .unwrap()
            .into_body()
    });
    let start = Instant::now();
    let ended = running.shutdown();
    running.runtime.block_on(ended).unwrap();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_millis(1200),
        "{took:?}"
    );
    assert!(endless.closes_within(SOON));
    assert!(running.runtime.block_on(stream.collect()).is_err());
}

#[test]
fn shutdown_sends_goaway_and_lets_streams_end() {
    let port = Port::free();
    let mut running = Running::start(&[&port]);
    let (mut sender, slow) = running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        let slow = tokio::spawn(sender.send_request(ask("/slow")));
        tokio::time::sleep(Duration::from_millis(100)).await;
        (sender, slow)
    });
    let ended = running.shutdown();
    running.runtime.block_on(async {
        assert_eq!(slow.await.unwrap().unwrap().status(), 200);
        ended.await.unwrap();
        assert!(sender.ready().await.is_err(), "no further request");
    });
}
