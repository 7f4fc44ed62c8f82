//! One gateway with a provider for each set of keys, and an upstream behind it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request};
use countersign_testkit::corpus::Jwt;
use countersign_testkit::gateway::{Ended, Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

/// What a case configures.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Provider {
    /// The text of the key set.
    keys: String,
    issuer: Option<String>,
    audiences: Option<Vec<String>>,
}

impl Provider {
    pub(crate) fn of(case: &Jwt) -> Self {
        let text = case.jwks.as_ref().map(Value::to_string);
        Self {
            keys: text.or_else(|| case.jwks_raw.clone()).expect("a key set"),
            issuer: case.iss.clone(),
            audiences: case.aud.clone(),
        }
    }
}

/// The running gateway.
pub(crate) struct World {
    gateway: Gateway,
    address: SocketAddr,
    upstream: Upstream,
    /// Providers that cannot be loaded, and why.
    pub(crate) refused: BTreeMap<usize, String>,
}

/// What came of a token.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) reached: bool,
    pub(crate) took: Duration,
}

impl World {
    pub(crate) fn start(providers: &[Provider]) -> Self {
        let upstream = Upstream::start("upstream");
        let port = port::free();
        let all: Vec<usize> = (0..providers.len()).collect();
        let start = |some: &[usize]| gateway(providers, some, port, upstream.address().port());
        let mut refused = BTreeMap::new();
        let gateway = start(&all).unwrap_or_else(|_| {
            find_refused(&all, &start, &mut refused);
            let rest: Vec<usize> = all
                .into_iter()
                .filter(|it| !refused.contains_key(it))
                .collect();
            start(&rest).unwrap_or_else(|ended| panic!("{}", ended.stderr))
        });
        Self {
            gateway,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            upstream,
            refused,
        }
    }

    /// Sends a token to the route of a provider.
    pub(crate) fn ask(&self, token: &str, provider: usize) -> io::Result<Answer> {
        let before = self.upstream.seen().len();
        // Requests are written in latin-1: one character for each byte of the token.
        let token: String = token.bytes().map(char::from).collect();
        let request = Request::get(&format!("/{provider}")).bearer(&token);
        let started = Instant::now();
        let response = Client::connect(self.address)?.send(&request)?;
        Ok(Answer {
            status: response.status,
            body: response.text(),
            reached: self.upstream.seen().len() > before,
            took: started.elapsed(),
        })
    }

    /// The last that the gateway said.
    pub(crate) fn said(&self) -> String {
        let said = self.gateway.stderr();
        said.lines().last().unwrap_or_default().to_owned()
    }

    pub(crate) fn assert_alive(&self) {
        assert_eq!(self.gateway.admin("/readyz").status, 200);
        assert!(!self.gateway.stderr().contains("panicked"));
    }
}

/// RFC 9110 section 5.5: every octet but control characters, tab excepted.
pub(crate) fn fits_into_a_header(token: &str) -> bool {
    token
        .bytes()
        .all(|byte| byte == b'\t' || (byte >= b' ' && byte != 0x7f))
}

type Start<'a> = dyn Fn(&[usize]) -> Result<Gateway, Ended> + 'a;

/// Halves a set that does not start until the providers are found that are to blame.
fn find_refused(some: &[usize], start: &Start<'_>, refused: &mut BTreeMap<usize, String>) {
    let Err(ended) = start(some) else {
        return;
    };
    if let [one] = some {
        refused.insert(*one, ended.stderr);
        return;
    }
    let (left, right) = some.split_at(some.len() / 2);
    find_refused(left, start, refused);
    find_refused(right, start, refused);
}

fn gateway(
    providers: &[Provider],
    some: &[usize],
    port: u16,
    upstream: u16,
) -> Result<Gateway, Ended> {
    let chosen = some
        .iter()
        .filter_map(|at| Some((*at, providers.get(*at)?)));
    let objects: Vec<String> = chosen
        .flat_map(|(at, provider)| policy(at, provider))
        .map(|it| it.to_string())
        .collect();
    Setup::new(env!("CARGO_BIN_EXE_countersign"))
        .file("gateway.yaml", &gateway_yaml(port, upstream))
        .file("providers.yaml", &(objects.join("\n---\n") + "\n"))
        .start()
}

/// Route, policy and extension of a provider.
fn policy(at: usize, provider: &Provider) -> [Value; 3] {
    let name = format!("case-{at}");
    let metadata = json!({"name": name, "namespace": "default"});
    // A dollar before a brace would ask for a variable.
    let keys = provider.keys.replace("${", "$${");
    let mut entry = json!({"name": "p", "jwks": {"local": {"inline": keys}}});
    if let Some(issuer) = &provider.issuer {
        entry["issuer"] = json!(issuer);
    }
    if let Some(audiences) = &provider.audiences {
        entry["audiences"] = json!(audiences);
    }
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": name});
    [
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata,
            "spec": {
                "parentRefs": [{"name": "gw"}],
                "rules": [{
                    "matches": [{"path": {"type": "Exact", "value": format!("/{at}")}}],
                    "backendRefs": [{"group": "gateway.kgateway.dev", "kind": "Backend", "name": "upstream"}],
                }],
            },
        }),
        json!({
            "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "GatewayExtension", "metadata": metadata,
            "spec": {"jwt": {"validationMode": "Strict", "providers": [entry]}},
        }),
        json!({
            "apiVersion": "gateway.kgateway.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": metadata,
            "spec": {"targetRefs": [target], "jwtAuth": {"extensionRef": {"name": name}}},
        }),
    ]
}

/// Headers may be a megabyte: the longest tokens must be judged, not turned away at the door.
fn gateway_yaml(port: u16, upstream: u16) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: default}}
spec:
  gatewayClassName: countersign
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  infrastructure:
    parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: long}}
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: countersign.dev/v1alpha1
kind: GatewayParameters
metadata: {{name: long, namespace: default}}
spec: {{limits: {{headerBytes: 1048576}}}}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: upstream, namespace: default}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {upstream}}}]}}}}
"
    )
}
