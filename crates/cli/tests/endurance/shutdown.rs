//! The end under load: what runs may end, nothing new begins, and a second signal waits for nobody.

use std::sync::Arc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::{Ended, Gateway};
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, only};
use crate::scene::{self, ISSUER, Keys, local};

const CLIENTS: Clients = Clients {
    http1: 6,
    http2: 2,
    pause: Duration::from_millis(2),
};
const DRAIN: Duration = Duration::from_secs(3);
/// The kernel may take seconds to give up file watches on a busy machine, and ends no process before.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn requests_that_run_may_end_and_no_others_begin() {
    let stage = Stage::start(DRAIN);
    let load = stage.load();
    load.until("200", 50);
    let slow = stage.slow(20, 1_500);
    stage.gateway.signal("TERM");
    let begun = Instant::now();
    let draining = stage.gateway.logs("draining");
    let refused = refused(stage.port);
    let unready = stage.gateway.admin("/readyz");
    let (took, ended) = end(stage.gateway, begun);
    let tally = load.stop();
    println!(
        "SIGTERM under load: exit {:?} after {took:?}; {tally}",
        ended.code
    );
    println!("  new connections were refused after {refused:?}");
    assert_eq!(
        (unready.status, unready.text().as_str()),
        (503, "draining\n"),
        "{draining}"
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(took < DRAIN, "{took:?}");
    for it in slow {
        let answer = it.join().expect("a client");
        let answer = answer.expect("an answer to a request that ran");
        assert_eq!((answer.status, answer.text().as_str()), (200, "app ann"));
        assert_eq!(answer.headers.first("connection"), Some("close"));
    }
    // Whatever came through to the backend came back to its client.
    let told = tally.count("200") + 20;
    assert_eq!(
        (stage.backend.taken(), stage.backend.answered()),
        (told, told)
    );
    let ends = ["200", "connect: ", "ask: ", "h2 connect: ", "h2 ask: "];
    for kind in tally.kinds() {
        assert!(ends.iter().any(|it| kind.starts_with(it)), "{tally}");
        assert!(!kind.contains("hangs"), "{tally}");
    }
}

#[test]
fn requests_that_run_too_long_are_cut_off_at_the_bound() {
    let stage = Stage::start(DRAIN);
    let load = stage.load();
    load.until("200", 20);
    let slow = stage.slow(3, 60_000);
    let begun = Instant::now();
    stage.gateway.signal("TERM");
    let (took, ended) = end(stage.gateway, begun);
    println!(
        "requests without end: exit {:?} after {took:?}; {}",
        ended.code,
        load.stop()
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(took >= DRAIN && took < DRAIN + SLACK, "{took:?}");
    for it in slow {
        assert!(it.join().expect("a client").is_err(), "cut off");
    }
}

#[test]
fn a_second_signal_waits_for_nobody() {
    for second in ["TERM", "INT"] {
        let stage = Stage::start(3 * PATIENCE);
        let load = stage.load();
        load.until("200", 20);
        let slow = stage.slow(3, 60_000);
        stage.gateway.signal("TERM");
        let _draining = stage.gateway.logs("draining");
        let begun = Instant::now();
        stage.gateway.signal(second);
        let ended = stage.gateway.wait();
        let took = begun.elapsed();
        println!(
            "a second signal: exit {:?} after {took:?}; {}",
            ended.code,
            load.stop()
        );
        assert_eq!(ended.code, Some(130), "{}", ended.stderr);
        assert!(took < PATIENCE, "{took:?}");
        for it in slow {
            assert!(it.join().expect("a client").is_err(), "cut off");
        }
    }
}

/// A gateway that may take so long to end, with keys of its own.
struct Stage {
    gateway: Gateway,
    backend: Backend,
    port: u16,
    token: Arc<str>,
}

type Slow = thread::JoinHandle<std::io::Result<Response>>;

impl Stage {
    fn start(drain: Duration) -> Self {
        let key = Key::new(Kind::P256, "shutdown");
        let (port, backend) = (port::free(), Backend::start("app"));
        let timeouts = format!("timeouts: {{drain: {}s, request: 100s}}", drain.as_secs());
        let listener = scene::http("http", port);
        let text = scene::site(&listener, &timeouts, backend.port(), &Keys::Inline(&key));
        Self {
            gateway: scene::start(&[("gateway.yaml", &text)]),
            backend,
            port,
            token: scene::token(ISSUER, &key),
        }
    }

    fn load(&self) -> Load {
        let token = Arc::clone(&self.token);
        let asks = move |_| Ask::get("/", &token);
        Load::start(local(self.port), CLIENTS, asks, only("app ann"))
    }

    /// Requests that the backend has and takes its time for.
    fn slow(&self, count: u64, millis: u32) -> Vec<Slow> {
        let request = Request::get(&format!("/slow/{millis}")).bearer(&self.token);
        let before = self.backend.slow();
        let ask = |_| {
            let (request, to) = (request.clone(), local(self.port));
            thread::spawn(move || Client::connect(to)?.send(&request))
        };
        let slow = (0..count).map(ask).collect();
        while self.backend.slow() < before + count {
            sleep(Duration::from_millis(1));
        }
        slow
    }
}

/// How long it took until no request ran any more, and how the process ended.
fn end(gateway: Gateway, begun: Instant) -> (Duration, Ended) {
    let _told = gateway.logs("all requests have ended");
    (begun.elapsed(), gateway.wait())
}

/// Waits until nobody listens on a port; fails after a second.
fn refused(port: u16) -> Duration {
    let begun = Instant::now();
    while Client::connect(local(port)).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(1), "still listening");
    }
    begun.elapsed()
}
