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
