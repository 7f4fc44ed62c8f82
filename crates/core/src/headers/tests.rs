//! Tests of header hygiene.

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

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

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn identity(names: &[&'static str]) -> IdentityHeaders {
    let names: Vec<HeaderName> = names.iter().map(|it| HeaderName::from_static(it)).collect();
    IdentityHeaders::new(&names)
}

fn nothing(_: &str) -> bool {
    false
}

#[test]
fn hop_by_hop_fields_go() {
    let mut map = headers(&[
        ("host", "h.test"),
        ("connection", "keep-alive, X-Hop , ,\"odd"),
        ("connection", "x-other"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("proxy-authorization", "Basic eDp5"),
        ("http2-settings", "AAMAAABk"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("trailer", "x-sum"),
        ("x-hop", "1"),
        ("x-hop", "2"),
        ("x-other", "1"),
        ("x-stays", "1"),
    ]);
    // `Connection` does not name the upgrade: it is not for us.
    assert_eq!(strip_hop_by_hop(&mut map, nothing), None);
    assert_eq!(names(&map), ["host", "trailer", "x-stays"]);
}

#[test]
fn an_announced_upgrade_is_returned() {
    let mut map = headers(&[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("x", "1"),
    ]);
    assert_eq!(
        strip_hop_by_hop(&mut map, nothing),
        Some(HeaderValue::from_static("websocket"))
    );
    assert_eq!(names(&map), ["x"]);

    let mut map = headers(&[("connection", "upgrade")]);
    assert_eq!(strip_hop_by_hop(&mut map, nothing), None);
}

#[test]
fn connection_cannot_take_away_what_policies_read() {
    let kept = [
        "authorization",
        "content-length",
        "content-type",
        "cookie",
        "forwarded",
        "host",
        "origin",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-token",
    ];
    let mut lines: Vec<(&str, &str)> = kept.iter().map(|it| (*it, "v")).collect();
    let named = kept.join(", ").to_ascii_uppercase() + ", x-free";
    lines.extend([("connection", &*named), ("x-free", "v")]);
    let mut map = headers(&lines);
    strip_hop_by_hop(&mut map, |name| name == "x-token");
    assert_eq!(names(&map), kept);
}

#[test]
fn credentials_for_proxies_stay_only_where_they_are_read() {
    let lines = [
        ("proxy-authorization", "Bearer x"),
        ("connection", "proxy-authorization"),
    ];
    let mut map = headers(&lines);
    strip_hop_by_hop(&mut map, nothing);
    assert!(map.is_empty());
    let mut map = headers(&lines);
    strip_hop_by_hop(&mut map, |name| name == "proxy-authorization");
    assert_eq!(names(&map), ["proxy-authorization"]);
}

#[test]
fn te_is_trailers_or_nothing() {
    for (lines, want) in [
        (&["trailers"][..], Some("trailers")),
        (&["gzip, Trailers"], Some("trailers")),
        (&["gzip;q=0.5", "trailers"], Some("trailers")),
        (&["deflate, gzip"], None),
        (&["trailersx"], None),
        (&[], None),
    ] {
        let mut pairs: Vec<(&str, &str)> = lines.iter().map(|it| ("te", *it)).collect();
        pairs.push(("connection", "te"));
        let mut map = headers(&pairs);
        strip_hop_by_hop(&mut map, nothing);
        let got: Vec<_> = map
            .get_all("te")
            .iter()
            .map(|it| it.to_str().unwrap())
            .collect();
        assert_eq!(got, want.into_iter().collect::<Vec<_>>(), "{lines:?}");
    }
}

#[test]
fn answers_lose_their_connection_too() {
    let mut map = headers(&[
        ("connection", "close, x-hop, set-cookie, content-type"),
        ("x-hop", "1"),
        ("set-cookie", "a=b"),
        ("content-type", "text/plain"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("keep-alive", "timeout=1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("www-authenticate", "Bearer"),
        ("trailer", "x-sum"),
    ]);
    strip_response_hop_by_hop(&mut map);
    assert_eq!(
        names(&map),
        ["content-type", "set-cookie", "trailer", "www-authenticate"]
    );
}

#[test]
fn identity_headers_go_in_every_spelling() {
    let mut map = headers(&[
        ("x-user-id", "root"),
        ("x_user_id", "root"),
        ("x-user_id", "root"),
        ("X_User-Id", "root"),
        ("x-user", "kept"),
        ("x_group", "root"),
    ]);
    strip_identity(&mut map, &identity(&["x-user-id", "x-group"]));
    assert_eq!(names(&map), ["x-user"]);
    strip_identity(&mut map, &IdentityHeaders::default());
    assert_eq!(names(&map), ["x-user"]);
}

#[test]
fn trailers_say_nothing_that_policies_should_have_seen() {
    let bad = [
        "transfer-encoding",
        "content-length",
        "host",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "content-type",
        "content-encoding",
        "content-range",
        "cache-control",
        "expect",
        "if-match",
        "if-none-match",
        "range",
        "max-forwards",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-real-ip",
        "origin",
        "access-control-allow-origin",
        "location",
        "www-authenticate",
        "x-user",
    ];
    let good = [
        "grpc-message",
        "grpc-status",
        "x-checksum",
        "digest",
        "server-timing",
        "etag",
    ];
    let lines: Vec<(&str, &str)> = bad.iter().chain(&good).map(|it| (*it, "v")).collect();
    let mut map = headers(&lines);
    map.append("x_user", HeaderValue::from_static("v"));
    filter_trailers(&mut map, &identity(&["x-user"]));
    let mut good = good.to_vec();
    good.sort_unstable();
    assert_eq!(names(&map), good);
}

#[test]
fn the_upstream_is_told_of_the_connection() {
    let peer: IpAddr = "192.0.2.1".parse().unwrap();
    for (lines, trusted, forwarded_for, proto) in [
        (&[][..], false, "192.0.2.1", "https"),
        (
            &[("x-forwarded-for", "10.0.0.1")],
            false,
            "10.0.0.1,192.0.2.1",
            "https",
        ),
        (
            &[("x-forwarded-for", "a"), ("x-forwarded-for", "b, c")],
            true,
            "a,b, c,192.0.2.1",
            "https",
        ),
        (&[("x-forwarded-for", "")], true, "192.0.2.1", "https"),
        (
            &[("x-forwarded-proto", "http")],
            false,
            "192.0.2.1",
            "https",
        ),
        (&[("x-forwarded-proto", "http")], true, "192.0.2.1", "http"),
        (
            &[("x-forwarded-proto", "gopher")],
            true,
            "192.0.2.1",
            "https",
        ),
        (
            &[
                ("x-forwarded-proto", "http"),
                ("x-forwarded-proto", "https"),
            ],
            true,
            "192.0.2.1",
            "https",
        ),
    ] {
        let mut map = headers(lines);
        forward(&mut map, peer, "https", trusted);
        let all = |name| map.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("x-forwarded-for"), [forwarded_for], "{lines:?}");
        assert_eq!(all("x-forwarded-proto"), [proto], "{lines:?}");
    }
    let mut map = headers(&[]);
    forward(&mut map, "::ffff:192.0.2.1".parse().unwrap(), "http", false);
    assert_eq!(map["x-forwarded-for"], "192.0.2.1");
}

#[test]
fn authorities() {
    for good in [
        "h.test",
        "H.Test:443",
        "h.test.",
        ".h.test",
        "h_1.test:0",
        "127.0.0.1:65535",
        "[::1]",
        "[2001:db8::1]:80",
        "localhost",
        "xn--bcher-kva.test",
    ] {
        assert!(valid_authority(good), "{good}");
    }
    for bad in [
        "",
        ":80",
        ".",
        "..:80",
        "h.test..",
        "h..test",
        "h.test evil",
        "h.test/x",
        "a@h.test",
        "h.test, evil.test",
        "h.test:",
        "h.test:x",
        "h.test:80:80",
        "h.test:-1",
        "h.test:+1",
        "h.test:65536",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[zz]",
        "[]",
        "[fe80::1%25eth0]",
        "[127.0.0.1]",
        "h%2etest",
        "h.test\\x",
        "h.test#",
        "h.test?",
        "h.test\t",
        "*.test",
        "b\u{fc}cher.test",
        "user:pw@h.test:80",
        "h\0.test",
    ] {
        assert!(!valid_authority(bad), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_connection_says_no_identity_or_hop_survives(
        named in prop::collection::vec("[xX][-_][uU]ser|te|upgrade|keep-alive|x-[a-c]|,", 0..6),
        others in prop::collection::vec("[xX][-_][uU]ser|x-[a-c]|keep-alive|te|upgrade", 0..8),
    ) {
        let identity = identity(&["x-user"]);
        let named = named.join(",");
        let mut lines = vec![("connection", &*named), ("authorization", "Bearer x")];
        lines.extend(others.iter().map(|it| (&**it, "1")));
        let mut map = headers(&lines);
        strip_hop_by_hop(&mut map, |name| identity.contains(name));
        strip_identity(&mut map, &identity);
        for name in names(&map) {
            prop_assert!(name == "authorization" || name.starts_with("x-") && name != "x-user");
            prop_assert!(!named.to_ascii_lowercase().split(',').any(|it| it == name));
        }
        prop_assert!(map.contains_key("authorization"));
    }

    #[test]
    fn a_valid_authority_is_one_host_for_every_reader(text in "[a-zA-Z0-9.:@/\\[\\]%,_ -]{0,24}") {
        if valid_authority(&text) {
            let parsed: http::uri::Authority = text.parse().unwrap();
            prop_assert_eq!(parsed.host(), crate::host::without_port(&text));
            prop_assert_eq!(parsed.port_u16(), crate::host::port(&text));
        }
    }
}

#[test]
fn no_http_within_http() {
    for (protocol, may) in [
        ("websocket", true),
        ("WebSocket", true),
        ("foo/2", true),
        ("h2c", false),
        ("H2C", false),
        ("websocket, h2c", false),
        ("HTTP/2.0", false),
        ("TLS/1.0", false),
        ("", false),
    ] {
        let protocol = HeaderValue::from_static(protocol);
        assert_eq!(may_upgrade(&protocol), may, "{protocol:?}");
    }
}

#[test]
fn the_peer_is_written_as_everybody_writes_addresses() {
    let mut addresses: Vec<IpAddr> = (0..=u8::MAX)
        .map(|it| IpAddr::from([it, 255 - it, it / 2, it]))
        .collect();
    addresses.extend(
        ["::1", "2001:db8::7", "::ffff:192.0.2.10"].map(|it| it.parse::<IpAddr>().unwrap()),
    );
    for peer in addresses {
        let mut headers = HeaderMap::new();
        forward(&mut headers, peer, "http", false);
        assert_eq!(headers["x-forwarded-for"], peer.to_canonical().to_string());
    }
}
