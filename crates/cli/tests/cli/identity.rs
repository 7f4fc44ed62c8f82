//! Who the caller is by its certificate, in `countersign explain` and `countersign test`.

use countersign_testkit::tls::Authority;
use serde_json::{Value, json};

use crate::binary::{Ended, Folder, golden};

const GATEWAY: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: istio
  tls:
    frontend:
      default:
        validation:
          mode: MODE
          caCertificateRefs: [{group: '', kind: ConfigMap, name: clients}]
      perPort:
      - {port: 8444, tls: {}}
  listeners:
  - {name: https, protocol: HTTPS, port: 8443, tls: {certificateRefs: [{name: edge}]}}
  - {name: open, protocol: HTTPS, port: 8444, tls: {certificateRefs: [{name: edge}]}}
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
kind: AuthorizationPolicy
metadata: {name: web-only, namespace: shop}
spec:
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]
---
";

const WEB: &str = "spiffe://cluster.local/ns/shop/sa/web";

fn folder(authority: &Authority, mode: &str) -> Folder {
    let edge = authority.issue(&["shop.test"]);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "edge", "namespace": "shop"},
        "stringData": {"tls.crt": edge.certificate, "tls.key": edge.key},
    });
    let clients = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clients", "namespace": "shop"},
        "data": {"ca.crt": authority.pem()},
    });
    Folder::new()
        .file("shop/gateway.yaml", &GATEWAY.replace("MODE", mode))
        .file("shop/secret.json", &secret.to_string())
        .file("shop/clients.json", &clients.to_string())
        .file("web.pem", &authority.issue(&[WEB]).certificate)
        .file(
            "app.pem",
            &authority
                .issue(&["spiffe://cluster.local/ns/shop/sa/app"])
                .certificate,
        )
        .file(
            "stranger.pem",
            &Authority::new("other").issue(&[WEB]).certificate,
        )
}

fn explain(folder: &Folder, args: &[&str]) -> Ended {
    let args: Vec<&str> = ["explain", "shop", "--url", "https://shop.test:8443/"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    folder.run(&args)
}

#[test]
fn a_certificate_is_verified_as_the_gateway_does_it() {
    let folder = folder(&Authority::new("clients"), "AllowValidOnly");
    for (args, code, out) in [
        (
            &["--certificate", "web.pem"][..],
            0,
            "certificate of `spiffe://cluster.local/ns/shop/sa/web` (",
        ),
        (
            &["--certificate", "app.pem"],
            4,
            "the request has `spiffe://cluster.local/ns/shop/sa/app`",
        ),
        (&["--principal", WEB], 0, "no certificate seen"),
        (
            &["--principal", "cluster.local/ns/shop/sa/web"],
            0,
            "taken as verified",
        ),
    ] {
        let ended = explain(&folder, args);
        assert_eq!(
            ended.code,
            Some(code),
            "{args:?}: {}{}",
            ended.stdout,
            ended.stderr
        );
        assert!(ended.stdout.contains(out), "{args:?}: {}", ended.stdout);
    }
    for (args, message) in [
        (
            &["--certificate", "stranger.pem"][..],
            "the TLS handshake fails, because the certificate does not verify",
        ),
        (
            &["--certificate", "web.pem", "--time", "70000000000"],
            "the certificate does not verify",
        ),
        (
            &["--certificate", "shop/gateway.yaml"],
            "there is no certificate in PEM in it",
        ),
        (&[], "every client of port 8443 must show a certificate"),
    ] {
        let ended = explain(&folder, args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(4), ""),
            "{args:?}"
        );
        assert!(ended.stderr.contains(message), "{args:?}: {}", ended.stderr);
    }
    let url = ["explain", "shop", "--url", "https://shop.test:8444/"];
    for args in [&["--certificate", "web.pem"], &["--principal", WEB]] {
        let ended = folder.run(&[&url[..], args].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert!(
            ended.stderr.contains("asks no client") || ended.stderr.contains("no client is asked")
        );
    }
}

#[test]
fn who_is_nobody_comes_in_where_that_is_allowed() {
    let folder = folder(&Authority::new("clients"), "AllowInsecureFallback");
    let ended = explain(&folder, &["--certificate", "stranger.pem"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended
            .stdout
            .contains("the request has no verified client certificate"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        explain(&folder, &["--certificate", "web.pem"]).code,
        Some(0)
    );
}

#[test]
fn cases_say_the_names_of_certificates() {
    let folder = folder(&Authority::new("clients"), "AllowInsecureFallback");
    let case = |name: &str, tls: Value, status: u16| json!({"name": name, "request": {"url": "https://shop.test:8443/", "tls": tls}, "expect": {"status": status}});
    let cases = json!({
        "policies": ["shop"],
        "cases": [
            case("web", json!({"uriSans": [WEB]}), 200),
            case("one of two", json!({"uriSans": ["spiffe://x/y", WEB]}), 200),
            case("a DNS name", json!({"dnsSans": ["web.shop.test"]}), 403),
            case("a subject", json!({"subject": "CN=web"}), 403),
            case("nobody", json!({"sni": "shop.test"}), 403),
        ],
    });
    let folder = folder.file("a.test.json", &cases.to_string());
    let ended = folder.run(&["test", "a.test.json"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let ended = folder.run(&["explain", "--request", "a.test.json", "--case", "nobody"]);
    golden("explain/no-verified-certificate.txt", &ended.stdout);
}
