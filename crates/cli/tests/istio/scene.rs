//! One gateway with the policies of a group, an upstream behind it and key sets beside it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_testkit::agreement::{Level, compare};
use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::corpus::{self, Istio};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::port;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;

/// What a group of cases runs against.
pub(crate) struct Scene {
    gateway: Gateway,
    address: SocketAddr,
    upstream: Upstream,
    keys: Upstream,
}

impl Scene {
    pub(crate) fn start(case: &Istio) -> Self {
        let upstream = Upstream::start("upstream");
        let keys = key_server();
        let port = port::free();
        let namespace = case.workload["namespace"].as_str().expect("a namespace");
        let policies = with_ports(&case.policy_yaml, port, &keys);
        let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file(
                "gateway.yaml",
                &gateway_yaml(namespace, case, port, upstream.address().port()),
            )
            .file("mesh.yaml", &mesh_yaml(case))
            .file("policies.yaml", &policies)
            .start();
        let gateway = gateway.unwrap_or_else(|ended| panic!("{}: {}", case.group, ended.stderr));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            gateway,
            address,
            upstream,
            keys,
        }
    }

    /// Why a case disagrees; `None` when it does not.
    pub(crate) fn ask(&self, case: &Istio, level: Level) -> Option<String> {
        let before = self.upstream.seen().len();
        let answer = match self.send(case) {
            Ok(answer) => answer,
            Err(error) => return Some(format!("no answer: {error}")),
        };
        let reached = self.upstream.seen().len() > before;
        let expect = &case.expect;
        let why = compare(expect, &answer, reached, level, self.address.port());
        why.map(|why| {
            format!(
                "{why}\n  {}",
                self.gateway.stderr().lines().last().unwrap_or("")
            )
        })
    }

    fn send(&self, case: &Istio) -> io::Result<Response> {
        let fill = |text: &str| with_ports(text, self.address.port(), &self.keys);
        let mut request = Request::new(&case.request.method, &fill(&case.request.path));
        request = request.header("Host", &fill(&case.request.host));
        for (name, value) in &case.request.headers {
            request = request.header(name, &fill(value));
        }
        if let Some(body) = &case.request.body {
            request = request.body(body.as_bytes());
        }
        Client::connect(self.address)?.send(&request)
    }
}

fn with_ports(text: &str, port: u16, keys: &Upstream) -> String {
    text.replace("__PORT__", &port.to_string())
        .replace("__JWKS_PORT__", &keys.address().port().to_string())
}

/// The endpoints, good and bad, that `jwksUri` values of the cases point at.
fn key_server() -> Upstream {
    let path = corpus::shared("conformance/istio/jwks-main.json").expect("beside the cases");
    let good = std::fs::read_to_string(path).expect("a readable key set");
    let server = Upstream::start("keys");
    let status = |code| Reply::new(code).body(good.clone());
    server.answer("/ok", Reply::json(good.clone()));
    server.answer("/500", status(500));
    server.answer("/404", Reply::new(404).body("nope"));
    server.answer("/garbage", Reply::new(200).body("<html>"));
    server.answer("/nokeys", Reply::json("{}"));
    server.answer("/emptykeys", Reply::json(r#"{"keys":[]}"#));
    server.answer(
        "/slow",
        Reply::json(good.clone()).after(Duration::from_secs(3)),
    );
    server.answer("/nocontent", Reply::new(204));
    server.answer("/keys-not-array", Reply::json(r#"{"keys":{}}"#));
    server
}

fn gateway_yaml(namespace: &str, case: &Istio, port: u16, upstream: u16) -> String {
    let labels = case.workload["labels"].as_object().expect("labels");
    let labels: String = labels
        .iter()
        .map(|(key, value)| format!("\n      {key}: {value}"))
        .collect();
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: {namespace}}}
spec:
  gatewayClassName: istio
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  infrastructure:
    labels:{labels}
  listeners: [{{name: http, protocol: HTTP, port: {port}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all, namespace: {namespace}}}
spec:
  parentRefs: [{{name: gw}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: upstream}}]}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: upstream, namespace: {namespace}}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {upstream}}}]}}}}
"
    )
}

fn mesh_yaml(case: &Istio) -> String {
    let mut mesh = String::new();
    if let Some(mode) = case
        .mesh
        .get("pathNormalization")
        .and_then(|it| it.as_str())
    {
        mesh += &format!("\n    pathNormalization: {{normalization: {mode}}}");
    }
    if mesh.is_empty() {
        return "# Istio's defaults\n".to_owned();
    }
    format!(
        "apiVersion: v1
kind: ConfigMap
metadata: {{name: istio, namespace: istio-system}}
data:
  mesh: |-{mesh}
"
    )
}
