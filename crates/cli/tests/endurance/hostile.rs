//! Clients that are slow, oversized, many or half gone: each is bounded, and the others do not notice.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::Gateway;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use countersign_testkit::tls::Authority;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, only};
use crate::process::{Cost, Process};
use crate::scene::{self, ISSUER, Keys, local};

const CLIENTS: Clients = Clients {
    http1: 3,
    http2: 1,
    pause: Duration::from_millis(4),
};
const HEADERS: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);
/// Idle clients of HTTP/2 are told to leave, and then have this long.
const FAREWELL: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(3);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn slow_clients_are_cut_off() {
    let stage = Stage::start(HEADERS.as_secs(), IDLE.as_secs());
    let load = stage.load();
    let plain = local(stage.port);
    let secure = local(stage.secure);
    let (half, frame) = (half_http2(), [0, 0, 1, 9, 0, 0, 0, 0, 1, b'a']);
    let drips: [Drip<'_>; 8] = [
        (
            "a head",
            plain,
            b"GET / HTTP/1.1\r\nhost: a\r\nx: ",
            b"a",
            HEADERS,
        ),
        (
            "a head in lines",
            plain,
            b"GET / HTTP/1.1\r\n",
            b"x: a\r\n",
            HEADERS,
        ),
        ("a preface", plain, b"PRI * HTTP/2.0\r\n", b"", HEADERS),
        (
            "a handshake",
            secure,
            b"\x16\x03\x01\x02\x00\x01",
            b"\x00",
            HEADERS,
        ),
        ("no handshake", secure, b"", b"", HEADERS),
        ("nothing", plain, b"", b"", HEADERS),
        ("half an HTTP/2 head", plain, &half, b"", IDLE),
        ("an HTTP/2 head in frames", plain, &half, &frame, IDLE),
    ];
    thread::scope(|scope| {
        for drip in drips {
            for number in 0..15 {
                scope.spawn(move || {
                    let took = drop_by_drop(drip);
                    if number == 0 {
                        println!("{}, drop by drop: ended after {took:?}", drip.0);
                    }
                });
            }
        }
    });
    // The two kinds that were told, each time.
    let reasons = scene::reasons(&stage.gateway);
    assert_eq!(reasons.get("client_timeout"), Some(&30), "{reasons:?}");
    stage.ends(load);
}

/// What is sent, where to, how it begins, how it goes on, and when it is too late.
type Drip<'a> = (&'a str, SocketAddr, &'a [u8], &'a [u8], Duration);

fn drop_by_drop((name, to, first, then, bound): Drip<'_>) -> Duration {
    // The gateway cannot have begun to wait before.
    let begun = Instant::now();
    let mut stream = TcpStream::connect(to).expect("it listens");
    stream.write_all(first).expect("it listens");
    let (took, got) = end(&mut stream, then, bound + FAREWELL + SLACK);
    let all = begun.elapsed();
    let text = String::from_utf8_lossy(&got);
    if name.starts_with("a head") {
        assert!(text.starts_with("HTTP/1.1 408 "), "{name}: {text}");
    }
    // Many small frames of one head are an attack however fast they come (CVE-2024-27316).
    let late = if name.contains("HTTP/2") {
        FAREWELL
    } else {
        Duration::ZERO
    };
    assert!(
        took < bound + late + SLACK,
        "{name}: after {took:?}: {text}"
    );
    let early = all < bound && !name.ends_with("in frames");
    assert!(!early, "{name}: after {all:?} already: {text}");
    took
}

#[test]
fn oversized_heads_are_refused_and_cost_nothing() {
    let stage = Stage::start(HEADERS.as_secs(), IDLE.as_secs());
    let load = stage.load();
    load.until("200", 50);
    let memory = stage.process.memory();
    let blocks = [
        ("in one value", "a".repeat(64 * 1024)),
        ("in long lines", format!("{}\r\nx: ", "a".repeat(64 * 1024))),
        ("in short lines", "x-f: 1\r\n".repeat(8 * 1024)),
    ];
    let send = |block: &str, parts: usize| {
        let mut stream = TcpStream::connect(local(stage.port)).expect("it listens");
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
            .expect("its start");
        // The gateway may hang up before it has seen them all.
        let sent = (0..parts).take_while(|_| stream.write_all(block.as_bytes()).is_ok());
        (sent.count(), end(&mut stream, b"", SLACK).1)
    };
    for (name, block) in &blocks {
        // Of a megabyte everybody is told.
        let (sent, got) = send(block, 16);
        assert!(got.starts_with(b"HTTP/1.1 431 "), "{name}, {sent}: {got:?}");
        // Of ten, the reset may overtake the answer.
        let mut most = 0;
        thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| send(block, 160))).collect();
            for one in all {
                let (sent, got) = one.join().expect("a client");
                assert!(
                    got.is_empty() || got.starts_with(b"HTTP/1.1 431 "),
                    "{name}: {got:?}"
                );
                most = most.max(sent);
            }
        });
        println!("10 MB {name}: hung up after {most} of 160 parts at the latest");
    }
    let reasons = scene::reasons(&stage.gateway);
    assert!(reasons.get("headers_too_large") >= Some(&3), "{reasons:?}");
    let grown = stage.process.memory().saturating_sub(memory);
    println!("memory after oversized heads: {grown} KiB more");
    assert!(grown < 16 * 1024, "{grown} KiB");
    stage.ends(load);
}

#[test]
fn thousands_of_idle_connections_come_and_go() {
    let stage = Stage::start(100, 100);
    let wanted = room().min(10_000);
    let request = Request::get("/").bearer(&stage.token).bytes();
    let memory = stage.process.memory();
    let begun = Instant::now();
    let mut idle: Vec<TcpStream> = (0..wanted)
        .map(|number| {
            let stream = TcpStream::connect(local(stage.port)).expect("it listens");
            // Some of them had something to say once.
            if number % 20 == 0 {
                ask(&stream, &request);
            }
            stream
        })
        .collect();
    let opened = begun.elapsed();
    let held = stage.process.cost().files;
    let with = stage.process.memory();
    println!(
        "{wanted} idle connections in {opened:?}: {held} files, {} KiB more",
        with.saturating_sub(memory)
    );
    assert!(held >= wanted, "{held}");
    assert_eq!(stage.ask().status, 200);
    // Also those that were silent all the time are served.
    for stream in idle.iter().step_by(97) {
        ask(stream, &request);
    }
    while let Some(stream) = idle.pop() {
        drop(stream);
    }
    let load = stage.load();
    load.until("200", 50);
    stage.ends(load);
}

#[test]
fn half_closed_connections_end() {
    let stage = Stage::start(HEADERS.as_secs(), IDLE.as_secs());
    let load = stage.load();
    let request = |path: &str| Request::get(path).bearer(&stage.token).bytes();
    let (whole, slow) = (request("/"), request("/slow/60000"));
    let half = &whole[..whole.len() / 2];
    let mut answered = 0;
    for _ in 0..50 {
        for bytes in [&b""[..], half, &whole, &slow, &half_http2()] {
            let mut stream = TcpStream::connect(local(stage.port)).expect("it listens");
            stream.write_all(bytes).expect("it listens");
            stream.shutdown(Shutdown::Write).expect("it is open");
            let (_, got) = end(&mut stream, b"", SLACK);
            answered += usize::from(got.ends_with(b"app ann"));
        }
    }
    println!(
        "50 clients closed their half behind a request: {answered} were answered all the same"
    );
    // Those who leave while they are waited for, without a word and with the start of another request.
    let leave = |last_words: &[u8]| {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(local(stage.port)).expect("it listens");
            stream.write_all(&slow).expect("it listens");
            stream.write_all(last_words).expect("it listens");
            sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        while stage.backend.open() > 16 {
            assert!(
                begun.elapsed() < REQUEST,
                "{} for nobody",
                stage.backend.open()
            );
            sleep(Duration::from_millis(10));
        }
        begun.elapsed()
    };
    let (silent, talking) = (leave(b""), leave(half));
    println!(
        "backends were left alone {silent:?} after clients had gone, {talking:?} after talkative ones"
    );
    assert!(silent.max(talking) < REQUEST / 2, "{silent:?}, {talking:?}");
    stage.ends(load);
}

/// A gateway that has little patience.
struct Stage {
    gateway: Gateway,
    backend: Backend,
    port: u16,
    secure: u16,
    token: Arc<str>,
    process: Process,
    before: Cost,
}

impl Stage {
    /// Waits so many seconds for heads of requests, and so many for requests.
    fn start(heads: u64, idle: u64) -> Self {
        let key = Key::new(Kind::P256, "hostile");
        let (port, secure, backend) = (port::free(), port::free(), Backend::start("app"));
        let timeouts = format!(
            "timeouts: {{requestHeaders: {heads}s, idle: {idle}s, request: {}s}}",
            REQUEST.as_secs()
        );
        let listeners = [
            scene::http("plain", port),
            scene::https("secure", secure, "a.test", "a"),
        ];
        let certificate = Authority::new("hostile").issue(&["a.test"]);
        let keys = Keys::Inline(&key);
        let text = scene::site(&listeners.join(", "), &timeouts, backend.port(), &keys)
            + &scene::secret("a", &certificate);
        let gateway = scene::start(&[("gateway.yaml", &text)]);
        let process = Process::of(&gateway);
        Self {
            before: process.settled(),
            gateway,
            backend,
            port,
            secure,
            token: scene::token(ISSUER, &key),
            process,
        }
    }

    fn load(&self) -> Load {
        let token = Arc::clone(&self.token);
        let asks = move |_| Ask::get("/", &token);
        Load::start(local(self.port), CLIENTS, asks, only("app ann"))
    }

    fn ask(&self) -> Response {
        Request::get("/").bearer(&self.token).send(local(self.port))
    }

    /// Nobody else has noticed anything, and nothing is left behind.
    fn ends(self, load: Load) {
        let tally = load.stop();
        println!("others meanwhile: {tally}");
        tally.assert_flawless();
        assert_eq!(self.gateway.admin("/readyz").status, 200);
        // With it go the connections that are kept to it.
        drop(self.backend);
        self.process.returns_to(self.before);
    }
}

/// Waits until the other side ends a connection, while it is fed this from time to time; how long that took, and what
/// came.
fn end(stream: &mut TcpStream, feed: &[u8], patience: Duration) -> (Duration, Vec<u8>) {
    let (begun, mut got, mut block) = (Instant::now(), Vec::new(), [0; 4096]);
    let pause = Some(Duration::from_millis(40));
    stream.set_read_timeout(pause).expect("a time");
    loop {
        match stream.read(&mut block) {
            Ok(0) => return (begun.elapsed(), got),
            Ok(length) => got.extend_from_slice(&block[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Fails where the other side has just gone: the next read tells.
                let _gone = stream.write_all(feed);
            }
            Err(_) => return (begun.elapsed(), got),
        }
        assert!(
            begun.elapsed() < patience,
            "still open: {}",
            String::from_utf8_lossy(&got)
        );
    }
}

/// Asks on a connection that stays.
fn ask(mut stream: &TcpStream, request: &[u8]) {
    let (mut got, mut block) = (Vec::new(), [0; 4096]);
    stream.write_all(request).expect("it is open");
    while !got.ends_with(b"app ann") {
        let length = stream.read(&mut block).expect("an answer");
        assert!(length > 0, "{}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&block[..length]);
    }
}

/// The start of an HTTP/2 connection, and of a head that goes on (RFC 9113 sections 3.4, 6.2 and 6.5).
fn half_http2() -> Vec<u8> {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // `:method: GET`, without END_HEADERS.
    let headers = [0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82];
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &headers].concat()
}

/// Connections that this process, and the gateway under the same limit, may hold.
fn room() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("a Linux");
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(usize::MAX).saturating_sub(500)
}
