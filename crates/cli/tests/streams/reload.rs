//! What a reload does to connections that are passed on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{Plan, World, connect, rest};

fn open(world: &World) -> TcpStream {
    let mut tcp = connect("127.0.0.1", world.tcp).expect("a connection");
    let mut greeting = [0; 6];
    tcp.read_exact(&mut greeting).expect("a greeting");
    tcp
}

fn echoes(tcp: &mut TcpStream) -> bool {
    let mut echo = [0; 4];
    tcp.write_all(b"ping").is_ok() && tcp.read_exact(&mut echo).is_ok()
}

fn reload(world: &World, text: &str, load: usize) {
    world.gateway.write("all.yaml", text);
    world.gateway.signal("HUP");
    let _line = world.gateway.logs(&format!("in force load={load}"));
}

#[test]
fn connections_outlive_what_does_not_concern_them() {
    let world = World::start(&Plan {
        parameters: ", timeouts: {drain: 200ms}",
        ..Plan::default()
    });
    let mut tcp = open(&world);
    let more = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
                metadata: {name: more, namespace: default}\n\
                spec: {action: DENY, rules: [{from: [{source: {ipBlocks: [192.0.2.0/24]}}]}]}\n---\n";
    reload(&world, &(world.text.clone() + more), 2);
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        echoes(&mut tcp),
        "neither its route nor what lets it in has changed"
    );
}

#[test]
fn connections_end_where_a_new_one_would_be_refused() {
    let world = World::start(&Plan {
        parameters: ", timeouts: {drain: 200ms}",
        ..Plan::default()
    });
    let mut tcp = open(&world);
    let deny = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
                metadata: {name: more, namespace: default}\n\
                spec: {action: DENY, rules: [{from: [{source: {ipBlocks: [127.0.0.0/8]}}]}]}\n---\n";
    reload(&world, &(world.text.clone() + deny), 2);
    let start = Instant::now();
    assert!(rest(&mut tcp).is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    let line = world.line(&[("cut", json!("drain"))]);
    assert_eq!(line["reason"], "ok");
}

#[test]
fn connections_end_with_their_route_and_at_shutdown() {
    let world = World::start(&Plan {
        parameters: ", timeouts: {drain: 200ms}",
        ..Plan::default()
    });
    let mut tcp = open(&world);
    let without = world.text.replace(
        "name: edge, sectionName: tcp",
        "name: edge, sectionName: ends",
    );
    reload(&world, &without, 2);
    assert!(rest(&mut tcp).is_empty(), "its route has gone");

    reload(&world, &world.text, 3);
    let mut tcp = open(&world);
    world.gateway.signal("TERM");
    assert!(rest(&mut tcp).is_empty());
    assert_eq!(world.gateway.wait().code, Some(0));
}
