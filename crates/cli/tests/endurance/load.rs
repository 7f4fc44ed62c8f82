//! Clients that ask without pause, and the count of what they got.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::wire::Headers;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// One request of a client.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: Arc<str>,
}

impl Ask {
    pub(crate) fn get(path: &str, token: &Arc<str>) -> Self {
        Self {
            method: "GET",
            path: path.to_owned(),
            token: Arc::clone(token),
        }
    }
}

/// How many clients of each kind, each with one connection that it keeps.
#[derive(Clone, Copy)]
pub(crate) struct Clients {
    pub(crate) http1: usize,
    pub(crate) http2: usize,
    /// What each rests after an answer.
    pub(crate) pause: Duration,
}

/// What the clients got: statuses, and connections that broke or did not come about.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    outcomes: BTreeMap<String, u64>,
    slowest: Duration,
    /// The first few things that were not as they should be.
    strange: Vec<String>,
}

/// The judge who wants `200` with this text and nothing else.
pub(crate) fn only(text: &'static str) -> impl Fn(&Response) -> Result<(), String> + Send + Sync {
    move |answer| {
        if answer.status == 200 && answer.text() == text {
            return Ok(());
        }
        Err(format!("{} {:?}", answer.status, answer.text()))
    }
}

/// Clients at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What a client asks for at each of its turns.
type Asks = dyn Fn(usize) -> Ask + Send + Sync;
/// What is wrong with an answer.
type Judge = dyn Fn(&Response) -> Result<(), String> + Send + Sync;

struct Shared {
    to: SocketAddr,
    pause: Duration,
    asks: Box<Asks>,
    judge: Box<Judge>,
    tally: Mutex<Tally>,
    stop: AtomicBool,
}

impl Load {
    /// Starts clients. An answer that `judge` does not like is counted as `wrong`.
    pub(crate) fn start(
        to: SocketAddr,
        clients: Clients,
        asks: impl Fn(usize) -> Ask + Send + Sync + 'static,
        judge: impl Fn(&Response) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            to,
            pause: clients.pause,
            asks: Box::new(asks),
            judge: Box::new(judge),
            tally: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let spawn = |work: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || work(&shared))
        };
        let http1 = (0..clients.http1).map(|_| spawn(http1));
        let http2 = (0..clients.http2).map(|_| spawn(http2));
        let threads = http1.chain(http2).collect();
        Self { shared, threads }
    }

    /// The count so far.
    pub(crate) fn so_far(&self) -> Tally {
        self.shared.tally.lock().expect(LOCK).clone()
    }

    /// Waits for so many answers of this kind from now on, ten seconds at most.
    pub(crate) fn until(&self, outcome: &str, count: u64) {
        let (begun, before) = (Instant::now(), self.so_far().count(outcome));
        while self.so_far().count(outcome) < before + count {
            let tally = self.so_far();
            assert!(begun.elapsed() < PATIENCE, "no more {outcome}: {tally}");
            sleep(Duration::from_millis(5));
        }
    }

    /// Lets every client end its request, and counts it all.
    pub(crate) fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("clients do not panic");
        }
        let tally = self.shared.tally.lock().expect(LOCK);
        tally.clone()
    }
}

impl Tally {
    pub(crate) fn count(&self, outcome: &str) -> u64 {
        self.outcomes.get(outcome).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// What happened, by kind.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.outcomes.keys().map(String::as_str)
    }

    pub(crate) fn slowest(&self) -> Duration {
        self.slowest
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
        self.slowest = self.slowest.max(other.slowest);
        self.strange.extend(other.strange.iter().cloned());
    }

    /// # Panics
    /// When anything but `200` came, or nothing at all.
    pub(crate) fn assert_flawless(&self) {
        let flawless = self.total() > 0 && self.count("200") == self.total();
        assert!(flawless, "{self}\n{}", self.strange.join("\n"));
    }

    fn note(&mut self, took: Duration, outcome: String, strange: Option<String>) {
        *self.outcomes.entry(outcome).or_default() += 1;
        self.slowest = self.slowest.max(took);
        self.strange
            .extend(strange.filter(|_| self.strange.len() < MOST_STRANGE));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, count) in &self.outcomes {
            write!(f, "{outcome}: {count}, ")?;
        }
        write!(f, "slowest {:.3} s", self.slowest.as_secs_f64())
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Counts an answer; whether the connection may go on.
    fn note(&self, ask: &Ask, begun: Instant, answer: &Result<Response, String>) -> bool {
        let took = begun.elapsed();
        let (outcome, strange) = match answer {
            Err(broken) => (broken.clone(), Some(broken.clone())),
            Ok(answer) => match (self.judge)(answer) {
                Ok(()) => (answer.status.to_string(), None),
                Err(why) => ("wrong".to_owned(), Some(why)),
            },
        };
        let strange = strange.map(|it| format!("{} after {took:?}: {it}", ask.path));
        self.tally.lock().expect(LOCK).note(took, outcome, strange);
        match answer {
            Ok(answer) => !answer.headers.lists("connection", "close"),
            Err(_) => false,
        }
    }
}

fn http1(shared: &Shared) {
    let mut client = None;
    for turn in 0.. {
        if shared.stopped() {
            return;
        }
        let ask = (shared.asks)(turn);
        let begun = Instant::now();
        let answer = ask_http1(&mut client, shared.to, &ask);
        if !shared.note(&ask, begun, &answer) {
            client = None;
        }
        sleep(shared.pause);
    }
}

fn ask_http1(client: &mut Option<Client>, to: SocketAddr, ask: &Ask) -> Result<Response, String> {
    let client = match client {
        Some(client) => client,
        None => client.insert(Client::connect(to).map_err(|error| broken("connect", &error))?),
    };
    let request = Request::new(ask.method, &ask.path).bearer(&ask.token);
    client.send(&request).map_err(|error| broken("ask", &error))
}

fn broken(step: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("{step}: hangs"),
        kind => format!("{step}: {kind}"),
    }
}

fn http2(shared: &Shared) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut client = None;
        for turn in 0.. {
            if shared.stopped() {
                return;
            }
            let ask = (shared.asks)(turn);
            let begun = Instant::now();
            let answered = tokio::time::timeout(PATIENCE, ask_http2(&mut client, shared.to, &ask));
            let answer = answered.await.unwrap_or_else(|_| Err("h2: hangs".into()));
            if !shared.note(&ask, begun, &answer) {
                client = None;
            }
            tokio::time::sleep(shared.pause).await;
        }
    });
}

type Http2 = SendRequest<Empty<Bytes>>;

async fn ask_http2(
    client: &mut Option<Http2>,
    to: SocketAddr,
    ask: &Ask,
) -> Result<Response, String> {
    let client = match client {
        Some(client) => client,
        None => client.insert(connect_http2(to).await?),
    };
    let failed = |error: hyper::Error| format!("h2 ask: {error}");
    let request = http::Request::builder()
        .method(ask.method)
        .uri(format!("http://localhost{}", ask.path))
        .header("authorization", format!("Bearer {}", ask.token))
        .body(Empty::new())
        .expect("a request");
    client.ready().await.map_err(failed)?;
    let (head, body) = client
        .send_request(request)
        .await
        .map_err(failed)?
        .into_parts();
    let body = body.collect().await.map_err(failed)?.to_bytes().into();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
    Ok(Response {
        status: head.status.as_u16(),
        headers: Headers(headers.collect()),
        body,
        trailers: Headers::default(),
    })
}

/// Over cleartext, by prior knowledge (RFC 9113 section 3.3).
async fn connect_http2(to: SocketAddr) -> Result<Http2, String> {
    let stream = TcpStream::connect(to)
        .await
        .map_err(|error| broken("h2 connect", &error))?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| format!("h2 connect: {error}"))?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Longer than any bound that the gateway is given here.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_STRANGE: usize = 20;
const LOCK: &str = "no thread panics while it holds the lock";
