//! An AuthorizationPolicy with every field, damaged line by line: no load panics, and none that is taken in silence has a
//! rule or a list fewer than it had.

use countersign_config::Loaded;
use countersign_config::diagnostic::Style;

use super::support::{accepted, load_one};

const SAMPLE: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: gw
spec:
  gatewayClassName: any
  listeners:
  - name: http
    port: 80
    protocol: HTTP
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: tokens
spec:
  jwtRules:
  - issuer: https://idp.test
    jwksUri: https://idp.test/keys
    presence: REQUIRED
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: refused
  annotations:
    istio.io/dry-run: \"false\"
spec:
  action: DENY
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: gw
  rules:
  - from:
    - source:
        requestPrincipals:
        - https://idp.test/*
        ipBlocks:
        - 10.0.0.0/8
        notRemoteIpBlocks:
        - 192.0.2.0/24
    to:
    - operation:
        hosts:
        - a.test
        ports:
        - \"80\"
        methods:
        - GET
        paths:
        - /a
        notPaths:
        - /b/{*}/c
  - when:
    - key: request.headers[x-a]
      values:
      - b
    - key: request.auth.claims[c][d]
      values:
      - e
    - key: destination.port
      values:
      - \"80\"
    - key: connection.sni
      notValues:
      - a.test
  - to:
    - operation:
        paths:
        - /c
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: let-in
spec:
  selector:
    matchLabels:
      gateway.networking.k8s.io/gateway-name: gw
  rules:
  - {}
";

/// Policies, and rules, lists and values of all of them.
fn counts(loaded: &Loaded) -> (usize, usize) {
    let compiled = loaded.compiled.as_ref().unwrap();
    let policies: Vec<_> = compiled.snapshot.policies.iter().collect();
    let policies: Vec<_> = policies.iter().flat_map(|it| it.policies()).collect();
    let rules = policies.iter().flat_map(|it| &it.rules);
    let lists = rules.map(|it| 1 + it.clauses().count());
    (policies.len(), lists.sum())
}

#[test]
fn a_damaged_policy_is_told_or_as_strict() {
    let sound = load_one(SAMPLE);
    assert!(sound.diagnostics.is_empty());
    let whole = counts(&sound);
    assert_eq!(whole, (2, 17));
    accepted(sound);
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let mut silent = Vec::new();
    for at in 0..lines.len() {
        let line = lines[at];
        let key = line.split_inclusive(':').next().unwrap_or_default();
        let item = line.split_inclusive("- ").next().unwrap_or_default();
        let mut damaged: Vec<String> = Vec::new();
        let values = [
            "", " 7", " -1", " \"\"", " []", " {}", " [[7]]", " [~]", " {x: 7}", " '* ☃'", " null",
            " true",
        ];
        if key.ends_with(':') {
            damaged.extend(values.map(|value| format!("{key}{value}")));
        }
        if item.ends_with("- ") {
            damaged.extend(values.map(|value| format!("{}{value}", item.trim_end())));
        }
        for line in damaged {
            let mut all = lines.clone();
            all[at] = &line;
            let loaded = load_one(&all.join("\n"));
            let _ = loaded.diagnostics.render(&loaded.files, Style::Plain);
            if loaded.compiled.is_some() && loaded.diagnostics.is_empty() && counts(&loaded) < whole
            {
                silent.push(line);
            }
        }
    }
    assert!(silent.is_empty(), "less in silence: {silent:#?}");
}
