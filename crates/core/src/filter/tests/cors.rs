//! Tests of the CORS filter.

use countersign_testkit::corpus;
use http::{HeaderMap, Uri};
use proptest::prelude::*;
use serde_json::Value;

use super::headers;
use crate::filter::*;

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn wildcard(scheme: &str, suffix: &str) -> OriginPattern {
    OriginPattern::Wildcard {
        scheme: scheme.into(),
        suffix: suffix.into(),
    }
}

#[test]
fn origins() {
    let exact = |text: &str| OriginPattern::Exact(text.into());
    let bar = || wildcard("https://", ".bar.test");
    for (pattern, origin, want) in [
        (OriginPattern::Any, "https://a.test", true),
        (OriginPattern::Any, "null", true),
        (exact("https://a.test"), "https://a.test", true),
        (exact("https://A.test"), "HTTPS://a.TEST", true),
        (exact("https://a.test:443"), "https://a.test", true),
        (exact("http://a.test:80"), "http://a.test", true),
        (exact("http://a.test:443"), "http://a.test", false),
        (exact("https://a.test:8443"), "https://a.test:8443", true),
        (exact("https://a.test"), "https://a.test:8443", false),
        (exact("https://a.test"), "http://a.test", false),
        (exact("https://a.test"), "https://a.test.evil.test", false),
        (exact("https://a.test"), "https://a.test/", false),
        (bar(), "https://x.bar.test", true),
        (bar(), "https://x.y.bar.test", true),
        (bar(), "https://bar.test", false),
        (bar(), "https://.bar.test", false),
        (bar(), "https://x..bar.test", false),
        (bar(), "https://xbar.test", false),
        (bar(), "http://x.bar.test", false),
        (bar(), "https://x.bar.test:8443", false),
        (bar(), "https://x.bar.test:443", true),
        (bar(), "https://evil.test/.bar.test", false),
        (bar(), "https://evil.test:80@x.bar.test", false),
        (bar(), "https://evil.test#.bar.test", false),
        (bar(), "null", false),
        (
            wildcard("https://", ".bar.test:8443"),
            "https://x.bar.test:8443",
            true,
        ),
        (
            wildcard("https://", ".bar.test:8443"),
            "https://x.bar.test",
            false,
        ),
        (wildcard("http://", ""), "http://any.test", true),
        (wildcard("http://", ""), "http://any.test:8080", false),
        (wildcard("http://", ""), "http://[::1]", true),
        (wildcard("http://", ":8080"), "http://any.test:8080", true),
        (bar(), "https://[::1].bar.test", false),
    ] {
        assert_eq!(pattern.matches(origin), want, "{pattern:?} {origin}");
    }
    let none = Cors::default();
    assert!(!none.allows(&value("https://a.test")));
    let any = Cors {
        allow_origins: [OriginPattern::Any].into(),
        ..Cors::default()
    };
    assert!(any.allows(&value("null")) && !any.allows(&value("")));
    assert!(!any.allows(&HeaderValue::from_bytes(b"https://\xff").unwrap()));
}

/// The five filters of the suite's `httproute-cors.yaml`.
fn conformance_filter(path: &str) -> Cors {
    let origins = |list: Vec<OriginPattern>| Cors {
        allow_origins: list.into(),
        max_age: 5,
        ..Cors::default()
    };
    let foo = || OriginPattern::Exact("https://www.foo.com".into());
    let names = ["x-header-1", "x-header-2"].map(HeaderName::from_static);
    match path {
        "/cors-1" => Cors {
            allow_methods: [Method::GET, Method::OPTIONS].into(),
            allow_headers: names.into(),
            expose_headers: Some(value("x-header-3, x-header-4")),
            allow_credentials: true,
            max_age: 3600,
            ..origins(vec![foo(), wildcard("https://", ".bar.com")])
        },
        "/cors-2" => Cors {
            any_method: true,
            ..origins(vec![foo()])
        },
        "/cors-wildcard-origin" => Cors {
            allow_methods: [Method::PUT].into(),
            ..origins(vec![OriginPattern::Any])
        },
        "/cors-wildcard-methods-headers" | "/cors-wildcard-methods-headers-unauth" => Cors {
            any_method: true,
            any_header: true,
            allow_credentials: !path.ends_with("unauth"),
            ..origins(vec![OriginPattern::Any])
        },
        other => panic!("no filter for {other}"),
    }
}

#[test]
fn conformance_cors() {
    for test in corpus::cases::<Value>("gwapi/cases.jsonl") {
        if test["test"] != "HTTPRouteCORS" {
            continue;
        }
        for case in test["requests"].as_array().unwrap() {
            conformance_cors_request(case);
        }
    }
}

fn conformance_cors_request(case: &Value) {
    let request = &case["request"];
    let cors = conformance_filter(request["path"].as_str().unwrap());
    let lines = request["headers"].as_object().unwrap();
    let sent: Vec<_> = lines
        .iter()
        .map(|(name, text)| (&**name, text.as_str().unwrap()))
        .collect();
    let sent = headers(&sent);
    let answer = if request["method"] == "OPTIONS" {
        cors.preflight(&sent)
    } else {
        let mut answer = HeaderMap::new();
        cors.answer(sent.get("origin"), &mut answer);
        answer
    };
    let got = |name: &str| answer.get(name).map(|it| it.to_str().unwrap().to_owned());
    let want = &case["expect"]["response"];
    for name in want["absent_headers"].as_array().into_iter().flatten() {
        assert_eq!(got(name.as_str().unwrap()), None, "{}", case["name"]);
    }
    for (name, text) in want["headers"].as_object().into_iter().flatten() {
        assert_eq!(
            got(name).as_deref(),
            text.as_str(),
            "{}: {name}",
            case["name"]
        );
    }
    for (name, any) in want["valid_header_values"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let got = got(name).unwrap_or_else(|| panic!("{}: no {name}", case["name"]));
        assert!(
            any.as_array().unwrap().iter().any(|it| *it == got),
            "{}: {name} {got}",
            case["name"]
        );
    }
}

#[test]
fn preflights() {
    let cors = conformance_filter("/cors-1");
    let ask = |origins: &[&str]| {
        let mut lines: Vec<_> = origins.iter().map(|it| ("origin", *it)).collect();
        lines.push(("access-control-request-method", "DELETE"));
        lines.push(("access-control-request-headers", "x-header-9"));
        headers(&lines)
    };
    let allowed = cors.preflight(&ask(&["https://www.foo.com"]));
    assert_eq!(
        allowed,
        headers(&[
            ("access-control-allow-origin", "https://www.foo.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "GET, OPTIONS"),
            ("access-control-allow-headers", "x-header-1, x-header-2"),
            ("access-control-expose-headers", "x-header-3, x-header-4"),
            ("access-control-max-age", "3600"),
            ("vary", "origin"),
        ])
    );
    for origins in [
        &["https://evil.test"][..],
        &[],
        &["https://www.foo.com", "https://evil.test"],
    ] {
        assert_eq!(
            cors.preflight(&ask(origins)),
            headers(&[("vary", "origin")]),
            "{origins:?}"
        );
    }
    // With credentials a `*` would be a name, so what was asked for is allowed.
    let open = conformance_filter("/cors-wildcard-methods-headers");
    let answer = open.preflight(&ask(&["https://x.test"]));
    assert_eq!(answer["access-control-allow-methods"], "DELETE");
    assert_eq!(answer["access-control-allow-headers"], "x-header-9");
    let bare = open.preflight(&headers(&[("origin", "https://x.test")]));
    assert!(!bare.contains_key("access-control-allow-methods"));
    assert!(!bare.contains_key("access-control-allow-headers"));
}

#[test]
fn the_filter_alone_decides_who_may_read() {
    let cors = conformance_filter("/cors-1");
    let backend = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-secret"),
        ("vary", "accept-encoding"),
    ];
    let vary = [("vary", "accept-encoding"), ("vary", "origin")];
    for origin in [None, Some("https://evil.test")] {
        let mut map = headers(&backend);
        cors.answer(origin.map(value).as_ref(), &mut map);
        assert_eq!(map, headers(&vary));
    }
    let mut map = headers(&[("vary", "Accept, ORIGIN"), backend[2]]);
    cors.answer(Some(&value("https://www.foo.com")), &mut map);
    assert_eq!(
        map,
        headers(&[
            ("access-control-allow-origin", "https://www.foo.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-expose-headers", "x-header-3, x-header-4"),
            ("vary", "Accept, ORIGIN"),
        ])
    );
    // One answer for all: nothing varies.
    let mut map = HeaderMap::new();
    conformance_filter("/cors-wildcard-origin").answer(Some(&value("https://a.test")), &mut map);
    assert_eq!(map, headers(&[("access-control-allow-origin", "*")]));
}

#[test]
fn exposing_everything_with_credentials_names_everything() {
    let mut cors = Cors {
        expose_headers: Some(value("*")),
        ..conformance_filter("/cors-1")
    };
    let lines = [
        ("x-one", "1"),
        ("content-type", "text/plain"),
        ("vary", "*"),
    ];
    let origin = value("https://www.foo.com");
    let mut map = headers(&lines);
    cors.answer(Some(&origin), &mut map);
    let exposed = map["access-control-expose-headers"].to_str().unwrap();
    let mut names: Vec<&str> = exposed.split(", ").collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "vary", "x-one"]);

    cors.allow_credentials = false;
    let mut map = headers(&lines);
    cors.answer(Some(&origin), &mut map);
    assert_eq!(map["access-control-expose-headers"], "*");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_wildcard_lets_no_foreign_host_in(text in "[a-z.:@/#\\[\\]-]{0,12}") {
        let origin = format!("https://{text}.bar.test");
        if wildcard("https://", ".bar.test").matches(&origin) {
            let uri: Uri = origin.parse().unwrap();
            prop_assert!(uri.host().unwrap().ends_with(".bar.test"));
            prop_assert_eq!(uri.authority().unwrap().as_str(), uri.host().unwrap());
        }
    }
}
