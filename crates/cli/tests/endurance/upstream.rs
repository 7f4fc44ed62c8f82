//! Backends that die and come back, are silent, or break off, while requests run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::Gateway;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use tokio::net::TcpSocket;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load};
use crate::process::Process;
use crate::scene::{self, ISSUER, Keys, local};

const CLIENTS: Clients = Clients {
    http1: 6,
    http2: 2,
    pause: Duration::from_millis(4),
};
const CONNECT: Duration = Duration::from_millis(600);
const REQUEST: Duration = Duration::from_millis(700);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_backend_that_is_killed_and_comes_back() {
    let stage = Stage::start();
    let mut backend = stage.backend();
    let token = Arc::clone(&stage.token);
    // Some are at the backend when it dies, and some of those must not be sent again.
    let asks = move |turn| Ask {
        method: ["GET", "POST", "GET", "POST"][turn % 4],
        ..Ask::get(["/", "/slow/40", "/slow/20", "/slow/40"][turn % 4], &token)
    };
    let load = Load::start(local(stage.port), CLIENTS, asks, told);
    for round in 1..=4 {
        load.until("200", 100);
        let before = load.so_far();
        drop(backend);
        load.until("503", 200);
        // The very first request after its return must reach it.
        backend = stage.backend();
        assert_eq!(stage.ask("/").status, 200, "round {round}");
        load.until("200", 100);
        let after = load.so_far();
        let [lost, refused] = ["502", "503"].map(|it| after.count(it) - before.count(it));
        println!("killed, round {round}: {lost} answers 502, {refused} answers 503");
    }
    let tally = load.stop();
    println!("a backend killed four times: {tally}");
    assert!(tally.count("502") > 0 && tally.count("503") > 0, "{tally}");
    let others: Vec<&str> = tally
        .kinds()
        .filter(|it| !["200", "502", "503"].contains(it))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(tally.slowest() < CONNECT + SLACK, "{tally}");
    let reasons = scene::reasons(&stage.gateway);
    // Also those that were asked by hand.
    let expected = [
        ("ok", tally.count("200") + 4),
        ("upstream_reset", tally.count("502")),
        ("upstream_unavailable", tally.count("503")),
    ];
    let expected = expected.iter().filter(|(_, count)| *count > 0);
    let expected = expected.map(|(reason, count)| ((*reason).to_owned(), *count));
    assert_eq!(reasons, expected.collect());
}

#[test]
fn a_backend_that_does_not_even_refuse() {
    let stage = Stage::start();
    let (listener, queued) = deaf(stage.backend);
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = stage.ask("/");
        let took = begun.elapsed();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (503, "upstream unavailable")
        );
        assert!(took >= CONNECT && took < CONNECT + SLACK, "{took:?}");
    }
    drop((listener, queued));
    assert_eq!(stage.ask("/").status, 503, "refused at once");
    let _backend = stage.backend();
    assert_eq!(stage.ask("/").status, 200);
}

#[test]
fn a_backend_that_takes_requests_and_never_answers() {
    let stage = Stage::start();
    let backend = stage.backend();
    let process = Process::of(&stage.gateway);
    let before = process.settled();
    let busy = stage.load(CLIENTS, "/");
    let many = Clients {
        http1: 20,
        http2: 5,
        pause: Duration::ZERO,
    };
    let waiting = stage.load(many, "/silent");
    waiting.until("504", 75);
    let (busy, waiting) = (busy.stop(), waiting.stop());
    println!("silence: {waiting}; others meanwhile: {busy}");
    busy.assert_flawless();
    assert_eq!(waiting.count("504"), waiting.total(), "{waiting}");
    assert!(waiting.slowest() < REQUEST + SLACK, "{waiting}");
    // Connections that a silent backend was left on are not kept.
    assert!(backend.open() <= 8, "{} are open", backend.open());
    drop(backend);
    process.returns_to(before);
}

#[test]
fn a_backend_that_breaks_off_in_the_middle() {
    let stage = Stage::start();
    let process = Process::of(&stage.gateway);
    let before = process.settled();
    let listener = TcpListener::bind(local(stage.backend)).expect("a free port");
    thread::scope(|scope| {
        let breaking = scope.spawn(|| break_off(&listener));
        let load = stage.load(CLIENTS, "/");
        load.until("502", 100);
        let tally = load.stop();
        println!("reset before and in the middle of answers: {tally}");
        assert_eq!(
            tally.count("200"),
            0,
            "half an answer passed for a whole one"
        );
        assert_eq!(tally.count("503"), 0, "{tally}");
        assert!(!tally.kinds().any(|it| it.contains("hangs")), "{tally}");
        let broken = tally.kinds().filter(|it| it.contains("ask: "));
        assert!(broken.count() >= 2, "over HTTP/1 and HTTP/2: {tally}");
        assert!(tally.slowest() < SLACK, "{tally}");
        drop(TcpStream::connect(local(stage.backend)));
        let all = breaking.join().expect("it only breaks connections");
        println!("  {all} connections to the backend");
    });
    drop(listener);
    let reasons = scene::reasons(&stage.gateway);
    let seen: Vec<&str> = reasons.keys().map(String::as_str).collect();
    assert_eq!(seen, ["upstream_reset"]);
    process.returns_to(before);
    let _backend = stage.backend();
    assert_eq!(stage.ask("/").status, 200);
}

/// A gateway in front of a port where a backend may be.
struct Stage {
    gateway: Gateway,
    port: u16,
    backend: u16,
    token: Arc<str>,
}

impl Stage {
    fn start() -> Self {
        let key = Key::new(Kind::P256, "upstream");
        let (port, backend) = (port::free(), port::free());
        let timeouts = format!(
            "timeouts: {{connect: {}ms, request: {}ms}}",
            CONNECT.as_millis(),
            REQUEST.as_millis()
        );
        let listener = scene::http("http", port);
        let text = scene::site(&listener, &timeouts, backend, &Keys::Inline(&key));
        Self {
            gateway: scene::start(&[("gateway.yaml", &text)]),
            port,
            backend,
            token: scene::token(ISSUER, &key),
        }
    }

    fn backend(&self) -> Backend {
        Backend::bind("app", local(self.backend)).expect("its port is free")
    }

    fn ask(&self, path: &str) -> Response {
        Request::get(path)
            .bearer(&self.token)
            .send(local(self.port))
    }

    fn load(&self, clients: Clients, path: &'static str) -> Load {
        let token = Arc::clone(&self.token);
        let asks = move |_| Ask::get(path, &token);
        Load::start(local(self.port), clients, asks, told)
    }
}

/// What the client is told says what happened and no more.
fn told(answer: &Response) -> Result<(), String> {
    let text = answer.text();
    match (answer.status, text.as_str()) {
        (200, "app ann")
        | (502, "upstream closed the connection")
        | (503, "upstream unavailable")
        | (504, "upstream request timeout") => Ok(()),
        (status, _) => Err(format!("{status} {text:?}")),
    }
}

/// A listener whose queue is full: the kernel answers nobody any more.
fn deaf(port: u16) -> (TcpListener, Vec<TcpStream>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(local(port)).expect("a free port");
    let listener = socket.listen(1).expect("a queue of one");
    let listener = listener.into_std().expect("a listener");
    let connect = |to: SocketAddr| TcpStream::connect_timeout(&to, Duration::from_millis(200));
    let queued: Vec<TcpStream> = std::iter::from_fn(|| connect(local(port)).ok())
        .take(64)
        .collect();
    assert!(queued.len() < 64, "the queue has no end");
    (listener, queued)
}

/// Takes connections and resets them, by turns before an answer and in the middle of one, until somebody connects
/// without a word.
fn break_off(listener: &TcpListener) -> usize {
    for number in 0.. {
        let (mut stream, _) = listener.accept().expect("a connection");
        if stream.read(&mut [0]).unwrap_or(0) == 0 {
            return number;
        }
        if number % 2 == 1 {
            let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\napp ann";
            stream.write_all(half.as_bytes()).expect("it waits");
            sleep(Duration::from_millis(5));
        }
        // Closing on bytes that nobody has read resets the connection.
    }
    0
}
