//! Gateways: sockets, listeners, certificates.

use countersign_testkit::tls::Authority;

use super::backends::secret;
use super::support::{HTTP, codes, compiled, gateway, gateway_named, listener, load_one, told};

#[test]
fn listeners_of_one_port_share_a_socket_narrowest_first() {
    let compiled = compiled(&gateway(
        "{name: any, port: 80, protocol: HTTP}, \
         {name: wide, port: 80, protocol: HTTP, hostname: '*.test'}, \
         {name: exact, port: 80, protocol: HTTP, hostname: a.test}, \
         {name: narrow, port: 80, protocol: HTTP, hostname: '*.b.test'}, \
         {name: other, port: 8080, protocol: HTTP}",
    ));
    let sockets = compiled.snapshot.sockets.iter().map(|socket| {
        let names = socket.listeners.iter().map(|it| {
            let listener = compiled.snapshot.listener(*it).unwrap();
            listener.name.rsplit('/').next().unwrap().to_owned()
        });
        (socket.port, socket.tls, names.collect::<Vec<_>>())
    });
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    let want = [
        (80, false, names(&["exact", "narrow", "wide", "any"])),
        (8080, false, names(&["other"])),
    ];
    assert_eq!(sockets.collect::<Vec<_>>(), want);
    assert_eq!(
        &*listener(&compiled, "default/gw/wide").origin.part,
        "listeners[1]"
    );
}

#[test]
fn what_clashes_within_a_gateway() {
    for (listeners, code) in [
        (
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}",
            "hostname-conflict",
        ),
        (
            "{name: a, port: 80, protocol: HTTP, hostname: a.test}, {name: b, port: 80, protocol: HTTP, hostname: a.test}",
            "hostname-conflict",
        ),
        (
            "{name: a, port: 80, protocol: HTTP}, {name: a, port: 81, protocol: HTTP}",
            "duplicate-listener",
        ),
        (
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTPS, hostname: a.test, tls: {certificateRefs: [{name: c}]}}",
            "protocol-conflict",
        ),
    ] {
        let text = gateway(listeners);
        assert!(load_one(&text).compiled.is_none(), "{listeners}");
        assert!(
            codes(&text).contains(&code),
            "{listeners}: {:?}",
            codes(&text)
        );
    }
}

#[test]
fn two_gateways_on_one_port_need_two_addresses() {
    let at = |name: &str, address: &str| {
        let fields = match address {
            "" => String::new(),
            some => format!("  addresses: [{{type: IPAddress, value: '{some}'}}]\n"),
        };
        gateway_named(name, &fields, HTTP)
    };
    for (one, other, clash) in [
        ("", "", true),
        ("127.0.0.1", "", true),
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.2", false),
        ("0.0.0.0", "127.0.0.2", true),
        ("0.0.0.0", "::1", false),
        ("0.0.0.0", "::", true),
        ("::", "127.0.0.2", true),
        ("::", "::1", true),
    ] {
        let text = at("a", one) + &at("b", other);
        assert_eq!(
            codes(&text).contains(&"port-conflict"),
            clash,
            "{one} {other}"
        );
        assert_eq!(load_one(&text).compiled.is_none(), clash, "{one} {other}");
    }
    let compiled = compiled(&(at("a", "127.0.0.1") + &at("b", "::1")));
    let addresses: Vec<String> = compiled
        .sockets
        .iter()
        .map(|it| it.addresses.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(addresses, ["127.0.0.1", "::1"]);
}

#[test]
fn addresses() {
    let with =
        |addresses: &str| gateway_named("gw", &format!("  addresses: [{addresses}]\n"), HTTP);
    let everywhere = compiled(&with("{type: IPAddress}"));
    let all: std::net::IpAddr = "::".parse().unwrap();
    assert_eq!(
        *everywhere.sockets[0].addresses,
        [all],
        "which takes IPv4 too"
    );
    for (addresses, code) in [
        ("{type: Hostname, value: a.test}", "invalid-value"),
        ("{value: a.test}", "invalid-value"),
        ("{value: 127.0.0.1}, {value: 127.0.0.1}", "duplicate-entry"),
        ("{value: '::'}, {value: 127.0.0.1}", "duplicate-entry"),
    ] {
        assert_eq!(codes(&with(addresses)), [code], "{addresses}");
    }
}

/// More fields of a Gateway, its listener, and the code that refuses them.
const UNSUPPORTED: &[(&str, &str, &str)] = &[
    ("", "{name: a, port: 80, protocol: UDP}", "invalid-value"),
    ("", "{name: a, port: 80, protocol: http}", "invalid-value"),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, tls: {}}",
        "unsupported-field",
    ),
    ("", "{name: a, port: 443, protocol: HTTPS}", "missing-field"),
    (
        "",
        "{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough, certificateRefs: [{name: s}]}}",
        "invalid-value",
    ),
    (
        "",
        "{name: a, port: 443, protocol: HTTPS, tls: {options: {a: b}, certificateRefs: [{name: s}]}}",
        "unsupported-field",
    ),
    (
        "",
        "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: []}}",
        "out-of-range",
    ),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, hostname: 10.0.0.1}",
        "invalid-value",
    ),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}]}}",
        "invalid-route-kind",
    ),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}",
        "missing-field",
    ),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {selector: {}}}}",
        "idle-selector",
    ),
    (
        "",
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Nobody}}}",
        "invalid-value",
    ),
    (
        "  tls: {backend: {clientCertificateRef: {name: s}}}\n",
        HTTP,
        "unsupported-field",
    ),
    (
        "  allowedListeners: {namespaces: {from: All}}\n",
        HTTP,
        "invalid-value",
    ),
    ("  defaultScope: All\n", HTTP, "invalid-value"),
    (
        "  infrastructure: {parametersRef: {group: x.io, kind: Y, name: z}}\n",
        HTTP,
        "unsupported-parameters",
    ),
    (
        "  infrastructure: {parametersRef: {group: countersign.dev, kind: GatewayParameters, name: z}}\n",
        HTTP,
        "parameters-not-found",
    ),
    ("  listenres: []\n", HTTP, "unknown-field"),
];

#[test]
fn what_is_not_supported_is_refused() {
    for (fields, listener, code) in UNSUPPORTED {
        let text = gateway_named("gw", fields, listener);
        assert!(load_one(&text).compiled.is_none(), "{fields}{listener}");
        assert!(
            codes(&text).contains(code),
            "{fields}{listener}: {:?}",
            codes(&text)
        );
    }
    let harmless = "  allowedListeners: {namespaces: {from: None}}\n  defaultScope: None\n  \
                    infrastructure: {labels: {a: b}, annotations: {c: d}}\n";
    compiled(&gateway_named("gw", harmless, HTTP));
}

#[test]
fn nothing_to_serve_is_said() {
    assert_eq!(codes(""), ["no-gateway"]);
}

#[test]
fn certificates_are_checked() {
    let authority = Authority::new("a");
    let (one, other) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    let listeners = "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}";
    let with = |secret: &str| gateway(listeners) + secret;
    let good = compiled(&with(&secret("default", "c", &one.certificate, &one.key)));
    assert!(good.snapshot.sockets[0].tls);
    assert_eq!(good.sockets[0].certificates.len(), 1);
    let encoded = {
        use base64::Engine as _;
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\ntype: kubernetes.io/tls\n\
             data: {{tls.crt: {}, tls.key: {}}}\n",
            base64(&one.certificate),
            base64(&one.key)
        )
    };
    let same = compiled(&with(&encoded));
    assert_eq!(
        same.sockets[0].certificates[0].chain,
        good.sockets[0].certificates[0].chain
    );
    for (secret, message) in [
        (
            String::new(),
            "there is no Secret `c` in namespace `default`",
        ),
        (
            secret("other", "c", &one.certificate, &one.key),
            "there is no Secret `c` in namespace `default`",
        ),
        (
            secret("default", "c", &one.certificate, &other.key),
            "Secret `c` cannot be used: `tls.key` is not the key of the first certificate in `tls.crt`",
        ),
        (
            secret("default", "c", &one.key, &one.key),
            "Secret `c` cannot be used: there is no certificate in PEM",
        ),
        (
            secret("default", "c", &one.certificate, &one.certificate),
            "Secret `c` cannot be used: `tls.key` holds no private key in PEM",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ndata: {}\n".into(),
            "Secret `c` has no readable `tls.crt`",
        ),
    ] {
        let loaded = load_one(&with(&secret));
        assert!(loaded.compiled.is_none(), "{message}");
        assert!(
            told(&loaded).iter().any(|it| it.ends_with(message)),
            "{:?}",
            told(&loaded)
        );
    }
}

/// The text of a Secret is nowhere in what is told about it, however it is broken.
#[test]
fn no_message_shows_a_secret() {
    use countersign_config::diagnostic::Style;
    let listeners = "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}";
    for data in [
        "stringData: {tls.crt: hunter2, tls.key: hunter2}",
        "data: {tls.crt: 'hunter2!', tls.key: 'hunter2!'}",
        "data: {tls.crt: [hunter2]}",
        "data: hunter2",
        "hunter2: hunter2",
    ] {
        let text =
            gateway(listeners) + "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\n" + data;
        let loaded = load_one(&text);
        assert!(loaded.compiled.is_none());
        let shown = loaded.diagnostics.render(&loaded.files, Style::Plain)
            + &loaded.diagnostics.render(&loaded.files, Style::Json);
        let shown = shown.replace("unknown field `hunter2`", "");
        assert!(!shown.contains("hunter2"), "{data}: {shown}");
    }
}

#[test]
fn certificates_cross_namespaces_with_a_grant_only() {
    let identity = Authority::new("a").issue(&["a.test"]);
    let listeners = "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c, namespace: other}]}}";
    let there = secret("other", "c", &identity.certificate, &identity.key);
    let text = gateway(listeners) + &there;
    assert_eq!(codes(&text), ["reference-not-granted"]);
    let grant = |kind: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: other}}\n\
             spec:\n  from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: default}}]\n\
             \x20 to: [{{group: '', kind: Secret}}]\n"
        )
    };
    assert_eq!(
        codes(&(text.clone() + &grant("HTTPRoute"))),
        ["reference-not-granted"]
    );
    compiled(&(text + &grant("Gateway")));
}
