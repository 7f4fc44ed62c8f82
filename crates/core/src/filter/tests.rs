//! Tests of header edits, redirects, rewrites and mirrors: the specification's
//! tables and its conformance requests.

mod cors;

use countersign_testkit::corpus;
use http::{HeaderMap, Request, Uri};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    map
}

fn replace(from: &str, to: &str) -> PathEdit {
    PathEdit::Prefix {
        from: from.into(),
        to: to.into(),
    }
}

#[test]
fn header_edits_set_add_and_remove() {
    let pair = |name, text| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(text),
        )
    };
    let edits = HeaderEdits {
        set: [pair("x-set", "new"), pair("x-fresh", "1")].into(),
        add: [pair("x-add", "2"), pair("x-set", "more")].into(),
        remove: [
            HeaderName::from_static("x-remove"),
            HeaderName::from_static("x-absent"),
        ]
        .into(),
    };
    let mut map = headers(&[
        ("X-Set", "a"),
        ("x-set", "b"),
        ("x-add", "1"),
        ("x-remove", "1"),
        ("x-remove", "2"),
        ("x", "1"),
    ]);
    edits.apply(&mut map);
    let want = [
        ("x-set", "new"),
        ("x-set", "more"),
        ("x-fresh", "1"),
        ("x-add", "1"),
        ("x-add", "2"),
        ("x", "1"),
    ];
    assert_eq!(map, headers(&want));
    assert!(!edits.is_empty() && HeaderEdits::default().is_empty());
}

/// The table of `HTTPPathModifier.replacePrefixMatch`, and the root as prefix.
#[test]
fn replaced_prefixes() {
    for (path, from, to, want) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo", "/foo", "/xyz/", "/xyz"),
        ("/foo//bar", "/foo", "/", "//bar"),
        ("/bar", "", "/xyz", "/xyz/bar"),
        ("/", "", "/xyz", "/xyz/"),
        ("/bar", "/", "/", "/bar"),
        ("/foo/bar", "/foo", "xyz", "/xyz/bar"),
        // not under the prefix: left alone
        ("/foobar", "/foo", "/xyz", "/foobar"),
        ("/bar", "/foo", "/xyz", "/bar"),
    ] {
        assert_eq!(replace(from, to).apply(path), want, "{path} {from} {to}");
    }
    assert_eq!(PathEdit::Full("/x".into()).apply("/foo/bar"), "/x");
    assert_eq!(PathEdit::Full("".into()).apply("/foo/bar"), "/");
}

fn redirect(scheme: Option<&'static str>, port: Option<u16>) -> Redirect {
    Redirect {
        scheme,
        host: None,
        port,
        path: None,
        status: StatusCode::FOUND,
    }
}

#[test]
fn redirects_to_the_right_port() {
    let (http, https) = (Some("http"), Some("https"));
    for (filter, scheme, authority, listener, want) in [
        (redirect(None, None), "http", "h.test", 80, "http://h.test/"),
        (
            redirect(None, None),
            "http",
            "h.test:80",
            80,
            "http://h.test/",
        ),
        (
            redirect(None, None),
            "http",
            "h.test:99",
            8080,
            "http://h.test:8080/",
        ),
        (
            redirect(None, None),
            "https",
            "h.test",
            443,
            "https://h.test/",
        ),
        (
            redirect(None, None),
            "https",
            "[::1]:9",
            8443,
            "https://[::1]:8443/",
        ),
        (
            redirect(https, None),
            "http",
            "h.test:8080",
            8080,
            "https://h.test/",
        ),
        (
            redirect(http, None),
            "https",
            "h.test",
            443,
            "http://h.test/",
        ),
        (
            redirect(https, Some(8443)),
            "http",
            "h.test",
            80,
            "https://h.test:8443/",
        ),
        (
            redirect(None, Some(443)),
            "http",
            "h.test",
            80,
            "http://h.test:443/",
        ),
    ] {
        assert_eq!(
            filter.location(scheme, authority, listener, "/", None),
            want
        );
    }
}

#[test]
fn redirects_keep_what_they_do_not_replace() {
    let to = |host: Option<&str>, path: Option<PathEdit>| {
        let host = host.map(Into::into);
        Redirect {
            host,
            path,
            ..redirect(None, None)
        }
    };
    let full = |path: &str| Some(PathEdit::Full(path.into()));
    for (filter, path, query, want) in [
        (
            to(None, None),
            "/a",
            Some("q=1&r=%20"),
            "http://h/a?q=1&r=%20",
        ),
        (
            to(None, None),
            "//evil.test/a",
            None,
            "http://h//evil.test/a",
        ),
        (to(None, full("/x")), "/a", Some(""), "http://h/x?"),
        (
            to(None, full("/x?y\r\nz")),
            "/a",
            None,
            "http://h/x%3Fy%0D%0Az",
        ),
        (
            to(Some("o.test"), Some(replace("/a", "/b"))),
            "/a/c",
            Some("q"),
            "http://o.test/b/c?q",
        ),
    ] {
        assert_eq!(filter.location("http", "h", 80, path, query), want);
    }
}

/// The conformance suite says scheme and port of the filter in the path.
#[test]
fn conformance_redirects_of_port_and_scheme() {
    for test in corpus::cases::<Value>("gwapi/cases.jsonl") {
        if test["test"] != "HTTPRouteRedirectPortAndScheme" {
            continue;
        }
        let requests = test["requests"].as_array().unwrap();
        assert_eq!(requests.len(), 15);
        for case in requests {
            let path = case["request"]["path"].as_str().unwrap();
            let words: Vec<&str> = path.split('-').collect();
            let ["/scheme", scheme, "and", "port", port] = words[..] else {
                panic!("{path}")
            };
            let filter = Redirect {
                scheme: ["http", "https"].into_iter().find(|it| *it == scheme),
                host: Some("example.org".into()),
                port: port.parse().ok(),
                path: None,
                status: StatusCode::FOUND,
            };
            let gateway = case["gateway"].as_str().unwrap();
            let (scheme, listener) = match gateway.rsplit_once("with-").map(|it| it.1) {
                Some("http-listener-on-8080") => ("http", 8080),
                Some("https-listener") => ("https", 443),
                _ => ("http", 80),
            };
            let location: Uri = filter
                .location(scheme, "any", listener, path, None)
                .parse()
                .unwrap();
            let want = &case["expect"]["redirect"];
            assert_eq!(
                location.scheme_str(),
                want["scheme"].as_str(),
                "{}",
                case["id"]
            );
            assert_eq!(location.host(), want["host"].as_str(), "{}", case["id"]);
            let port = location.port().map(|it| it.as_str().to_owned());
            assert_eq!(port.as_deref(), want["port"].as_str(), "{}", case["id"]);
        }
    }
}

fn rewritten(filter: &Rewrite, uri: &str) -> (String, String) {
    let (mut parts, ()) = Request::get(uri)
        .header("host", "h.test")
        .body(())
        .unwrap()
        .into_parts();
    filter.apply(&mut parts).unwrap();
    (
        parts.uri.to_string(),
        parts.headers["host"].to_str().unwrap().to_owned(),
    )
}

#[test]
fn rewrites_keep_the_query_and_agree_on_the_host() {
    let host = Some("one.test".into());
    for (host, path, uri, want, want_host) in [
        (None, None, "/a?b=c", "/a?b=c", "h.test"),
        (host.clone(), None, "/a?b=c", "/a?b=c", "one.test"),
        (
            host.clone(),
            None,
            "http://h.test/a",
            "http://one.test/a",
            "one.test",
        ),
        (
            None,
            Some(replace("/a", "")),
            "/a?b=%2F&c",
            "/?b=%2F&c",
            "h.test",
        ),
        (
            None,
            Some(replace("/a", "/b")),
            "/a/%2e?",
            "/b/%2e?",
            "h.test",
        ),
        (
            None,
            Some(replace("/a", "/")),
            "http://h.test/a/c",
            "http://h.test/c",
            "h.test",
        ),
        (
            host,
            Some(PathEdit::Full("/x".into())),
            "/a?q",
            "/x?q",
            "one.test",
        ),
        (
            None,
            Some(replace("/a", "/b c#d?\u{e9}")),
            "/a/e?q",
            "/b%20c%23d%3F%C3%A9/e?q",
            "h.test",
        ),
    ] {
        let got = rewritten(&Rewrite { host, path }, uri);
        assert_eq!((&*got.0, &*got.1), (want, want_host), "{uri}");
    }
}

#[test]
fn a_rewrite_that_cannot_be_sent_is_refused() {
    let long = "/".to_owned() + &"a".repeat(65_000);
    let filter = Rewrite {
        host: None,
        path: Some(replace("", &long)),
    };
    let (mut parts, ()) = Request::get(&*long).body(()).unwrap().into_parts();
    assert!(filter.apply(&mut parts).is_err());
    assert_eq!(parts.uri.path(), long);
    let filter = Rewrite {
        host: Some("a\nb".into()),
        path: None,
    };
    assert!(filter.apply(&mut parts).is_err());
}

#[test]
fn mirrors_take_their_share() {
    let mirror = |numerator, denominator| Mirror {
        backend: None,
        numerator,
        denominator,
    };
    for (numerator, denominator, random, want) in [
        (0, 100, 0, false),
        (100, 100, u32::MAX, true),
        (1, 2, u32::MAX / 2, true),
        (1, 2, u32::MAX / 2 + 1, false),
        (1, u32::MAX, 0, true),
        (u32::MAX, u32::MAX, u32::MAX, true),
        (7, 3, u32::MAX, true),
    ] {
        assert_eq!(
            mirror(numerator, denominator).takes(random),
            want,
            "{numerator}/{denominator}"
        );
    }
    let quarter = mirror(25, 100);
    let taken = (0..1000u32)
        .filter(|it| quarter.takes(it * (u32::MAX / 1000)))
        .count();
    assert!(taken.abs_diff(250) <= 1, "{taken}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_rewritten_path_is_always_a_target(
        path in "(/[a-c%.]{0,3}){1,4}", from in "(/[a-c]{1,2}){0,2}", to in "[ -~]{0,8}",
    ) {
        let before: Uri = format!("{path}?q=1").parse().unwrap();
        let filter = Rewrite { host: None, path: Some(replace(&from, &to)) };
        let (mut parts, ()) = Request::get(before).body(()).unwrap().into_parts();
        filter.apply(&mut parts).unwrap();
        prop_assert!(parts.uri.path().starts_with('/'));
        prop_assert_eq!(parts.uri.query(), Some("q=1"));
        let prefixed = path.strip_prefix(&from).filter(|it| it.is_empty() || it.starts_with('/'));
        if let Some(rest) = prefixed {
            prop_assert!(parts.uri.path().ends_with(rest));
        }
    }
}
