//! Copies for mirrors.

use std::time::Duration;

use countersign_core::backend::AppProtocol;
use countersign_core::filter::{HeaderEdits, Mirror, PathEdit, Rewrite};
use countersign_testkit::client::Request;
use countersign_testkit::mint::Key;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use http::HeaderValue;

use super::scene::{Scene, claims};

struct Pair {
    upstream: Upstream,
    mirror: Upstream,
}

impl Pair {
    fn start() -> Pair {
        Pair {
            upstream: Upstream::start("a"),
            mirror: Upstream::start("mirror"),
        }
    }

    fn scene(&self) -> Scene {
        let mut scene = Scene::to(self.upstream.address());
        let mirror = scene.backend(&[self.mirror.address()], AppProtocol::Http, None);
        scene.filters().mirrors = Box::new([Mirror {
            backend: Some(mirror),
            numerator: 1,
            denominator: 1,
        }]);
        scene
    }
}

/// Even where the backend itself is given the token.
#[test]
fn a_mirror_gets_the_request_without_anything_that_says_who_asks() {
    let pair = Pair::start();
    let key = Key::rsa("k");
    let mut scene = pair.scene();
    scene.issuer("i", &key, "x-token");
    scene.token().forward = true;
    let (filters, backends) = (
        scene.rules[0].filters.clone(),
        scene.rules[0].backends.clone(),
    );
    let route = scene.route("/api", true);
    (route.filters, route.backends) = (filters, backends);
    let gateway = scene.strict().start();
    let token = key.token(&claims("i", "alice"));
    let response = Request::get("/api?a=1")
        .header("x-token", &token)
        .header("cookie", "session=1")
        .header("proxy-authorization", "Basic eA==")
        .header("x-custom", "1")
        .send(gateway.address);
    assert_eq!(response.status, 200);
    let real = &pair.upstream.wait(1)[0];
    assert_eq!(real.headers.first("x-token"), Some(&*token));
    assert_eq!(real.headers.first("x-user"), Some("alice"));
    let copy = &pair.mirror.wait(1)[0];
    assert_eq!(copy.target, "/api?a=1");
    assert_eq!(copy.headers.first("x-custom"), Some("1"));
    assert_eq!(copy.headers.first("host"), real.headers.first("host"));
    for name in [
        "x-token",
        "x-user",
        "cookie",
        "authorization",
        "proxy-authorization",
    ] {
        assert_eq!(copy.headers.first(name), None, "{name}");
    }
    assert!(!String::from_utf8_lossy(&copy.head).contains(token.split_at(20).0));
}

/// What a backend's own filters add, say a key for its API, is for nobody else.
#[test]
fn a_mirror_gets_nothing_that_is_meant_for_the_backend_alone() {
    let pair = Pair::start();
    let mut scene = pair.scene();
    let set = |name: &'static str| HeaderEdits {
        set: Box::new([(name.parse().unwrap(), HeaderValue::from_static("secret"))]),
        ..HeaderEdits::default()
    };
    scene.filters().request_headers = set("x-of-the-rule");
    let mirrors = scene.filters().mirrors.clone();
    let own = &mut scene.rules[0].backends[0].filters;
    own.request_headers = set("x-api-key");
    own.rewrite = Some(Rewrite {
        host: Some("backend.test".into()),
        path: Some(PathEdit::Full("/key/secret".into())),
    });
    // One mirror of the rule and one of the backend.
    own.mirrors = mirrors;
    let gateway = scene.start();
    let post = Request::new("POST", "/a?b").body("x");
    assert_eq!(post.send(gateway.address).status, 200);
    let real = &pair.upstream.wait(1)[0];
    assert_eq!(real.target, "/key/secret?b");
    assert_eq!(real.headers.all("x-api-key"), ["secret"]);
    assert_eq!(real.headers.all("host"), ["backend.test"]);
    for copy in pair.mirror.wait(2) {
        assert_eq!((&*copy.target, &*copy.body), ("/a?b", &b"x"[..]));
        assert_eq!(copy.headers.all("x-api-key"), [""; 0]);
        assert_eq!(copy.headers.all("host"), ["localhost"]);
        assert_eq!(copy.headers.all("x-of-the-rule"), ["secret"]);
        for told in ["x-request-id", "x-forwarded-for", "x-forwarded-proto"] {
            assert_eq!(copy.headers.all(told), real.headers.all(told), "{told}");
            assert_eq!(copy.headers.all(told).len(), 1, "{told}");
        }
    }
}

#[test]
fn small_bodies_are_copied_and_large_requests_are_not_mirrored() {
    let pair = Pair::start();
    let gateway = pair.scene().start();
    for (path, size) in [("/small", 60_000), ("/large", 100_000)] {
        let body = vec![b'x'; size];
        assert_eq!(
            Request::new("POST", path)
                .body(body)
                .send(gateway.address)
                .status,
            200
        );
    }
    assert_eq!(Request::get("/last").send(gateway.address).status, 200);
    let copies = pair.mirror.wait(2);
    let got: Vec<_> = copies
        .iter()
        .map(|it| (it.target.as_str(), it.body.len()))
        .collect();
    assert_eq!(got, [("/small", 60_000), ("/last", 0)]);
}

#[test]
fn a_mirror_in_trouble_is_nobody_s_trouble() {
    let pair = Pair::start();
    pair.mirror.answer("/silent", Reply::silence());
    pair.mirror.answer("/hang-up", Reply::hang_up());
    let gateway = pair.scene().start();
    for path in ["/silent", "/hang-up", "/"] {
        let start = std::time::Instant::now();
        assert_eq!(Request::get(path).send(gateway.address).status, 200);
        assert!(start.elapsed() < Duration::from_secs(1), "{path}");
    }
    drop(pair.mirror);
    assert_eq!(Request::get("/").send(gateway.address).status, 200);
}
