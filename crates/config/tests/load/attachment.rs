//! Which listeners a route is on, and what is said where it is on none.

use super::support::{
    HTTP, SERVICE, TO_SERVICE, codes, compiled, entries, gateway, gateway_named, load_one,
    route_named, told,
};

fn rule() -> String {
    format!("{{{TO_SERVICE}}}")
}

/// A route with these fields on these listeners; the titles of the listeners that have it.
fn on(listeners: &str, fields: &str) -> Vec<String> {
    let text = gateway(listeners) + SERVICE + &route_named("r", fields, &rule());
    let compiled = compiled(&text);
    let with = compiled
        .snapshot
        .listeners
        .iter()
        .filter(|it| it.routes.entries().len() > 0);
    with.map(|it| it.name.rsplit('/').next().unwrap().to_owned())
        .collect()
}

const THREE: &str = "{name: a, port: 80, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}, \
                     {name: c, port: 81, protocol: HTTP, hostname: '*.test'}";

#[test]
fn parent_references() {
    for (parents, want) in [
        ("{name: gw}", &["a", "b", "c"][..]),
        ("{name: gw, sectionName: b}", &["b"]),
        ("{name: gw, port: 81}", &["b", "c"]),
        ("{name: gw, port: 81, sectionName: c}", &["c"]),
        ("{name: gw, port: 80, sectionName: c}", &[]),
        (
            "{name: gw, sectionName: a}, {name: gw, sectionName: c}",
            &["a", "c"],
        ),
        ("{name: gw, namespace: other}", &[]),
        ("{name: other}", &[]),
        ("{name: s, kind: Service, group: ''}", &[]),
        ("", &[]),
    ] {
        assert_eq!(
            on(THREE, &format!("  parentRefs: [{parents}]\n")),
            want,
            "{parents}"
        );
    }
}

#[test]
fn parents_must_be_told_apart() {
    for parents in [
        "{name: gw}, {name: gw}",
        "{name: gw}, {name: gw, sectionName: a}",
        "{name: gw, port: 80}, {name: gw, port: 80}",
        "{name: gw, sectionName: a}, {name: gw, port: 80}",
    ] {
        let fields = format!("  parentRefs: [{parents}]\n");
        let text = gateway(THREE) + SERVICE + &route_named("r", &fields, &rule());
        assert_eq!(codes(&text), ["duplicate-entry"], "{parents}");
    }
}

#[test]
fn hostnames_meet() {
    let two = "{name: a, port: 80, protocol: HTTP, hostname: '*.a.test'}, {name: b, port: 80, protocol: HTTP}";
    for (hosts, on_a, on_b) in [
        ("", &["*.a.test"][..], &["*"][..]),
        ("  hostnames: [x.a.test]\n", &["x.a.test"], &["x.a.test"]),
        ("  hostnames: ['*.test']\n", &["*.a.test"], &["*.test"]),
        (
            "  hostnames: ['*.x.a.test', y.test]\n",
            &["*.x.a.test"],
            &["y.test", "*.x.a.test"],
        ),
        ("  hostnames: [a.test]\n", &[], &["a.test"]),
        (
            "  hostnames: ['*.test', x.a.test]\n",
            &["x.a.test", "*.a.test"],
            &["x.a.test", "*.test"],
        ),
    ] {
        let text = gateway(two) + SERVICE + &route_named("r", hosts, &rule());
        let compiled = compiled(&text);
        for (listener, want) in [("default/gw/a", on_a), ("default/gw/b", on_b)] {
            let want: Vec<String> = want.iter().map(|it| format!("{it} default/r/0")).collect();
            assert_eq!(entries(&compiled, listener), want, "{hosts}");
        }
    }
}

fn in_namespace(namespace: &str, allowed: &str, more: &str) -> bool {
    let listeners = format!("{{name: a, port: 80, protocol: HTTP, allowedRoutes: {{{allowed}}}}}");
    let route = route_named(
        "r",
        "  parentRefs: [{name: gw, namespace: default}]\n",
        &rule(),
    );
    let route = route.replace("{name: r}", &format!("{{name: r, namespace: {namespace}}}"));
    let compiled = compiled(&(gateway(&listeners) + &route + more));
    !entries(&compiled, "default/gw/a").is_empty()
}

#[test]
fn namespaces_are_allowed() {
    let labelled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: one, labels: {team: red, tier: web}}\n---\n\
                    apiVersion: v1\nkind: Namespace\nmetadata: {name: two, labels: {team: blue}}\nspec: {finalizers: [kubernetes]}\n---\n";
    let select =
        |selector: &str| format!("namespaces: {{from: Selector, selector: {{{selector}}}}}");
    for (namespace, allowed, want) in [
        ("default", String::new(), true),
        ("one", String::new(), false),
        ("default", "namespaces: {from: Same}".into(), true),
        ("one", "namespaces: {from: Same}".into(), false),
        ("one", "namespaces: {from: All}".into(), true),
        ("one", select("matchLabels: {team: red}"), true),
        ("two", select("matchLabels: {team: red}"), false),
        ("one", select("matchLabels: {team: red, tier: db}"), false),
        (
            "one",
            select("matchLabels: {kubernetes.io/metadata.name: one}"),
            true,
        ),
        (
            "lost",
            select("matchLabels: {kubernetes.io/metadata.name: lost}"),
            true,
        ),
        ("lost", select("matchLabels: {team: red}"), false),
        (
            "two",
            select("matchExpressions: [{key: team, operator: In, values: [red, blue]}]"),
            true,
        ),
        (
            "two",
            select("matchExpressions: [{key: team, operator: NotIn, values: [blue]}]"),
            false,
        ),
        (
            "lost",
            select("matchExpressions: [{key: team, operator: NotIn, values: [blue]}]"),
            true,
        ),
        (
            "one",
            select("matchExpressions: [{key: tier, operator: Exists}]"),
            true,
        ),
        (
            "two",
            select("matchExpressions: [{key: tier, operator: DoesNotExist}]"),
            true,
        ),
        (
            "one",
            select(
                "matchLabels: {team: red}, matchExpressions: [{key: tier, operator: DoesNotExist}]",
            ),
            false,
        ),
        ("one", select(""), true),
    ] {
        assert_eq!(
            in_namespace(namespace, &allowed, labelled),
            want,
            "{namespace} {allowed}"
        );
    }
}

#[test]
fn kinds_are_allowed() {
    for (kinds, want) in [
        ("", true),
        ("kinds: []", true),
        ("kinds: [{kind: HTTPRoute}]", true),
        (
            "kinds: [{group: gateway.networking.k8s.io, kind: HTTPRoute}, {kind: GRPCRoute}]",
            true,
        ),
        ("kinds: [{kind: GRPCRoute}]", false),
    ] {
        assert_eq!(in_namespace("default", kinds, ""), want, "{kinds}");
    }
}

#[test]
fn a_route_that_is_nowhere_says_why() {
    let other = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n---\n";
    let listeners = "{name: web, port: 80, protocol: HTTP, hostname: a.test}";
    for (fields, want) in [
        (
            "  parentRefs: [{name: gw, sectionName: wbe}]\n",
            "warning[no-matching-listener]: this route is not attached here, because the Gateway has no listener named `wbe`",
        ),
        (
            "  parentRefs: [{name: gw, port: 81}]\n",
            "warning[no-matching-listener]: this route is not attached here, because the Gateway has no listener on port 81",
        ),
        (
            "  parentRefs: [{name: gv}]\n",
            "warning[parent-not-found]: this route is not attached here, because there is no Gateway `gv` in namespace `default`",
        ),
        (
            "  parentRefs: [{name: s, kind: Service, group: ''}]\n",
            "warning[unsupported-parent]: this route is not attached here, because a `Service` has no listeners here",
        ),
        (
            "  hostnames: [b.test]\n",
            "warning[no-matching-hostname]: this route is not attached here, because none of its hostnames is one that the listener answers for",
        ),
        (
            "  hostnames: [a.test, b.test]\n",
            "warning[idle-hostname]: no listener of this route answers for `b.test`",
        ),
        (
            "  parentRefs: []\n",
            "warning[route-not-attached]: this route is attached to nothing: it has no `parentRefs`",
        ),
        (
            "  parentRefs: [{name: gx, namespace: elsewhere}]\n",
            "warning[not-allowed-by-listener]: this route is not attached here, because listener `http` takes routes of its own namespace, `elsewhere`, only",
        ),
    ] {
        let elsewhere = gateway_named("gx", "  addresses: [{value: 127.0.0.9}]\n", HTTP)
            .replace("{name: gx}", "{name: gx, namespace: elsewhere}");
        let mine = gateway_named("gw", "  addresses: [{value: 127.0.0.1}]\n", listeners);
        let text = mine + SERVICE + other + &elsewhere + &route_named("r", fields, &rule());
        assert_eq!(told(&load_one(&text)), [want]);
    }
}

/// The errors of a broken Gateway are enough.
#[test]
fn a_broken_gateway_is_not_blamed_on_its_routes() {
    let text =
        gateway("{name: a, port: 80, protocol: UDP}") + SERVICE + &route_named("r", "", &rule());
    assert_eq!(codes(&text), ["invalid-value"]);
    let text = gateway_named("gw", "  tls: 1\n", HTTP) + SERVICE + &route_named("r", "", &rule());
    assert_eq!(codes(&text), ["wrong-type"]);
}

#[test]
fn the_oldest_route_wins_ties() {
    let dated = |name: &str, date: &str| {
        let metadata = format!("{{name: {name}, creationTimestamp: '{date}'}}");
        route_named(name, "", &rule()).replace(&format!("{{name: {name}}}"), &metadata)
    };
    let text = gateway(HTTP)
        + SERVICE
        + &route_named("a", "", &rule())
        + &dated("y", "2024-01-02T00:00:00Z")
        + &dated("z", "2024-01-01T00:00:00Z")
        + &dated("x", "2024-01-02T00:00:00Z");
    let order = entries(&compiled(&text), "default/gw/http");
    assert_eq!(
        order,
        [
            "* default/z/0",
            "* default/x/0",
            "* default/y/0",
            "* default/a/0"
        ]
    );
}
