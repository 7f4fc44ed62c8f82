//! What variables of the environment hold is shown nowhere, with whatever a policy compares it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test that calls them"
)]

use countersign_config::Loaded;
use countersign_config::source::Text;
use countersign_core::UnixTime;
use countersign_explain::{Ask, Credential, KeyRing, ask, explain};

const CONFIGURATION: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: any
  listeners:
  - {name: a, protocol: HTTP, port: 80}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: app}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: app, namespace: shop}
spec: {static: {hosts: [{host: 127.0.0.1, port: 8000}]}}
---
";

const SECRET: &str = "hunter2";

fn loaded(policy: &str) -> Loaded {
    let text = Text {
        name: "shop.yaml".to_owned(),
        content: CONFIGURATION.to_owned() + policy,
    };
    countersign_config::load(vec![text], &|name| {
        (name == "KEY").then(|| SECRET.to_owned())
    })
}

/// All that is told of a request with this header, in words and in JSON.
fn told(policy: &str, header: (&str, &str)) -> String {
    told_of(policy, header, Vec::new())
}

fn told_of(policy: &str, header: (&str, &str), credentials: Vec<Credential>) -> String {
    let loaded = loaded(policy);
    let compiled = loaded.compiled.as_ref().unwrap();
    let asked = Ask {
        method: "GET".to_owned(),
        target: "/hunter".to_owned(),
        host: Some("shop.test".to_owned()),
        headers: vec![(header.0.to_owned(), header.1.to_owned())],
        credentials,
        ..Ask::default()
    };
    let answer = ask(compiled, &asked, &KeyRing::default(), UnixTime(0));
    let answer = answer.unwrap_or_else(|_| panic!("it can be asked"));
    let explanation = explain(compiled, &loaded.diagnostics, &answer);
    let events = answer.trace.events.iter();
    let events: String = events.map(|it| format!("{it}\n{it:?}\n")).collect();
    let all = format!(
        "{}\n{:#}\n{}\n{events}",
        explanation.cause,
        explanation.json(),
        answer.detail
    );
    assert!(!all.contains(SECRET), "{policy}\n{all}");
    all
}

fn rbac(action: &str, expression: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: all}}]\n  \
         rbac: {{action: {action}, policy: {{matchExpressions: [\"{expression}\"]}}}}\n"
    )
}

fn authorization(action: &str, rule: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: shop}}\n\
         spec:\n  action: {action}\n  rules:\n  - {rule}\n"
    )
}

#[test]
fn expressions_are_shown_as_they_were_written() {
    let compared = "request.headers['x-team'] == '${KEY}'";
    let other = ("x-team", "red");
    for action in ["Allow", "Deny"] {
        let all = told(&rbac(action, compared), other);
        assert!(all.contains(compared), "{all}");
        let all = told(&rbac(action, &format!("true && {compared}")), other);
        assert!(all.contains(compared), "{all}");
    }
    // Neither what could not be read, nor what is true.
    let absent = "request.headers['x-${KEY}'] == 'a'";
    let all = told(&rbac("Allow", absent), other);
    assert!(all.contains(absent), "{all}");
    let all = told(&rbac("Deny", "request.path != '${KEY}'"), other);
    assert!(all.contains("request.path != '${KEY}'"), "{all}");
    // Without variables there is nothing to hide.
    let all = told(&rbac("Allow", "request.headers['x-team'] == 'blue'"), other);
    assert!(all.contains("is \\\"red\\\""), "{all}");
}

#[test]
fn values_of_policies_are_not_shown() {
    for rule in [
        "when: [{key: 'request.headers[x-team]', values: ['${KEY}']}]",
        "when: [{key: 'request.headers[x-team]', values: [a, 'b${KEY}*', c]}]",
        "when: [{key: 'request.headers[x-${KEY}]', values: [a]}]",
        "to: [{operation: {paths: ['/${KEY}']}}]",
        "to: [{operation: {paths: ['/${KEY}/*']}}]",
        "to: [{operation: {hosts: ['${KEY}.test', 'shop.test:1${KEY}']}}]",
        "from: [{source: {principals: ['${KEY}']}}]",
        "from: [{source: {requestPrincipals: ['https://${KEY}/*']}}]",
    ] {
        for action in ["ALLOW", "DENY"] {
            let all = told(&authorization(action, rule), ("x-team", "red"));
            if !rule.contains("x-$") {
                assert!(
                    all.contains("what variables hold, which is not shown"),
                    "{all}"
                );
            }
        }
    }
    let plain = "when: [{key: 'request.headers[x-team]', values: [blue]}]";
    let all = told(&authorization("ALLOW", plain), ("x-team", "red"));
    assert!(all.contains("wants `blue`"), "{all}");
}

#[test]
fn hints_do_not_show_them() {
    let authentication = "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a, namespace: shop}\n\
                          spec: {jwtRules: [{issuer: 'https://a.test', jwksUri: 'https://a.test/keys'}]}\n---\n";
    let rule = |values: &str| {
        let rule = format!("when: [{{key: 'request.auth.claims[groups]', values: [{values}]}}]");
        authentication.to_owned() + &authorization("ALLOW", &rule)
    };
    let claims = r#"{"iss": "https://a.test", "sub": "alice", "groups": ["g"]}"#;
    let of = |values: &str| {
        let credentials = vec![Credential::Claims(claims.to_owned())];
        told_of(&rule(values), ("x-team", "red"), credentials)
    };
    assert!(of("g, h").contains("has no `h`"));
    assert!(!of("g, '${KEY}'").contains("one of the values"));
    of("h, '*${KEY}'");
}
