//! Where requests go: Services, EndpointSlices, Backends, grants and BackendTLSPolicies.

use countersign_config::compiled::Compiled;
use countersign_core::backend::{AppProtocol, Backend, Ca, SubjectName};
use countersign_testkit::tls::Authority;

use super::support::{HTTP, codes, compiled, gateway, load_one, route, told};

pub(crate) fn secret(namespace: &str, name: &str, certificate: &str, key: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}---\n",
        indented(certificate),
        indented(key)
    )
}

pub(crate) fn config_map(namespace: &str, name: &str, ca: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         data:\n  ca.crt: |\n{}---\n",
        indented(ca)
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// One rule with one reference to `s:80`, and these objects.
fn with(objects: &str) -> String {
    gateway(HTTP) + &route("{backendRefs: [{name: s, port: 80}]}") + objects
}

fn service(fields: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{{fields}}}\n---\n")
}

fn slice(name: &str, fields: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: {name}, labels: {{kubernetes.io/service-name: s}}}}\n{fields}\n---\n"
    )
}

/// The one backend there is.
fn only(compiled: &Compiled) -> &Backend {
    let [backend] = &*compiled.snapshot.backends else {
        panic!("{:?}", compiled.snapshot.backends)
    };
    backend
}

fn endpoints(compiled: &Compiled) -> Vec<String> {
    let endpoints = only(compiled).endpoints.iter();
    endpoints
        .map(|it| format!("{}:{}", it.host, it.port))
        .collect()
}

#[test]
fn services_without_slices_are_found_by_dns() {
    for (fields, want) in [
        (
            "ports: [{port: 80, targetPort: 3000}]",
            Some("s.default.svc.cluster.local:80"),
        ),
        (
            "ports: [{port: 80, targetPort: web}]",
            Some("s.default.svc.cluster.local:80"),
        ),
        (
            "clusterIP: None, ports: [{port: 80, targetPort: 3000}]",
            Some("s.default.svc.cluster.local:3000"),
        ),
        (
            "clusterIP: None, ports: [{port: 80}]",
            Some("s.default.svc.cluster.local:80"),
        ),
        (
            "clusterIP: None, ports: [{port: 80, targetPort: web}]",
            None,
        ),
        (
            "type: ExternalName, externalName: api.example.com.",
            Some("api.example.com:80"),
        ),
        (
            "type: ExternalName, externalName: api.example.com, ports: [{port: 81}]",
            None,
        ),
        ("ports: [{port: 80, protocol: UDP}]", None),
        ("ports: [{port: 81}]", None),
    ] {
        let compiled = compiled(&with(&service(fields)));
        match want {
            Some(want) => assert_eq!(endpoints(&compiled), [want], "{fields}"),
            None => assert!(compiled.snapshot.backends.is_empty(), "{fields}"),
        }
    }
}

#[test]
fn slices_say_where_services_are() {
    let two = "ports: [{name: web, port: 80, targetPort: named}, {name: other, port: 81}]";
    for (slices, want) in [
        (
            vec![
                "addressType: IPv4\nports: [{name: web, port: 3000}]\nendpoints: [{addresses: [10.0.0.1]}]",
            ],
            vec!["10.0.0.1:3000"],
        ),
        (
            vec![
                "addressType: IPv4\nports: [{name: other, port: 1}, {name: web, port: 3000}]\nendpoints: [{addresses: [10.0.0.1, 10.0.0.2]}]",
                "addressType: IPv6\nports: [{name: web, port: 4000}]\nendpoints: [{addresses: ['2001:db8::1'], conditions: {ready: true}}]",
            ],
            vec!["10.0.0.1:3000", "2001:db8::1:4000"],
        ),
        (
            vec![
                "addressType: IPv4\nports: [{name: web, port: 3000}]\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2], conditions: {}}]",
            ],
            vec!["10.0.0.2:3000"],
        ),
        (
            vec!["addressType: IPv4\nports: [{name: web, port: 3000}]"],
            vec![],
        ),
        (
            vec!["addressType: IPv4\nports: [{port: 3000}]\nendpoints: [{addresses: [10.0.0.1]}]"],
            vec![],
        ),
    ] {
        let slices: String = slices
            .iter()
            .enumerate()
            .map(|(n, it)| slice(&format!("x{n}"), it))
            .collect();
        let compiled = compiled(&with(&(service(two) + &slices)));
        assert_eq!(endpoints(&compiled), want, "{slices}");
    }
}

#[test]
fn app_protocols() {
    for (text, want) in [
        ("kubernetes.io/h2c", Some(AppProtocol::Http2)),
        ("grpc", Some(AppProtocol::Http2)),
        ("kubernetes.io/ws", Some(AppProtocol::WebSocket)),
        ("HTTP", Some(AppProtocol::Http)),
        ("mysql", None),
        // In clear text to a port that wants TLS, tokens would be there for all to read.
        ("https", None),
        ("kubernetes.io/wss", None),
    ] {
        let service = service(&format!("ports: [{{port: 80, appProtocol: {text}}}]"));
        let compiled = compiled(&with(&service));
        assert_eq!(
            compiled.snapshot.backends.first().map(|it| it.protocol),
            want,
            "{text}"
        );
    }
}

#[test]
fn grpc_routes_speak_http2_to_plain_services() {
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: g}\n\
                 spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: s, port: 80}]}]}\n---\n";
    let compiled = compiled(&(with(&service("ports: [{port: 80}]")) + route));
    let protocols: Vec<_> = compiled
        .snapshot
        .backends
        .iter()
        .map(|it| it.protocol)
        .collect();
    assert_eq!(
        protocols,
        [AppProtocol::Http2, AppProtocol::Http].map(|it| it)
    );
}

#[test]
fn static_backends() {
    let backend = |fields: &str| {
        format!(
            "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\nmetadata: {{name: b}}\nspec: {{{fields}}}\n---\n"
        )
    };
    let refer = |port: &str| {
        gateway(HTTP)
            + &route(&format!(
                "{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: b{port}}}]}}"
            ))
    };
    let hosts =
        "static: {hosts: [{host: a.test, port: 1}, {host: '::1', port: 2}], appProtocol: http2}";
    let both = compiled(&(refer("") + &backend(hosts)));
    assert_eq!(endpoints(&both), ["a.test:1", "::1:2"]);
    assert_eq!(only(&both).protocol, AppProtocol::Http2);
    assert_eq!(&*only(&both).name, "default/b");
    assert_eq!(
        endpoints(&compiled(&(refer(", port: 2") + &backend(hosts)))),
        ["::1:2"]
    );
    let none = compiled(&(refer(", port: 3") + &backend(hosts)));
    assert!(none.snapshot.backends.is_empty());
    for (fields, code) in [
        ("aws: {accountId: '1'}", "unsupported-field"),
        (
            "type: AWS, static: {hosts: [{host: a, port: 1}]}",
            "invalid-value",
        ),
        ("static: {hosts: []}", "out-of-range"),
        (
            "static: {hosts: [{host: 'http://a', port: 1}]}",
            "invalid-value",
        ),
        ("static: {hosts: [{host: a}]}", "missing-field"),
        (
            "static: {hosts: [{host: a, port: 1, tls: true}]}",
            "unknown-field",
        ),
    ] {
        let text = refer("") + &backend(fields);
        assert!(load_one(&text).compiled.is_none(), "{fields}");
        assert!(codes(&text).contains(&code), "{fields}: {:?}", codes(&text));
    }
}

#[test]
fn dangling_references_answer_500_and_say_so() {
    for (reference, message) in [
        (
            "{name: s, port: 80}",
            "warning[backend-not-found]: requests to `rules[0]` get 500, because there is no `Service` `s` in namespace `default`",
        ),
        (
            "{group: x.io, kind: Y, name: s}",
            "warning[backend-kind-unknown]: requests to `rules[0]` get 500, because requests cannot go to a `Y` of `x.io`",
        ),
        (
            "{name: s, namespace: other, port: 80}",
            "warning[reference-not-granted]: requests to `rules[0]` get 500, because no ReferenceGrant lets HTTPRoutes of namespace `default` refer to `Service` `s` of namespace `other`",
        ),
        (
            "{name: s, port: 80}, {name: t, port: 80, weight: 3}",
            "warning[backend-not-found]: this share of the requests to `rules[0]` gets 500, because there is no `Service` `s` in namespace `default`",
        ),
    ] {
        let text = gateway(HTTP) + &route(&format!("{{backendRefs: [{reference}]}}"));
        let loaded = load_one(&text);
        assert_eq!(told(&loaded).first().map(String::as_str), Some(message));
        let compiled = loaded.compiled.unwrap();
        let [rule] = &*compiled.snapshot.rules else {
            panic!()
        };
        assert!(
            rule.backends.iter().all(|it| it.backend.is_none()),
            "{reference}"
        );
    }
    let mirror = "{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: m, port: 80}}}], backendRefs: [{name: s, port: 80}]}";
    let compiled = compiled(&(gateway(HTTP) + &route(mirror) + &service("ports: [{port: 80}]")));
    let [rule] = &*compiled.snapshot.rules else {
        panic!()
    };
    let [mirror] = &*rule.filters.mirrors else {
        panic!()
    };
    assert!(mirror.backend.is_none() && rule.backends[0].backend.is_some());
}

#[test]
fn grants_are_exact() {
    let there = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: other}\nspec: {ports: [{port: 80}]}\n---\n";
    let rule = "{backendRefs: [{name: s, namespace: other, port: 80}]}";
    for (namespace, from, to, open) in [
        ("other", "HTTPRoute, namespace: default", "Service", true),
        (
            "other",
            "HTTPRoute, namespace: default",
            "Service, name: s",
            true,
        ),
        (
            "other",
            "HTTPRoute, namespace: default",
            "Service, name: t",
            false,
        ),
        ("other", "HTTPRoute, namespace: default", "Secret", false),
        ("other", "HTTPRoute, namespace: foreign", "Service", false),
        ("other", "GRPCRoute, namespace: default", "Service", false),
        ("default", "HTTPRoute, namespace: default", "Service", false),
    ] {
        let grant = format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
             metadata: {{name: g, namespace: {namespace}}}\nspec:\n\
             \x20 from: [{{group: gateway.networking.k8s.io, kind: {from}}}]\n  to: [{{group: '', kind: {to}}}]\n---\n"
        );
        let compiled = compiled(&(gateway(HTTP) + &route(rule) + there + &grant));
        assert_eq!(
            compiled.snapshot.backends.len() == 1,
            open,
            "{namespace} {from} {to}"
        );
    }
    // A name that cannot be read must not open the whole namespace.
    let grant = "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: other}\n\
                 spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: '', kind: Service, name: 7}]}\n";
    assert!(
        load_one(&(gateway(HTTP) + &route(rule) + there + grant))
            .compiled
            .is_none()
    );
}

fn tls_policy(name: &str, extra: &str, target: &str, validation: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: {name}{extra}}}\n\
         spec:\n  targetRefs: [{{group: '', kind: Service, {target}}}]\n  validation: {{{validation}}}\n---\n"
    )
}

const SYSTEM: &str = "wellKnownCACertificates: System";

/// SNI of the backend, if TLS is spoken to it.
fn sni(policies: &str) -> Option<String> {
    let ports = "ports: [{name: a, port: 80}, {name: b, port: 81}]";
    let compiled = compiled(&with(&(service(ports) + policies)));
    only(&compiled)
        .tls
        .as_ref()
        .map(|tls| tls.server_name.to_string())
}

#[test]
fn the_closest_and_oldest_tls_policy_holds() {
    let of = |name: &str, extra: &str, target: &str| {
        tls_policy(
            name,
            extra,
            target,
            &format!("hostname: {name}.test, {SYSTEM}"),
        )
    };
    assert_eq!(sni(""), None);
    assert_eq!(sni(&of("x", "", "name: s")).as_deref(), Some("x.test"));
    assert_eq!(sni(&of("x", "", "name: t")), None);
    assert_eq!(sni(&of("x", "", "name: s, sectionName: b")), None);
    let both = of("x", "", "name: s") + &of("y", "", "name: s, sectionName: a");
    assert_eq!(
        sni(&both).as_deref(),
        Some("y.test"),
        "the port comes before the whole"
    );
    let two = of("y", "", "name: s") + &of("x", "", "name: s");
    assert_eq!(sni(&two).as_deref(), Some("x.test"), "the name breaks ties");
    let dated = of("x", "", "name: s")
        + &of(
            "y",
            ", creationTimestamp: '2024-01-01T00:00:00Z'",
            "name: s",
        );
    assert_eq!(
        sni(&dated).as_deref(),
        Some("y.test"),
        "the older one comes first"
    );
    let text = with(&(service("ports: [{port: 80}]") + &two));
    assert!(codes(&text).contains(&"conflicting-policy"));
    let nowhere = with(&(service("ports: [{port: 80}]") + &of("x", "", "name: t")));
    assert_eq!(codes(&nowhere), ["target-not-found"]);
}

#[test]
fn a_broken_ca_closes_the_backend() {
    let ca = Authority::new("a").pem();
    let refer = "hostname: a.test, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
    let policy = tls_policy("x", "", "name: s", refer);
    let service = service("ports: [{port: 80, appProtocol: https}]");
    let tls = |more: &str| {
        let compiled = compiled(&with(&format!("{service}{policy}{more}")));
        only(&compiled).tls.clone().unwrap()
    };
    assert_eq!(tls("").ca, Ca::Broken);
    assert_eq!(tls(&config_map("default", "ca", "no PEM")).ca, Ca::Broken);
    assert_eq!(tls(&config_map("other", "ca", &ca)).ca, Ca::Broken);
    let Ca::Pem(pem) = tls(&config_map("default", "ca", &ca)).ca else {
        panic!()
    };
    assert_eq!(&*pem, ca);
    let text = with(&(service.clone() + &policy));
    assert_eq!(
        codes(&text),
        ["no-ca-certificate", "ca-certificate-not-found"]
    );
}

#[test]
fn subject_names_are_kept_and_never_lost() {
    let names = format!(
        "hostname: a.test, {SYSTEM}, subjectAltNames: [{{type: URI, uri: 'spiffe://a/b'}}, {{type: Hostname, hostname: b.test}}]"
    );
    let text = with(&(service("ports: [{port: 80}]") + &tls_policy("x", "", "name: s", &names)));
    let compiled = compiled(&text);
    let tls = only(&compiled).tls.clone().unwrap();
    assert_eq!(
        *tls.names,
        [
            SubjectName::Uri("spiffe://a/b".into()),
            SubjectName::Dns("b.test".into())
        ]
    );
    for validation in [
        "hostname: a.test".to_owned(),
        format!("hostname: '*.test', {SYSTEM}"),
        format!(
            "hostname: a.test, {SYSTEM}, caCertificateRefs: [{{group: '', kind: ConfigMap, name: c}}]"
        ),
        format!("hostname: a.test, {SYSTEM}, subjectAltNames: [{{type: URI, hostname: b.test}}]"),
        format!("hostname: a.test, {SYSTEM}, subjectAltNames: []"),
        "hostname: a.test, wellKnownCACertificates: Other".to_owned(),
    ] {
        let text =
            with(&(service("ports: [{port: 80}]") + &tls_policy("x", "", "name: s", &validation)));
        assert!(load_one(&text).compiled.is_none(), "{validation}");
    }
}
