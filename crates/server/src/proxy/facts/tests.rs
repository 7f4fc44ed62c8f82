use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_config::compiled::{
    AddressGuard, Compiled, KeyLocation, KeySource, RemoteKeys, TokenCache,
};
use countersign_core::backend::Ca;
use countersign_core::origin::Origin;
use countersign_core::provider::Provider;
use countersign_core::{Need, Snapshot};
use countersign_jose::{Audiences, Expect, KeySet, Symmetric};
use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
use countersign_runtime::{Handle, Metrics};
use countersign_testkit::mint::{self, Kind, jwks};

use super::*;

/// What an issuer publishes.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<String>>);

impl Published {
    fn set(&self, kids: &[&str]) {
        let keys: Vec<_> = kids
            .iter()
            .map(|it| mint::Key::new(Kind::P256, it))
            .collect();
        *self.0.lock().unwrap() = jwks(&keys.iter().collect::<Vec<_>>());
    }
}

impl Fetch for Published {
    fn fetch(&self, _: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        let body = self.0.lock().unwrap().clone().into_bytes();
        let fresh_for = None;
        Box::pin(async move { Ok(Document { body, fresh_for }) })
    }
}

fn expect(issuer: &str) -> Expect {
    Expect {
        issuer: Some(issuer.into()),
        ..Expect::default()
    }
}

fn remote(url: &str) -> KeySource {
    KeySource::Remote(RemoteKeys {
        location: KeyLocation::Jwks(url.into()),
        connect: None,
        ca: Ca::System,
        refresh: Duration::from_secs(300),
        timeout: Duration::from_secs(5),
        retries: 0,
        backoff: Duration::from_millis(10),
        backoff_max: Duration::from_millis(10),
        after_failure: Duration::from_millis(100),
        guard: AddressGuard::default(),
    })
}

fn inline(kids: &[&str]) -> KeySource {
    let keys: Vec<_> = kids
        .iter()
        .map(|it| mint::Key::new(Kind::P256, it))
        .collect();
    let set = jwks(&keys.iter().collect::<Vec<_>>());
    KeySource::Inline(Arc::new(
        KeySet::from_jwks(set.as_bytes(), Symmetric::Refuse).unwrap(),
    ))
}

/// A configuration of providers that all have the same name.
fn compiled(providers: Vec<(Expect, KeySource)>) -> Arc<Compiled> {
    let origin = Arc::new(Origin {
        kind: "RequestAuthentication",
        namespace: "a".into(),
        name: "b".into(),
        part: "".into(),
        file: "c".into(),
        line: 1,
    });
    let (expects, keys): (Vec<_>, Vec<_>) = providers.into_iter().unzip();
    let provider = |expect| Provider {
        origin: origin.clone(),
        name: "p".into(),
        expect,
        remote: false,
        unavailable: "",
    };
    Arc::new(Compiled {
        snapshot: Snapshot {
            providers: expects.into_iter().map(provider).collect(),
            ..Snapshot::default()
        },
        keys: keys.into(),
        ..Compiled::default()
    })
}

/// One worker's view of a handle and the cache.
struct World {
    handle: Handle,
    tokens: Arc<Tokens>,
    recent: Recent,
    shard: Arc<Shard>,
    published: Published,
}

impl World {
    /// How often [`World::knows`] asks.
    const TIMES: usize = 4;

    async fn start(providers: Vec<(Expect, KeySource)>) -> World {
        let published = Published::default();
        published.set(&["k"]);
        let fetch = Arc::new(published.clone());
        let handle = Handle::start(compiled(providers), fetch, || 0.5, Metrics::new());
        let running = handle.current();
        for provider in (0..).map(ProviderId).take(running.keys.len()) {
            handle.satisfy(&running, Need::Keys(provider)).await;
        }
        World {
            shard: handle.metrics().shard(0),
            tokens: Tokens::new(TokenCache::default().bytes),
            recent: Recent::new(true),
            handle,
            published,
        }
    }

    /// Generation of a provider's keys.
    fn generation(&self, provider: u32) -> u64 {
        match self.handle.current().facts(ProviderId(provider)) {
            Keys::Ready { generation, .. } => generation,
            other => panic!("{other:?}"),
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&Known<'_>) -> T) -> T {
        let running = self.handle.current();
        use_it(&Known {
            keys: &running.keys,
            tokens: &self.tokens,
            recent: &self.recent,
            shard: &self.shard,
        })
    }

    fn remember(&self, provider: u32, token: &str) {
        let (id, generation) = (ProviderId(provider), self.generation(provider));
        self.with(|it| it.remember(id, generation, TokenDigest::of(token), &claims()));
    }

    /// Whether a token counts as verified by a provider's keys as they are. Asked often enough that the worker answers
    /// for itself in the end.
    fn knows(&self, provider: u32, token: &str) -> bool {
        let (id, generation) = (ProviderId(provider), self.generation(provider));
        let asked = [(); World::TIMES].map(|()| {
            let found = self.with(|it| it.verified(id, generation, &Presented::new(token)));
            assert!(found.as_ref().is_none_or(|it| *it == claims()));
            found.is_some()
        });
        assert!(asked.iter().all(|it| *it == asked[0]), "{asked:?}");
        asked[0]
    }

    fn reload(&self, providers: Vec<(Expect, KeySource)>) {
        self.handle.replace(compiled(providers));
    }
}

fn claims() -> Verified<Claims> {
    Verified::dangerous_unverified(Claims::parse(br#"{"iss":"i","sub":"s"}"#).unwrap())
}

const TOKEN: &str = "a.b.signature";

/// Whichever of keys and expectations differ, and however names are alike.
#[tokio::test]
async fn a_token_verified_for_one_provider_is_nothing_to_another() {
    let shared = inline(&["k"]);
    let providers = vec![
        (expect("i"), shared.clone()),
        (expect("j"), shared.clone()),
        (expect("i"), inline(&["other"])),
        (Expect::default(), shared.clone()),
        (expect("i"), remote("http://idp.test/jwks")),
        (expect("i"), shared),
    ];
    let count = u32::try_from(providers.len()).unwrap();
    let world = World::start(providers).await;
    for one in 0..count {
        let token = format!("{TOKEN}{one}");
        world.remember(one, &token);
        for other in 0..count {
            assert_eq!(world.knows(other, &token), one == other, "{one} {other}");
        }
    }
    let absent = world.with(|it| it.verified(ProviderId(count), 1, &Presented::new(TOKEN)));
    assert_eq!(absent, None);
}

#[tokio::test]
async fn the_whole_token_counts() {
    let world = World::start(vec![(expect("i"), inline(&["k"]))]).await;
    world.remember(0, TOKEN);
    for _ in 0..2 {
        for other in [
            "a.b.signaturf",
            "x.b.signature",
            "a.x.signature",
            "a.b.signature.",
            "a.b.",
            "a.b",
            "signature",
            "",
        ] {
            assert!(!world.knows(0, other), "{other}");
        }
        assert!(world.knows(0, TOKEN));
    }
}

/// Even where the text of the keys is the same: only an edge that sees no
/// change of it at all may go on with what it knew.
#[tokio::test]
async fn inline_keys_read_anew_start_from_nothing() {
    let world = World::start(vec![(expect("i"), inline(&["k", "l"]))]).await;
    world.remember(0, TOKEN);
    world.reload(vec![(expect("i"), inline(&["l"]))]);
    assert!(!world.knows(0, TOKEN), "a key was taken away");
    world.remember(0, TOKEN);
    world.reload(vec![(expect("i"), inline(&["l"]))]);
    assert!(!world.knows(0, TOKEN), "the same keys");
}

#[tokio::test]
async fn new_keys_of_an_issuer_start_from_nothing() {
    let world = World::start(vec![(expect("i"), remote("http://idp.test/jwks"))]).await;
    world.remember(0, TOKEN);
    let mut seen = vec![world.generation(0)];
    // The first set comes again in the end, and is a new one all the same.
    for kids in [&["k", "l"][..], &["l"], &["k"]] {
        assert!(world.knows(0, TOKEN));
        world.published.set(kids);
        let fresh = Need::FreshKeys {
            provider: ProviderId(0),
            generation: world.generation(0),
        };
        world.handle.satisfy(&world.handle.current(), fresh).await;
        let generation = world.generation(0);
        assert!(!seen.contains(&generation), "{seen:?} {generation}");
        seen.push(generation);
        assert!(!world.knows(0, TOKEN), "{kids:?}");
        world.remember(0, TOKEN);
    }
}

#[tokio::test]
async fn a_provider_that_expects_something_else_starts_from_nothing() {
    let keys = remote("http://idp.test/jwks");
    let world = World::start(vec![(expect("i"), keys.clone())]).await;
    let audience = Expect {
        audiences: Audiences::exact(["api"]),
        ..expect("i")
    };
    let skew = Expect {
        skew: 60,
        ..expect("i")
    };
    let changes = [expect("j"), audience, skew, Expect::default(), expect("i")];
    for expect in changes {
        world.remember(0, TOKEN);
        world.reload(vec![(expect.clone(), keys.clone())]);
        assert!(!world.knows(0, TOKEN), "{expect:?}");
    }
    // Keys from elsewhere, and then from there again after a while without.
    for source in [remote("http://idp.test/other"), keys.clone()] {
        world.remember(0, TOKEN);
        world.reload(vec![(expect("i"), source)]);
        world
            .handle
            .satisfy(&world.handle.current(), Need::Keys(ProviderId(0)))
            .await;
        assert!(!world.knows(0, TOKEN));
    }
    world.remember(0, TOKEN);
    world.reload(vec![]);
    world.reload(vec![(expect("i"), keys)]);
    world
        .handle
        .satisfy(&world.handle.current(), Need::Keys(ProviderId(0)))
        .await;
    assert!(!world.knows(0, TOKEN));
}

/// A token stays with its provider, wherever that one stands after a reload.
#[tokio::test]
async fn providers_that_change_places_do_not_change_tokens() {
    let one = (expect("i"), remote("http://idp.test/one"));
    let two = (expect("i"), remote("http://idp.test/two"));
    let new = (expect("n"), remote("http://idp.test/new"));
    let world = World::start(vec![one.clone(), two.clone()]).await;
    world.remember(0, "of.one.x");
    world.remember(1, "of.two.x");
    for order in [
        vec![two.clone(), one.clone()],
        vec![new.clone(), two.clone(), one.clone()],
        vec![one.clone(), new, two.clone()],
    ] {
        let at = |wanted: &KeySource| {
            let same = |it: &(Expect, KeySource)| match (&it.1, wanted) {
                (KeySource::Remote(a), KeySource::Remote(b)) => a == b,
                _ => false,
            };
            u32::try_from(order.iter().position(same).unwrap()).unwrap()
        };
        let (first, second) = (at(&one.1), at(&two.1));
        world.reload(order.clone());
        for provider in (0..).map(ProviderId).take(order.len()) {
            world
                .handle
                .satisfy(&world.handle.current(), Need::Keys(provider))
                .await;
        }
        assert!(world.knows(first, "of.one.x") && !world.knows(first, "of.two.x"));
        assert!(world.knows(second, "of.two.x") && !world.knows(second, "of.one.x"));
    }
}

/// They would only stand in the way of others.
#[tokio::test]
async fn tokens_of_keys_that_are_gone_are_let_go() {
    let kept = remote("http://idp.test/jwks");
    let providers = vec![(expect("i"), kept.clone()), (expect("j"), inline(&["k"]))];
    let world = World::start(providers).await;
    let following = tokio::spawn(world.tokens.clone().follow(world.handle.clone()));
    world.remember(0, TOKEN);
    let one = world.tokens.bytes();
    world.remember(1, TOKEN);
    assert!(world.tokens.bytes() > one);
    world.reload(vec![(expect("i"), kept)]);
    for _ in 0..100 {
        if world.tokens.bytes() == one {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.tokens.bytes(), one);
    assert!(world.knows(0, TOKEN));
    following.abort();
}

#[tokio::test]
async fn it_is_counted_what_the_cache_was_good_for() {
    let world = World::start(vec![(expect("i"), inline(&["k"]))]).await;
    assert!(!world.knows(0, TOKEN));
    world.remember(0, TOKEN);
    assert!(world.knows(0, TOKEN) && world.knows(0, TOKEN));
    let metrics = world.handle.metrics().render();
    let hits = 2 * World::TIMES;
    assert!(metrics.contains(&format!("\ncountersign_token_cache_hits_total {hits}\n")));
    assert!(metrics.contains("\ncountersign_token_cache_misses_total 1\n"));
}
