//! A rich configuration, damaged line by line: no load panics, and what is refused says where.

use countersign_config::diagnostic::Style;

use super::support::{accepted, codes, load_one};

const SAMPLE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: gw
spec:
  gatewayClassName: any
  addresses:
  - type: IPAddress
    value: 127.0.0.1
  infrastructure:
    labels:
      team: edge
    parametersRef:
      group: countersign.dev
      kind: GatewayParameters
      name: own
  listeners:
  - name: http
    port: 80
    protocol: HTTP
    hostname: '*.test'
    allowedRoutes:
      kinds:
      - kind: HTTPRoute
      namespaces:
        from: Selector
        selector:
          matchLabels:
            team: web
---
apiVersion: countersign.dev/v1alpha1
kind: GatewayParameters
metadata:
  name: own
spec:
  ports:
  - port: 80
    bind: 8080
  proxyProtocol:
    from:
    - 10.0.0.0/8
  forwarded:
    trustedProxies: 1
    trustedAddresses:
    - 10.0.0.0/8
  limits:
    headers: 50
  timeouts:
    idle: 10s
  jwks:
    refusePrivateAddresses: true
---
apiVersion: v1
kind: Namespace
metadata:
  name: default
  labels:
    team: web
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: r
  labels:
    team: web
spec:
  parentRefs:
  - name: gw
    sectionName: http
    port: 80
  hostnames:
  - a.test
  rules:
  - name: main
    matches:
    - path:
        type: PathPrefix
        value: /a
      method: GET
      headers:
      - name: x-a
        value: b
      queryParams:
      - name: q
        type: RegularExpression
        value: c+
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set:
        - name: x-b
          value: d
        remove:
        - x-c
    - type: URLRewrite
      urlRewrite:
        hostname: b.test
        path:
          type: ReplacePrefixMatch
          replacePrefixMatch: /e
    - type: RequestMirror
      requestMirror:
        backendRef:
          name: s
          port: 80
        fraction:
          numerator: 1
          denominator: 2
    - type: CORS
      cors:
        allowOrigins:
        - https://a.test
        maxAge: 7
    timeouts:
      request: 5s
      backendRequest: 1s
    backendRefs:
    - name: s
      port: 80
      weight: 2
    - group: gateway.kgateway.dev
      kind: Backend
      name: b
---
apiVersion: v1
kind: Service
metadata:
  name: s
spec:
  ports:
  - name: web
    port: 80
    targetPort: 3000
    appProtocol: https
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s-1
  labels:
    kubernetes.io/service-name: s
addressType: IPv4
ports:
- name: web
  port: 3000
endpoints:
- addresses:
  - 10.0.0.1
  conditions:
    ready: true
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: t
spec:
  targetRefs:
  - group: ''
    kind: Service
    name: s
    sectionName: web
  validation:
    hostname: s.test
    wellKnownCACertificates: System
    subjectAltNames:
    - type: Hostname
      hostname: s.test
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata:
  name: b
spec:
  static:
    hosts:
    - host: b.test
      port: 81
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: p
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: gw
  rbac:
    action: Deny
    policy:
      matchExpressions:
      - jwt.sub == 'bob'
      allowedCIDRs:
      - 10.0.0.0/8
      blockedCIDRs:
      - 10.1.0.0/16
---
apiVersion: agentgateway.dev/v1alpha1
kind: AgentgatewayPolicy
metadata:
  name: q
spec:
  targetSelectors:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    matchLabels:
      team: web
    sectionName: main
  traffic:
    phase: PostRouting
    jwtAuthentication:
      mode: Strict
      providers:
      - issuer: https://idp.test
        audiences:
        - shop
        jwks:
          remote:
            jwksPath: keys.json
            cacheDuration: 10m
            backendRef:
              group: gateway.kgateway.dev
              kind: Backend
              name: b
              port: 81
      location:
        cookie:
          name: session
    authorization:
      action: Require
      policy:
        matchExpressions:
        - has(jwt.sub)
        - request.method == 'GET'
";

#[test]
fn the_sample_is_sound() {
    assert!(codes(SAMPLE).is_empty(), "{:?}", codes(SAMPLE));
    accepted(load_one(SAMPLE));
}

#[test]
fn damage_is_told_and_never_panics() {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let mut silent = Vec::new();
    for at in 0..lines.len() {
        let key = lines[at].split_inclusive(": ").next().unwrap_or_default();
        let list = lines[at].split_inclusive("- ").next().unwrap_or_default();
        let mut damaged = vec![String::new()];
        if key.ends_with(": ") {
            let values = [
                "7",
                "-1",
                "\"\"",
                "[]",
                "{}",
                "[[7]]",
                "{x: 7}",
                "'* ☃'",
                "null",
                "99999999999",
            ];
            damaged.extend(values.map(|value| format!("{key}{value}")));
        } else if list.ends_with("- ") {
            damaged
                .extend(["7", "[]", "{}", "'* ☃'", "null"].map(|value| format!("{list}{value}")));
        }
        for line in damaged {
            let mut all = lines.clone();
            all[at] = &line;
            let loaded = load_one(&all.join("\n"));
            // Whatever is shown, it can be.
            let _ = loaded.diagnostics.render(&loaded.files, Style::Plain);
            let misread = ["☃", "[[7]]", "{x: 7}"]
                .iter()
                .any(|it| line.ends_with(it) || line.ends_with("☃'"));
            if misread && loaded.diagnostics.is_empty() {
                silent.push(line);
            }
        }
    }
    // Free text: a class, a new path (which is escaped), the values of headers and labels, issuers, audiences and cookies.
    let free = [
        "gatewayClassName",
        "replacePrefixMatch",
        "value: '",
        "team: '",
        "service-name",
        "issuer",
        "        - '",
        "          name: '",
    ];
    silent.retain(|line| !free.iter().any(|it| line.contains(it)));
    assert!(silent.is_empty(), "taken in silence: {silent:#?}");
}
