//! Key sets of a real OpenID provider: fetched, rotated while requests run, gone and back.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test"
)]

mod issuer;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;

use issuer::Issuer;

/// A gateway in front of an echo, with these policies on its Gateway `edge`.
struct Scene {
    gateway: Gateway,
    address: SocketAddr,
    _upstream: Upstream,
}

impl Scene {
    fn start(policies: &str) -> Self {
        let upstream = Upstream::start("app");
        let port = port::free();
        let base = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: apps}}
spec:
  gatewayClassName: countersign
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: app, namespace: apps}}
spec:
  parentRefs: [{{name: edge}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: app}}]}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: app, namespace: apps}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {}}}]}}}}
",
            upstream.address().port()
        );
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("gateway.yaml", &base)
            .file("policies.yaml", policies)
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            gateway,
            address,
            _upstream: upstream,
        }
    }

    fn with(&self, token: &str) -> Response {
        Request::get("/").bearer(token).send(self.address)
    }

    /// Asks until the status is this one; fails after twenty seconds.
    fn until(&self, token: &str, status: u16) -> Response {
        let begin = Instant::now();
        loop {
            let answer = self.with(token);
            if answer.status == status {
                return answer;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(20),
                "still {}: {}",
                answer.status,
                answer.text()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn kgateway(issuer: &Issuer) -> String {
    let (url, port) = (issuer.url(), issuer.port());
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: jwt, namespace: apps}}
spec:
  jwt:
    providers:
    - name: idp
      issuer: {url}
      audiences: [my-api]
      claimsToHeaders: [{{name: client_id, header: x-client}}]
      jwks:
        remote:
          url: {url}/jwks
          backendRef: {{name: idp, kind: Backend, group: gateway.kgateway.dev}}
          cacheDuration: 1h
          asyncFetch: {{failedRefetchDuration: 200ms}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: idp, namespace: apps}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: jwt, namespace: apps}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: edge}}]
  jwtAuth: {{extensionRef: {{name: jwt}}}}
"
    )
}

#[test]
fn keys_rotate_while_requests_run() {
    let issuer = Issuer::start();
    let scene = Scene::start(&kgateway(&issuer));
    let old = issuer.token();
    let first = scene.until(&old, 200);
    assert!(
        first.json()["headers"]
            .to_string()
            .contains(r#"["x-client","gw"]"#),
        "{}",
        first.text()
    );

    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    // A user who always has a current token must never notice a rotation.
    let current = std::sync::Mutex::new(old.clone());
    thread::scope(|scope| {
        let runner = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let token = current.lock().expect("not poisoned");
                let answer = scene.with(&token);
                assert_eq!(answer.status, 200, "{}", answer.text());
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..2 {
            // Held, so that the provider's new keys and the new token change hands at once.
            let mut token = current.lock().expect("not poisoned");
            issuer.rotate();
            *token = issuer.token();
            drop(token);
            thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Relaxed);
        runner.join().expect("no request failed");
    });
    assert!(
        asked.load(Ordering::Relaxed) > 20,
        "requests ran throughout"
    );
    let refused = scene.with(&old);
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (401, "Jwks doesn't have key to match kid or alg from Jwt")
    );
}

#[test]
fn a_dead_issuer_stops_neither_start_nor_service() {
    let mut issuer = Issuer::start();
    let token = issuer.token();
    let scene = Scene::start(&kgateway(&issuer));
    scene.until(&token, 200);
    issuer.kill();
    assert_eq!(
        scene.with(&token).status,
        200,
        "the last good keys are kept"
    );
    drop(scene);

    let scene = Scene::start(&kgateway(&issuer));
    let refused = scene.with(&token);
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (401, "Jwks remote fetch is failed")
    );
    let told = scene.gateway.logs(&issuer.url());
    assert!(!told.contains(&token), "never a token: {told}");

    issuer.revive();
    scene.until(&issuer.token(), 200);
}

#[test]
fn istio_finds_the_keys_by_discovery() {
    let issuer = Issuer::start();
    let scene = Scene::start(&format!(
        "apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: jwt, namespace: apps}}
spec:
  jwtRules:
  - issuer: {}
    audiences: [my-api]
    outputClaimToHeaders: [{{header: x-client, claim: client_id}}]
",
        issuer.url()
    ));
    let answer = scene.until(&issuer.token(), 200);
    assert!(
        answer.json()["headers"]
            .to_string()
            .contains(r#"["x-client","gw"]"#),
        "{}",
        answer.text()
    );
}
