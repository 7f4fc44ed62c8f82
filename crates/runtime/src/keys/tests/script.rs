//! For tests: key sets by script in place of the network.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_config::compiled::{AddressGuard, Compiled, KeyLocation, KeySource};
use countersign_core::backend::Ca;
use countersign_core::provider::Provider;
use countersign_core::{Need, Origin, ProviderId, Snapshot};
use countersign_jose::Expect;
use countersign_testkit::mint::{self, Key, Kind};
use tokio::time::sleep;

use crate::keys::*;
use crate::{Handle, Metrics};

/// A source with the settings that Istio has.
pub(crate) fn source(url: &str) -> RemoteKeys {
    RemoteKeys {
        location: KeyLocation::Jwks(url.into()),
        connect: None,
        ca: Ca::System,
        refresh: minutes(20),
        timeout: seconds(5),
        retries: 0,
        backoff: seconds(1),
        backoff_max: seconds(10),
        after_failure: seconds(60),
        guard: AddressGuard::default(),
    }
}

/// A configuration of providers and nothing else.
pub(crate) fn compiled(providers: &[(&str, KeySource)]) -> Arc<Compiled> {
    let origin = Arc::new(Origin {
        kind: "RequestAuthentication",
        namespace: "ns".into(),
        name: "jwt".into(),
        part: "jwtRules[0]".into(),
        file: "a.yaml".into(),
        line: 1,
    });
    let provider = |name: &&str| Provider {
        origin: origin.clone(),
        name: Arc::from(*name),
        expect: Expect {
            issuer: Some("https://idp.example".into()),
            ..Expect::default()
        },
        remote: true,
        unavailable: "Jwt verification fails",
    };
    let snapshot = Snapshot {
        providers: providers.iter().map(|(name, _)| provider(name)).collect(),
        ..Snapshot::default()
    };
    let keys = providers.iter().map(|(_, source)| source.clone()).collect();
    Arc::new(Compiled {
        snapshot,
        keys,
        ..Compiled::default()
    })
}

/// Answers in place of the network.
pub(crate) struct Script {
    answer: Mutex<Result<Document, Failure>>,
    delay: Duration,
    fetches: AtomicUsize,
}

impl Script {
    pub(crate) fn publishing(kids: &[&str]) -> Arc<Self> {
        let script = Self {
            answer: Mutex::new(failure("none")),
            delay: Duration::from_millis(10),
            fetches: AtomicUsize::new(0),
        };
        script.publish(kids);
        Arc::new(script)
    }

    pub(crate) fn failing(delay: Duration) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(failure("connect")),
            delay,
            fetches: AtomicUsize::new(0),
        })
    }

    pub(crate) fn publish(&self, kids: &[&str]) {
        self.answer(document(&jwks(kids), None));
    }

    pub(crate) fn answer(&self, answer: Result<Document, Failure>) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl Fetch for Script {
    fn fetch(&self, source: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let (answer, delay, limit) = (
            self.answer.lock().unwrap().clone(),
            self.delay,
            source.timeout,
        );
        Box::pin(async move {
            sleep(delay.min(limit)).await;
            answer
        })
    }
}

pub(crate) fn jwks(kids: &[&str]) -> String {
    let keys: Vec<Key> = kids.iter().map(|kid| Key::new(Kind::P256, kid)).collect();
    mint::jwks(&keys.iter().collect::<Vec<_>>())
}

pub(crate) fn document(body: &str, fresh_for: Option<u64>) -> Result<Document, Failure> {
    Ok(Document {
        body: body.into(),
        fresh_for: fresh_for.map(seconds),
    })
}

pub(crate) fn failure(code: &'static str) -> Result<Document, Failure> {
    Err(Failure {
        code,
        message: format!("it failed by {code}"),
    })
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn minutes(minutes: u64) -> Duration {
    seconds(60 * minutes)
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const P0: ProviderId = ProviderId(0);
pub(crate) const FIRST: Need = Need::Keys(P0);

pub(crate) fn fresh(generation: u64) -> Need {
    Need::FreshKeys {
        provider: P0,
        generation,
    }
}

/// One remote provider, run from the script. No jitter.
pub(crate) fn run(script: &Arc<Script>, source: RemoteKeys) -> Handle {
    start(script, &[("p", KeySource::Remote(source))])
}

pub(crate) fn start(script: &Arc<Script>, providers: &[(&str, KeySource)]) -> Handle {
    Handle::start(compiled(providers), script.clone(), || 0.0, Metrics::new())
}

pub(crate) async fn satisfy(handle: &Handle, need: Need) {
    handle.satisfy(&handle.current(), need).await;
}

/// Generation and kids, or the state's name.
pub(crate) fn state(handle: &Handle) -> String {
    match &handle.current().keys[0].state {
        KeyState::Ready { set, generation } => {
            let kids: Vec<_> = set.keys().filter_map(countersign_jose::Key::kid).collect();
            format!("{generation}: {}", kids.join(" "))
        }
        other => format!("{other:?}"),
    }
}
