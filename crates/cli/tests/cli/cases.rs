//! `countersign test`: cases put to the library and to a running gateway.

use std::fs;

use countersign_testkit::mint;
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::binary::{Folder, Process, golden};
use crate::sample;

/// The sample and a file of cases.
fn with(cases: &str) -> Folder {
    Folder::new()
        .file("shop/gateway.yaml", &sample::gateway())
        .file("shop/policy.yaml", &sample::policy())
        .file("token", &token())
        .file("a.test.yaml", cases)
}

fn token() -> String {
    let claims =
        json!({"iss": sample::ISSUER, "sub": "alice", "aud": "shop", "exp": 4_000_000_000_u64});
    sample::key().token(&claims)
}

const GOOD: &str = "\
policies: [shop]
time: 2027-01-15T08:00:00Z
cases:
- name: nobody without a token
  request: {url: http://shop.test/orders/7}
  expect:
    status: 401
    reason: jwt_missing
    rule: GatewayExtension shop/customers
    route: shop/orders
    body: Jwt is missing
    challenge: Bearer realm=\"http://shop.test/orders/7\"
    upstream: null
- name: somebody with one
  request: {method: POST, host: shop.test, path: /orders/7?x=1, tokenFile: token, headers: [[x-a, '1'], [x-a, '2']]}
  expect:
    status: 200
    reason: ok
    route: shop/orders/0
    backend: shop/app
    challenge: null
    upstream:
      method: POST
      path: /orders/7?x=1
      headers: {x-a: ['1', '2'], authorization: null}
- name: claims for somebody else
  request: {url: http://shop.test/orders/7, claims: {iss: https://issuer.test, aud: other}}
  expect: {status: 403, reason: jwt_audience_refused, rule: \"GatewayExtension shop/customers providers[main]\"}
- name: what is open
  request: {url: http://shop.test/, headers: {accept: text/html}}
  expect: {status: 200, route: shop/catalogue}
";

/// One thing after the other is wrong with these.
const BAD: &str = "\
policies: [shop]
cases:
- name: it's open
  request: {url: http://shop.test/orders/7}
  expect:
    status: 200
    reason: ok
    rule: GatewayExtension shop/other
    route: shop/catalogue
    body: hello
    challenge: null
    upstream: {path: /}
- name: closed
  request: {url: http://shop.test/x, headers: {x-user: root}}
  expect:
    status: 401
    backend: shop/other
    location: http://elsewhere.test/
    upstream: {method: POST, path: /y, headers: {x-user: alice, host: null}}
- name: nowhere
  request: {url: http://shop.test/, port: 99}
  expect: {status: 404}
- name: good
  request: {url: http://shop.test/}
  expect: {status: 200}
";

#[test]
fn cases_that_come_out_as_expected() {
    let ended = with(GOOD).run(&["test", "a.test.yaml"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "4 passed, 0 failed, 0 skipped in 1 file\n");
}

#[test]
fn cases_that_do_not_show_each_field() {
    let ended = with(BAD).run(&["test", "a.test.yaml"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(5), ""));
    golden("cases.txt", &ended.stdout);
    let ended = with(BAD).run(&["test", "a.test.yaml", "--format", "plain"]);
    golden("cases-plain.txt", &ended.stdout);
    let ended = with(BAD).run(&["test", "a.test.yaml", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    golden(
        "cases.json",
        &(serde_json::to_string_pretty(&document).unwrap() + "\n"),
    );
}

#[test]
fn the_command_that_explains_a_case_works() {
    let folder = with(BAD);
    let shown = folder.run(&["test", "a.test.yaml"]).stdout;
    let line = shown
        .lines()
        .find(|line| line.contains("see: "))
        .expect("a command");
    let command = line.trim().trim_start_matches("see: countersign ");
    let script = format!("\"$0\" {command}");
    let output = std::process::Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_countersign")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stdout}");
    assert!(
        stdout.starts_with("denied with 401, because it brings no token"),
        "{stdout}"
    );
}

#[test]
fn folders_filters_and_names() {
    let folder = with(GOOD).file("more/b.test.json", r#"{"policies":["../shop"],"cases":[{"name":"json","request":{"url":"http://shop.test/"},"expect":{"status":200}}]}"#);
    let folder = folder.file("more/notes.yaml", "not: read");
    let ended = folder.run(&["test", "a.test.yaml", "more"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "5 passed, 0 failed, 0 skipped in 2 files\n")
    );
    let ended = folder.run(&["test", ".", "more", "--filter", "json"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "1 passed, 0 failed, 0 skipped in 2 files\n")
    );
    let ended = folder.run(&["test", "more", "--filter", "nothing"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("no case has `nothing` in its name"));
    for (args, message) in [
        (
            &["explain", "--request", "a.test.yaml"][..],
            "has several cases",
        ),
        (
            &["explain", "--request", "a.test.yaml", "--case", "x"],
            "has no case `x`",
        ),
    ] {
        let ended = folder.run(args);
        assert_eq!(ended.code, Some(2));
        assert!(
            ended.stderr.contains(message) && ended.stderr.contains("`what is open`"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(folder.run(&["test", "shop"]).code, Some(1));
    assert_eq!(folder.run(&["test", "missing"]).code, Some(1));
    assert_eq!(folder.run(&["test"]).code, Some(2));
}

/// A file with mistakes runs nothing, and says where each is; a secret in it is not shown.
#[test]
fn files_that_are_none() {
    let secret = token();
    let text = format!(
        "policies: [shop]
casess: []
cases:
- name: a
  request: {{url: shop.test, metod: GET, headers: [a], peer: 1.2.3, tokn: {secret}}}
  expect: {{status: 99, reason: jwt_mising, upstream: {{pth: /}}}}
- name: a
  request: {{host: x, token: {secret}, claims: {{iss: hidden}}}}
- name: b
keys:
- {{issuer: a, url: b, file: c}}
time: soon
"
    );
    let ended = with(&text).run(&["test", "a.test.yaml"]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "0 passed, 0 failed, 0 skipped in 1 file, 1 file not run\n"
    );
    assert!(!ended.stderr.contains(&secret), "{}", ended.stderr);
    golden("cases-errors.txt", &ended.stderr);
    for (text, message) in [
        ("", "has no cases"),
        ("cases: []\n---\nx: y", "here begins another"),
        ("cases: []", "names no configuration"),
        (
            "policies: [missing.yaml]\ncases: []",
            "`missing.yaml` does not exist",
        ),
        ("inline: \"kind: [\"\ncases: []", "a.test.yaml inline:1"),
        ("[", "a.test.yaml:1"),
    ] {
        let ended = with(text).run(&["test", "a.test.yaml"]);
        assert!(
            matches!(ended.code, Some(1 | 3)),
            "{text}: {:?}",
            ended.code
        );
        assert!(ended.stderr.contains(message), "{text}: {}", ended.stderr);
    }
    // The others run all the same.
    let folder = with("cases: 1").file("b.test.yaml", GOOD);
    let ended = folder.run(&["test", "."]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(
        ended.stdout,
        "4 passed, 0 failed, 0 skipped in 2 files, 1 file not run\n"
    );
}

const MESH: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: foo}
spec:
  gatewayClassName: istio
  listeners: [{name: http, protocol: HTTP, port: 80}, {name: other, protocol: HTTP, port: 81}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: foo}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: app}]}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: app, namespace: foo}
spec: {static: {hosts: [{host: 127.0.0.1, port: 8000}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    pathNormalization: {normalization: MERGE_SLASHES}
    defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: foo}
spec:
  jwtRules:
  - {issuer: 'https://a.test', jwksUri: 'http://127.0.0.1:1/ok', fromCookies: [sid]}
  - {issuer: 'https://b.test', jwksUri: 'http://127.0.0.1:1/down', fromParams: [t]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: block, namespace: foo}
spec:
  action: DENY
  rules:
  - from: [{source: {remoteIpBlocks: [203.0.113.7]}}]
  - to: [{operation: {paths: [/a/b], ports: ['81']}}]
  - when: [{key: destination.ip, values: [10.9.9.9]}]
";

/// Everything that recorded decisions need: keys by URL, a mesh, certificates, addresses, paths as they are.
#[test]
fn all_that_a_case_can_say() {
    let token = |issuer: &str| sample::key().token(&json!({"iss": issuer, "sub": "s"}));
    let on = |port: u16, mut request: Value, expect: Value| {
        request["host"] = json!("h");
        request["port"] = json!(port);
        let name = request.to_string();
        json!({"name": name, "request": request, "expect": expect})
    };
    let a = token("https://a.test");
    let cookie = format!("sid={a}");
    let chain = "203.0.113.8, 10.0.0.1,10.0.0.1";
    let allowed = |upstream: Value| json!({"status": 200, "upstream": upstream});
    let by = |rule: &str| json!({"status": 403, "rule": format!("AuthorizationPolicy foo/block {rule}")});
    let cases = json!({
        "inline": MESH,
        "keys": [
            {"url": "http://127.0.0.1:1/ok", "jwks": mint::jwks(&[&sample::key()])},
            {"issuer": "https://b.test", "unavailable": true},
        ],
        "cases": [
            on(80, json!({"token": a}), allowed(json!({"headers": {"cookie": cookie}}))),
            on(80, json!({"token": token("https://b.test")}), json!({"status": 401, "body": "Jwt verification fails"})),
            on(80, json!({"path": "/?x=1", "claims": {"iss": "https://b.test", "sub": "s"}}), allowed(json!({"path": "/?x=1"}))),
            on(80, json!({"clientIp": "203.0.113.7"}), by("rules[0]")),
            on(80, json!({"clientIp": "203.0.113.8", "peer": "10.0.0.1"}), allowed(json!({"headers": {"x-forwarded-for": chain}}))),
            on(81, json!({"path": "//a/./b"}), by("rules[1]")),
            on(80, json!({"path": "//a/./b"}), allowed(json!({"path": "/a/b"}))),
            on(80, json!({"destinationIp": "10.9.9.9"}), by("rules[2]")),
            on(80, json!({"path": "/%00"}), json!({"status": 400, "reason": "bad_path", "upstream": null})),
            on(80, json!({"path": "a b"}), json!({"status": 400, "reason": "bad_request"})),
            on(81, json!({"path": "http://other.test/a/b"}), json!({"status": 403})),
            on(80, json!({"method": "POST", "body": "abc"}), allowed(json!({"method": "POST", "headers": {"content-length": "3"}}))),
            {"name": "no host", "request": {"listener": "foo/gw/http"}, "expect": {"status": 400}},
        ],
    });
    let ended = Folder::new()
        .file("a.test.json", &cases.to_string())
        .run(&["test", "a.test.json"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.stdout, "13 passed, 0 failed, 0 skipped in 1 file\n");
}

#[test]
fn a_running_gateway_is_asked_the_same() {
    let upstream = Upstream::start("app");
    let port = port::free();
    let gateway = sample::gateway()
        .replace("port: 8080", &format!("port: {port}"))
        .replace(
            "port: 8000",
            &format!("port: {}", upstream.address().port()),
        );
    let cases = GOOD.to_owned()
        + "- name: another client\n  request: {url: http://shop.test/, clientIp: 10.0.0.1}\n  expect: {status: 200}\n";
    let folder = || {
        Folder::new()
            .file("shop/gateway.yaml", &gateway)
            .file("shop/policy.yaml", &sample::policy())
            .file("token", &token())
            .file("a.test.yaml", &cases)
    };
    let asked = folder();
    let running = Process::start(folder(), &["run", "shop", "--admin", "127.0.0.1:0"]);
    running.stderr_until("ready");
    let url = format!("http://127.0.0.1:{port}");
    let ended = asked.run(&["test", "a.test.yaml", "--gateway", &url]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    golden("cases-gateway.txt", &ended.stdout);
    fs::write(
        asked.path().join("a.test.yaml"),
        cases.replace("status: 401", "status: 200"),
    )
    .unwrap();
    let ended = asked.run(&[
        "test",
        "a.test.yaml",
        "--gateway",
        &url,
        "--filter",
        "nobody",
    ]);
    assert_eq!(ended.code, Some(5), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("status: expected `200`, got `401`"),
        "{}",
        ended.stdout
    );
    let ended = asked.run(&["test", "a.test.yaml", "--gateway", "http://127.0.0.1:1"]);
    assert!(
        ended.code == Some(5) && ended.stdout.contains("the gateway does not answer"),
        "{}",
        ended.stdout
    );
    assert_eq!(running.interrupt().code, Some(0));
}

/// With the debug header reason and rule are compared as well.
#[test]
fn a_gateway_that_tells_its_reasons_is_held_to_them() {
    let upstream = Upstream::start("app");
    let port = port::free();
    let parameters = "infrastructure: {parametersRef: {group: countersign.dev, kind: GatewayParameters, name: debug}}";
    let gateway = sample::gateway()
        .replace("port: 8080", &format!("port: {port}"))
        .replace(
            "port: 8000",
            &format!("port: {}", upstream.address().port()),
        )
        .replace(
            "  gatewayClassName:",
            &format!("  {parameters}\n  gatewayClassName:"),
        );
    let debug = "apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {name: debug, namespace: shop}\n\
                 spec: {debugHeader: {name: x-why, detail: Full}}\n";
    let folder = |cases: &str| {
        Folder::new()
            .file("shop/gateway.yaml", &gateway)
            .file("shop/policy.yaml", &sample::policy())
            .file("shop/debug.yaml", debug)
            .file("token", &token())
            .file("a.test.yaml", cases)
    };
    let running = Process::start(folder(GOOD), &["run", "shop", "--admin", "127.0.0.1:0"]);
    running.stderr_until("ready");
    let url = format!("http://127.0.0.1:{port}");
    let ask = |cases: &str| {
        let args = [
            "test",
            "a.test.yaml",
            "--gateway",
            &url,
            "--debug-header",
            "x-why",
        ];
        folder(cases).run(&args)
    };
    let ended = ask(GOOD);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    golden("cases-gateway-full.txt", &ended.stdout);
    let wrong = GOOD
        .replace("reason: jwt_missing", "reason: jwt_expired")
        .replace(
            "rule: GatewayExtension shop/customers\n",
            "rule: GatewayExtension shop/others\n",
        );
    let ended = ask(&wrong);
    assert_eq!(ended.code, Some(5), "{}", ended.stdout);
    for line in [
        "reason: expected `jwt_expired`, got `jwt_missing`",
        "rule: expected `GatewayExtension shop/others`, got `GatewayExtension shop/customers`",
    ] {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert_eq!(running.interrupt().code, Some(0));
}
