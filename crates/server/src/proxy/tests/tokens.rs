//! Tokens on their way through: verified once, kept apart, turned into headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_config::compiled::{AddressGuard, KeyLocation, KeySource, RemoteKeys};
use countersign_core::backend::Ca;
use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
use countersign_testkit::client::Request;
use countersign_testkit::mint::{Key, jwks};
use countersign_testkit::upstream::Upstream;

use super::scene::{Scene, claims};

#[test]
fn a_caller_becomes_a_header_and_the_token_stays_behind() {
    let upstream = Upstream::start("a");
    let key = Key::rsa("k");
    let mut scene = Scene::to(upstream.address());
    scene.issuer("i", &key, "authorization");
    scene.route("/api", true);
    let gateway = scene.strict().start();
    let token = key.token(&claims("i", "alice"));
    // The second and third time by the cache.
    for _ in 0..3 {
        let request = Request::get("/api").bearer(&token).header("x_user", "root");
        assert_eq!(request.send(gateway.address).status, 200);
    }
    let by_query = Request::get(&format!("/api?a=1&access_token={token}&b=2"));
    assert_eq!(by_query.send(gateway.address).status, 200);
    for seen in upstream.seen() {
        assert_eq!(seen.headers.all("x-user"), ["alice"]);
        assert_eq!(seen.headers.all("x_user"), [""; 0]);
        assert_eq!(seen.headers.first("authorization"), None);
        assert!(!seen.target.contains("access_token"), "{}", seen.target);
    }
    assert_eq!(upstream.seen()[3].target, "/api?a=1&b=2");
    let line = gateway.logged("/api");
    assert_eq!(
        (&line["provider"], &line["subject"]),
        (&"i".into(), &"alice".into())
    );
}

/// Both issuers sign with one key, as tenants of one identity provider do; the
/// first request fills the cache for one of them.
#[test]
fn a_token_kept_for_one_provider_opens_nothing_at_another() {
    let upstream = Upstream::start("a");
    let key = Key::rsa("shared");
    let mut scene = Scene::to(upstream.address());
    scene.issuer("one", &key, "x-one");
    scene.issuer("two", &key, "x-two");
    scene.token().sources = Box::new([countersign_core::source::Source::Header {
        name: "x-two".into(),
        prefix: "".into(),
    }]);
    scene.route("/api", true);
    let gateway = scene.strict().start();
    let token = key.token(&claims("one", "alice"));
    for _ in 0..2 {
        assert_eq!(
            Request::get("/api")
                .header("x-one", &token)
                .send(gateway.address)
                .status,
            200
        );
        let misplaced = Request::get("/api")
            .header("x-two", &token)
            .send(gateway.address);
        assert_eq!(misplaced.status, 401);
    }
}

#[test]
fn a_kept_token_expires_all_the_same() {
    let upstream = Upstream::start("a");
    let key = Key::rsa("k");
    let mut scene = Scene::to(upstream.address());
    scene.issuer("i", &key, "authorization");
    scene.route("/api", true);
    let gateway = scene.strict().start();
    let exp = super::scene::unix() + 2;
    let token = key.token(&serde_json::json!({ "iss": "i", "sub": "alice", "exp": exp }));
    let ask = || Request::get("/api").bearer(&token).send(gateway.address);
    assert_eq!(ask().status, 200);
    std::thread::sleep(Duration::from_millis(3100));
    let late = ask();
    assert_eq!((late.status, &*late.text()), (401, "Jwt is expired"));
}

/// Hands out keys after a while, and counts.
struct Slow(String, Arc<AtomicUsize>);

impl Fetch for Slow {
    fn fetch(&self, _source: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let body = self.0.clone().into_bytes();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(Document {
                body,
                fresh_for: None,
            })
        })
    }
}

fn remote() -> KeySource {
    KeySource::Remote(RemoteKeys {
        location: KeyLocation::Jwks("http://idp.test/jwks".into()),
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

#[test]
fn the_first_requests_wait_for_the_keys_and_an_unknown_key_asks_for_them_once_more() {
    let upstream = Upstream::start("a");
    let (key, fetches) = (Key::rsa("k"), Arc::new(AtomicUsize::new(0)));
    let mut scene = Scene::to(upstream.address());
    scene.provider("i", remote(), "authorization");
    scene.route("/api", true);
    let gateway = scene
        .strict()
        .keys(Slow(jwks(&[&key]), fetches.clone()))
        .start();
    let good = key.token(&claims("i", "alice"));
    assert_eq!(
        Request::get("/api")
            .bearer(&good)
            .send(gateway.address)
            .status,
        200
    );
    assert_eq!(fetches.load(Ordering::SeqCst), 1);

    let foreign = Key::rsa("unknown").token(&claims("i", "mallory"));
    assert_eq!(
        Request::get("/api")
            .bearer(&foreign)
            .send(gateway.address)
            .status,
        401
    );
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
    assert_eq!(
        Request::get("/api")
            .bearer(&good)
            .send(gateway.address)
            .status,
        200
    );
}
