//! TCP and TLS listeners, TCPRoutes and TLSRoutes, and what policies mean to connections.

use countersign_config::compiled::Compiled;
use countersign_core::listener::Mode;
use countersign_testkit::tls::Authority;

use super::backends::secret;
use super::support::{
    HTTP, SERVICE, TO_SERVICE, codes, compiled, entries, gateway, listener, load_one, route, told,
};

const TCP: &str = "{name: tcp, port: 5432, protocol: TCP}";
const PASS: &str = "{name: pass, port: 443, protocol: TLS, tls: {mode: Passthrough}}";

fn certificate() -> String {
    let identity = Authority::new("a").issue(&["a.test"]);
    secret("default", "s", &identity.certificate, &identity.key)
}

fn stream_route(kind: &str, name: &str, fields: &str) -> String {
    let parents = if fields.contains("parentRefs") {
        ""
    } else {
        "parentRefs: [{name: gw}], "
    };
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n\
         spec: {{{parents}{fields}}}\n---\n"
    )
}

fn tcp_route(name: &str, fields: &str) -> String {
    stream_route("TCPRoute", name, fields)
}

fn tls_route(name: &str, hosts: &str) -> String {
    let fields = format!("hostnames: [{hosts}], rules: [{{{TO_SERVICE}}}]");
    stream_route("TLSRoute", name, &fields)
}

fn sockets(compiled: &Compiled) -> Vec<(u16, bool, usize)> {
    let sockets = compiled.snapshot.sockets.iter();
    let sockets = sockets.map(|it| (it.port, it.tls, it.listeners.len()));
    sockets.collect()
}

#[test]
fn listeners_of_each_protocol() {
    let all = format!(
        "{TCP}, {PASS}, {HTTP}, \
         {{name: ends, port: 443, protocol: TLS, hostname: b.test, tls: {{certificateRefs: [{{name: s}}]}}}}, \
         {{name: web, port: 443, protocol: HTTPS, hostname: a.test, tls: {{certificateRefs: [{{name: s}}]}}}}"
    );
    let loaded = compiled(&(gateway(&all) + &certificate()));
    assert_eq!(
        sockets(&loaded),
        [(5432, false, 1), (443, true, 3), (80, false, 1)]
    );
    for (name, mode) in [
        ("tcp", Mode::Stream),
        ("pass", Mode::Passthrough),
        ("ends", Mode::Stream),
        ("web", Mode::Http),
        ("http", Mode::Http),
    ] {
        assert_eq!(
            listener(&loaded, &format!("default/gw/{name}")).mode,
            mode,
            "{name}"
        );
    }
    assert_eq!(loaded.sockets[1].certificates.len(), 2);
    assert_eq!(loaded.sockets[0].certificates.len(), 0);
}

#[test]
fn what_cannot_be_is_refused() {
    let https = "{name: h, port: 5432, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}";
    for (listeners, code) in [
        (format!("{TCP}, {{name: h, port: 5432, protocol: HTTP}}"), "protocol-conflict"),
        (format!("{TCP}, {https}"), "protocol-conflict"),
        (format!("{TCP}, {{name: u, port: 5432, protocol: TCP}}"), "hostname-conflict"),
        (format!("{PASS}, {{name: u, port: 443, protocol: TLS, tls: {{mode: Passthrough}}}}"), "hostname-conflict"),
        ("{name: a, port: 1, protocol: TCP, tls: {}}".into(), "unsupported-field"),
        ("{name: a, port: 1, protocol: TCP, hostname: a.test}".into(), "unsupported-field"),
        ("{name: a, port: 1, protocol: TLS}".into(), "missing-field"),
        ("{name: a, port: 1, protocol: TLS, tls: {}}".into(), "missing-field"),
        ("{name: a, port: 1, protocol: TLS, tls: {mode: Peek}}".into(), "invalid-value"),
        ("{name: a, port: 1, protocol: UDP}".into(), "invalid-value"),
        (
            "{name: a, port: 1, protocol: TCP, allowedRoutes: {kinds: [{kind: TLSRoute}]}}".into(),
            "invalid-route-kind",
        ),
        (
            "{name: a, port: 1, protocol: TLS, tls: {mode: Passthrough}, allowedRoutes: {kinds: [{kind: TCPRoute}]}}".into(),
            "invalid-route-kind",
        ),
    ] {
        let text = gateway(&listeners) + &certificate();
        assert!(codes(&text).contains(&code), "{listeners}: {:?}", codes(&text));
        assert!(load_one(&text).compiled.is_none(), "{listeners}");
    }
    for (fields, code) in [
        ("rules: []", "out-of-range"),
        (
            "hostnames: [a.test], rules: [{backendRefs: [{name: s, port: 80}]}]",
            "unknown-field",
        ),
        (
            "rules: [{backendRefs: [{name: s, port: 80}]}, {backendRefs: [{name: s, port: 80}]}]",
            "out-of-range",
        ),
        (
            "rules: [{backendRefs: [{name: s, port: 80, filters: []}]}]",
            "unknown-field",
        ),
        ("rules: [{matches: []}]", "missing-field"),
    ] {
        let text = gateway(TCP) + &tcp_route("r", fields) + SERVICE;
        assert!(codes(&text).contains(&code), "{fields}: {:?}", codes(&text));
        assert!(load_one(&text).compiled.is_none(), "{fields}");
    }
    let everybody = stream_route("TLSRoute", "r", &format!("rules: [{{{TO_SERVICE}}}]"));
    assert!(codes(&(gateway(PASS) + &everybody + SERVICE)).contains(&"missing-field"));
}

#[test]
fn routes_attach_by_kind_name_port_and_hostname() {
    let one = format!("rules: [{{{TO_SERVICE}}}]");
    let two = format!("{TCP}, {{name: other, port: 5433, protocol: TCP}}");
    let at = |parent: &str| tcp_route("r", &format!("parentRefs: [{{name: gw{parent}}}], {one}"));
    let attached = |parent: &str| {
        let loaded = compiled(&(gateway(&two) + &at(parent) + SERVICE));
        ["tcp", "other"].map(|it| entries(&loaded, &format!("default/gw/{it}")).len())
    };
    assert_eq!(attached(""), [1, 1]);
    assert_eq!(attached(", sectionName: tcp"), [1, 0]);
    assert_eq!(attached(", port: 5433"), [0, 1]);
    assert_eq!(
        codes(&(gateway(&two) + &at(", port: 1") + SERVICE)),
        ["no-matching-listener"]
    );
    let web = gateway(TCP) + &route(&format!("{{{TO_SERVICE}}}")) + SERVICE;
    assert_eq!(codes(&web), ["not-allowed-by-listener"]);
    let plain = gateway(HTTP) + &tcp_route("r", &one) + SERVICE;
    assert_eq!(codes(&plain), ["not-allowed-by-listener"]);

    let named =
        "{name: pass, port: 443, protocol: TLS, hostname: '*.b.test', tls: {mode: Passthrough}}";
    let text = gateway(&format!(
        "{named}, {{name: any, port: 444, protocol: TLS, tls: {{mode: Passthrough}}}}"
    )) + &tls_route("r", "a.b.test, '*.test'")
        + &tls_route("older", "c.test")
        + SERVICE;
    assert_eq!(
        codes(&text),
        ["no-matching-hostname"; 0],
        "{:?}",
        told(&load_one(&text))
    );
    let loaded = compiled(&text);
    assert_eq!(
        entries(&loaded, "default/gw/pass"),
        ["a.b.test default/r/0", "*.b.test default/r/0"]
    );
    assert_eq!(
        entries(&loaded, "default/gw/any"),
        [
            "a.b.test default/r/0",
            "c.test default/older/0",
            "*.test default/r/0"
        ]
    );
}

#[test]
fn backends_may_speak_anything() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n\
                   spec: {ports: [{port: 80, appProtocol: PROTOCOL}]}\n---\n";
    for protocol in ["postgresql", "https", "http", "mysql"] {
        let text = gateway(TCP)
            + &tcp_route("r", &format!("rules: [{{{TO_SERVICE}}}]"))
            + &service.replace("PROTOCOL", protocol);
        assert_eq!(codes(&text), [""; 0], "{protocol}");
    }
    let far = "rules: [{backendRefs: [{name: s, namespace: other, port: 80}]}]";
    let text = gateway(TCP) + &tcp_route("r", far) + SERVICE;
    assert_eq!(codes(&text), ["reference-not-granted"]);
    let nobody = gateway(TCP) + &tcp_route("r", "rules: [{backendRefs: [{name: x, port: 80}]}]");
    assert_eq!(codes(&nobody), ["backend-not-found"]);
    let loaded = compiled(&nobody);
    assert_eq!(loaded.snapshot.rules[0].backends[0].backend, None);
}

const ISTIO: &str = "apiVersion: security.istio.io/v1\n";

fn policy(action: &str, rules: &str) -> String {
    format!(
        "{ISTIO}kind: AuthorizationPolicy\nmetadata: {{name: p}}\n\
         spec: {{action: {action}, rules: [{rules}]}}\n---\n"
    )
}

#[test]
fn rules_that_mean_something_else_to_connections_are_told() {
    let base = gateway(&format!("{TCP}, {HTTP}"))
        + &tcp_route("r", &format!("rules: [{{{TO_SERVICE}}}]"))
        + &route(&format!("{{{TO_SERVICE}}}"))
        + SERVICE;
    let ports = "{to: [{operation: {ports: ['5432']}}]}";
    let loaded = compiled(&(base.clone() + &policy("ALLOW", ports)));
    let [tcp, http] = ["tcp", "http"].map(|it| listener(&loaded, &format!("default/gw/{it}")));
    assert_eq!(loaded.snapshot.policies.len(), 2);
    assert_ne!(tcp.policies, http.policies);
    assert!(
        tcp.policies
            .and_then(|id| loaded.snapshot.policies(id))
            .is_some()
    );

    for (action, rules, want) in [
        ("ALLOW", ports, None),
        ("DENY", ports, None),
        (
            "ALLOW",
            "{to: [{operation: {paths: [/a], ports: ['5432']}}]}",
            Some("lets nobody in: it asks for `to[0].operation.paths`"),
        ),
        (
            "DENY",
            "{to: [{operation: {paths: [/a], ports: ['5432']}}]}",
            Some("is for more, as DENY: `to[0].operation.paths` cannot be looked at"),
        ),
        (
            "DENY",
            "{from: [{source: {requestPrincipals: ['*']}}]}",
            Some(
                "is for everybody, as DENY: `from[0].source.requestPrincipals` cannot be looked at",
            ),
        ),
    ] {
        let loaded = load_one(&(base.clone() + &policy(action, rules)));
        let ours: Vec<_> = loaded
            .diagnostics
            .iter()
            .filter(|it| it.code == "rule-not-on-streams")
            .collect();
        match want {
            None => assert!(ours.is_empty(), "{action} {rules}"),
            Some(want) => {
                assert_eq!(ours.len(), 1, "{action} {rules}");
                assert!(ours[0].message.ends_with(want), "{}", ours[0].message);
            }
        }
        assert!(loaded.compiled.is_some());
    }
}

#[test]
fn policies_about_requests_hold_for_no_connection_and_say_so() {
    let authentication = format!(
        "{ISTIO}kind: RequestAuthentication\nmetadata: {{name: a}}\n\
         spec: {{jwtRules: [{{issuer: https://a.test, jwks: '{{\"keys\":[]}}'}}]}}\n---\n"
    );
    let text = gateway(TCP) + &tcp_route("r", &format!("rules: [{{{TO_SERVICE}}}]")) + SERVICE;
    assert_eq!(codes(&text), [""; 0]);
    let with = load_one(&(text + &authentication));
    let told = told(&with);
    assert!(
        told.iter()
            .any(|it| it.starts_with("warning[policy-not-on-streams]: no token is looked at")),
        "{told:?}"
    );
}

/// Whoever opens a port is told (decision P5a).
#[test]
fn what_holds_for_connections_is_compared() {
    let base = gateway(TCP) + &tcp_route("r", &format!("rules: [{{{TO_SERVICE}}}]")) + SERVICE;
    let demands = |text: &str| {
        let loaded = compiled(text);
        let route = loaded
            .protection
            .iter()
            .find(|it| it.route.starts_with("default/gw/tcp TCPRoute"));
        let words = route
            .unwrap()
            .demands
            .iter()
            .map(|it| it.split(':').next().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    assert_eq!(demands(&base), [""; 0]);
    let guarded = base + &policy("ALLOW", "{to: [{operation: {ports: ['5432']}}]}");
    assert_eq!(demands(&guarded), ["allow-only"]);
}

/// The Gateway API's own manifests of such routes, each with its base and the certificates that the suite makes.
#[test]
fn manifests_of_the_conformance_suite_load() {
    use countersign_testkit::corpus::shared;
    let Some(folder) = shared("conformance/gwapi/manifests") else {
        return;
    };
    let identity = Authority::new("a").issue(&["abc.example.com"]);
    let namespace = "gateway-conformance-infra";
    let secrets = [
        "tls-terminate-checks-certificate",
        "tls-validity-checks-certificate",
    ]
    .map(|name| secret(namespace, name, &identity.certificate, &identity.key));
    let mut played = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("tcproute") && !name.starts_with("tlsroute") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap() + "\n---\n" + &secrets.concat();
        let loaded = load_one(&text);
        // All of its Gateways want one port of all addresses, which a cluster gives each of its own.
        let errors = loaded
            .diagnostics
            .errors()
            .filter(|it| it.code != "port-conflict");
        let errors: Vec<_> = errors.map(|it| it.message.as_str()).collect();
        // Gateway API says so in a condition; here a kind that a listener cannot carry is an error.
        if REFUSED.contains(&name.as_str()) {
            assert!(!errors.is_empty(), "{name}");
            continue;
        }
        assert!(errors.is_empty(), "{name}: {errors:?}");
        played += 1;
    }
    assert!(played > 10, "{played}");
}

const REFUSED: &[&str] = &["tlsroute-listener-passthrough-supported-kinds.yaml"];
