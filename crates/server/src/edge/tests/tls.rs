//! Handshakes: which certificate, which listener, which protocol.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::tls::Authority;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;

use super::http::ask;
use super::*;

fn site() -> (Authority, Port) {
    let authority = Authority::new("test");
    let pem = |names: &[&str]| Pem::of(&authority.issue(names));
    let listeners = vec![
        ("exact", "a.shop.test", pem(&["a.shop.test"])),
        ("wild", "*.shop.test", pem(&["*.shop.test"])),
    ];
    let port = Port {
        listeners,
        ..Port::free()
    };
    (authority, port)
}

fn seen(client: io::Result<Client>) -> Value {
    client.unwrap().send(&Ask::get("/")).unwrap().json()
}

#[test]
fn the_narrowest_listener_by_sni() {
    let (authority, port) = site();
    let _running = Running::start(&[&port]);
    let to = |name: &str| Client::connect_tls(port.address(), name, authority.client(None));
    let exact = seen(to("a.shop.test"));
    assert_eq!(
        (&exact["listener"], &exact["sni"]),
        (&"exact".into(), &"a.shop.test".into())
    );
    assert_eq!(
        (&exact["tls"], &exact["http2"]),
        (&true.into(), &false.into())
    );
    assert_eq!(seen(to("b.shop.test"))["listener"], "wild");
    assert!(to("shop.test").is_err(), "no listener");
    assert!(
        to("127.0.0.1").is_err(),
        "no name, and every listener has one"
    );
}

#[test]
fn no_name_is_for_the_listener_without_hostname() {
    let (authority, mut port) = site();
    let identity = authority.issue(&["127.0.0.1", "other.test"]);
    port.listeners.push(("any", "", Pem::of(&identity)));
    let _running = Running::start(&[&port]);
    for name in ["127.0.0.1", "other.test"] {
        let client = Client::connect_tls(port.address(), name, authority.client(None));
        assert_eq!(seen(client)["listener"], "any", "{name}");
    }
}

#[test]
fn http2_by_alpn() {
    let (authority, port) = site();
    let running = Running::start(&[&port]);
    let mut config = ClientConfig::clone(&authority.client(None));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    running.runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(port.address())
            .await
            .unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let name = "b.shop.test".try_into().unwrap();
        let tls = connector.connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let io = TokioIo::new(tls);
        let executor = TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
            .await
            .unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(ask("/")).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let seen: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&seen["http2"], &seen["listener"]),
            (&true.into(), &"wild".into())
        );
    });
}

#[test]
fn a_handshake_that_does_not_end_is_cut() {
    let (_, mut port) = site();
    port.timeouts.request_headers = Duration::from_millis(200);
    let _running = Running::start(&[&port]);
    let mut silent = port.client();
    assert!(silent.closes_within(Duration::from_secs(2)));
    let mut plain = port.client();
    plain
        .write(b"GET / HTTP/1.1\r\nhost: a.shop.test\r\n\r\n")
        .unwrap();
    assert!(
        plain.closes_within(Duration::from_millis(100)),
        "no TLS at all"
    );
}

#[test]
fn a_proxy_header_comes_before_the_handshake() {
    let (authority, mut port) = site();
    port.proxies = vec!["127.0.0.0/8"];
    let running = Running::start(&[&port]);
    let config = authority.client(None);
    running.runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut tcp = tokio::net::TcpStream::connect(port.address())
            .await
            .unwrap();
        tcp.write_all(b"PROXY TCP6 2001:db8::7 ::1 4000 80\r\n")
            .await
            .unwrap();
        let connector = tokio_rustls::TlsConnector::from(config);
        let mut tls = connector
            .connect("a.shop.test".try_into().unwrap(), tcp)
            .await
            .unwrap();
        tls.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        tls.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"peer\":\"2001:db8::7\""), "{answer}");
    });
}

#[test]
fn certificates_that_cannot_be_used_are_named_and_keys_are_not_shown() {
    let (authority, mut port) = site();
    let (one, other) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    port.listeners = vec![
        (
            "mixed",
            "a.test",
            Some(Pem(one.certificate.clone(), other.key.clone())),
        ),
        ("empty", "b.test", Some(Pem(String::new(), one.key.clone()))),
        (
            "keyless",
            "c.test",
            Some(Pem(one.certificate.clone(), one.certificate.clone())),
        ),
        ("good", "d.test", Pem::of(&one)),
    ];
    let problems = Sockets::default().prepare(&compiled(&[&port])).unwrap_err();
    let secret =
        |name| format!("the certificate of Secret default/{name} (site.yaml:3) cannot be used: ");
    let messages: Vec<String> = problems.iter().map(|it| it.message).collect();
    assert_eq!(
        messages,
        [
            secret("mixed") + "`tls.key` does not belong to the first certificate of `tls.crt`",
            secret("empty") + "`tls.crt` holds no certificate",
            secret("keyless") + "`tls.key` holds no private key in PEM",
        ]
    );
    assert!(!format!("{problems:?}{problems}").contains("PRIVATE KEY"));
}
