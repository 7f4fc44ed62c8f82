//! Rules of HTTPRoutes and GRPCRoutes: what they compile to, and what is refused.

use std::time::Duration;

use countersign_config::compiled::Compiled;
use countersign_core::filter::{HeaderEdits, OriginPattern, PathEdit};
use countersign_core::route::{Match, PathMatch, RouteRule, TextMatch};

use super::support::{
    HTTP, SERVICE, TO_SERVICE, codes, compiled, gateway, load_one, route, route_named, rule,
};

/// A rule with these fields and a backend.
fn one(fields: &str) -> String {
    gateway(HTTP) + SERVICE + &route(&format!("{{{fields}}}"))
}

fn with_backend(fields: &str) -> String {
    one(&format!("{fields}, {TO_SERVICE}"))
}

fn first(compiled: &Compiled) -> &RouteRule {
    rule(compiled, "default/r/0")
}

fn matches(text: &str) -> Vec<Match> {
    let compiled = compiled(text);
    let entries = compiled.snapshot.listeners[0].routes.entries();
    entries.map(|it| it.matches.clone()).collect()
}

fn path(text: &str) -> String {
    let all = matches(text);
    let [only] = all.as_slice() else {
        panic!("{all:?}")
    };
    match &only.path {
        PathMatch::Exact(path) => format!("= {path}"),
        PathMatch::Prefix(path) => format!("< {path}"),
        PathMatch::Regex(regex) => format!("~ {regex}"),
        PathMatch::GrpcService(name) => format!("service {name}"),
        PathMatch::GrpcMethod(name) => format!("method {name}"),
    }
}

#[test]
fn paths() {
    for (fields, want) in [
        ("", "< "),
        ("matches: []", "< "),
        ("matches: [{}]", "< "),
        ("matches: [{path: {}}]", "< "),
        ("matches: [{path: {value: /a}}]", "< /a"),
        ("matches: [{path: {value: /a/}}]", "< /a"),
        ("matches: [{path: {type: PathPrefix, value: /}}]", "< "),
        ("matches: [{path: {type: Exact, value: /a/}}]", "= /a/"),
        ("matches: [{path: {type: Exact}}]", "= /"),
        (
            "matches: [{path: {type: Exact, value: \"/a%20b;c=d@:!$&'()*+,\"}}]",
            "= /a%20b;c=d@:!$&'()*+,",
        ),
        (
            r"matches: [{path: {type: RegularExpression, value: '/a|/b/\d+'}}]",
            r"~ \A(?:/a|/b/\d+)\z",
        ),
    ] {
        let separator = if fields.is_empty() { "" } else { ", " };
        assert_eq!(
            path(&one(&format!("{fields}{separator}{TO_SERVICE}"))),
            want,
            "{fields}"
        );
    }
}

#[test]
fn paths_that_are_refused() {
    for path in [
        "{value: a}",
        "{value: ''}",
        "{value: //a}",
        "{value: /a/../b}",
        "{value: /..}",
        "{value: /a/.}",
        "{value: /a%2fb}",
        "{value: '/a?b'}",
        "{value: '/a#b'}",
        "{value: '/a%2'}",
        "{value: '/a%zz'}",
        "{value: /ä}",
        "{value: 7}",
        "{type: Prefix, value: /a}",
        "{type: RegularExpression, value: '('}",
        "{type: RegularExpression, value: 'a)|(b'}",
        "{type: RegularExpression, value: '(a{1000}){1000}'}",
        "{type: Exact, value: /a, extra: 1}",
    ] {
        let text = with_backend(&format!("matches: [{{path: {path}}}]"));
        assert!(load_one(&text).compiled.is_none(), "{path}");
    }
    let long = format!("/{}", "a".repeat(1024));
    assert_eq!(
        codes(&with_backend(&format!(
            "matches: [{{path: {{value: {long}}}}}]"
        ))),
        ["out-of-range"]
    );
}

/// `%41` is made `A` before anything is matched.
#[test]
fn a_path_that_never_matches_is_told() {
    let escaped = "matches: [{path: {type: Exact, value: '/a%41'}}]";
    assert_eq!(codes(&with_backend(escaped)), ["path-never-matches"]);
}

#[test]
fn other_conditions() {
    let all = matches(&with_backend(
        "matches: [{method: PUT, headers: [{name: X-A, value: b}, {name: x-c, type: RegularExpression, value: 'd+'}], \
         queryParams: [{name: Q, value: 'e f'}, {name: r, type: RegularExpression, value: g}]}]",
    ));
    let [only] = all.as_slice() else { panic!() };
    assert_eq!(only.method, Some(http::Method::PUT));
    let headers = only
        .headers
        .iter()
        .map(|(name, it)| (name.as_str(), text(it)));
    assert_eq!(
        headers.collect::<Vec<_>>(),
        [("x-a", "= b".into()), ("x-c", r"~ \A(?:d+)\z".into())]
    );
    let query = only.query.iter().map(|(name, it)| (&**name, text(it)));
    assert_eq!(
        query.collect::<Vec<_>>(),
        [("Q", "= e f".into()), ("r", r"~ \A(?:g)\z".into())]
    );
}

fn text(it: &TextMatch) -> String {
    match it {
        TextMatch::Exact(text) => format!("= {text}"),
        TextMatch::Regex(regex) => format!("~ {regex}"),
    }
}

#[test]
fn conditions_that_are_refused() {
    for condition in [
        "method: get",
        "method: [GET]",
        "headers: [{name: 'a b', value: c}]",
        "headers: [{name: a}]",
        "headers: [{name: a, value: ''}]",
        "headers: [{name: a, value: b}, {name: A, value: c}]",
        "headers: [{name: a, value: b, type: Prefix}]",
        "queryParams: [{name: a, value: b}, {name: a, value: c}]",
        "queryParams: [{name: a, value: '[', type: RegularExpression}]",
        "header: [{name: a, value: b}]",
    ] {
        let text = with_backend(&format!("matches: [{{{condition}}}]"));
        assert!(load_one(&text).compiled.is_none(), "{condition}");
    }
}

#[test]
fn bounds_of_the_crd() {
    let many = |count: usize, item: &str| vec![item; count].join(", ");
    let match_list = |count| format!("matches: [{}]", many(count, "{path: {value: /a}}"));
    compiled(&with_backend(&match_list(64)));
    assert_eq!(codes(&with_backend(&match_list(65))), ["out-of-range"]);
    let rules = |count, matches| {
        let rule = format!("{{{}, {TO_SERVICE}}}", match_list(matches));
        gateway(HTTP) + SERVICE + &route(&many(count, &rule))
    };
    compiled(&rules(2, 64));
    assert_eq!(codes(&rules(3, 64)), ["out-of-range"]);
    compiled(&rules(16, 1));
    assert_eq!(codes(&rules(17, 1)), ["out-of-range"]);
    let named = "{name: a, backendRefs: [{name: s, port: 80}]}";
    assert_eq!(
        codes(&(gateway(HTTP) + SERVICE + &route(&many(2, named)))),
        ["duplicate-entry"]
    );
}

#[test]
fn header_filters() {
    let compiled = compiled(&with_backend(
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: 'b c'}], add: [{name: D, value: e}], remove: [F]}}, \
         {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [G]}}]",
    ));
    let filters = &first(&compiled).filters;
    let name = |it: &str| http::HeaderName::from_bytes(it.as_bytes()).unwrap();
    let want = HeaderEdits {
        set: [(name("a"), http::HeaderValue::from_static("b c"))].into(),
        add: [(name("d"), http::HeaderValue::from_static("e"))].into(),
        remove: [name("f")].into(),
    };
    assert_eq!(filters.request_headers, want);
    assert_eq!(*filters.response_headers.remove, [name("g")]);
}

#[test]
fn redirects_and_rewrites() {
    let prefix = "matches: [{path: {value: /a/}}]";
    let redirected = compiled(&one(&format!(
        "{prefix}, filters: [{{type: RequestRedirect, requestRedirect: {{scheme: https, hostname: b.test, port: 8443, statusCode: 308, \
         path: {{type: ReplacePrefixMatch, replacePrefixMatch: /c}}}}}}]"
    )));
    let redirect = first(&redirected).filters.redirect.clone().unwrap();
    assert_eq!(
        (redirect.scheme, redirect.host.as_deref(), redirect.port),
        (Some("https"), Some("b.test"), Some(8443))
    );
    assert_eq!(redirect.status, 308);
    assert_eq!(
        redirect.path,
        Some(PathEdit::Prefix {
            from: "/a".into(),
            to: "/c".into()
        })
    );
    let plain = compiled(&one(
        "filters: [{type: RequestRedirect, requestRedirect: {}}]",
    ));
    assert_eq!(first(&plain).filters.redirect.clone().unwrap().status, 302);
    let rewritten = compiled(&with_backend(
        "filters: [{type: URLRewrite, urlRewrite: {hostname: b.test, path: {type: ReplaceFullPath, replaceFullPath: /x}}}]",
    ));
    let rewrite = first(&rewritten).filters.rewrite.clone().unwrap();
    assert_eq!(
        (rewrite.host.as_deref(), rewrite.path),
        (Some("b.test"), Some(PathEdit::Full("/x".into())))
    );
}

#[test]
fn mirrors() {
    for (share, want) in [
        ("", Some((1, 1))),
        (", percent: 20", Some((20, 100))),
        (", percent: 0", Some((0, 100))),
        (
            ", fraction: {numerator: 25, denominator: 50}",
            Some((25, 50)),
        ),
        (", fraction: {numerator: 25}", Some((25, 100))),
        (", percent: 101", None),
        (", fraction: {numerator: 3, denominator: 2}", None),
        (", fraction: {numerator: 0, denominator: 0}", None),
        (", percent: 1, fraction: {numerator: 1}", None),
    ] {
        let text = with_backend(&format!(
            "filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: s, port: 80}}{share}}}}}]"
        ));
        let shares = load_one(&text).compiled.map(|compiled| {
            let mirrors = first(&compiled).filters.mirrors.clone();
            let [mirror] = &*mirrors else { panic!() };
            (mirror.numerator, mirror.denominator)
        });
        assert_eq!(shares, want, "{share}");
    }
}

#[test]
fn cors() {
    let with =
        |fields: &str| with_backend(&format!("filters: [{{type: CORS, cors: {{{fields}}}}}]"));
    let compiled = compiled(&with(
        "allowOrigins: ['https://a.test', 'https://*.b.test:8443'], allowMethods: [GET, PUT], allowHeaders: [X-A], \
         exposeHeaders: [X-B, X-C], allowCredentials: true, maxAge: 60",
    ));
    let cors = first(&compiled).filters.cors.clone().unwrap();
    let origins = [
        OriginPattern::Exact("https://a.test".into()),
        OriginPattern::Wildcard {
            scheme: "https://".into(),
            suffix: ".b.test:8443".into(),
        },
    ];
    assert_eq!(*cors.allow_origins, origins);
    assert!(cors.allow_credentials && !cors.any_method && !cors.any_header);
    assert_eq!(
        (
            cors.allow_methods.len(),
            cors.allow_headers.len(),
            cors.max_age
        ),
        (2, 1, 60)
    );
    assert_eq!(cors.expose_headers.unwrap(), "x-b, x-c");
    let any = load_one(&with(
        "allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['*'], exposeHeaders: ['*']",
    ));
    let cors = first(&any.compiled.unwrap()).filters.cors.clone().unwrap();
    assert_eq!(*cors.allow_origins, [OriginPattern::Any]);
    assert!(cors.any_method && cors.any_header && cors.max_age == 5);
    assert_eq!(cors.expose_headers.unwrap(), "*");
    for fields in [
        "allowOrigins: ['*', 'https://a.test']",
        "allowMethods: ['*', GET]",
        "allowOrigins: [a.test]",
        "allowOrigins: ['https://a.test/']",
        "allowOrigins: ['https://a.*.test']",
        "allowOrigins: ['https://a.test:0']",
        "allowMethods: [get]",
        "maxAge: 0",
    ] {
        assert!(load_one(&with(fields)).compiled.is_none(), "{fields}");
    }
}

#[test]
fn filters_that_are_refused() {
    let header = "requestHeaderModifier: {remove: [A]}";
    let redirect = "{type: RequestRedirect, requestRedirect: {}}";
    let rewrite = "{type: URLRewrite, urlRewrite: {hostname: a.test}}";
    for (filters, code) in [
        (format!("{{type: RequestHeaderModifier, {header}}}, {{type: RequestHeaderModifier, {header}}}"), "duplicate-filter"),
        (format!("{redirect}, {rewrite}"), "conflicting-filters"),
        (redirect.to_owned(), "conflicting-filters"),
        (format!("{{type: URLRewrite, {header}}}"), "one-of"),
        ("{type: URLRewrite}".into(), "missing-field"),
        ("{type: Lambda}".into(), "invalid-value"),
        ("{type: ExternalAuth, externalAuth: {}}".into(), "invalid-value"),
        (header.to_owned(), "missing-field"),
        ("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: Host, value: a}]}}".into(), "invalid-value"),
        ("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [Content-Length]}}".into(), "invalid-value"),
        ("{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: \"b\\nc\"}]}}".into(), "invalid-value"),
        ("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [A, a]}}".into(), "duplicate-entry"),
        ("{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replacePrefixMatch: /a}}}".into(), "one-of"),
        ("{type: URLRewrite, urlRewrite: {hostname: '*.test'}}".into(), "invalid-value"),
        ("{type: RequestRedirect, requestRedirect: {statusCode: 404}}".into(), "invalid-value"),
        ("{type: RequestRedirect, requestRedirect: {scheme: ftp}}".into(), "invalid-value"),
        ("{type: ExtensionRef, extensionRef: {group: x.io, kind: Y, name: z}}".into(), "unsupported-extension"),
    ] {
        let text = with_backend(&format!("filters: [{filters}]"));
        assert!(load_one(&text).compiled.is_none(), "{filters}");
        assert!(codes(&text).contains(&code), "{filters}: {:?}", codes(&text));
    }
    let replaced = "filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]";
    for (matches, codes_wanted) in [
        ("[]", &[][..]),
        ("[{path: {value: /a}}]", &[]),
        (
            "[{path: {value: /a}}, {path: {value: /c}}]",
            &["prefix-not-matched"],
        ),
        (
            "[{path: {type: Exact, value: /a}}]",
            &["prefix-not-matched"],
        ),
    ] {
        let text = with_backend(&format!("matches: {matches}, {replaced}"));
        assert_eq!(codes(&text), codes_wanted, "{matches}");
    }
    for filter in [
        "type: ExtensionRef, extensionRef: {group: gateway.kgateway.dev, kind: TrafficPolicy, name: p}",
        "type: CORS, cors: {}",
        "type: RequestRedirect, requestRedirect: {}",
    ] {
        let text = one(&format!(
            "backendRefs: [{{name: s, port: 80, filters: [{{{filter}}}]}}]"
        ));
        assert_eq!(codes(&text), ["invalid-value"], "{filter}");
    }
}

#[test]
fn backends_weights_and_timeouts() {
    let compiled = compiled(&one(
        "name: main, timeouts: {request: 10s, backendRequest: 500ms}, \
         backendRefs: [{name: s, port: 80, weight: 3}, {name: s, port: 80}, {name: lost, port: 80, weight: 0, \
         filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [A]}}]}]",
    ));
    let rule = rule(&compiled, "default/r/main");
    let shares: Vec<_> = rule
        .backends
        .iter()
        .map(|it| (it.backend.is_some(), it.weight))
        .collect();
    assert_eq!(shares, [(true, 3), (true, 1), (false, 0)]);
    assert!(!rule.backends[2].filters.request_headers.is_empty());
    assert_eq!(rule.timeouts.request, Some(Duration::from_secs(10)));
    assert_eq!(rule.timeouts.backend, Some(Duration::from_millis(500)));
    assert_eq!(
        (&*rule.origin.part, &*rule.origin.file),
        ("rules[0]", "t.yaml")
    );
    assert_eq!(compiled.snapshot.backends.len(), 1);
    for (fields, code) in [
        (
            "timeouts: {request: 1s, backendRequest: 2s}",
            "out-of-range",
        ),
        ("timeouts: {request: 1d}", "invalid-value"),
        ("timeouts: {idle: 1s}", "unknown-field"),
        ("retry: {attempts: 2}", "unsupported-field"),
        ("sessionPersistence: {}", "unsupported-field"),
        ("backendRef: []", "unknown-field"),
    ] {
        assert_eq!(codes(&with_backend(fields)), [code], "{fields}");
    }
    for reference in [
        "{name: s}",
        "{name: s, port: 80, weight: -1}",
        "{name: s, port: 80, weight: 1000001}",
        "{name: S, port: 80}",
    ] {
        assert!(
            load_one(&one(&format!("backendRefs: [{reference}]")))
                .compiled
                .is_none(),
            "{reference}"
        );
    }
    assert_eq!(
        codes(&with_backend("timeouts: {request: 0s, backendRequest: 2s}")),
        [] as [&str; 0]
    );
}

#[test]
fn a_rule_without_backends_answers_500_and_says_so() {
    let text = gateway(HTTP) + &route("{}");
    assert_eq!(codes(&text), ["no-backend"]);
    assert!(first(&compiled(&text)).backends.is_empty());
    let text = gateway(HTTP) + &route_named("r", "", "").replace("  rules: []\n", "");
    assert_eq!(
        codes(&text),
        ["no-backend"],
        "no rules are one that matches everything"
    );
}

/// Hosts that are all refused must not leave a route on every host.
#[test]
fn refused_conditions_open_nothing() {
    for fields in [
        "  hostnames: ['a b']\n",
        "  hostnames: 7\n",
        "  hostnames: [10.0.0.1]\n",
    ] {
        let text =
            gateway(HTTP) + SERVICE + &route_named("r", fields, &format!("{{{TO_SERVICE}}}"));
        assert!(load_one(&text).compiled.is_none(), "{fields}");
    }
}

fn grpc(fields: &str) -> String {
    let route = route_named("r", "", &format!("{{{fields}{TO_SERVICE}}}"));
    gateway(HTTP) + SERVICE + &route.replace("kind: HTTPRoute", "kind: GRPCRoute")
}

#[test]
fn grpc_matches() {
    for (fields, want) in [
        ("", "< "),
        (
            "matches: [{method: {service: a.b.C, method: D}}], ",
            "= /a.b.C/D",
        ),
        ("matches: [{method: {service: a.b.C}}], ", "service a.b.C"),
        ("matches: [{method: {method: D}}], ", "method D"),
        (
            "matches: [{method: {type: RegularExpression, service: 'a|b'}}], ",
            r"~ \A(?:/(?:a|b)/(?:[^/]+))\z",
        ),
        (
            "matches: [{method: {type: RegularExpression, method: 'Get.*'}}], ",
            r"~ \A(?:/(?:[^/]+)/(?:Get.*))\z",
        ),
    ] {
        assert_eq!(path(&grpc(fields)), want, "{fields}");
    }
    let all = matches(&grpc("matches: [{headers: [{name: A, value: b}]}], "));
    assert_eq!(all[0].headers.len(), 1);
    for fields in [
        "matches: [{method: {}}], ",
        "matches: [{method: {service: a/b}}], ",
        "matches: [{method: {service: a, method: 'b*'}}], ",
        "matches: [{method: {type: RegularExpression, service: 'a)|(b'}}], ",
        "matches: [{path: {value: /a}}], ",
        "timeouts: {request: 1s}, ",
        "filters: [{type: URLRewrite, urlRewrite: {hostname: a.test}}], ",
        "filters: [{type: CORS, cors: {}}], ",
    ] {
        assert!(load_one(&grpc(fields)).compiled.is_none(), "{fields}");
    }
    compiled(&grpc(
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [A]}}], ",
    ));
}
