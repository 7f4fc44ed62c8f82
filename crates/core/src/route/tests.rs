//! Tests of matching and of the table: the specification's examples, and a
//! property that holds the index against a plain scan.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.trim_end_matches('/').into())
}

fn regex(pattern: &str) -> PathMatch {
    PathMatch::Regex(whole(pattern).unwrap())
}

fn on(path: PathMatch) -> Match {
    Match {
        path,
        ..Match::default()
    }
}

fn header(name: &'static str, value: &str) -> (HeaderName, TextMatch) {
    (
        HeaderName::from_static(name),
        TextMatch::Exact(value.into()),
    )
}

fn parameter(name: &str, value: &str) -> (Box<str>, TextMatch) {
    (name.into(), TextMatch::Exact(value.into()))
}

/// A table whose rules are numbered in the order given.
fn table(entries: Vec<(&str, Match)>) -> RouteTable {
    let entry = |(id, (host, matches)): (u32, (&str, Match))| RouteEntry {
        host: HostPattern::new(host),
        matches,
        rule: RuleId(id),
        jwt: None,
        rbac: None,
        age: 0,
    };
    RouteTable::new((0..).zip(entries).map(entry).collect())
}

/// `METHOD host/path?query name:value …` to the number of the rule it finds.
fn find(table: &RouteTable, request: &str) -> Option<u32> {
    let mut words = request.split(' ');
    let method: Method = words.next().unwrap().parse().unwrap();
    let target = words.next().unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap());
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let mut headers = HeaderMap::new();
    for (name, value) in words.map(|it| it.split_once(':').unwrap()) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    let query = RouteQuery {
        host,
        method: &method,
        path,
        query,
        headers: &headers,
    };
    table.find(&query).map(|hit| hit.rule.0)
}

#[test]
fn an_empty_table_finds_nothing() {
    assert_eq!(find(&RouteTable::default(), "GET h/"), None);
    assert_eq!(RouteTable::default().entries().len(), 0);
}

#[test]
fn prefixes_are_whole_segments() {
    let routes = table(vec![("", on(prefix("/a/b"))), ("", on(exact("/c")))]);
    for path in ["/a/b", "/a/b/", "/a/b/c", "/a/b//"] {
        assert_eq!(find(&routes, &format!("GET h{path}")), Some(0), "{path}");
    }
    for path in [
        "/a/bc", "/a", "/A/b", "//a/b", "/a/b;x", "/c/", "/C", "/a/b%2f",
    ] {
        assert_eq!(find(&routes, &format!("GET h{path}")), None, "{path}");
    }
    assert_eq!(find(&routes, "GET h/c"), Some(1));
}

#[test]
fn the_narrower_path_wins() {
    let routes = table(vec![
        ("", on(prefix("/"))),
        ("", on(regex("/a.*"))),
        ("", on(regex("/ab?c?.*"))),
        ("", on(prefix("/a"))),
        ("", on(prefix("/a/b"))),
        ("", on(exact("/a/b"))),
    ]);
    for (path, want) in [
        ("/a/b", 5),
        ("/a/b/", 4),
        ("/a/c", 3),
        ("/a", 3),
        ("/ab", 2),
        ("/ax", 2),
        ("/b", 0),
        ("/", 0),
    ] {
        assert_eq!(find(&routes, &format!("GET h{path}")), Some(want), "{path}");
    }
    // Only `*`, the target of OPTIONS, is under no prefix at all.
    let (method, headers) = (Method::OPTIONS, HeaderMap::new());
    let server = RouteQuery {
        host: "h",
        method: &method,
        path: "*",
        query: None,
        headers: &headers,
    };
    assert_eq!(routes.find(&server), None);
}

#[test]
fn the_narrowest_host_decides_alone() {
    let routes = table(vec![
        ("", on(prefix("/"))),
        ("*.test", on(prefix("/long/path"))),
        ("*.test", on(prefix("/"))),
        ("*.b.test", on(prefix("/x"))),
        ("a.b.test", on(prefix("/y"))),
        ("b.test", on(exact("/"))),
    ]);
    for (target, want) in [
        ("a.b.test/y", Some(4)),
        ("a.b.test/x", None),
        ("a.b.test/long/path", None),
        ("a.b.test/", None),
        ("c.a.b.test/x", Some(3)),
        ("b.test/", Some(5)),
        ("b.test/x", None),
        ("test/x", Some(0)),
        ("other/long/path", Some(0)),
        (".b.test/x", Some(2)),
        (".test/x", Some(0)),
        ("a.btest/x", Some(0)),
        ("[::1]/x", Some(0)),
        ("127.0.0.1/x", Some(0)),
    ] {
        assert_eq!(find(&routes, &format!("GET {target}")), want, "{target}");
    }
}

#[test]
fn ties_go_to_method_headers_query_age_and_order() {
    let some = |path: &str, method: Option<Method>, headers: usize, query: usize| Match {
        path: prefix(path),
        method,
        headers: [header("x-a", "1"), header("x-b", "1")]
            .into_iter()
            .take(headers)
            .collect(),
        query: [parameter("a", "1"), parameter("b", "1")]
            .into_iter()
            .take(query)
            .collect(),
    };
    let routes = table(vec![
        ("", some("/", None, 0, 0)),
        ("", some("/", None, 0, 2)),
        ("", some("/", None, 1, 0)),
        ("", some("/", None, 2, 0)),
        ("", some("/", Some(Method::GET), 0, 0)),
        ("", some("/", None, 0, 0)),
        ("", some("/p", None, 0, 0)),
    ]);
    for (request, want) in [
        ("GET h/?a=1&b=1 x-a:1 x-b:1", 4),
        ("PUT h/?a=1&b=1 x-a:1 x-b:1", 3),
        ("PUT h/?a=1&b=1 x-a:1", 2),
        ("PUT h/?b=1&a=1", 1),
        ("PUT h/?b=1", 0),
        ("GET h/p?a=1&b=1 x-a:1 x-b:1", 6),
    ] {
        assert_eq!(find(&routes, request), Some(want), "{request}");
    }

    let entry = |age, rule| RouteEntry {
        host: HostPattern::Any,
        matches: Match::default(),
        rule: RuleId(rule),
        jwt: Some(RequirementId(rule)),
        rbac: None,
        age,
    };
    let routes = RouteTable::new(vec![entry(7, 0), entry(3, 1), entry(3, 2)]);
    assert_eq!(find(&routes, "GET h/"), Some(1));
    assert!(routes.entries().map(|it| it.rule.0).eq([1, 2, 0]));
}

#[test]
fn headers_match_all_or_nothing() {
    let of = |headers: Vec<_>| Match {
        headers: headers.into(),
        ..Match::default()
    };
    let version = TextMatch::Regex(whole("v[12]").unwrap());
    let routes = table(vec![
        ("", of(vec![header("x-a", "1"), header("x-b", "2")])),
        ("", of(vec![(HeaderName::from_static("x-v"), version)])),
        ("", of(vec![header("x-list", "a,b")])),
        ("", of(vec![header("x-empty", "")])),
    ]);
    for (request, want) in [
        ("GET h/ x-a:1 x-b:2", Some(0)),
        ("GET h/ X-A:1 X-B:2", Some(0)),
        ("GET h/ x-a:1", None),
        ("GET h/ x-a:1 x-b:3", None),
        ("GET h/ x-v:v2", Some(1)),
        ("GET h/ x-v:v23", None),
        ("GET h/ x-v:V2", None),
        ("GET h/ x-v:v1 x-v:v1", None),
        ("GET h/ x-list:a,b", Some(2)),
        ("GET h/ x-list:a x-list:b", Some(2)),
        ("GET h/ x-list:b x-list:a", None),
        ("GET h/ x-list:a x-list:b x-list:c", None),
        ("GET h/ x-list:a", None),
        ("GET h/ x-list:a,b x-list:", None),
        ("GET h/ x-empty:", Some(3)),
        ("GET h/ x-empty:1", None),
        ("GET h/", None),
    ] {
        assert_eq!(find(&routes, request), want, "{request}");
    }
}

#[test]
fn header_values_outside_utf8_match_nothing_but_panic_nowhere() {
    let name = HeaderName::from_static("x-a");
    let regex = TextMatch::Regex(whole(".*").unwrap());
    let matches = Match {
        headers: [(name.clone(), regex)].into(),
        ..Match::default()
    };
    let mut headers = HeaderMap::new();
    headers.append(name, HeaderValue::from_bytes(b"\xff").unwrap());
    let (method, path) = (Method::GET, "/");
    let request = RouteQuery {
        host: "h",
        method: &method,
        path,
        query: None,
        headers: &headers,
    };
    assert!(!matches.matches(&request));
}

#[test]
fn the_first_query_parameter_of_a_name_decides() {
    let of = |query: Vec<_>| Match {
        query: query.into(),
        ..Match::default()
    };
    let routes = table(vec![
        (
            "",
            of(vec![parameter("animal", "whale"), parameter("c", "a b&c")]),
        ),
        ("", of(vec![parameter("animal", "whale")])),
        ("", of(vec![parameter("empty", "")])),
        (
            "",
            of(vec![(
                "r".into(),
                TextMatch::Regex(whole("[0-9]+%?").unwrap()),
            )]),
        ),
        ("", of(vec![parameter("a=", "=")])),
    ]);
    for (query, want) in [
        ("animal=whale", Some(1)),
        ("animal=whale&animal=dolphin", Some(1)),
        ("animal=dolphin&animal=whale", None),
        ("%61nimal=dolphin&animal=whale", None),
        ("%61nimal=wh%61le", Some(1)),
        ("Animal=whale", None),
        ("animal=Whale", None),
        ("animal=whale&c=a%20b%26c", Some(0)),
        ("c=a+b%26c&animal=whale", Some(1)),
        ("x=1;animal=whale", None),
        ("empty", Some(2)),
        ("empty=", Some(2)),
        ("empty=1", None),
        ("r=12", Some(3)),
        ("r=1%32%25", Some(3)),
        ("r=12a", None),
        ("r=%ff", None),
        ("a%3d==", Some(4)),
        ("", None),
    ] {
        assert_eq!(find(&routes, &format!("GET h/?{query}")), want, "{query}");
    }
    assert_eq!(find(&routes, "GET h/"), None);
    let empty_name = table(vec![("", of(vec![parameter("", "")]))]);
    assert_eq!(
        find(&empty_name, "GET h/"),
        None,
        "no query has no parameters"
    );
}

#[test]
fn regular_expressions_match_whole_paths() {
    let routes = table(vec![("", on(regex("/a|/ab"))), ("", on(regex("/x/[^/]+")))]);
    for (path, want) in [
        ("/a", Some(0)),
        ("/ab", Some(0)),
        ("/abc", None),
        ("/x/y", Some(1)),
        ("/x/y/z", None),
        ("/w/x/y", None),
    ] {
        assert_eq!(find(&routes, &format!("GET h{path}")), want, "{path}");
    }
    // Without anchors a pattern admits no more than it says.
    let loose = PathMatch::Regex(Regex::new("/a").unwrap());
    assert!(loose.matches("/a") && !loose.matches("/ab") && !loose.matches("/b/a"));
    assert!(!regex("/a").matches("/a\n"));
    for bad in ["a)|(b", "(", "[", "(?x)a # )"] {
        assert!(whole(bad).is_err(), "{bad}");
    }
}

#[test]
fn grpc_services_and_methods() {
    let routes = table(vec![
        ("", on(prefix("/"))),
        ("", on(PathMatch::GrpcMethod("Echo".into()))),
        ("", on(PathMatch::GrpcService("pkg.A".into()))),
        ("", on(exact("/pkg.A/Two"))),
        ("", on(prefix("/pkg.A"))),
    ]);
    for (path, want) in [
        ("/pkg.A/Two", 3),
        ("/pkg.A/Echo", 2),
        ("/pkg.A/x", 2),
        ("/pkg.A/x/y", 4),
        ("/pkg.A/", 4),
        ("/pkg.A", 4),
        ("/pkg.B/Echo", 1),
        ("/pkg.B/echo", 0),
        ("/Echo", 0),
        ("//Echo", 0),
        ("/a/b/Echo", 0),
    ] {
        assert_eq!(
            find(&routes, &format!("POST h{path}")),
            Some(want),
            "{path}"
        );
    }
}

/// The specification's own examples (`httproute-matching`, `-method-matching`).
#[test]
fn conformance_examples() {
    let version = |value| Match {
        headers: [header("version", value)].into(),
        ..Match::default()
    };
    let routes = table(vec![
        ("", on(prefix("/"))),
        ("", version("one")),
        ("", on(prefix("/v2"))),
        ("", version("two")),
    ]);
    for (request, want) in [
        ("GET h/", 0),
        ("GET h/example", 0),
        ("GET h/ version:one", 1),
        ("GET h/v2", 2),
        ("GET h/v2 version:one", 2),
        ("GET h/ version:two", 3),
        ("GET h/v2example", 0),
        ("GET h/foo/v2/example", 0),
    ] {
        assert_eq!(find(&routes, request), Some(want), "{request}");
    }
}

#[test]
fn weights_share_the_requests() {
    let rule = |weights: &[u32]| RouteRule {
        origin: Arc::new(Origin {
            kind: "HTTPRoute",
            namespace: "n".into(),
            name: "r".into(),
            part: "".into(),
            file: "f".into(),
            line: 1,
        }),
        name: "n/r".into(),
        filters: Filters::default(),
        backends: (0..)
            .zip(weights)
            .map(|(id, &weight)| {
                let filters = Filters::default();
                WeightedBackend {
                    backend: Some(BackendId(id)),
                    weight,
                    filters,
                }
            })
            .collect(),
        timeouts: Timeouts::default(),
        closed: None,
    };
    let picks = |rule: &RouteRule, randoms: &[u32]| -> Vec<u32> {
        randoms
            .iter()
            .map(|it| rule.pick(*it).unwrap().backend.unwrap().0)
            .collect()
    };
    let shares = rule(&[70, 0, 30]);
    let even: Vec<u32> = (0..1000).map(|it| it * (u32::MAX / 1000)).collect();
    let got = picks(&shares, &even);
    let count = |id| got.iter().filter(|it| **it == id).count();
    assert!(count(0).abs_diff(700) <= 1 && count(1) == 0 && count(2).abs_diff(300) <= 1);
    assert_eq!(picks(&rule(&[0, 1]), &[0, u32::MAX]), [1, 1]);
    assert_eq!(
        picks(&rule(&[u32::MAX; 3]), &[0, u32::MAX / 2, u32::MAX]),
        [0, 1, 2]
    );
    for none in [&[][..], &[0], &[0, 0]] {
        assert!(rule(none).pick(0).is_none() && rule(none).pick(u32::MAX).is_none());
    }
}

/// What the table promises, read off its documentation and done the long way.
fn by_scan<'e>(entries: &'e [RouteEntry], request: &RouteQuery<'_>) -> Option<&'e RouteEntry> {
    let kind = |path: &PathMatch| match path {
        PathMatch::Exact(_) => (5, 0, 0),
        PathMatch::GrpcService(it) => (4, it.len() + 1, 1),
        PathMatch::Prefix(it) if !it.is_empty() => (4, it.len(), 0),
        PathMatch::GrpcMethod(it) => (3, it.len(), 0),
        PathMatch::Regex(it) => (2, it.as_str().len(), 0),
        PathMatch::Prefix(_) => (1, 0, 0),
    };
    let hosts = entries.iter().map(|entry| &entry.host);
    let narrowest = hosts
        .filter(|host| host.matches(request.host))
        .max_by_key(|host| host.specificity())?;
    let matching = entries
        .iter()
        .filter(|entry| entry.host == *narrowest && entry.matches.matches(request));
    // `min_by_key` keeps the first of equals.
    matching.min_by_key(|entry| {
        let it = &entry.matches;
        let narrow = (
            entry.host.specificity(),
            kind(&it.path),
            it.method.is_some(),
        );
        (
            Reverse((narrow, it.headers.len(), it.query.len())),
            entry.age,
        )
    })
}

fn text() -> impl Strategy<Value = TextMatch> {
    prop_oneof![
        prop::sample::select(vec!["1", "2", "1,2"]).prop_map(|it| TextMatch::Exact(it.into())),
        prop::sample::select(vec!["[12]", "1|12", ".*"])
            .prop_map(|it| TextMatch::Regex(whole(it).unwrap())),
    ]
}

fn path_match() -> impl Strategy<Value = PathMatch> {
    let paths = prop::sample::select(vec![
        "/", "/a", "/b", "/a/b", "/a/a", "/a/b/a", "/ab", "/a/b/",
    ]);
    prop_oneof![
        paths.clone().prop_map(exact),
        paths.prop_map(prefix),
        prop::sample::select(vec!["/a.*", "/[ab]", "/a|/ab", ".*/a"]).prop_map(regex),
        prop::sample::select(vec!["a", "b", "ab"]).prop_map(|it| PathMatch::GrpcService(it.into())),
        prop::sample::select(vec!["a", "b"]).prop_map(|it| PathMatch::GrpcMethod(it.into())),
    ]
}

fn entry() -> impl Strategy<Value = (HostPattern, Match, u64)> {
    let hosts = vec!["", "", "*.t", "*.a.t", "*.b.a.t", "a.t", "b.a.t", "t", "c"];
    let names = vec!["x-a", "x-b"];
    let headers = prop::collection::vec((prop::sample::select(names), text()), 0..2);
    let query = prop::collection::vec((prop::sample::select(vec!["p", "q"]), text()), 0..2);
    let method = prop::option::of(prop::sample::select(vec![Method::GET, Method::PUT]));
    (
        prop::sample::select(hosts),
        path_match(),
        headers,
        query,
        method,
        0..3u64,
    )
        .prop_map(|(host, path, headers, query, method, age)| {
            let name = |(name, text)| (HeaderName::from_static(name), text);
            let headers = headers.into_iter().map(name).collect();
            let query = query
                .into_iter()
                .map(|(name, text)| (name.into(), text))
                .collect();
            (
                HostPattern::new(host),
                Match {
                    path,
                    headers,
                    query,
                    method,
                },
                age,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        entries in prop::collection::vec(entry(), 0..24),
        host in prop::sample::select(vec!["t", "a.t", "b.a.t", "c.b.a.t", "x.a.t", "c", ".t", "d", "", "a..t"]),
        path in "(/(a|b|ab)?){1,4}",
        query in prop::option::of("([pq]=[12]&?){0,3}"),
        lines in prop::collection::vec(("x-[ab]", "1|2|12|1,2"), 0..3),
        method in prop::sample::select(vec![Method::GET, Method::PUT, Method::POST]),
    ) {
        let entries: Vec<RouteEntry> = (0..)
            .zip(entries)
            .map(|(id, (host, matches, age))| {
                RouteEntry { host, matches, rule: RuleId(id), jwt: Some(RequirementId(id)), rbac: None, age }
            })
            .collect();
        let mut headers = HeaderMap::new();
        for (name, value) in &lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let request = RouteQuery {
            host, method: &method, path: &path, query: query.as_deref(), headers: &headers,
        };
        let want = by_scan(&entries, &request).map(|it| Hit { rule: it.rule, jwt: it.jwt, rbac: it.rbac });
        prop_assert_eq!(RouteTable::new(entries).find(&request), want);
    }

    #[test]
    fn a_pattern_for_whole_values_agrees_with_the_loose_one(text in "[ab,]{0,5}") {
        for pattern in ["a|ab", "(a|b)*", "a,?b", "a*?", "^a|b$"] {
            let anchored = whole(pattern).unwrap();
            let loose = Regex::new(pattern).unwrap();
            let alone = loose.find(&text).is_some_and(|it| it.as_str() == text);
            // Leftmost-first search may stop short of the end, never the other way round.
            prop_assert!(!alone || anchored.is_match(&text));
            prop_assert_eq!(anchored.is_match(&text), PathMatch::Regex(anchored.clone()).matches(&text));
        }
    }
}
