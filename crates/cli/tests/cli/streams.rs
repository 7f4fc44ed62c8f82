//! Listeners that pass connections on unread, in `countersign explain` and `countersign test`.

use serde_json::{Value, json};

use crate::binary::{Ended, Folder, golden};

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: tcp, protocol: TCP, port: 5432}
  - {name: tls, protocol: TLS, port: 8443, tls: {mode: Passthrough}}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: database, namespace: shop}
spec:
  parentRefs: [{name: edge, sectionName: tcp}]
  rules: [{backendRefs: [{name: database, port: 5432}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: shop, namespace: shop}
spec:
  parentRefs: [{name: edge, sectionName: tls}]
  hostnames: [shop.test]
  rules: [{backendRefs: [{name: shop, port: 443}]}]
---
apiVersion: v1
kind: Service
metadata: {name: database, namespace: shop}
spec: {ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {ports: [{port: 443}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: inside, namespace: shop}
spec:
  action: DENY
  rules:
  - from: [{source: {notIpBlocks: [10.0.0.0/8]}}]
    to: [{operation: {ports: ['5432']}}]
";

fn folder() -> Folder {
    Folder::new().file("shop/gateway.yaml", GATEWAY)
}

fn explain(args: &[&str]) -> Ended {
    let args: Vec<&str> = ["explain", "shop"].iter().chain(args).copied().collect();
    folder().run(&args)
}

#[test]
fn a_connection_goes_to_a_backend_or_is_closed() {
    let ended = explain(&["--port", "5432", "--peer-ip", "10.1.2.3"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    golden("explain/stream.txt", &ended.stdout);
    let ended = explain(&["--port", "5432", "--peer-ip", "192.0.2.7"]);
    assert_eq!(ended.code, Some(4), "{}{}", ended.stdout, ended.stderr);
    golden("explain/stream-closed.txt", &ended.stdout);
    let ended = explain(&["--port", "8443", "--sni", "shop.test", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        document["connection"]["backends"][0]["name"],
        json!("shop/shop:443"),
        "{document}"
    );
    let ended = explain(&["--port", "8443", "--sni", "other.test"]);
    assert!(
        ended
            .stdout
            .starts_with("closed, because no route of listener shop/edge/tls"),
        "{}",
        ended.stdout
    );
    let ended = explain(&["--port", "5432", "--claims", "{}"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("passes connections on unread"),
        "{}",
        ended.stderr
    );
}

#[test]
fn cases_of_connections() {
    let cases = json!({
        "policies": ["shop"],
        "cases": [
            {"name": "inside", "request": {"port": 5432, "peer": "10.1.2.3"},
             "expect": {"reason": "ok", "backend": "shop/database", "route": "shop/database"}},
            {"name": "outside", "request": {"port": 5432, "peer": "192.0.2.7"},
             "expect": {"reason": "policy_denied", "rule": "AuthorizationPolicy shop/inside rules[0]"}},
            {"name": "by name", "request": {"port": 8443, "tls": {"sni": "shop.test"}},
             "expect": {"reason": "ok", "backend": "shop/shop"}},
        ],
    });
    let with = |cases: &Value| folder().file("a.test.json", &cases.to_string());
    let ended = with(&cases).run(&["test", "a.test.json"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let wrong = json!({
        "policies": ["shop"],
        "cases": [{"name": "status", "request": {"port": 5432}, "expect": {"status": 200}}],
    });
    let ended = with(&wrong).run(&["test", "a.test.json"]);
    assert_eq!(ended.code, Some(5));
    assert!(
        ended
            .stdout
            .contains("a connection that is passed on unread has no status"),
        "{}",
        ended.stdout
    );
}
