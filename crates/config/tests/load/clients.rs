//! Client certificates: `Gateway.spec.tls.frontend` and `GatewayParameters.spec.clientCertificates`.

use countersign_config::compiled::{ClientMode, ClientValidation, Compiled};
use countersign_testkit::tls::Authority;

use super::backends::{config_map, secret};
use super::support::{SERVICE, TO_SERVICE, codes, compiled, gateway_named, load_one, told};

const TLS: &str = "{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}, \
                   {name: b, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}, \
                   {name: c, port: 80, protocol: HTTP}";
const CA: &str = "{group: \"\", kind: ConfigMap, name: ca}";
const CA2: &str = "{group: \"\", kind: ConfigMap, name: ca2}";

/// A Gateway with these fields under `frontend`, its certificate, and two authorities.
fn with(frontend: &str, more: &str) -> String {
    let server = Authority::new("server").issue(&["a.test"]);
    let fields = format!("  tls: {{frontend: {{{frontend}}}}}\n{more}");
    gateway_named("gw", &fields, TLS)
        + &secret("default", "s", &server.certificate, &server.key)
        + &config_map("default", "ca", &Authority::new("one").pem())
        + &config_map("default", "ca2", &Authority::new("two").pem())
}

fn default(refs: &str) -> String {
    format!("default: {{validation: {{caCertificateRefs: [{refs}]}}}}")
}

fn on(compiled: &Compiled, port: u16) -> Option<&ClientValidation> {
    let socket = compiled.sockets.iter().find(|it| it.port == port).unwrap();
    socket.clients.as_deref()
}

#[test]
fn the_default_holds_where_no_port_says_otherwise() {
    let loaded = compiled(&with(&default(CA), ""));
    for port in [443, 8443] {
        let clients = on(&loaded, port).unwrap();
        assert_eq!(clients.mode, ClientMode::ValidOnly);
        assert_eq!(clients.authorities.len(), 1);
        assert_eq!(&*clients.authorities[0].origin.name, "ca");
        assert_eq!(clients.authorities[0].trust_domains, None);
    }
    assert_eq!(on(&loaded, 80), None, "no TLS ends there");

    let per_port = format!(
        "{}, perPort: [{{port: 8443, tls: {{validation: {{mode: AllowInsecureFallback, caCertificateRefs: [{CA2}]}}}}}}]",
        default(CA)
    );
    let loaded = compiled(&with(&per_port, ""));
    assert_eq!(&*on(&loaded, 443).unwrap().authorities[0].origin.name, "ca");
    let own = on(&loaded, 8443).unwrap();
    assert_eq!(own.mode, ClientMode::InsecureFallback);
    assert_eq!(&*own.authorities[0].origin.name, "ca2");

    let none = format!("{}, perPort: [{{port: 8443, tls: {{}}}}]", default(CA));
    let loaded = compiled(&with(&none, ""));
    assert!(on(&loaded, 443).is_some() && on(&loaded, 8443).is_none());
    let only = format!(
        "default: {{}}, perPort: [{{port: 443, tls: {{validation: {{caCertificateRefs: [{CA}]}}}}}}]"
    );
    let loaded = compiled(&with(&only, ""));
    assert!(on(&loaded, 443).is_some() && on(&loaded, 8443).is_none());
}

#[test]
fn a_port_without_an_authority_is_closed_and_said() {
    for (refs, why) in [
        (
            "{group: \"\", kind: ConfigMap, name: nobody}",
            "no CA certificate from `ConfigMap` `nobody`: there is none in namespace `default`",
        ),
        (
            "{group: \"\", kind: Service, name: ca}",
            "no CA certificate from `Service` `ca`: CA certificates come from a `ConfigMap` or a `Secret`",
        ),
        (
            "{group: \"\", kind: ConfigMap, name: ca, namespace: other}",
            "no CA certificate from `ConfigMap` `ca`: no ReferenceGrant lets Gateways of namespace `default` \
             refer to `ConfigMap` `ca` of namespace `other`",
        ),
        (
            "{group: \"\", kind: Secret, name: s}",
            "no CA certificate from `Secret` `s`: it has no readable `ca.crt`",
        ),
    ] {
        let text = with(&default(refs), "");
        let told = told(&load_one(&text));
        let found = |it: &str| told.iter().any(|line| line.ends_with(it));
        assert!(found(why), "{told:?}");
        assert!(
            found("there is no CA certificate to check clients with"),
            "{told:?}"
        );
        let loaded = compiled(&text);
        assert_eq!(on(&loaded, 443).unwrap().authorities.len(), 0, "{refs}");
        let some = compiled(&with(&default(&format!("{refs}, {CA}")), ""));
        assert_eq!(on(&some, 443).unwrap().authorities.len(), 1, "{refs}");
    }
    let grant = "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: other}\n\
                 spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}], to: [{group: '', kind: ConfigMap}]}\n---\n";
    let far = "{group: \"\", kind: ConfigMap, name: ca, namespace: other}";
    let text =
        with(&default(far), "") + &config_map("other", "ca", &Authority::new("far").pem()) + grant;
    assert_eq!(codes(&text), [""; 0]);
    assert_eq!(on(&compiled(&text), 443).unwrap().authorities.len(), 1);
}

#[test]
fn what_is_miswritten_is_refused() {
    let twice = format!(
        "{}, perPort: [{{port: 443, tls: {{}}}}, {{port: 443, tls: {{}}}}]",
        default(CA)
    );
    for (frontend, code) in [
        ("perPort: []", "missing-field"),
        (&*default(""), "out-of-range"),
        (&*default("{kind: ConfigMap, name: ca}"), "missing-field"),
        ("default: {validation: {}}", "missing-field"),
        (&*twice, "duplicate-entry"),
        (
            "default: {validation: {mode: AllowAll, caCertificateRefs: []}}",
            "invalid-value",
        ),
        ("default: {validation: {modes: x}}", "unknown-field"),
    ] {
        let text = with(frontend, "");
        assert!(
            codes(&text).contains(&code),
            "{frontend}: {:?}",
            codes(&text)
        );
        assert!(load_one(&text).compiled.is_none(), "{frontend}");
    }
    let idle = format!("{}, perPort: [{{port: 80, tls: {{}}}}]", default(CA));
    assert_eq!(codes(&with(&idle, "")), ["idle-client-validation"]);
}

/// The Gateway refers to parameters with these bindings.
fn bound(refs: &str, bindings: &str) -> String {
    let more = "  infrastructure: {parametersRef: {group: countersign.dev, kind: GatewayParameters, name: p}}\n";
    with(&default(refs), more)
        + "apiVersion: countersign.dev/v1alpha1\nkind: GatewayParameters\nmetadata: {name: p}\n"
        + &format!("spec: {{clientCertificates: [{bindings}]}}\n")
}

#[test]
fn authorities_are_bound_to_trust_domains() {
    let both = format!("{CA}, {CA2}");
    assert_eq!(codes(&with(&default(&both), "")), ["unbound-authority"]);

    let one = format!("{{caCertificateRef: {CA}, trustDomains: [a.example, b.example]}}");
    assert_eq!(codes(&bound(CA, &one)), [""; 0]);
    assert_eq!(codes(&bound(&both, &one)), ["unbound-authority"]);
    let loaded = compiled(&bound(&both, &one));
    let [first, second] = &*on(&loaded, 443).unwrap().authorities else {
        panic!("two authorities");
    };
    let domains: Vec<&str> = first
        .trust_domains
        .iter()
        .flatten()
        .map(|it| &**it)
        .collect();
    assert_eq!(domains, ["a.example", "b.example"]);
    assert_eq!(second.trust_domains, None);

    let two = format!("{one}, {{caCertificateRef: {CA2}, trustDomains: [c.example]}}");
    assert_eq!(codes(&bound(&both, &two)), [""; 0]);
    let slip =
        "{caCertificateRef: {group: \"\", kind: ConfigMap, name: ac}, trustDomains: [c.example]}";
    assert_eq!(codes(&bound(CA, slip)), ["idle-trust-domains"]);
    let spelt_out = "{caCertificateRef: {group: \"\", kind: ConfigMap, name: ca, namespace: default}, trustDomains: [c.example]}";
    assert_eq!(codes(&bound(CA, spelt_out)), [""; 0]);
    for (binding, code) in [
        ("{trustDomains: [a]}", "missing-field"),
        (&*format!("{{caCertificateRef: {CA}}}"), "missing-field"),
        (
            &*format!("{{caCertificateRef: {CA}, trustDomains: []}}"),
            "out-of-range",
        ),
        (
            &*format!("{{caCertificateRef: {CA}, trustDomains: ['spiffe://a']}}"),
            "invalid-value",
        ),
        (
            &*format!("{{caCertificateRef: {CA}, trustDomains: [A.example]}}"),
            "invalid-value",
        ),
    ] {
        assert!(codes(&bound(CA, binding)).contains(&code), "{binding}");
    }
}

/// Whoever takes the certificates away is told which routes ask for less (decision P5a).
#[test]
fn what_clients_must_show_is_a_demand() {
    let route = super::support::route(&format!("{{{TO_SERVICE}}}"));
    let demands = |text: &str| {
        let loaded = compiled(&(text.to_owned() + &route + SERVICE));
        let strict = loaded
            .protection
            .iter()
            .find(|it| it.route.starts_with("default/gw/a "));
        let words = strict.unwrap().demands.iter().map(|it| {
            let stem = it.rsplit_once('/').map_or(&**it, |(stem, _digest)| stem);
            stem.to_owned()
        });
        let plain = loaded
            .protection
            .iter()
            .find(|it| it.route.starts_with("default/gw/c "));
        assert_eq!(plain.unwrap().demands.len(), 0, "no TLS ends there");
        words.collect::<Vec<_>>()
    };
    assert_eq!(
        demands(&with(&default(CA), "")),
        ["client-certificate", "client-identity:default/ca"]
    );
    let lenient = format!(
        "default: {{validation: {{mode: AllowInsecureFallback, caCertificateRefs: [{CA}]}}}}"
    );
    assert_eq!(demands(&with(&lenient, "")), ["client-identity:default/ca"]);
    assert_eq!(demands(&with("default: {}", "")), [""; 0]);
}
