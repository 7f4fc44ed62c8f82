//! A gateway that tells its upstreams who calls, and what it takes to ask it.

use std::net::{Ipv4Addr, SocketAddr};

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::mint::{self, Key};
use countersign_testkit::port;
use countersign_testkit::site::Seen;
use countersign_testkit::upstream::Upstream;
use countersign_testkit::wire::Headers;
use serde_json::{Value, json};

/// The header that says who calls.
pub(crate) const WHO: &str = "x-user-id";
/// The header that says what they are.
pub(crate) const ROLE: &str = "x-user-role";
/// Every way to write a name that some upstream takes for `x-user-id`.
pub(crate) const SPELLINGS: &[&str] = &[
    "x-user-id",
    "X-User-Id",
    "X-USER-ID",
    "x_user_id",
    "X_User_Id",
    "x-user_id",
    "x_user-ID",
];

pub(crate) const ISSUER: &str = "https://idp.example.com";

/// A running gateway with two upstreams.
pub(crate) struct World {
    /// Only held: it stops when dropped.
    _gateway: Gateway,
    pub(crate) address: SocketAddr,
    /// Where requests go.
    pub(crate) plain: Upstream,
    /// Where requests go whose `x-user-role` is `admin`.
    pub(crate) admin: Upstream,
}

impl World {
    /// Starts a gateway under these policies.
    pub(crate) fn start(policies: &str) -> Self {
        let (plain, admin) = (Upstream::start("plain"), Upstream::start("admin"));
        let port = port::free();
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("gateway.yaml", &gateway_yaml(port))
            .file("routes.yaml", &routes_yaml(&plain, &admin))
            .file("policies.yaml", policies)
            .start()
            .unwrap_or_else(|ended| panic!("{}", ended.stderr));
        Self {
            _gateway: gateway,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            plain,
            admin,
        }
    }

    /// Sends a request that must come through, and returns what the upstream saw.
    pub(crate) fn seen(&self, request: &Request) -> Seen {
        let before = self.plain.seen().len();
        let response = request.send(self.address);
        assert_eq!(response.status, 200, "{}\n{request:?}", response.text());
        let seen = self.plain.wait(before + 1);
        seen.last().expect("one more").clone()
    }

    /// Sends a request that must not come through.
    pub(crate) fn refused(&self, request: &Request) -> Response {
        let before = self.plain.seen().len() + self.admin.seen().len();
        let response = request.send(self.address);
        let after = self.plain.seen().len() + self.admin.seen().len();
        assert_ne!(response.status, 200, "{request:?}");
        assert_eq!(before, after, "an upstream was reached: {request:?}");
        response
    }

    /// Sends these bytes, and returns what the upstream saw.
    pub(crate) fn seen_raw(&self, bytes: &str) -> Seen {
        let before = self.plain.seen().len();
        let mut client = Client::connect(self.address).expect("a listener");
        client.write(bytes.as_bytes()).expect("a connection");
        let response = client.read().expect("an answer");
        assert_eq!(response.status, 200, "{}\n{bytes}", response.text());
        let seen = self.plain.wait(before + 1);
        seen.last().expect("one more").clone()
    }
}

/// The values under every name that some upstream takes for this one.
pub(crate) fn told<'s>(headers: &'s Headers, name: &str) -> Vec<&'s str> {
    let same = |other: &str| other.replace('_', "-").eq_ignore_ascii_case(name);
    let pairs = headers.0.iter().filter(|(other, _)| same(other));
    pairs.map(|(_, value)| value.as_str()).collect()
}

/// A token of the issuer that the policies trust.
pub(crate) fn token(subject: &str) -> String {
    token_of(&json!({"sub": subject}))
}

/// A token with these claims besides issuer and expiry.
pub(crate) fn token_of(claims: &Value) -> String {
    signed(&key(), ISSUER, claims)
}

/// A token of whatever issuer.
pub(crate) fn signed(key: &Key, issuer: &str, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["iss"] = json!(issuer);
    claims["exp"] = json!(4_102_444_800_u64);
    key.token(&claims)
}

fn key() -> Key {
    Key::rsa("idp")
}

/// kgateway's way to ask for tokens on the whole Gateway, with two claims told to upstreams.
pub(crate) fn kgateway(mode: &str) -> String {
    let provider = json!({
        "name": "idp", "issuer": ISSUER,
        "claimsToHeaders": [{"name": "sub", "header": WHO}, {"name": "role", "header": ROLE}],
        "jwks": {"local": {"inline": mint::jwks(&[&key()])}},
    });
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"});
    yaml(&[
        extension("idp", mode, &provider),
        traffic("whole-gateway", "idp", &target),
    ])
}

/// A jwt GatewayExtension with one provider.
pub(crate) fn extension(name: &str, mode: &str, provider: &Value) -> Value {
    json!({
        "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "GatewayExtension",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"jwt": {"validationMode": mode, "providers": [provider]}},
    })
}

/// A TrafficPolicy that puts an extension on a target.
pub(crate) fn traffic(name: &str, extension: &str, target: &Value) -> Value {
    json!({
        "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "TrafficPolicy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"targetRefs": [target], "jwtAuth": {"extensionRef": {"name": extension}}},
    })
}

/// Istio's way, with any number of rules.
pub(crate) fn istio(rules: &[Value]) -> String {
    yaml(&[json!({
        "apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
        "metadata": {"name": "idp", "namespace": "default"},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}],
            "jwtRules": rules,
        },
    })])
}

/// An Istio rule that trusts the usual key.
pub(crate) fn rule() -> Value {
    rule_of(&key(), ISSUER)
}

/// An Istio rule that trusts this key.
pub(crate) fn rule_of(key: &Key, issuer: &str) -> Value {
    json!({
        "issuer": issuer, "jwks": mint::jwks(&[key]),
        "outputClaimToHeaders": [{"header": WHO, "claim": "sub"}],
    })
}

/// Objects as one file.
pub(crate) fn yaml(objects: &[Value]) -> String {
    let texts: Vec<String> = objects.iter().map(Value::to_string).collect();
    texts.join("\n---\n") + "\n"
}

/// A Gateway with one HTTP listener.
pub(crate) fn gateway_yaml(port: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: default}}
spec:
  gatewayClassName: countersign
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
"
    )
}

fn routes_yaml(plain: &Upstream, admin: &Upstream) -> String {
    let rules = json!([
        {
            "name": "admin",
            "matches": [{"headers": [{"name": ROLE, "value": "admin"}]}],
            "backendRefs": [backend_ref("admin")],
        },
        {"backendRefs": [backend_ref("plain")]},
    ]);
    yaml(&[
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "all", "namespace": "default"},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": rules},
        }),
        backend("plain", plain),
        backend("admin", admin),
    ])
}

/// A reference to a [`backend`].
pub(crate) fn backend_ref(name: &str) -> Value {
    json!({"group": "gateway.kgateway.dev", "kind": "Backend", "name": name})
}

/// A Backend that stands for an upstream.
pub(crate) fn backend(name: &str, upstream: &Upstream) -> Value {
    let address = upstream.address();
    json!({
        "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "Backend",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"static": {"hosts": [{"host": address.ip().to_string(), "port": address.port()}]}},
    })
}
