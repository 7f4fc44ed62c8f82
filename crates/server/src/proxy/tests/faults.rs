//! Backends and clients that misbehave.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use countersign_core::backend::{AppProtocol, BackendTls, Ca, SubjectName};
use countersign_testkit::client::{Client, Request};
use countersign_testkit::site::{Reply, Site};
use countersign_testkit::tls::Authority;
use countersign_testkit::upstream::Upstream;

use super::scene::Scene;

#[test]
fn a_silent_backend_is_504_and_its_connection_is_not_used_again() {
    let upstream = Upstream::start("a");
    upstream.answer("/silent", Reply::silence());
    let mut scene = Scene::to(upstream.address());
    scene.settings.timeouts.request = Duration::from_millis(300);
    let gateway = scene.start();
    let start = Instant::now();
    let response = Request::get("/silent").send(gateway.address);
    assert_eq!(
        (response.status, &*response.text()),
        (504, "upstream request timeout")
    );
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(gateway.logged("/silent")["reason"], "timeout");
    assert_eq!(Request::get("/").send(gateway.address).status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_backend_that_takes_no_body_is_504_as_well() {
    for protocol in [AppProtocol::Http, AppProtocol::Http2] {
        // Accepts by the kernel's queue alone, and never reads.
        let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut scene = Scene::to(deaf.local_addr().unwrap());
        scene.backends[0].protocol = protocol;
        scene.rules[0].timeouts.backend = Some(Duration::from_millis(400));
        let gateway = scene.start();
        let mut client = Client::connect(gateway.address).unwrap();
        client
            .write(b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 90000000\r\n\r\n")
            .unwrap();
        let start = Instant::now();
        // Writing ends in an error once the gateway has given up.
        while client.write(&[b'x'; 64 * 1024]).is_ok() {}
        assert!(
            start.elapsed() < Duration::from_secs(7),
            "{protocol:?}: it has hung up"
        );
        assert_eq!(gateway.logged("/deaf")["status"], 504);
    }
}

/// Takes no connection: its queue is full, so the kernel drops what comes.
struct Full(socket2::Socket, Vec<TcpStream>);

impl Full {
    fn start() -> Full {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        socket.listen(0).unwrap();
        let mut full = Full(socket, Vec::new());
        while let Ok(stream) =
            TcpStream::connect_timeout(&full.address(), Duration::from_millis(100))
        {
            full.1.push(stream);
        }
        full
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

#[test]
fn a_dead_backend_is_503_within_the_connect_timeout_and_another_endpoint_saves_the_request() {
    let (full, upstream) = (Full::start(), Upstream::start("a"));
    let mut scene = Scene::to(full.address());
    scene.settings.timeouts.connect = Duration::from_millis(500);
    scene.backend(
        &[full.address(), upstream.address()],
        AppProtocol::Http,
        None,
    );
    scene.route("/two", false);
    let gateway = scene.start();
    let start = Instant::now();
    assert_eq!(Request::get("/dead").send(gateway.address).status, 503);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(400) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert!(
        gateway.logged("/dead")["detail"]
            .as_str()
            .unwrap()
            .contains("took too long")
    );
    for _ in 0..4 {
        assert_eq!(Request::get("/two").send(gateway.address).status, 200);
    }
}

#[test]
fn broken_answers_are_502() {
    let upstream = Upstream::start("a");
    for (path, reply) in [
        ("/hang-up", Reply::hang_up()),
        ("/garbage", Reply::raw("SSH-2.0-nope\r\n\r\n")),
        (
            "/smuggle",
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ),
        ("/half", Reply::raw("HTTP/1.1 200 O")),
        ("/switch", Reply::upgrade("websocket")),
    ] {
        upstream.answer(path, reply);
    }
    let gateway = Scene::to(upstream.address()).start();
    for path in ["/hang-up", "/garbage", "/smuggle", "/half", "/switch"] {
        let response = Request::get(path).send(gateway.address);
        assert_eq!(response.status, 502, "{path}");
        let line = gateway.logged(path);
        assert_eq!(line["reason"], "upstream_reset", "{path}");
        assert!(!line["detail"].as_str().unwrap().is_empty());
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_passed_off_as_whole() {
    let upstream = Upstream::start("a");
    upstream.answer(
        "/short",
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"),
    );
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    upstream.answer("/chunks", Reply::raw(chunked));
    let gateway = Scene::to(upstream.address()).start();
    for path in ["/short", "/chunks"] {
        let mut client = Client::connect(gateway.address).unwrap();
        assert!(client.send(&Request::get(path)).is_err(), "{path}");
        let line = gateway.logged(path);
        assert_eq!(
            (&line["cut"], &line["reason"]),
            (&"upstream".into(), &"upstream_reset".into())
        );
    }
}

#[test]
fn a_client_that_leaves_frees_the_backend() {
    let site = Site::start(|_| Reply::silence());
    let gateway = Scene::to(site.address()).start();
    let mut client = Client::connect(gateway.address).unwrap();
    client.write(&Request::get("/left").bytes()).unwrap();
    let _seen = site.wait(1);
    drop(client);
    let line = gateway.logged("/left");
    assert_eq!(
        (&line["status"], &line["cut"]),
        (&499.into(), &"client".into())
    );
}

#[test]
fn tls_towards_a_backend_needs_its_ca_and_its_name() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let identity = ours.issue(&["backend.test", "spiffe://test/backend"]);
    let upstream = Upstream::start_tls("tls", Authority::server(&identity));
    let tls = |name: &str, names: &[SubjectName], ca: Ca| {
        Some(BackendTls {
            server_name: name.into(),
            names: names.into(),
            ca,
        })
    };
    let pem = |authority: &Authority| Ca::Pem(authority.pem().into());
    let uri = [SubjectName::Uri("spiffe://test/backend".into())];
    let mut scene = Scene::to(upstream.address());
    let cases = [
        ("/good", tls("backend.test", &[], pem(&ours)), 200),
        ("/uri", tls("sni.test", &uri, pem(&ours)), 200),
        ("/name", tls("other.test", &[], pem(&ours)), 503),
        ("/ca", tls("backend.test", &[], pem(&theirs)), 503),
        ("/broken", tls("backend.test", &[], Ca::Broken), 503),
        ("/clear", None, 502),
    ];
    for (path, tls, _) in &cases {
        scene.backend(&[upstream.address()], AppProtocol::Http, tls.clone());
        scene.route(path, false);
    }
    let gateway = scene.start();
    for (path, _, status) in cases {
        assert_eq!(
            Request::get(path).send(gateway.address).status,
            status,
            "{path}"
        );
    }
    let detail = gateway.logged("/ca")["detail"].to_string();
    assert!(detail.contains("UnknownIssuer"), "{detail}");
}
