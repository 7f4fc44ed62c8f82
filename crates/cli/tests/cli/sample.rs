//! A small configuration: one gateway, one route that asks for a token, one that is open, one inline key.

use countersign_testkit::mint::{self, Key, Kind};

/// The issuer that it trusts.
pub(crate) const ISSUER: &str = "https://issuer.test";

/// The key that it trusts.
pub(crate) fn key() -> Key {
    Key::new(Kind::P256, "sample")
}

pub(crate) fn gateway() -> String {
    GATEWAY.to_owned()
}

pub(crate) fn policy() -> String {
    POLICY.replace("KEYS", &mint::jwks(&[&key()]))
}

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
  namespace: shop
spec:
  gatewayClassName: countersign
  listeners:
  - name: http
    protocol: HTTP
    port: 8080
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: orders
  namespace: shop
spec:
  parentRefs:
  - name: edge
  rules:
  - matches:
    - path:
        value: /orders
    backendRefs:
    - group: gateway.kgateway.dev
      kind: Backend
      name: app
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: catalogue
  namespace: shop
spec:
  parentRefs:
  - name: edge
  rules:
  - backendRefs:
    - group: gateway.kgateway.dev
      kind: Backend
      name: app
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata:
  name: app
  namespace: shop
spec:
  type: Static
  static:
    hosts:
    - host: 127.0.0.1
      port: 8000
";

const POLICY: &str = "\
apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata:
  name: customers
  namespace: shop
spec:
  jwt:
    providers:
    - name: main
      issuer: https://issuer.test
      audiences: [shop]
      jwks:
        local:
          inline: 'KEYS'
    - name: partners
      issuer: https://partners.test/
      jwks:
        local:
          inline: 'KEYS'
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: customers-only
  namespace: shop
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    name: orders
  jwtAuth:
    extensionRef:
      name: customers
";
