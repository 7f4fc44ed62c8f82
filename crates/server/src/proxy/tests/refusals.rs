//! What a client is told when it is refused, and how it gets to read it.

use std::sync::Arc;

use countersign_config::compiled::{DebugDetail, DebugHeader};
use countersign_core::filter::{Cors, OriginPattern};
use countersign_core::id::ListenerId;
use countersign_testkit::client::{Client, Request};
use countersign_testkit::mint::Key;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use http::HeaderName;
use serde_json::json;

use super::scene::{Gateway, Scene, claims};

fn strict(upstream: &Upstream) -> Gateway {
    let mut scene = Scene::to(upstream.address());
    scene.issuer("i", &Key::rsa("k"), "authorization");
    scene.route("/secret", true);
    scene.strict().start()
}

#[test]
fn no_token_is_401_with_a_challenge() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let response = Request::get("/secret/x?y=1")
        .header("host", "a.test")
        .send(gateway.address);
    assert_eq!(
        (response.status, &*response.text()),
        (401, "Jwt is missing")
    );
    assert_eq!(response.headers.first("content-type"), Some("text/plain"));
    assert!(response.headers.first("date").is_some());
    let challenge = response.headers.first("www-authenticate");
    assert_eq!(
        challenge,
        Some("Bearer realm=\"http://a.test/secret/x?y=1\"")
    );
    let line = gateway.logged("/secret/x");
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&401.into(), &"jwt_missing".into())
    );
    let rule = line["rule"].as_str().unwrap();
    assert!(rule.starts_with("RequestAuthentication test/"), "{rule}");
    assert_eq!(upstream.connections(), 0);
}

/// Without these headers a browser shows its page a network error, not a 401.
#[test]
fn a_refusal_can_be_read_by_the_origins_of_its_route() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.issuer("i", &Key::rsa("k"), "authorization");
    scene.route("/secret", true).filters.cors = Some(Cors {
        allow_origins: Box::new([OriginPattern::Exact("https://app.test".into())]),
        ..Cors::default()
    });
    scene.route("/other", true);
    let gateway = scene.strict().start();
    for (path, origin, allowed) in [
        ("/secret", "https://app.test", Some("https://app.test")),
        ("/secret", "https://evil.test", None),
        ("/other", "https://app.test", None),
    ] {
        let request = Request::get(path).header("origin", origin);
        let response = request.send(gateway.address);
        assert_eq!(response.status, 401);
        let told = response.headers.first("access-control-allow-origin");
        assert_eq!(told, allowed, "{path} {origin}");
    }
    assert_eq!(gateway.logged("/secret")["route"], "test/route/1");
    assert_eq!(gateway.logged("/other")["route"], "test/route/2");
}

#[test]
fn a_refusal_shows_no_token_anywhere() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let token = Key::rsa("another")
        .with_kid(Some("k"))
        .token(&claims("i", "mallory"));
    let target = format!("/secret?access_token={token}");
    let response = Request::get(&target).send(gateway.address);
    assert_eq!(
        (response.status, &*response.text()),
        (401, "Jwt verification fails")
    );
    assert!(
        !gateway
            .logged("/secret")
            .to_string()
            .contains(token.split_at(20).0)
    );
}

#[test]
fn head_is_told_the_length_and_no_body() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let mut client = Client::connect(gateway.address).unwrap();
    let response = client.send(&Request::new("HEAD", "/secret")).unwrap();
    assert_eq!(response.status, 401);
    assert_eq!(response.headers.all("content-length"), ["14"]);
    // Nothing of a body stands in the way of the next answer.
    assert_eq!(client.send(&Request::get("/")).unwrap().status, 200);
}

#[test]
fn a_refused_client_that_still_sends_can_read_why_and_go_on() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let mut client = Client::connect(gateway.address).unwrap();
    let upload = Request::new("POST", "/secret").body(vec![b'x'; 100_000]);
    assert_eq!(client.send(&upload).unwrap().status, 401);
    assert_eq!(client.send(&Request::get("/")).unwrap().status, 200);

    client
        .write(b"POST /secret HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(client.read().unwrap().status, 401, "and no 100 before it");
}

#[test]
fn grpc_is_refused_in_its_own_words() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let call = |path| {
        let request = Request::new("POST", path).header("content-type", "application/grpc+proto");
        request.send(gateway.address)
    };
    let refused = call("/secret/m");
    assert_eq!((refused.status, refused.body.len()), (200, 0));
    assert_eq!(
        refused.headers.first("content-type"),
        Some("application/grpc")
    );
    assert_eq!(refused.headers.first("grpc-status"), Some("16"));
    assert_eq!(
        refused.headers.first("grpc-message"),
        Some("Jwt is missing")
    );
    assert!(refused.headers.first("www-authenticate").is_some());
    let line = gateway.logged("/secret/m");
    assert_eq!(line["reason"], json!("jwt_missing"));
}

#[test]
fn requests_that_break_http_get_400_and_the_connection_closes() {
    let upstream = Upstream::start("a");
    let gateway = strict(&upstream);
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .write(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
        .unwrap();
    let response = client.read().unwrap();
    assert_eq!((response.status, &*response.text()), (400, "bad request"));
    assert!(client.closes_within(std::time::Duration::from_secs(1)));
    assert_eq!(gateway.logged("/")["reason"], "bad_request");
    assert_eq!(upstream.connections(), 0);
}

/// Opt-in: the same id in the answer and in the log, whoever answers; nothing of it from a backend.
#[test]
fn a_decision_has_an_id_where_the_listener_says_so() {
    let header = |detail, listener| {
        Some(Arc::new(DebugHeader {
            name: HeaderName::from_static("x-why"),
            detail,
            listeners: Box::new([ListenerId(listener)]),
        }))
    };
    let upstream = Upstream::start("a");
    upstream.answer(
        "/open",
        Reply::new(200).header("x-why", "forged").body("hello"),
    );
    let start = |debug| {
        let mut scene = Scene::to(upstream.address());
        scene.settings.debug_header = debug;
        scene.issuer("i", &Key::rsa("k"), "authorization");
        scene.route("/secret", true);
        scene.route("/open", false);
        scene.strict().start()
    };
    for (debug, told) in [
        (None, None),
        (header(DebugDetail::Id, 1), None),
        (header(DebugDetail::Id, 0), Some(false)),
        (header(DebugDetail::Full, 0), Some(true)),
    ] {
        let gateway = start(debug);
        for (path, reason) in [("/secret", "jwt_missing"), ("/open", "ok")] {
            let response = Request::get(path)
                .header("host", "a.test")
                .send(gateway.address);
            let header = response.headers.all("x-why");
            let line = gateway.logged(path);
            let Some(full) = told else {
                assert_eq!(line.get("decision"), None, "{line}");
                assert!(header.is_empty() || header == ["forged"], "{header:?}");
                continue;
            };
            let [header] = header[..] else {
                panic!("{header:?}");
            };
            let (id, rest) = header.split_once("; ").unwrap_or((header, ""));
            assert_eq!(
                (line["decision"].as_str(), id.len()),
                (Some(id), 36),
                "{line}"
            );
            let expected = if full {
                format!("reason={reason}")
            } else {
                String::new()
            };
            assert!(
                rest.starts_with(&expected) && (full || rest.is_empty()),
                "{header}"
            );
            let rule = rest.contains("; rule=\"RequestAuthentication test/");
            assert_eq!(rule, full && path == "/secret", "{header}");
        }
    }
}
