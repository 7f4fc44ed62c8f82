//! An issuer that rotates its keys, dies and comes back, and strangers who make up key names, while requests run.

use std::sync::{Arc, RwLock};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::Gateway;
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use countersign_testkit::site::Reply;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, only};
use crate::scene::{self, FETCH, Keys, local};

const CLIENTS: Clients = Clients {
    http1: 4,
    http2: 1,
    pause: Duration::from_millis(4),
};

#[test]
fn an_issuer_that_rotates_dies_and_comes_back() {
    let [first, second, third] = ["first", "second", "third"].map(key);
    let idp = Idp::start(&[&first]);
    let stage = Stage::start(&idp, &first);
    let load = stage.load();

    // The current token is always one that the issuer publishes the key of.
    idp.publish(&[&first, &second]);
    stage.use_token(&scene::token(idp.issuer(), &second));
    load.until("200", 100);
    let fetches = idp.fetches();
    println!("rotated under load: {fetches} fetches");
    assert!(fetches <= 3, "the first one, and one for the new key");

    let (address, issuer) = (idp.address(), idp.issuer().to_owned());
    drop(idp);
    let begun = Instant::now();
    load.until("200", 500);
    println!("500 requests in {:?} without the issuer", begun.elapsed());
    let newest = scene::token(&issuer, &third);
    assert_eq!(stage.ask(&newest).status, 401, "its key cannot be had now");

    let idp = Idp::bind(address, None, &[&second, &third]).expect("its port is free");
    until("its keys are known", || stage.ask(&newest).status == 200);
    println!("  and {} fetches once it was back", idp.fetches());
    stage.use_token(&newest);
    load.until("200", 100);
    // The other keys go last: nobody has tokens of theirs by now.
    idp.publish(&[&third]);
    load.until("200", 100);
    let tally = load.stop();
    println!("an issuer killed under load: {tally}");
    tally.assert_flawless();
}

#[test]
fn made_up_key_names_cost_the_issuer_a_handful_of_fetches() {
    let key = key("flood");
    let idp = Idp::start(&[&key]);
    let stage = Stage::start(&idp, &key);
    let load = stage.load();
    load.until("200", 20);
    let (before, begun) = (idp.fetches(), Instant::now());
    let slowest = stage.flood(&idp, &key, 4, 1250);
    let fetches = idp.fetches() - before;
    println!(
        "5000 made-up key names in {:?}: {fetches} fetches, slowest refusal {slowest:?}",
        begun.elapsed()
    );
    assert!((1..=allowed(begun)).contains(&fetches), "{fetches}");

    // Now each fetch hangs, and whoever waits for one waits no longer than a fetch may take.
    idp.fail(Reply::silence());
    sleep(AGAIN);
    let hangs = stage.flood(&idp, &key, 16, 2);
    let fetches = idp.fetches() - before;
    println!(
        "  with an issuer that is silent: slowest refusal {hangs:?}, {fetches} fetches in all"
    );
    assert!(hangs < FETCH * 3 + SLACK, "{hangs:?}");

    let tally = load.stop();
    println!("  others meanwhile: {tally}");
    tally.assert_flawless();
    assert!(tally.slowest() < SLACK, "{tally}");
}

/// Fetches that strangers may cause: three at once, then one each ten seconds.
fn allowed(begun: Instant) -> usize {
    3 + usize::try_from(begun.elapsed().as_secs() / AGAIN.as_secs()).expect("seconds")
}

/// A gateway that asks for tokens of one issuer, and the token that its clients have.
struct Stage {
    _gateway: Gateway,
    _backend: Backend,
    port: u16,
    token: Arc<RwLock<Arc<str>>>,
}

impl Stage {
    /// Starts a gateway, and waits until it has the key.
    fn start(idp: &Idp, key: &Key) -> Self {
        let (port, backend) = (port::free(), Backend::start("app"));
        let listener = scene::http("http", port);
        let text = scene::site(&listener, "", backend.port(), &Keys::Of(idp));
        let token = scene::token(idp.issuer(), key);
        let stage = Self {
            _gateway: scene::start(&[("gateway.yaml", &text)]),
            _backend: backend,
            port,
            token: Arc::new(RwLock::new(Arc::clone(&token))),
        };
        until("it has the keys", || stage.ask(&token).status == 200);
        stage
    }

    fn load(&self) -> Load {
        let token = Arc::clone(&self.token);
        let asks = move |_| Ask::get("/", &token.read().expect(LOCK));
        Load::start(local(self.port), CLIENTS, asks, only("app ann"))
    }

    /// What the clients ask with from their next request on.
    fn use_token(&self, token: &Arc<str>) {
        *self.token.write().expect(LOCK) = Arc::clone(token);
    }

    fn ask(&self, token: &str) -> Response {
        Request::get("/").bearer(token).send(local(self.port))
    }

    /// So many strangers ask so often, each time with another key's name; how long the slowest refusal took.
    fn flood(&self, idp: &Idp, key: &Key, strangers: usize, times: usize) -> Duration {
        let one = |stranger: usize| {
            let mut client = Client::connect(local(self.port)).expect("it listens");
            let ask = |turn: usize| {
                let kid = format!("made-up-{times}-{stranger}-{turn}");
                let token = scene::token(idp.issuer(), &key.with_kid(Some(&kid)));
                let begun = Instant::now();
                let answer = client.send(&Request::get("/").bearer(&token));
                let answer = answer.expect("an answer");
                assert_eq!(answer.status, 401, "{}", answer.text());
                begun.elapsed()
            };
            (0..times).map(ask).max().unwrap_or_default()
        };
        let one = &one;
        thread::scope(|scope| {
            let all = (0..strangers).map(|number| scope.spawn(move || one(number)));
            let all: Vec<_> = all.collect();
            let took = all.into_iter().map(thread::ScopedJoinHandle::join);
            took.map(|it| it.expect("all are refused")).max()
        })
        .unwrap_or_default()
    }
}

fn key(name: &str) -> Key {
    Key::new(Kind::P256, name)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// When a stranger may cause a fetch again.
const AGAIN: Duration = Duration::from_secs(10);
/// What a busy machine may add to a bound.
const SLACK: Duration = Duration::from_secs(2);
const LOCK: &str = "no thread panics while it holds the lock";
