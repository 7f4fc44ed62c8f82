//! TLS that goes on to the backend, and TLS that ends here.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_testkit::gateway::Setup;
use countersign_testkit::port;
use countersign_testkit::tls::Authority;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::json;

use crate::world::{Plan, World, connect, rest};

/// The first message of a handshake for this name.
pub(crate) fn hello(config: &Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let name = name.to_owned().try_into().expect("a name");
    let mut session = ClientConnection::new(config.clone(), name).expect("a client");
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).expect("memory");
    bytes
}

#[test]
fn the_server_name_decides_and_every_byte_goes_on() {
    let world = World::start(&Plan::default());
    let config = world.server.client(None);
    for (name, passes) in [
        ("a.test", true),
        ("x.b.test", true),
        ("b.test", false),
        ("other.example", false),
        ("127.0.0.1", false),
    ] {
        let hello = hello(&config, name);
        let came = world.exchange("127.0.0.1", world.tls, &hello);
        let want = if passes {
            [b"sealed ", &hello[..], b"bye"].concat()
        } else {
            Vec::new()
        };
        assert!(came == want, "{name}: {} bytes", came.len());
    }
    let line = world.line(&[("sni", json!("a.test"))]);
    assert_eq!(line["protocol"], "TLS");
    assert_eq!(line["route"], "default/sealed/0");
    assert_eq!(line["listener"], "default/edge/pass");
    let line = world.line(&[("sni", json!("other.example"))]);
    assert_eq!(line["reason"], "route_not_found");
    let line = world.line(&[("reason", json!("route_not_found"))]);
    assert_eq!(line["listener"], "default/edge/pass");
}

#[test]
fn what_is_no_handshake_reaches_nobody() {
    let world = World::start(&Plan {
        parameters: ", timeouts: {requestHeaders: 500ms}",
        ..Plan::default()
    });
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"[..],
        &[0; 50_000],
        b"\x16\x03",
    ] {
        let came = world.exchange("127.0.0.1", world.tls, bytes);
        assert!(came.len() < 20, "{} bytes", came.len());
    }
    let hello = hello(&world.server.client(None), "a.test");
    let mut slow = connect("127.0.0.1", world.tls).expect("a connection");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        let next = hello.get(..1).expect("a byte");
        if slow.write_all(next).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "a slow hello is cut"
    );
    assert_eq!(world.sealed.taken(), 0);
}

/// What comes out of TLS that ends at the gateway.
pub(crate) fn inside(world: &World, config: Arc<ClientConfig>) -> Option<String> {
    let name = "ends.test".try_into().expect("a name");
    let session = ClientConnection::new(config, name).expect("a client");
    let tcp: TcpStream = connect("127.0.0.1", world.tls).expect("a connection");
    let mut stream = StreamOwned::new(session, tcp);
    stream.write_all(b"ping").ok()?;
    let mut bytes = [0; 10];
    stream.read_exact(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[test]
fn tls_may_end_at_the_gateway() {
    let world = World::start(&Plan::default());
    let config = world.server.client(None);
    assert_eq!(inside(&world, config).as_deref(), Some("plain ping"));
    let line = world.line(&[("listener", json!("default/edge/ends"))]);
    assert_eq!(line["sni"], "ends.test");
    assert_eq!(line["route"], "default/ends/0");
}

/// Kept out before anything could be decided, and found all the same: in the
/// log by its name, in the metrics by its kind.
#[test]
fn a_name_that_no_listener_serves_is_told() {
    let port = port::free();
    let text = format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: default}}
spec:
  gatewayClassName: any
  addresses: [{{value: 127.0.0.1}}]
  listeners:
  - {{name: pass, port: {port}, protocol: TLS, hostname: only.test, tls: {{mode: Passthrough}}}}
"
    );
    let gateway = Setup::new(env!("CARGO_BIN_EXE_countersign"))
        .file("all.yaml", &text)
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    let config = Authority::new("any").client(None);
    for bytes in [hello(&config, "other.test"), b"no handshake".to_vec()] {
        let mut tcp = connect("127.0.0.1", port).expect("a connection");
        tcp.write_all(&bytes).expect("sent");
        assert!(rest(&mut tcp).len() < 20, "an alert at most");
    }
    let line = gateway.logs("connection refused");
    assert!(
        line.contains("no listener serves the name `other.test`"),
        "{line}"
    );
    let refused = |result: &str| {
        let series = format!("countersign_connections_refused_total{{result=\"{result}\"}}");
        gateway.metric(&series)
    };
    assert_eq!(refused("no_listener"), Some(1.0));
    // It is counted a moment after the client has learned of it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while refused("handshake") != Some(1.0) {
        assert!(Instant::now() < deadline, "{:?}", refused("handshake"));
    }
}
