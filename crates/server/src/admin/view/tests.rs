//! What is shown of a configuration with everything in it, and what is not.

use std::sync::Arc;

use countersign_config::source::Text;
use countersign_runtime::{Handle, Metrics};

use super::*;
use crate::edge::tests::Unreachable;

const SITE: &str = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: countersign
  listeners:
  - {name: http, port: 8080, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: app}
spec:
  parentRefs: [{name: web}]
  rules:
  - matches:
    - path: {type: PathPrefix, value: /}
    - path: {type: Exact, value: /exact}
      headers: [{name: x-key, value: '${SECRET}'}]
      queryParams: [{name: key, value: '${SECRET}'}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: authorization, value: 'Basic ${SECRET}'}]
        remove: [x-gone]
    timeouts: {request: 5s}
    backendRefs:
    - {group: gateway.kgateway.dev, kind: Backend, name: echo}
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: echo}
spec:
  static:
    hosts: [{host: echo.test, port: 81}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: users}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: web}]
  jwtRules:
  - issuer: https://issuer.test
    audiences: [app]
    jwksUri: 'https://keys.test/jwks?token=${SECRET}'
    outputClaimToHeaders: [{header: x-user, claim: sub}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: keyless}
spec:
  action: DENY
  rules:
  - when: [{key: 'request.headers[x-key]', notValues: ['${SECRET}']}]
";

fn shown() -> Value {
    let text = Text {
        name: "site.yaml".into(),
        content: SITE.into(),
    };
    let env = |name: &str| (name == "SECRET").then(|| "s3cr3t".to_owned());
    let loaded = countersign_config::load(vec![text], &env);
    let compiled = loaded
        .compiled
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let handle = Handle::start(
        Arc::new(compiled),
        Arc::new(Unreachable),
        || 0.5,
        Metrics::new(),
    );
    config(&handle.current())
}

#[test]
fn every_part_is_there_with_its_place_in_the_files() {
    let config = shown();
    let listener = &config["listeners"][0];
    assert_eq!(listener["name"], "default/web/http");
    assert_eq!(
        listener["origin"],
        "Gateway default/web listeners[0] (site.yaml:8)"
    );
    let requirement =
        &config["requirements"][listener["requirements"]["istio"].as_u64().unwrap() as usize];
    assert_eq!(requirement["withoutToken"], "anonymous");
    let rule = &requirement["rules"][0];
    assert_eq!(
        rule["claimHeaders"],
        json!([{ "header": "x-user", "claim": "sub" }])
    );
    assert_eq!(
        rule["sources"],
        json!([
            "header `authorization` after `Bearer `",
            "query parameter `access_token`"
        ])
    );
    let provider = &config["providers"][0];
    assert_eq!(provider["name"], rule["provider"]);
    assert_eq!(provider["issuer"], "https://issuer.test");
    assert_eq!(provider["audiences"], json!(["app"]));
    assert_eq!(provider["keys"], json!({ "state": "pending" }));
    assert_eq!(provider["keysAge"], Value::Null);
    assert_eq!(listener["identityHeaders"], json!(["x-user"]));
    assert_eq!(config["backends"][0]["endpoints"], json!(["echo.test:81"]));
    assert_eq!(config["sockets"][0]["port"], 8080);
}

#[test]
fn policies_are_told_by_their_places() {
    let config = shown();
    let listener = &config["listeners"][0];
    let set = &config["policies"][listener["policies"].as_u64().unwrap() as usize];
    assert_eq!(
        set["policies"],
        json!([{
            "origin": "AuthorizationPolicy default/keyless (site.yaml:48)",
            "action": "DENY",
            "dryRun": false,
            "rules": 1,
        }])
    );
    let lines = config["protection"].as_array().unwrap();
    let gateway = lines.iter().find(|it| it["route"] == "Gateway default/web");
    let demand = gateway.unwrap()["demands"][0].as_str().unwrap();
    assert!(demand.starts_with("deny:default/keyless/"), "{demand}");
}

#[test]
fn routes_are_listed_by_precedence() {
    let config = shown();
    let routes = config["listeners"][0]["routes"].as_array().unwrap();
    let paths: Vec<_> = routes.iter().map(|it| it["path"].clone()).collect();
    assert_eq!(
        paths,
        [json!({ "exact": "/exact" }), json!({ "prefix": "/" })]
    );
    assert_eq!(
        routes[0]["headers"],
        json!([{ "name": "x-key", "by": "exact" }])
    );
    let rule = &config["rules"][0];
    assert_eq!(routes[0]["rule"], rule["name"]);
    assert_eq!(
        rule["filters"]["requestHeaders"],
        json!({ "set": ["authorization"], "add": [], "remove": ["x-gone"] })
    );
    assert_eq!(rule["timeouts"]["request"], 5.0);
    assert_eq!(
        rule["backends"],
        json!([{
            "backend": config["backends"][0]["name"],
            "weight": 1,
            "filters": rule["backends"][0]["filters"],
        }])
    );
}

#[test]
fn secrets_are_not_shown() {
    let config = shown();
    assert_eq!(
        config["providers"][0]["source"]["url"],
        "https://keys.test/jwks"
    );
    assert!(!config.to_string().contains("s3cr3t"), "{config:#}");
}
