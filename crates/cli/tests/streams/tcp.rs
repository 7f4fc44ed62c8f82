//! Plain TCP: both ways, both ends, and what is counted and logged.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use countersign_testkit::port;
use serde_json::json;

use crate::world::{Plan, World, connect, rest};

#[test]
fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let world = World::start(&Plan::default());
    let mut tcp = connect("127.0.0.1", world.tcp).expect("a connection");
    let mut greeting = [0; 6];
    tcp.read_exact(&mut greeting)
        .expect("the backend speaks first");
    assert_eq!(&greeting, b"plain ");
    let sent = vec![7; 300_000];
    let mut writer = tcp.try_clone().expect("a handle");
    let all = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&all).expect("room");
        writer.shutdown(std::net::Shutdown::Write).expect("an end");
    });
    assert_eq!(
        rest(&mut tcp),
        [&sent[..], b"bye"].concat(),
        "half-closed, and still read"
    );
    writing.join().expect("all is written");

    let line = world.line(&[("reason", json!("ok")), ("bytes_in", json!(300_000))]);
    assert_eq!(line["bytes_out"], 300_009);
    assert_eq!(line["listener"], "default/edge/tcp");
    assert_eq!(line["route"], "default/plain/0");
    assert_eq!(line["backend"], "default/plain");
    assert_eq!(line["protocol"], "TCP");
    for absent in ["status", "method", "path", "sni", "cut"] {
        assert!(line.get(absent).is_none(), "{absent}: {line}");
    }
    let series = "countersign_streams_total{listener=\"default/edge/tcp\",route=\"default/plain/0\",reason=\"ok\"}";
    assert_eq!(world.gateway.metric(series), Some(1.0));
}

#[test]
fn a_dead_backend_and_a_silent_client() {
    // Long enough for the greeting to come first on a machine that stalls.
    let world = World::start(&Plan {
        parameters: ", timeouts: {idle: 2s, connect: 1s}",
        ..Plan::default()
    });
    let mut idle = connect("127.0.0.1", world.tcp).expect("a connection");
    let start = Instant::now();
    assert_eq!(rest(&mut idle), b"plain ");
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "cut for silence alone"
    );
    let line = world.line(&[("cut", json!("idle"))]);
    assert_eq!(line["reason"], "ok");

    // Nobody gets this port by accident, as one from the range of outgoing connections could be.
    let line = world.moved(port::free(), b"ping", "upstream_unavailable");
    assert_eq!(line["route"], "default/plain/0");
    assert!(
        line["detail"].as_str().is_some_and(|it| !it.is_empty()),
        "{line}"
    );
}

#[test]
fn a_backend_that_breaks_off() {
    let world = World::start(&Plan::default());
    let breaker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = breaker.local_addr().expect("an address");
    std::thread::spawn(move || {
        for tcp in breaker.incoming().flatten() {
            // What closes on unread bytes is reset.
            std::thread::sleep(Duration::from_millis(100));
            drop(tcp);
        }
    });
    let line = world.moved(address.port(), &[1; 1000], "upstream_reset");
    assert_eq!(line["cut"], "upstream");
}
