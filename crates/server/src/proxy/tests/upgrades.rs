//! WebSockets and whatever else is switched to.

use std::time::Duration;

use countersign_core::backend::AppProtocol;
use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::mint::Key;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use serde_json::json;

use super::scene::{Gateway, Scene, unix};

fn upstream() -> Upstream {
    let upstream = Upstream::start("a");
    upstream.answer(
        "/ws",
        Reply::upgrade("websocket").header("sec-websocket-accept", "x"),
    );
    upstream
}

fn ask(gateway: &Gateway, protocol: &str, extra: &[(&str, &str)]) -> (Client, Response) {
    let mut client = Client::connect(gateway.address).unwrap();
    let mut request = Request::get("/ws")
        .header("connection", "Upgrade")
        .header("upgrade", protocol);
    for (name, value) in extra {
        request = request.header(name, value);
    }
    client.write(&request.bytes()).unwrap();
    let response = client.read().unwrap();
    (client, response)
}

#[test]
fn bytes_go_both_ways_after_a_switch() {
    let upstream = upstream();
    let gateway = Scene::to(upstream.address()).start();
    let (mut client, response) = ask(&gateway, "websocket", &[]);
    assert_eq!(response.status, 101);
    assert_eq!(response.headers.first("upgrade"), Some("websocket"));
    assert!(response.headers.lists("connection", "upgrade"));
    assert_eq!(response.headers.first("sec-websocket-accept"), Some("x"));
    for message in [&b"hello"[..], &[7; 100_000]] {
        client.write(message).unwrap();
        assert_eq!(client.read_bytes(message.len()).unwrap(), message);
    }
    client.finish().unwrap();
    assert!(client.closes_within(Duration::from_secs(2)));
    let line = gateway.logged("/ws");
    for (key, value) in [
        ("status", json!(101)),
        ("bytes_in", json!(100_005)),
        ("bytes_out", json!(100_005)),
    ] {
        assert_eq!(line[key], value, "{line}");
    }
    assert!(line.get("cut").is_none());
    let seen = &upstream.seen()[0];
    assert!(seen.headers.lists("connection", "upgrade"));
    assert_eq!(seen.headers.all("upgrade"), ["websocket"]);
}

#[test]
fn http_is_not_switched_to_and_the_request_goes_on() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let (_, response) = ask(&gateway, "h2c", &[("http2-settings", "AAMAAABkAAQAAP__")]);
    assert_eq!(response.status, 200);
    let seen = &upstream.seen()[0];
    for name in ["upgrade", "connection", "http2-settings"] {
        assert_eq!(seen.headers.first(name), None, "{name}");
    }
}

#[test]
fn a_backend_that_does_not_switch_answers_as_ever() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let (mut client, response) = ask(&gateway, "websocket", &[]);
    assert_eq!(response.json()["path"], "/ws");
    assert_eq!(client.send(&Request::get("/next")).unwrap().status, 200);
}

#[test]
fn what_speaks_only_http2_is_asked_without_an_upgrade() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.backends[0].protocol = AppProtocol::Http2;
    let gateway = scene.start();
    let (_, response) = ask(&gateway, "websocket", &[]);
    assert_eq!(response.json()["version"], "HTTP/2");
}

fn lapsing(upstream: &Upstream, outlive: bool) -> (Gateway, String) {
    let key = Key::rsa("k");
    let mut scene = Scene::to(upstream.address());
    scene.issuer("i", &key, "authorization");
    scene.route("/ws", true);
    scene.route("/events", true);
    scene.settings.streams_outlive_token = outlive;
    let gateway = scene.strict().start();
    let token = key.token(&json!({ "iss": "i", "sub": "alice", "exp": unix() + 3 }));
    (gateway, format!("Bearer {token}"))
}

#[test]
fn streams_end_with_their_token() {
    let upstream = upstream();
    upstream.answer("/events", Reply::ticks("tick", Duration::from_millis(100)));
    let (gateway, token) = lapsing(&upstream, false);
    let (mut socket, response) = ask(&gateway, "websocket", &[("authorization", &token)]);
    assert_eq!(response.status, 101);
    let mut events = Client::connect(gateway.address).unwrap();
    events
        .write(
            &Request::get("/events")
                .header("authorization", &token)
                .bytes(),
        )
        .unwrap();
    assert_eq!(events.read_head().unwrap().status, 200);
    assert!(!socket.closes_within(Duration::from_millis(500)));
    assert!(socket.closes_within(Duration::from_secs(8)));
    // What could be an ordinary answer has a little longer.
    assert!(!events.closes_within(Duration::from_secs(3)));
    assert!(events.closes_within(Duration::from_secs(8)));
    for path in ["/ws", "/events"] {
        let line = gateway.logged(path);
        assert_eq!(
            (&line["cut"], &line["reason"]),
            (&"token".into(), &"token_lapsed".into())
        );
        assert_eq!(line["subject"], "alice");
    }
}

/// It would be cut in the very moment that it opens.
#[test]
fn no_tunnel_is_opened_for_a_token_that_has_lapsed_meanwhile() {
    let upstream = upstream();
    let late = Reply::upgrade("websocket").after(Duration::from_millis(3500));
    upstream.answer("/ws", late);
    let (gateway, token) = lapsing(&upstream, false);
    let (_, response) = ask(&gateway, "websocket", &[("authorization", &token)]);
    assert_eq!(
        (response.status, &*response.text()),
        (401, "Jwt is expired")
    );
    assert_eq!(gateway.logged("/ws")["reason"], "token_lapsed");
}

#[test]
fn streams_outlive_their_token_where_that_is_set() {
    let upstream = upstream();
    let (gateway, token) = lapsing(&upstream, true);
    let (mut socket, _) = ask(&gateway, "websocket", &[("authorization", &token)]);
    assert!(!socket.closes_within(Duration::from_millis(4500)));
    socket.write(b"still").unwrap();
    assert_eq!(socket.read_bytes(5).unwrap(), b"still");
}

#[test]
fn a_shutdown_ends_tunnels() {
    let upstream = upstream();
    let gateway = Scene::to(upstream.address()).start();
    let (mut socket, response) = ask(&gateway, "websocket", &[]);
    assert_eq!(response.status, 101);
    drop(gateway);
    assert!(socket.closes_within(Duration::from_secs(2)));
}

/// What began under the old configuration ends within the drain bound, though
/// no further request comes; what is to come goes on over open connections.
#[test]
fn a_reload_ends_the_streams_that_began_before_it() {
    let upstream = upstream();
    upstream.answer("/events", Reply::ticks("tick", Duration::from_millis(100)));
    let gateway = Scene::to(upstream.address()).start();
    assert_eq!(Request::get("/").send(gateway.address).status, 200);
    let (mut socket, _) = ask(&gateway, "websocket", &[]);
    let mut events = Client::connect(gateway.address).unwrap();
    events.write(&Request::get("/events").bytes()).unwrap();
    assert_eq!(events.read_head().unwrap().status, 200);
    assert!(!socket.closes_within(Duration::from_millis(300)));

    gateway.reload(|next| next.snapshot.rules[0].name = "test/renamed/0".into());
    assert!(socket.closes_within(Duration::from_secs(8)));
    assert!(events.closes_within(Duration::from_secs(8)));
    for path in ["/ws", "/events"] {
        assert_eq!(gateway.logged(path)["cut"], "drain");
    }
    let before = upstream.connections();
    assert_eq!(Request::get("/after").send(gateway.address).status, 200);
    assert_eq!(gateway.logged("/after")["route"], "test/renamed/0");
    assert!(upstream.connections() <= before + 1);
    let (mut socket, _) = ask(&gateway, "websocket", &[]);
    assert!(!socket.closes_within(Duration::from_millis(500)));
}

/// Bytes in either direction keep a tunnel open, and nothing else does.
#[test]
fn a_tunnel_that_is_silent_both_ways_ends() {
    let upstream = upstream();
    let mut scene = Scene::to(upstream.address());
    scene.settings.timeouts.idle = Duration::from_secs(3);
    let gateway = scene.start();
    let (mut socket, response) = ask(&gateway, "websocket", &[]);
    assert_eq!(response.status, 101);
    for _ in 0..3 {
        assert!(!socket.closes_within(Duration::from_secs(1)));
        socket.write(b"ping").unwrap();
        assert_eq!(socket.read_bytes(4).unwrap(), b"ping");
    }
    assert!(!socket.closes_within(Duration::from_secs(1)));
    assert!(socket.closes_within(Duration::from_secs(8)));
    let line = gateway.logged("/ws");
    assert_eq!(
        (&line["cut"], &line["reason"]),
        (&"idle".into(), &"ok".into())
    );
}
