//! A gateway that asks for tokens below `/orders`, with a backend, a mirror of it, and a backend that is down.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::{Ended, Gateway, Setup};
use countersign_testkit::mint::{self, Key};
use countersign_testkit::port;
use countersign_testkit::site::Seen;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

/// A caller's trace and the span that calls.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const PARENT: &str = "b7ad6b7169203331";

const ISSUER: &str = "https://idp.example.com";

pub(crate) struct Scene {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) mirror: Upstream,
}

impl Scene {
    /// A gateway with these arguments and variables.
    pub(crate) fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let (upstream, mirror) = (Upstream::start("app"), Upstream::start("mirror"));
        let port = port::free();
        let objects = objects(port, &upstream, &mirror);
        let setup = Setup::new(env!("CARGO_BIN_EXE_countersign"));
        let setup = setup.file(
            "all.yaml",
            &objects.map(|it| it.to_string()).join("\n---\n"),
        );
        let setup = args.iter().fold(setup, |setup, arg| setup.arg(arg));
        let setup = env
            .iter()
            .fold(setup, |setup, (name, value)| setup.env(name, value));
        let gateway = setup.start();
        Self {
            gateway: gateway.unwrap_or_else(|ended| panic!("{}", ended.stderr)),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            upstream,
            mirror,
        }
    }

    pub(crate) fn send(&self, request: &Request) -> Response {
        request.send(self.address)
    }

    /// Sends a request that must come through, and returns what the backend saw.
    pub(crate) fn seen(&self, request: &Request) -> Seen {
        let before = self.upstream.seen().len();
        let answer = self.send(request);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.upstream.wait(before + 1).pop().expect("one more")
    }

    /// Ends the gateway, which sends what spans it has.
    pub(crate) fn end(self) -> Ended {
        self.gateway.signal("TERM");
        let ended = self.gateway.wait();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    }
}

/// A request of somebody who traces.
pub(crate) fn traced(target: &str, flags: &str) -> Request {
    Request::get(target)
        .header("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}"))
        .header("tracestate", "vendor=value")
}

pub(crate) fn token(subject: &str) -> String {
    key().token(&json!({"iss": ISSUER, "sub": subject, "exp": 4_102_444_800_u64}))
}

fn key() -> Key {
    Key::rsa("idp")
}

fn objects(port: u16, upstream: &Upstream, mirror: &Upstream) -> [Value; 8] {
    let gateway = "gateway.networking.k8s.io/v1";
    let kgateway = "gateway.kgateway.dev/v1alpha1";
    let named = |name: &str| json!({"name": name, "namespace": "apps"});
    let backend = |name: &str, port: u16| {
        json!({
            "apiVersion": kgateway, "kind": "Backend", "metadata": named(name),
            "spec": {"static": {"hosts": [{"host": "127.0.0.1", "port": port}]}},
        })
    };
    let to = |name: &str| json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": name});
    let below = |path: &str| json!([{"path": {"type": "PathPrefix", "value": path}}]);
    let mirrored =
        json!([{"type": "RequestMirror", "requestMirror": {"backendRef": to("mirror")}}]);
    let route = |name: &str, rules: Value| {
        json!({
            "apiVersion": gateway, "kind": "HTTPRoute", "metadata": named(name),
            "spec": {"parentRefs": [{"name": "edge"}], "rules": rules},
        })
    };
    [
        json!({
            "apiVersion": gateway, "kind": "Gateway", "metadata": named("edge"),
            "spec": {
                "gatewayClassName": "countersign",
                "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
                "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
            },
        }),
        route(
            "orders",
            json!([{"matches": below("/orders"), "backendRefs": [to("app")]}]),
        ),
        route(
            "rest",
            json!([
                {"matches": below("/down"), "backendRefs": [to("down")]},
                {"matches": below("/mirrored"), "backendRefs": [to("app")], "filters": mirrored},
                {"backendRefs": [to("app")]},
            ]),
        ),
        backend("app", upstream.address().port()),
        backend("mirror", mirror.address().port()),
        backend("down", port::free()),
        json!({
            "apiVersion": kgateway, "kind": "GatewayExtension", "metadata": named("jwt"),
            "spec": {"jwt": {"providers": [{
                "name": "idp", "issuer": ISSUER, "jwks": {"local": {"inline": mint::jwks(&[&key()])}},
            }]}},
        }),
        json!({
            "apiVersion": kgateway, "kind": "TrafficPolicy", "metadata": named("jwt"),
            "spec": {
                "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "orders"}],
                "jwtAuth": {"extensionRef": {"name": "jwt"}},
            },
        }),
    ]
}
