//! What people get wrong with Istio's policies, each explained in one sentence by `countersign explain`.

use countersign_testkit::mint;
use serde_json::{Value, json};

use crate::binary::{Folder, golden};
use crate::sample;

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: http, protocol: HTTP, port: 8080}
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
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: people, namespace: shop}
spec:
  jwtRules:
  - issuer: https://issuer.test
    jwks: 'KEYS'
";

/// The head of a policy; its rules follow.
fn policy(action: &str, rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: guard, namespace: shop}}\n\
         spec:\n  action: {action}\n  rules:\n{rules}\n"
    )
}

struct Footgun {
    /// Of the golden file.
    name: &'static str,
    policy: String,
    /// The request but for its host, path and claims.
    args: &'static [&'static str],
    /// What the token says beside issuer and subject; without: no token.
    claims: Option<Value>,
    /// The hint that names the cause, and whether the request passes.
    hint: &'static str,
    passes: bool,
}

fn of(name: &'static str, hint: &'static str, passes: bool) -> Footgun {
    Footgun {
        name,
        policy: String::new(),
        args: &["--url", "http://shop.test/orders"],
        claims: None,
        hint,
        passes,
    }
}

fn tokens() -> Vec<Footgun> {
    vec![
        of("anonymous", "anonymous-passes", true),
        Footgun {
            claims: Some(json!({"iss": "https://other.test"})),
            ..of("foreign-token", "foreign-token", false)
        },
        Footgun {
            args: &[
                "--url",
                "http://shop.test/",
                "-H",
                "authorization: Basic abc",
            ],
            ..of("scheme", "scheme", true)
        },
        Footgun {
            claims: Some(json!({"iss": "https://issuer.test/"})),
            ..of("issuer-slash", "issuer-nearly", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {requestPrincipals: [\"*\"]}}]",
            ),
            claims: Some(json!({"sub": ""})),
            ..of("no-subject", "no-subject", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {requestPrincipals: [\"https://issuer*\"]}}]",
            ),
            claims: Some(json!({})),
            ..of("principal-url", "principal-url", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {principals: [\"cluster.local/ns/shop/sa/web\"]}}]",
            ),
            claims: Some(json!({})),
            ..of("no-certificate", "no-certificate", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {requestPrincipals: [\"*\"]}}]",
            ),
            args: &[
                "-X",
                "OPTIONS",
                "--url",
                "http://shop.test/",
                "-H",
                "origin: http://a.test",
                "-H",
                "access-control-request-method: GET",
            ],
            ..of("preflight", "preflight", false)
        },
    ]
}

fn rules() -> Vec<Footgun> {
    vec![
        Footgun {
            policy: policy("ALLOW", "  - to: [{operation: {hosts: [shop.test]}}]"),
            args: &["--host", "shop.test:8080"],
            ..of("host-port", "host-port", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - to: [{operation: {paths: [\"/shops/*/orders\"]}}]",
            ),
            args: &["--url", "http://shop.test/shops/7/orders"],
            ..of("middle-star", "middle-star", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - when: [{key: \"request.auth.claims[admin]\", values: [\"true\"]}]",
            ),
            claims: Some(json!({"admin": true})),
            ..of("claim-kind", "claim-kind", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - when: [{key: \"request.auth.claims[roles]\", values: [write]}]",
            ),
            claims: Some(json!({"roles": "read write"})),
            ..of("claim-not-split", "claim-not-split", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - when: [{key: \"request.auth.claims[groups]\", values: [dev, admin]}]",
            ),
            claims: Some(json!({"groups": ["dev"]})),
            ..of("values-are-or", "values-are-or", true)
        },
        Footgun {
            policy: policy(
                "DENY",
                "  - when: [{key: request.auth.audiences, notValues: [shop]}]",
            ),
            ..of("absent-not-values", "absent-not-values", false)
        },
        Footgun {
            policy: policy("DENY", "  - to: [{operation: {paths: [/admin]}}]"),
            args: &["--host", "shop.test", "--path", "//admin/"],
            ..of("path-like", "path-like", true)
        },
        Footgun {
            policy: policy("DENY", "  - to: [{operation: {paths: [/orders]}}]").replace(
                "namespace: shop}",
                "namespace: shop, annotations: {istio.io/dry-run: 'true'}}",
            ),
            ..of("under-trial", "under-trial", true)
        },
        Footgun {
            policy: policy("ALLOW", "  - to: [{operation: {paths: [/health]}}]"),
            ..of("allow-is-exclusive", "allow-is-exclusive", false)
        },
        Footgun {
            policy: policy("ALLOW", "  - to: [{operation: {methods: [get]}}]"),
            ..of("method-case", "method-case", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {ipBlocks: [203.0.113.0/24]}}]",
            ),
            args: &[
                "--url",
                "http://shop.test/",
                "--peer-ip",
                "10.0.0.9",
                "-H",
                "x-forwarded-for: 203.0.113.7",
            ],
            ..of("ip-blocks", "address-kind", false)
        },
        Footgun {
            policy: policy(
                "ALLOW",
                "  - from: [{source: {remoteIpBlocks: [203.0.113.0/24]}}]",
            ),
            args: &[
                "--url",
                "http://shop.test/",
                "--peer-ip",
                "10.0.0.9",
                "-H",
                "x-forwarded-for: 203.0.113.7",
            ],
            ..of("forwarded-for", "address-kind", false)
        },
        Footgun {
            policy: policy("DENY", "  - to: [{operation: {paths: [/orders]}}]")
                .replace("namespace: shop", "namespace: app"),
            ..of("policy-elsewhere", "policy-elsewhere", true)
        },
    ]
}

/// kgateway's rules in CEL.
fn rbac(policy: &str) -> String {
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: rbac, namespace: shop}}\n\
         spec:\n  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: all}}]\n  rbac:\n{policy}\n"
    )
}

fn expressions() -> Vec<Footgun> {
    vec![
        Footgun {
            policy: rbac(
                "    policy: {matchExpressions: ['jwt.team == \"dev\"', 'request.method == \"PUT\"']}",
            ),
            claims: Some(json!({"team": "dev"})),
            ..of("expressions-are-or", "expressions-are-or", true)
        },
        Footgun {
            policy: rbac(
                "    action: Deny\n    policy: {matchExpressions: ['jwt.team == \"dev\"']}",
            ),
            claims: Some(json!({})),
            ..of("expression-failed", "expression-failed", false)
        },
        Footgun {
            policy: rbac("    policy: {allowedCIDRs: [203.0.113.0/24]}"),
            args: &[
                "--url",
                "http://shop.test/",
                "--peer-ip",
                "10.0.0.9",
                "-H",
                "x-forwarded-for: 203.0.113.7",
            ],
            ..of("address-list", "address-kind", false)
        },
    ]
}

#[test]
fn each_has_its_cause_in_one_sentence() {
    let gateway = GATEWAY.replace("KEYS", &mint::jwks(&[&sample::key()]));
    for footgun in tokens().into_iter().chain(rules()).chain(expressions()) {
        let folder = Folder::new().file("shop/gateway.yaml", &gateway);
        let folder = match footgun.policy.as_str() {
            "" => folder,
            policy => folder.file("shop/guard.yaml", policy),
        };
        let claims = footgun.claims.map(|more| {
            let mut claims =
                json!({"iss": "https://issuer.test", "sub": "alice", "exp": 2_000_000_000});
            for (name, value) in more.as_object().expect("claims") {
                let members = claims.as_object_mut().expect("an object");
                members.insert(name.clone(), value.clone());
            }
            claims.to_string()
        });
        let mut args = vec!["explain", "shop", "--time", "1800000000"];
        args.extend(footgun.args);
        args.extend(claims.iter().flat_map(|it| ["--claims", it.as_str()]));
        let ended = folder.run(&args);
        let code = if footgun.passes { 0 } else { 4 };
        assert_eq!(
            ended.code,
            Some(code),
            "{}: {}{}",
            footgun.name,
            ended.stdout,
            ended.stderr
        );
        golden(&format!("explain/{}.txt", footgun.name), &ended.stdout);
        let title = format!("hint[{}]: ", footgun.hint);
        let hints: Vec<_> = ended
            .stdout
            .lines()
            .filter(|line| line.starts_with(&title))
            .collect();
        assert_eq!(hints.len(), 1, "{}: {}", footgun.name, ended.stdout);
        assert!(
            ended
                .stdout
                .lines()
                .next()
                .is_some_and(|line| line.contains(", because "))
        );
    }
}
