//! Diagnostics as people see them, to the letter.

use countersign_config::diagnostic::Style;

use super::support::load_all;

/// Each text with all that is told about it.
#[test]
fn diagnostics() {
    for (text, want) in [
        (DANGLING, DANGLING_TOLD),
        (CLASH, CLASH_TOLD),
        (MISSPELT, MISSPELT_TOLD),
        (PREFIX, PREFIX_TOLD),
    ] {
        let loaded = load_all(&[("gateway.yaml", text)]);
        assert_eq!(loaded.diagnostics.render(&loaded.files, Style::Plain), want);
    }
}

const DANGLING: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  gatewayClassName: any
  listeners:
  - name: http
    port: 80
    protocol: HTTP
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: shop
spec:
  parentRefs:
  - name: egde
  - name: edge
  rules:
  - backendRefs:
    - name: shpo
      port: 80
---
apiVersion: v1
kind: Service
metadata:
  name: shop
spec:
  ports:
  - port: 80
";

const DANGLING_TOLD: &str = "\
gateway.yaml:18:11: warning[parent-not-found]: this route is not attached here, because there is no Gateway `egde` in namespace `default`
  18 |   - name: egde
     |           ^^^^
  in: HTTPRoute default/shop
  help: did you mean `edge`?

gateway.yaml:22:13: warning[backend-not-found]: requests to `rules[0]` get 500, because there is no `Service` `shpo` in namespace `default`
  22 |     - name: shpo
     |             ^^^^
  in: HTTPRoute default/shop
  help: did you mean `shop`?

";

const CLASH: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: one}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: two, namespace: other}
spec:
  gatewayClassName: any
  listeners:
  - {name: web, port: 80, protocol: HTTP}
";

const CLASH_TOLD: &str = "\
gateway.yaml:15:6: error[port-conflict]: port 80 is bound by Gateway default/one already
  15 |   - {name: web, port: 80, protocol: HTTP}
     |      ^^^^
  see: gateway.yaml:7:6: the first listener on it
  in: Gateway other/two
  help: give the Gateways different `spec.addresses`, or map the port with `spec.ports` of GatewayParameters

";

const MISSPELT: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, port: 80, protocol: HTTP, hostname: 'shop_1.test'}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches:
    - path: {type: Prefix, value: /a}
    filter: []
";

const MISSPELT_TOLD: &str = "\
gateway.yaml:7:54: error[invalid-value]: `shop_1.test` is not a hostname
  7 |   - {name: http, port: 80, protocol: HTTP, hostname: 'shop_1.test'}
    |                                                      ^^^^^^^^^^^^^
  in: Gateway default/edge
  help: write a DNS name in lower case such as `shop.example.com`, or `*.example.com` for all below it; no port, no IP address

gateway.yaml:15:5: warning[no-backend]: requests to `rules[0]` get 500, because it has no `backendRefs`
  15 |   - matches:
     |     ^^^^^^^^
  in: HTTPRoute default/shop
  help: name a backend, or add a `RequestRedirect` filter

gateway.yaml:16:20: error[invalid-value]: `Prefix` is not a value of this field
  16 |     - path: {type: Prefix, value: /a}
     |                    ^^^^^^
  in: HTTPRoute default/shop
  help: write `Exact` or `PathPrefix` or `RegularExpression`

gateway.yaml:17:5: error[unknown-field]: unknown field `filter` in `HTTPRoute.spec.rules`
  17 |     filter: []
     |     ^^^^^^
  in: HTTPRoute default/shop
  help: did you mean `filters`?

";

const PREFIX: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{path: {type: Exact, value: /a}}]
    filters:
    - type: URLRewrite
      urlRewrite:
        path: {type: ReplacePrefixMatch, replacePrefixMatch: /}
    backendRefs: [{name: shop, port: 80, namespace: other}]
";

const PREFIX_TOLD: &str = "\
gateway.yaml:19:15: error[prefix-not-matched]: `ReplacePrefixMatch` needs a rule with exactly one match, of a path prefix
  19 |         path: {type: ReplacePrefixMatch, replacePrefixMatch: /}
     |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  in: HTTPRoute default/shop
  help: give each prefix a rule of its own, or use `ReplaceFullPath`

gateway.yaml:20:26: warning[reference-not-granted]: requests to `rules[0]` get 500, because no ReferenceGrant lets HTTPRoutes of namespace `default` refer to `Service` `shop` of namespace `other`
  20 |     backendRefs: [{name: shop, port: 80, namespace: other}]
     |                          ^^^^
  in: HTTPRoute default/shop
  help: add a ReferenceGrant to namespace `other`

";
