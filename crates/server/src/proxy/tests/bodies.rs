//! Bodies both ways: streamed, chunked, large, announced, cut.

use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request};
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;

use super::scene::Scene;

#[test]
fn chunks_and_declared_trailers_reach_the_backend_but_no_identity() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.issuer(
        "i",
        &countersign_testkit::mint::Key::rsa("k"),
        "authorization",
    );
    let gateway = scene.start();
    let mut client = Client::connect(gateway.address).unwrap();
    let head = "POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\
        trailer: x-sum, x-user, authorization\r\n\r\n";
    client.write(head.as_bytes()).unwrap();
    client.write(b"3\r\nabc\r\n4\r\ndefg\r\n").unwrap();
    let trailers = "0\r\nx-sum: 7\r\nx-user: root\r\nauthorization: Bearer x\r\n\r\n";
    client.write(trailers.as_bytes()).unwrap();
    let seen = client.read().unwrap().json();
    assert_eq!(seen["body"], "abcdefg");
    assert_eq!(seen["trailers"], serde_json::json!([["x-sum", "7"]]));
    assert_eq!(gateway.logged("/up")["bytes_in"], 7);
}

#[test]
fn a_get_may_have_a_body_however_it_is_framed() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .write(
            b"GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        )
        .unwrap();
    assert_eq!(client.read().unwrap().json()["body"], "abc");
    assert_eq!(
        client.send(&Request::get("/").body("xyz")).unwrap().json()["body"],
        "xyz"
    );
}

#[test]
fn large_bodies_pass_in_both_directions() {
    let upstream = Upstream::start("a");
    upstream.answer("/down", Reply::spaces(20_000_000));
    let gateway = Scene::to(upstream.address()).start();
    assert_eq!(
        Request::get("/down").send(gateway.address).body.len(),
        20_000_000
    );
    assert_eq!(gateway.logged("/down")["bytes_out"], 20_000_000);
    let up = Request::new("POST", "/up")
        .body(vec![b'x'; 5_000_000])
        .send(gateway.address);
    assert_eq!(up.json()["body"].as_str().unwrap().len(), 5_000_000);
    assert_eq!(gateway.logged("/up")["bytes_in"], 5_000_000);
}

/// An event stream is neither held back nor cut by the default timeout.
#[test]
fn a_stream_arrives_as_it_is_sent_and_outlives_the_default_timeout() {
    let upstream = Upstream::start("a");
    upstream.answer("/events", Reply::ticks("tick", Duration::from_millis(100)));
    let mut scene = Scene::to(upstream.address());
    scene.settings.timeouts.request = Duration::from_millis(300);
    let gateway = scene.start();
    let mut client = Client::connect(gateway.address).unwrap();
    client.write(&Request::get("/events").bytes()).unwrap();
    let start = Instant::now();
    assert_eq!(client.read_head().unwrap().status, 200);
    client.read_bytes("4\r\ntick\r\n".len() * 8).unwrap();
    let took = start.elapsed();
    assert!(
        took > Duration::from_millis(600) && took < Duration::from_secs(3),
        "{took:?}"
    );
    drop(client);
    assert_eq!(gateway.logged("/events")["cut"], "client");
}

#[test]
fn a_timeout_of_the_route_covers_the_whole_answer() {
    let upstream = Upstream::start("a");
    upstream.answer("/events", Reply::ticks("tick", Duration::from_millis(50)));
    let mut scene = Scene::to(upstream.address());
    scene.rules[0].timeouts.request = Some(Duration::from_millis(300));
    let gateway = scene.start();
    let mut client = Client::connect(gateway.address).unwrap();
    client.write(&Request::get("/events").bytes()).unwrap();
    assert_eq!(client.read_head().unwrap().status, 200);
    assert!(client.closes_within(Duration::from_secs(2)));
    let line = gateway.logged("/events");
    assert_eq!(
        (&line["cut"], &line["reason"]),
        (&"timeout".into(), &"timeout".into())
    );
}

#[test]
fn a_body_beyond_the_limit_is_413_announced_or_not() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.settings.limits.body_bytes = Some(1000);
    let gateway = scene.start();
    let fits = Request::new("POST", "/fits")
        .body(vec![b'x'; 1000])
        .send(gateway.address);
    assert_eq!(fits.status, 200);
    let announced = Request::new("POST", "/announced")
        .body(vec![b'x'; 1001])
        .send(gateway.address);
    assert_eq!(
        (announced.status, &*announced.text()),
        (413, "Payload Too Large")
    );
    assert_eq!(announced.headers.first("connection"), Some("close"));

    let mut client = Client::connect(gateway.address).unwrap();
    client
        .write(b"POST /chunked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    for _ in 0..6 {
        client
            .write(format!("c8\r\n{}\r\n", "x".repeat(200)).as_bytes())
            .unwrap();
    }
    assert_eq!(client.read().unwrap().status, 413);
    assert_eq!(gateway.logged("/chunked")["reason"], "body_too_large");
    assert!(upstream.seen().iter().all(|seen| seen.target == "/fits"));
}

#[test]
fn the_gateway_itself_says_continue() {
    let upstream = Upstream::start("a");
    let gateway = Scene::to(upstream.address()).start();
    let mut client = Client::connect(gateway.address).unwrap();
    client
        .write(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        .unwrap();
    assert_eq!(client.read().unwrap().status, 100);
    client.write(b"ok").unwrap();
    let seen = client.read().unwrap().json();
    assert_eq!(seen["body"], "ok");
    assert!(!upstream.seen()[0].headers.lists("expect", "100-continue"));
}

/// A slow upload is bounded by the client's silence, not by the time for the answer.
#[test]
fn a_slow_upload_is_no_slow_backend_and_a_silent_client_is_given_up() {
    let upstream = Upstream::start("a");
    let mut scene = Scene::to(upstream.address());
    scene.settings.timeouts.request = Duration::from_millis(200);
    scene.settings.timeouts.idle = Duration::from_millis(600);
    let gateway = scene.start();
    let mut client = Client::connect(gateway.address).unwrap();
    let head = |path, length| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
    };
    client.write(head("/slow", 5).as_bytes()).unwrap();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(150));
        client.write(b"x").unwrap();
    }
    assert_eq!(client.read().unwrap().json()["body"], "xxxxx");

    client.write(head("/silent", 5).as_bytes()).unwrap();
    client.write(b"x").unwrap();
    assert_eq!(client.read().unwrap().status, 408);
    assert!(client.closes_within(Duration::from_secs(2)));
    assert_eq!(gateway.logged("/silent")["reason"], "client_timeout");
}
