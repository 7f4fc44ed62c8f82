//! A shop behind a gateway under some policies, and people with tokens.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Request, Response};
use countersign_testkit::gateway::{Ended, Gateway, Setup};
use countersign_testkit::mint::{self, Key};
use countersign_testkit::port;
use countersign_testkit::site::Seen;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://idp.example.com";
pub(crate) const DENIED: (u16, &str) = (403, "RBAC: access denied");

/// A gateway with one route: rule `all`, and rule `reports` for what lies below `/reports`.
pub(crate) struct Shop {
    pub(crate) gateway: Gateway,
    address: SocketAddr,
    upstream: Upstream,
}

impl Shop {
    /// Opens under these policies.
    pub(crate) fn open(policies: &[Value]) -> Shop {
        let (upstream, port) = (Upstream::start("shop"), port::free());
        let gateway = setup(policies, port, &upstream)
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        Shop {
            gateway,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            upstream,
        }
    }

    /// How a start ends that must not succeed.
    pub(crate) fn refused(policies: &[Value]) -> Ended {
        let setup = setup(policies, port::free(), &Upstream::start("shop"));
        setup.start().err().expect("a configuration with errors")
    }

    pub(crate) fn ask(&self, request: &Request) -> Response {
        request
            .clone()
            .header("host", "shop.test")
            .send(self.address)
    }

    /// Sends a request as it is.
    pub(crate) fn raw(&self, request: &Request) -> Response {
        request.send(self.address)
    }

    /// Status and body of each request.
    pub(crate) fn all(&self, table: &[(Request, (u16, &str))]) {
        for (request, wanted) in table {
            let answer = self.ask(request);
            let body = answer.text();
            let told = (answer.status, if answer.status == 200 { "" } else { &body });
            assert_eq!(told, *wanted, "{request:?}");
        }
    }

    /// The last request that reached the upstream.
    pub(crate) fn last(&self) -> Seen {
        self.upstream
            .seen()
            .pop()
            .expect("a request that reached the upstream")
    }

    /// How many requests have reached the upstream.
    pub(crate) fn reached(&self) -> usize {
        self.upstream.seen().len()
    }
}

pub(crate) const OK: (u16, &str) = (200, "");

/// A token of the trusted issuer, with these claims besides issuer and expiry.
pub(crate) fn token(claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["iss"] = json!(ISSUER);
    claims["exp"] = json!(4_102_444_800_u64);
    key().token(&claims)
}

pub(crate) fn key() -> Key {
    Key::rsa("idp")
}

pub(crate) fn keys() -> String {
    mint::jwks(&[&key()])
}

pub(crate) fn bearer(target: &str, claims: &Value) -> Request {
    Request::get(target).bearer(&token(claims))
}

/// Targets of policies.
pub(crate) fn whole_gateway() -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"})
}

pub(crate) fn reports() -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop", "sectionName": "reports"})
}

/// An object of any kind in the gateway's namespace.
pub(crate) fn object(version: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

fn setup(policies: &[Value], port: u16, upstream: &Upstream) -> Setup {
    let texts: Vec<String> = policies.iter().map(Value::to_string).collect();
    Setup::new(env!("CARGO_BIN_EXE_countersign"))
        .file("shop.json", &shop(port, upstream.address()))
        .file("policies.yaml", &(texts.join("\n---\n") + "\n"))
}

/// Gateway, route and backend. One proxy of ours stands in front.
fn shop(port: u16, upstream: SocketAddr) -> String {
    let kgateway = "gateway.kgateway.dev/v1alpha1";
    let api = "gateway.networking.k8s.io/v1";
    let backend = json!([{"group": "gateway.kgateway.dev", "kind": "Backend", "name": "shop"}]);
    let parameters = json!({"group": "countersign.dev", "kind": "GatewayParameters", "name": "gw"});
    let items = json!([
        object(
            api,
            "Gateway",
            "gw",
            json!({
                "gatewayClassName": "countersign",
                "infrastructure": {"parametersRef": parameters},
                "addresses": [{"type": "IPAddress", "value": "127.0.0.1"}],
                "listeners": [{"name": "http", "protocol": "HTTP", "port": port}],
            })
        ),
        object(
            "countersign.dev/v1alpha1",
            "GatewayParameters",
            "gw",
            json!({
                "forwarded": {"trustedProxies": 1, "trustedAddresses": ["127.0.0.1"]},
            })
        ),
        object(
            api,
            "HTTPRoute",
            "shop",
            json!({
                "parentRefs": [{"name": "gw"}],
                "rules": [
                    {"name": "all", "backendRefs": backend, "matches": [{"path": {"value": "/"}}]},
                    {"name": "reports", "backendRefs": backend, "matches": [{"path": {"value": "/reports"}}]},
                ],
            })
        ),
        object(
            kgateway,
            "Backend",
            "shop",
            json!({
                "static": {"hosts": [{"host": upstream.ip().to_string(), "port": upstream.port()}]},
            })
        ),
    ]);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
