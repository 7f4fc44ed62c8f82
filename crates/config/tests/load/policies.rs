//! Where token policies and routes meet.

use countersign_config::compiled::Compiled;

use super::support::{
    HTTP, SERVICE, TO_SERVICE, accepted, codes, compiled, gateway, listener, load_one, route,
    route_named, told,
};

/// A kgateway extension with one provider; claim `sub` goes to the header `x-<name>`.
fn extension(name: &str) -> String {
    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {{name: {name}}}\nspec:\n  jwt:\n    \
         providers:\n    - name: p\n      issuer: https://{name}.test\n      \
         claimsToHeaders: [{{name: sub, header: x-{name}}}]\n      jwks: {{local: {{inline: '{keys}'}}}}\n---\n"
    )
}

fn policy(name: &str, target: &str, jwt: &str) -> String {
    let target = match target {
        "" => String::new(),
        some => format!("  targetRefs: [{{group: gateway.networking.k8s.io, {some}}}]\n"),
    };
    format!(
        "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {{name: {name}}}\nspec:\n{target}  jwtAuth: {jwt}\n---\n"
    )
}

fn refer(extension: &str) -> String {
    format!("{{extensionRef: {{name: {extension}}}}}")
}

/// Names of the providers that each entry of a listener wants, by rule.
fn wanted(compiled: &Compiled, title: &str) -> Vec<String> {
    let entries = listener(compiled, title).routes.entries();
    let shown = entries.map(|entry| {
        let rule = compiled.snapshot.rule(entry.rule).unwrap();
        let requirement = entry.jwt.and_then(|it| compiled.snapshot.requirement(it));
        let origins = requirement.map(|it| it.rules().iter().map(|it| it.origin.name.to_string()));
        let origins: Vec<String> = origins.into_iter().flatten().collect();
        format!("{} {}", rule.name, origins.join(","))
    });
    shown.collect()
}

#[test]
fn each_rule_has_the_closest_policy() {
    let rules = format!(
        "{{name: open, matches: [{{path: {{value: /open}}}}], {TO_SERVICE}}}, {{{TO_SERVICE}}}, \
         {{matches: [{{path: {{value: /ext}}}}], {TO_SERVICE}, filters: [{{type: ExtensionRef, extensionRef: \
         {{group: gateway.kgateway.dev, kind: TrafficPolicy, name: by-filter}}}}]}}"
    );
    let listeners = format!("{HTTP}, {{name: alt, port: 81, protocol: HTTP}}");
    let text = gateway(&listeners)
        + SERVICE
        + &route(&rules)
        + &extension("one")
        + &extension("two")
        + &extension("three")
        + &policy("all", "kind: Gateway, name: gw", &refer("one"))
        + &policy(
            "alt",
            "kind: Gateway, name: gw, sectionName: alt",
            &refer("two"),
        )
        + &policy(
            "none",
            "kind: HTTPRoute, name: r, sectionName: open",
            "{disable: {}}",
        )
        + &policy("by-filter", "", &refer("three"));
    let compiled = compiled(&text);
    let on = |other: &str| {
        [
            "default/r/open ".to_owned(),
            "default/r/2 three".into(),
            format!("default/r/1 {other}"),
        ]
    };
    assert_eq!(wanted(&compiled, "default/gw/http"), on("one"));
    assert_eq!(wanted(&compiled, "default/gw/alt"), on("two"));
    for (title, name) in [("default/gw/http", "one"), ("default/gw/alt", "two")] {
        let listener = listener(&compiled, title);
        let requirement = compiled
            .snapshot
            .requirement(listener.jwt.unwrap())
            .unwrap();
        assert_eq!(
            &*requirement.rules()[0].origin.name,
            name,
            "where no route matches"
        );
        assert!(
            listener
                .identity
                .contains(&format!("X_{}", name.to_uppercase()))
        );
        assert!(
            listener.identity.contains("x-three"),
            "of every rule on the listener"
        );
    }
    assert!(
        !listener(&compiled, "default/gw/http")
            .identity
            .contains("x-two")
    );
    let demands: Vec<_> = compiled
        .protection
        .iter()
        .map(|it| (&*it.route, !it.demands.is_empty()))
        .collect();
    let want = [
        ("default/gw/http HTTPRoute default/r/open", false),
        ("default/gw/alt HTTPRoute default/r/open", false),
        ("default/gw/http HTTPRoute default/r/1", true),
        ("default/gw/alt HTTPRoute default/r/1", true),
        ("default/gw/http HTTPRoute default/r/2", true),
        ("default/gw/alt HTTPRoute default/r/2", true),
    ];
    assert_eq!(demands, want);
    assert_eq!(compiled.snapshot.rules.len(), 3, "one for all listeners");
    assert_eq!(compiled.keys.len(), compiled.snapshot.providers.len());
}

#[test]
fn routes_that_match_on_identity_are_known() {
    let on = |header: &str| {
        let rule =
            format!("{{matches: [{{headers: [{{name: {header}, value: a}}]}}], {TO_SERVICE}}}");
        let text = gateway(HTTP)
            + SERVICE
            + &route(&rule)
            + &extension("one")
            + &policy("all", "kind: Gateway, name: gw", &refer("one"));
        listener(&compiled(&text), "default/gw/http").routes_on_identity
    };
    assert!(on("x-one") && on("X_One"));
    assert!(!on("x-other"));
}

#[test]
fn what_a_policy_lacks_is_an_error() {
    let base = gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}"));
    let lost = base.clone() + &policy("all", "kind: Gateway, name: gw", &refer("lost"));
    let loaded = load_one(&lost);
    assert!(loaded.compiled.is_none());
    assert!(
        told(&loaded)[0].starts_with("error["),
        "{:?}",
        told(&loaded)
    );
    let filter = "{filters: [{type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: TrafficPolicy, name: lost}}], \
                  backendRefs: [{name: s, port: 80}]}";
    let text = gateway(HTTP) + SERVICE + &route(filter);
    assert_eq!(codes(&text), ["extension-not-found"]);
    assert!(load_one(&text).compiled.is_none());
}

#[test]
fn a_policy_that_holds_nowhere_says_so() {
    let base = gateway(HTTP) + SERVICE + &route(&format!("{{{TO_SERVICE}}}")) + &extension("one");
    assert_eq!(
        codes(&(base + &policy("p", "", &refer("one")))),
        ["policy-not-used"]
    );
}

/// A remote key set goes to the endpoint that its `backendRef` means, under the CA of that backend's policy.
#[test]
fn key_sets_behind_a_backend() {
    use countersign_config::compiled::KeySource;
    use countersign_core::backend::Ca;
    let extension = "apiVersion: gateway.kgateway.dev/v1alpha1\nkind: GatewayExtension\nmetadata: {name: one}\nspec:\n  jwt:\n    \
         providers:\n    - name: p\n      issuer: https://idp.test\n      \
         jwks: {remote: {url: 'https://idp.test/keys', backendRef: {name: s, port: 80}}}\n---\n";
    let tls = "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: t}\nspec:\n  \
         targetRefs: [{group: '', kind: Service, name: s}]\n  \
         validation: {hostname: idp.test, caCertificateRefs: [{group: '', kind: ConfigMap, name: lost}]}\n---\n";
    let text = gateway(HTTP)
        + SERVICE
        + &route_named("r", "", &format!("{{{TO_SERVICE}}}"))
        + extension
        + &policy("all", "kind: Gateway, name: gw", &refer("one"))
        + tls;
    let compiled = accepted(load_one(&text));
    let [KeySource::Remote(keys)] = &*compiled.keys else {
        panic!()
    };
    let endpoint = keys.connect.as_ref().unwrap();
    assert_eq!(
        (&*endpoint.host, endpoint.port),
        ("s.default.svc.cluster.local", 80)
    );
    assert_eq!(keys.ca, Ca::Broken, "a CA that is not there trusts nobody");
}
