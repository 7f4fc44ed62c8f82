//! A group of recorded cases: one configuration, many requests.

use std::collections::BTreeMap;

use countersign_testkit::agreement::Level;
use countersign_testkit::corpus::{self, Istio};
use serde_json::{Value, json};

use crate::certificates::Certificates;

/// Cases that have their policies, mesh and workload in common.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) cases: Vec<Istio>,
}

/// Where a group runs.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    /// Of the Gateway.
    pub(crate) gateway: u16,
    /// Of the upstream.
    pub(crate) upstream: u16,
    /// Of the server of key sets.
    pub(crate) keys: u16,
}

impl Ports {
    /// The ports in a text of the suite.
    pub(crate) fn fill(self, text: &str) -> String {
        text.replace("__PORT__", &self.gateway.to_string())
            .replace("__JWKS_PORT__", &self.keys.to_string())
    }
}

/// All groups whose cases need no external authorizer; none where the suite is missing.
pub(crate) fn all() -> Vec<Group> {
    let mut groups: BTreeMap<String, Vec<Istio>> = BTreeMap::new();
    for suite in ["istio/cases.jsonl", "istio/istio-expectations.jsonl"] {
        for case in corpus::cases::<Istio>(suite) {
            if !needs(&case, "ext_authz") {
                groups.entry(case.group.clone()).or_default().push(case);
            }
        }
    }
    let groups = groups.into_iter();
    groups.map(|(name, cases)| Group { name, cases }).collect()
}

/// Whether a case says nothing without this capability.
pub(crate) fn needs(case: &Istio, what: &str) -> bool {
    case.needs.iter().any(|it| it == what)
}

/// Envoy's parser refused it, with 400 and before any policy. Here it must be refused; by whom and how does not matter.
pub(crate) fn is_parser(case: &Istio) -> bool {
    needs(case, "http-parser")
}

/// How much of a case's answer is compared: where keys cannot be fetched the texts are our own (decision T10).
pub(crate) fn level(case: &Istio) -> Level {
    match case.mesh.get("remoteJwks") {
        Some(_) => Level::Status,
        None => Level::Full,
    }
}

impl Group {
    /// Istio's admission refuses these policies.
    pub(crate) fn is_invalid(&self) -> bool {
        needs(&self.cases[0], "invalid-at-admission")
    }

    /// Whether its listener has TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.cases.iter().any(|it| it.request.tls.is_some())
    }

    /// The configuration, as named files: a Gateway as the suite's workload, its mesh and its policies.
    pub(crate) fn files(&self, ports: Ports, certificates: &Certificates) -> Vec<(&str, String)> {
        let case = &self.cases[0];
        let mut files = vec![
            ("gateway.yaml", self.gateway(ports)),
            ("mesh.yaml", ports.fill(&mesh(&case.mesh))),
            ("policies.yaml", ports.fill(&case.policy_yaml)),
        ];
        if self.is_tls() {
            files.push(("certificates.yaml", certificates.objects(self.namespace())));
        }
        files
    }

    fn namespace(&self) -> &str {
        let namespace = &self.cases[0].workload["namespace"];
        namespace.as_str().expect("a namespace")
    }

    fn gateway(&self, ports: Ports) -> String {
        let labels = &self.cases[0].workload["labels"];
        let labels = labels.as_object().expect("labels");
        let name = labels.get("gateway.networking.k8s.io/gateway-name");
        let name = name.and_then(Value::as_str).unwrap_or("gw");
        let labels = Value::from(labels.clone());
        let (namespace, port, upstream) = (self.namespace(), ports.gateway, ports.upstream);
        let (listener, frontend) = if self.is_tls() {
            (
                "protocol: HTTPS, tls: {certificateRefs: [{name: server}]}",
                "\n  tls: {frontend: {default: {validation: {mode: AllowInsecureFallback, \
                 caCertificateRefs: [{group: \"\", kind: ConfigMap, name: clients}]}}}}",
            )
        } else {
            ("protocol: HTTP", "")
        };
        format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  gatewayClassName: istio
  addresses: [{{type: IPAddress, value: 0.0.0.0}}]
  infrastructure: {{labels: {labels}}}{frontend}
  listeners: [{{name: only, port: {port}, {listener}}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: all, namespace: {namespace}}}
spec:
  parentRefs: [{{name: {name}}}]
  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: upstream}}]}}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: upstream, namespace: {namespace}}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {upstream}}}]}}}}
"
        )
    }
}

/// MeshConfig as Istio's own ConfigMap has it.
fn mesh(case: &Value) -> String {
    let mut mesh = serde_json::Map::new();
    if let Some(mode) = case.get("pathNormalization") {
        mesh.insert("pathNormalization".into(), json!({ "normalization": mode }));
    }
    if let Some(hops) = case.get("numTrustedProxies") {
        let topology = json!({"gatewayTopology": {"numTrustedProxies": hops}});
        mesh.insert("defaultConfig".into(), topology);
    }
    if let Some(namespace) = case.get("rootNamespace") {
        mesh.insert("rootNamespace".into(), namespace.clone());
    }
    let domains = case.get("trustDomains").and_then(Value::as_array);
    if let Some((own, aliases)) = domains.and_then(|it| it.split_first()) {
        mesh.insert("trustDomain".into(), own.clone());
        mesh.insert("trustDomainAliases".into(), aliases.into());
    }
    let providers = case.get("extensionProviders").and_then(Value::as_object);
    if let Some(providers) = providers {
        let providers = providers.keys().map(|name| json!({ "name": name }));
        mesh.insert("extensionProviders".into(), providers.collect());
    }
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": Value::Object(mesh).to_string()},
    });
    map.to_string()
}
