//! Many routes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::support::{
    HTTP, SERVICE, TO_SERVICE, accepted, gateway, listener, load_one, route_named,
};

#[test]
fn ten_thousand_routes_load_in_seconds() {
    const ROUTES: usize = 10_000;
    let mut text = gateway(HTTP) + SERVICE;
    for number in 0..ROUTES {
        let hosts = format!("  hostnames: [h{}.example.com]\n", number / 4);
        let rule = format!("{{matches: [{{path: {{value: /p{number}}}}}], {TO_SERVICE}}}");
        let _ = write!(
            text,
            "{}",
            route_named(&format!("r{number}"), &hosts, &rule)
        );
    }
    let start = Instant::now();
    let loaded = load_one(&text);
    let took = start.elapsed();
    let compiled = accepted(loaded);
    assert_eq!(
        listener(&compiled, "default/gw/http")
            .routes
            .entries()
            .len(),
        ROUTES
    );
    assert_eq!(compiled.snapshot.backends.len(), 1);
    assert_eq!(compiled.protection.len(), ROUTES);
    // Unoptimised, on a busy machine; it is under a second on an idle one.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Names that lead nowhere are compared with others, for the one that may be meant.
#[test]
fn dangling_references_do_not_make_it_slow() {
    let mut text = gateway(HTTP);
    for number in 0..2_000 {
        let rule = format!("{{backendRefs: [{{name: missing{number}, port: 80}}]}}");
        let _ = write!(text, "{}", route_named(&format!("r{number}"), "", &rule));
        let _ = write!(
            text,
            "{}",
            SERVICE.replace("name: s", &format!("name: s{number}"))
        );
    }
    let start = Instant::now();
    let loaded = load_one(&text);
    let took = start.elapsed();
    assert!(
        loaded.diagnostics.warnings().count() >= 1_000,
        "as many as are kept"
    );
    assert!(accepted(loaded).snapshot.backends.is_empty());
    assert!(took < Duration::from_secs(30), "{took:?}");
}

/// A thousand policies of ten rules on each of three Gateways.
#[test]
fn ten_thousand_rules_load_in_seconds() {
    let mut text = String::new();
    for (name, port) in [("a", 80), ("b", 81), ("c", 82)] {
        let listener = format!("{{name: http, port: {port}, protocol: HTTP}}");
        text += &super::support::gateway_named(name, "", &listener);
    }
    for number in 0..1_000 {
        let rules = (0..10).map(|rule| {
            format!(
                "  - {{to: [{{operation: {{hosts: [h{number}.test], paths: ['/{rule}/*']}}}}], \
                 when: [{{key: 'request.auth.claims[aud]', notValues: [h{number}]}}]}}\n"
            )
        });
        let _ = write!(
            text,
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{number}}}\n\
             spec:\n  action: DENY\n  rules:\n{}---\n",
            rules.collect::<String>()
        );
    }
    let start = Instant::now();
    let loaded = load_one(&text);
    let took = start.elapsed();
    let compiled = accepted(loaded);
    let [set] = &*compiled.snapshot.policies else {
        panic!("three Gateways with the same policies share them")
    };
    let rules = set.policies().iter().map(|it| it.rules.len());
    assert_eq!(rules.sum::<usize>(), 10_000);
    let demands = compiled.gateways[2].demands.iter();
    let refusals = demands.filter(|it| it.starts_with("deny:"));
    assert_eq!(refusals.count(), 10_000);
    // Unoptimised, on a busy machine.
    assert!(took < Duration::from_secs(30), "{took:?}");
    println!("{took:?}");
}
