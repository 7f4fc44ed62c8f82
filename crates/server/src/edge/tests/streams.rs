//! Connections that are passed on: which bytes come through, and for whom.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::tls::Authority;
use rustls::{ClientConfig, ClientConnection};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn connect(port: &Port) -> TcpStream {
    let tcp = TcpStream::connect(port.address()).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    tcp
}

/// All that comes until the other side is done.
fn rest(tcp: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end like any other.
    let _reset = tcp.read_to_end(&mut bytes);
    bytes
}

/// The first message of a handshake.
fn hello(config: &Arc<ClientConfig>, name: &str) -> Vec<u8> {
    let name = name.to_owned().try_into().unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// Listeners for bytes by server name, for the inside of TLS, and for requests.
fn site() -> (Authority, Port) {
    let authority = Authority::new("test");
    let pem = |name: &str| Pem::of(&authority.issue(&[name]));
    let port = Port {
        listeners: vec![
            ("pass", "pass.test", None),
            ("ends", "ends.test", pem("ends.test")),
            ("web", "*.test", pem("web.test")),
        ],
        modes: vec![("pass", Mode::Passthrough), ("ends", Mode::Stream)],
        timeouts: Timeouts {
            request_headers: Duration::from_millis(500),
            ..Port::free().timeouts
        },
        ..Port::free()
    };
    (authority, port)
}

#[test]
fn tcp_speaks_first_on_either_side_and_ends_one_side_at_a_time() {
    let port = Port {
        modes: vec![("any", Mode::Stream)],
        ..Port::free()
    };
    let _running = Running::start(&[&port]);
    let mut tcp = connect(&port);
    let mut greeting = [0; 10];
    tcp.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"- - false\n", "before a word of ours");
    let sent: Vec<u8> = (0..100_000u32).map(|it| it.to_le_bytes()[0]).collect();
    let mut writer = tcp.try_clone().unwrap();
    let all = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&all).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    assert_eq!(rest(&mut tcp), sent);
    writing.join().unwrap();
}

#[test]
fn a_handshake_goes_on_byte_for_byte() {
    let (authority, port) = site();
    let _running = Running::start(&[&port]);
    let hello = hello(&authority.client(None), "PASS.test");
    for pieces in [1, 7, hello.len()] {
        let mut tcp = connect(&port);
        for piece in hello.chunks(hello.len().div_ceil(pieces)) {
            tcp.write_all(piece).unwrap();
        }
        tcp.write_all(b"and more").unwrap();
        tcp.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            rest(&mut tcp),
            [&hello[..], b"and more"].concat(),
            "{pieces}"
        );
    }
}

#[test]
fn who_speaks_no_tls_or_another_name_gets_nowhere() {
    let (authority, port) = site();
    let _running = Running::start(&[&port]);
    let config = authority.client(None);
    let mut long = hello(&config, "pass.test");
    long.truncate(20);
    for (what, bytes) in [
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("zeros", vec![0; 100_000]),
        ("a name of nobody's", hello(&config, "other.example")),
        (
            "no name, and each listener has one",
            hello(&config, "127.0.0.1"),
        ),
        ("half a message", long),
        (
            "a message without an end",
            [&[22, 3, 1, 0x40, 0][..], &[1; 50_000]].concat(),
        ),
    ] {
        let mut tcp = connect(&port);
        let _reset = tcp.write_all(&bytes);
        let _gone = tcp.shutdown(Shutdown::Write);
        let came = rest(&mut tcp);
        // An alert may come, but nothing of what was sent.
        assert!(
            came.len() < 20 && !came.ends_with(&bytes),
            "{what}: {came:?}"
        );
    }
}

#[test]
fn a_slow_hello_ends_in_time() {
    let (authority, port) = site();
    let _running = Running::start(&[&port]);
    let hello = hello(&authority.client(None), "pass.test");
    let mut tcp = connect(&port);
    let start = Instant::now();
    for byte in &hello {
        if tcp.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        if start.elapsed() > SOON {
            break;
        }
    }
    assert!(rest(&mut tcp).is_empty());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// The greeting that comes out of TLS, and how it was agreed on.
fn inside(port: &Port, config: &Arc<ClientConfig>) -> Option<String> {
    let name = "ends.test".try_into().unwrap();
    let session = ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, connect(port));
    let mut greeting = [0; 20];
    stream.read_exact(&mut greeting).ok()?;
    assert_eq!(stream.conn.alpn_protocol(), None);
    Some(String::from_utf8_lossy(&greeting).into_owned())
}

#[test]
fn tls_may_end_here_for_bytes_beside_requests() {
    let (authority, port) = site();
    let _running = Running::start(&[&port]);
    let greeting = Some("ends.test ends true\n".to_owned());
    assert_eq!(inside(&port, &authority.client(None)), greeting);
    let mut other = ClientConfig::clone(&authority.client(None));
    other.alpn_protocols = vec![b"postgresql".to_vec()];
    assert_eq!(
        inside(&port, &Arc::new(other)),
        greeting,
        "whatever they speak"
    );

    let client = Client::connect_tls(port.address(), "web.test", authority.client(None));
    let seen = client.unwrap().send(&Ask::get("/")).unwrap().json();
    assert_eq!(
        (&seen["listener"], &seen["sni"]),
        (&"web".into(), &"web.test".into())
    );
}

#[test]
fn clients_are_checked_where_tls_ends_and_not_where_it_goes_on() {
    let (authority, port) = site();
    let nobody = ClientValidation {
        mode: Default::default(),
        authorities: Box::default(),
    };
    let port = Port {
        clients: Some(Arc::new(nobody)),
        ..port
    };
    let _running = Running::start(&[&port]);
    let config = authority.client(None);
    assert_eq!(inside(&port, &config), None, "there is no authority");
    assert!(Client::connect_tls(port.address(), "web.test", config.clone()).is_err());
    let hello = hello(&config, "pass.test");
    let mut tcp = connect(&port);
    tcp.write_all(&hello).unwrap();
    tcp.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut tcp), hello);
}

#[test]
fn a_listener_that_goes_takes_its_connections_along() {
    let (authority, port) = site();
    let mut without = port.clone();
    without.listeners.remove(0);
    let running = Running::start(&[&port]);
    let hello = hello(&authority.client(None), "pass.test");
    let mut tcp = connect(&port);
    tcp.write_all(&hello).unwrap();
    let mut echo = vec![0; hello.len()];
    tcp.read_exact(&mut echo).unwrap();
    assert_eq!(running.reload(&[&without]), "applied");
    let start = Instant::now();
    loop {
        let mut again = connect(&port);
        let _reset = again.write_all(&hello);
        let _gone = again.shutdown(Shutdown::Write);
        // The wider listener has no certificate for that name, but answers.
        if rest(&mut again) != hello {
            break;
        }
        assert!(start.elapsed() < SOON);
    }
}
