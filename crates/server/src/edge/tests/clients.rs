//! Client certificates: who comes in, under which names, and for how long.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use countersign_config::compiled::{Authority, ClientMode};
use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::tls::Authority as Ca;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use super::*;

const ALICE: &str = "spiffe://shop.example/ns/front/sa/alice";
const SOON: Duration = Duration::from_secs(5);

/// A port whose certificate is of `server`, and which checks clients by `clients`.
fn port(server: &Ca, mode: ClientMode, clients: &[&Ca]) -> Port {
    let pem = Pem::of(&server.issue(&["a.test"]));
    Port {
        listeners: vec![("any", "", pem)],
        clients: validation(mode, clients),
        ..Port::free()
    }
}

fn validation(mode: ClientMode, clients: &[&Ca]) -> Option<Arc<ClientValidation>> {
    let authority = |ca: &&Ca| Authority {
        origin: origin("ConfigMap", "ca"),
        pem: ca.pem().into(),
        trust_domains: None,
    };
    let authorities = clients.iter().map(authority).collect();
    Some(Arc::new(ClientValidation { mode, authorities }))
}

/// What the gateway knows of a client after it was let in. A refusal shows
/// with the first answer only (RFC 8446 section 4.4.2.4).
fn principals(port: &Port, config: &Arc<ClientConfig>) -> io::Result<Value> {
    let mut client = Client::connect_tls(port.address(), "a.test", config.clone())?;
    Ok(client.send(&Ask::get("/"))?.json()["principals"].clone())
}

#[test]
fn who_comes_in_by_mode() {
    let (server, ours, theirs) = (Ca::new("server"), Ca::new("ours"), Ca::new("theirs"));
    let strict = port(&server, ClientMode::ValidOnly, &[&ours]);
    let lenient = port(&server, ClientMode::InsecureFallback, &[&ours]);
    let open = Port {
        clients: None,
        ..port(&server, ClientMode::ValidOnly, &[])
    };
    let closed = port(&server, ClientMode::InsecureFallback, &[]);
    let _running = Running::start(&[&strict, &lenient, &open, &closed]);

    let alice = serde_json::json!([ALICE]);
    let good = server.client(Some(&ours.issue(&[ALICE])));
    let wrong = server.client(Some(&theirs.issue(&[ALICE])));
    let none = server.client(None);
    assert_eq!(principals(&strict, &good).unwrap(), alice);
    assert_eq!(principals(&lenient, &good).unwrap(), alice);
    assert_eq!(principals(&open, &good).unwrap(), Value::Null, "not asked");
    for stranger in [&wrong, &none] {
        assert!(principals(&strict, stranger).is_err());
        assert_eq!(principals(&lenient, stranger).unwrap(), Value::Null);
        assert_eq!(principals(&open, stranger).unwrap(), Value::Null);
    }
    for anybody in [&good, &wrong, &none] {
        assert!(
            principals(&closed, anybody).is_err(),
            "no authority is left"
        );
    }
}

#[test]
fn every_name_of_a_kind_and_the_kinds_in_order() {
    let (server, ours) = (Ca::new("server"), Ca::new("ours"));
    let strict = port(&server, ClientMode::ValidOnly, &[&ours]);
    let _running = Running::start(&[&strict]);
    for (names, want) in [
        (
            &["spiffe://a/ns/x/sa/y", "dns.test", "spiffe://b/z"][..],
            &["spiffe://a/ns/x/sa/y", "spiffe://b/z"][..],
        ),
        (&["one.test", "two.test"], &["one.test", "two.test"]),
        (&[], &["CN=rcgen self signed cert"]),
    ] {
        let config = server.client(Some(&ours.issue(names)));
        assert_eq!(
            principals(&strict, &config).unwrap(),
            serde_json::json!(want)
        );
    }
}

/// Sends a request over a connection of its own; the answer, and whether the
/// session was resumed.
fn resume(port: &Port, config: &Arc<ClientConfig>) -> io::Result<(Value, bool)> {
    let name = "a.test".try_into().unwrap();
    let session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let tcp = TcpStream::connect(port.address())?;
    tcp.set_read_timeout(Some(SOON))?;
    let mut stream = StreamOwned::new(session, tcp);
    let ask = Ask::get("/").header("connection", "close");
    stream.write_all(&ask.bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let value: Value = serde_json::from_str(body.trim_start_matches(|it| it != '{')).unwrap();
    let resumed = stream.conn.handshake_kind() == Some(HandshakeKind::Resumed);
    Ok((value["principals"].clone(), resumed))
}

#[test]
fn resumed_sessions_keep_an_identity_until_its_authority_goes() {
    let (server, first, second) = (Ca::new("server"), Ca::new("first"), Ca::new("second"));
    let alice = first.issue(&[ALICE]);
    let name = serde_json::json!([ALICE]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for mode in [ClientMode::ValidOnly, ClientMode::InsecureFallback] {
            let before = port(&server, mode, &[&first]);
            let after = Port {
                clients: validation(mode, &[&second]),
                ..before.clone()
            };
            let running = Running::start(&[&before]);
            let config = Arc::new(server.client_of(&[version], &alice));
            let start = Instant::now();
            // What was read at the start may be put in force anew under our feet.
            while resume(&before, &config).unwrap() != (name.clone(), true) {
                assert!(start.elapsed() < SOON, "{version:?}");
            }
            assert_eq!(running.reload(&[&after]), "applied");
            let start = Instant::now();
            loop {
                match (resume(&after, &config), mode) {
                    (Err(_), ClientMode::ValidOnly) => break,
                    (Ok(got), ClientMode::InsecureFallback) => {
                        assert_eq!(got, (Value::Null, false));
                        break;
                    }
                    // Between two configurations nobody is let in.
                    (Err(_), _) if start.elapsed() < SOON => {}
                    (got, _) => panic!("{mode:?} {version:?} {got:?}"),
                }
            }
        }
    }
}

/// A connection that has had an answer.
fn served(port: &Port, config: &Arc<ClientConfig>) -> io::Result<Client> {
    let mut client = Client::connect_tls(port.address(), "a.test", config.clone())?;
    client.send(&Ask::get("/"))?;
    Ok(client)
}

#[test]
fn connections_end_when_clients_are_checked_otherwise() {
    let (server, first, second) = (Ca::new("server"), Ca::new("first"), Ca::new("second"));
    let before = port(&server, ClientMode::InsecureFallback, &[&first]);
    let same = Port {
        clients: validation(ClientMode::InsecureFallback, &[&first]),
        ..before.clone()
    };
    let after = Port {
        clients: validation(ClientMode::InsecureFallback, &[&second]),
        ..before.clone()
    };
    let unchecked = Port {
        clients: None,
        ..before.clone()
    };
    let config = server.client(Some(&first.issue(&[ALICE])));
    let running = Running::start(&[&before]);
    for (next, ends) in [(&same, false), (&after, true), (&unchecked, true)] {
        let start = Instant::now();
        // Between two configurations nobody is let in.
        let mut client = loop {
            match served(&before, &config) {
                Ok(client) => break client,
                Err(error) => assert!(start.elapsed() < SOON, "{error}"),
            }
        };
        assert_eq!(running.reload(&[next]), "applied");
        let patience = if ends {
            SOON
        } else {
            Duration::from_millis(300)
        };
        assert_eq!(client.closes_within(patience), ends);
    }
}
