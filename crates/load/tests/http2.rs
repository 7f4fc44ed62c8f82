//! `run` over HTTP/2: by prior knowledge, over TLS, and against a server that leaves in good order.

#![expect(
    clippy::expect_used,
    reason = "what goes wrong in a helper must fail the test"
)]

mod tool;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use countersign_testkit::site::{Reply, Site};
use countersign_testkit::tls::Authority;
use h2::server::{Connection, handshake};
use http::Response;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

use crate::tool::run;

#[test]
fn streams_share_connections_and_carry_what_http1_does() {
    let site = Site::start(|_| Reply::spaces(200_000));
    let file = NamedTempFile::new().expect("a file");
    let text: String = (0..60).map(|it| format!("eyJhb.{it}\n")).collect();
    fs::write(&file, text).expect("written");
    let words = format!(
        "--url http://{}/a --protocol http2 --upload 100000",
        site.address()
    );
    let report = run(&format!(
        "{words} --requests 60 --connections 2 --streams 5 --expect-bytes 200000 --hosts 4 --idle 3 --tokens {}",
        file.path().display(),
    ))
    .good();
    assert_eq!(
        (&report["requests"], &report["idle_open"]),
        (&60.into(), &3.into())
    );
    assert_eq!(report["bytes_in"], 12_000_000);
    let seen = site.seen();
    assert_eq!((seen.len(), site.connections()), (63, 5));
    let mut tokens: Vec<_> = seen
        .iter()
        // The first request is that of each idle connection, too.
        .filter(|it| !it.headers.lists("authorization", "Bearer eyJhb.0"))
        .map(|it| it.headers.first("authorization"))
        .collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 59);
    for it in &seen {
        assert_eq!(
            (it.version, it.target.as_str(), it.body.len()),
            ("HTTP/2", "/a", 100_000)
        );
        let host = it.headers.first(":authority").unwrap_or_default();
        assert!(
            ["h0.test", "h1.test", "h2.test", "h3.test"].contains(&host),
            "{host}"
        );
    }
}

#[test]
fn an_answer_that_is_not_as_expected_ends_it() {
    let site = Site::start(|_| Reply::new(403).body("RBAC: access denied"));
    let words = format!(
        "--url http://{}/ --protocol http2 --requests 9",
        site.address()
    );
    let told = run(&words).bad(1);
    assert_eq!(
        told,
        "error: expected 200, got 403 with 19 bytes: RBAC: access denied\n"
    );
    run(&format!("{words} --expect 403 --expect-bytes 19")).good();
    let told = run(&format!("{words} --expect 403 --expect-bytes 18")).bad(1);
    assert!(
        told.contains("expected 18 bytes, got 403 with 19 bytes"),
        "{told}"
    );
}

#[test]
fn a_paced_run_keeps_its_times() {
    let site = Site::start(|_| Reply::new(200));
    let words = format!(
        "--url http://{}/ --protocol http2 --streams 3",
        site.address()
    );
    let report = run(&format!("{words} --connections 2 --requests 50 --rate 500")).good();
    assert_eq!(report["requests"], 50);
    assert!(report["seconds"].as_f64().expect("seconds") >= 0.098);
}

#[test]
fn requests_that_a_leaving_server_did_not_look_at_go_to_the_next_connection() {
    let address = serve(None, 10);
    let words = format!("--url http://{address}/ --protocol http2 --connections 2 --streams 4");
    let report = run(&format!("{words} --requests 200 --expect-bytes 5")).good();
    assert_eq!(
        (&report["requests"], &report["bytes_in"]),
        (&200.into(), &1000.into())
    );
    assert!(report["reconnects"].as_u64() >= Some(5), "{report}");
}

#[test]
fn over_tls_the_server_must_choose_it() {
    let authority = Authority::new("it");
    let ca = NamedTempFile::new().expect("a file");
    fs::write(&ca, authority.pem()).expect("written");
    for (alpn, good) in [("h2", true), ("http/1.1", false)] {
        let identity = authority.issue(&["127.0.0.1"]);
        let mut tls = Arc::unwrap_or_clone(Authority::server(&identity));
        tls.alpn_protocols = vec![alpn.into()];
        let address = serve(Some(tls.into()), usize::MAX);
        let words = format!("--url https://{address}/ --protocol http2 --streams 3 --requests 30");
        let ended = run(&format!(
            "{words} --connections 2 --ca {}",
            ca.path().display()
        ));
        if good {
            assert_eq!(ended.good()["requests"], 30);
        } else {
            let told = ended.bad(1);
            assert!(told.contains("no connection to"), "{told}");
        }
    }
}

/// Serves HTTP/2 until the test ends. After `lifetime` requests a connection says that it will end.
fn serve(tls: Option<Arc<rustls::ServerConfig>>, lifetime: usize) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("a mode");
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            let acceptor = tls.map(TlsAcceptor::from);
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => answer(handshake(socket).await, lifetime).await,
                        Some(acceptor) => {
                            // A client may well break the handshake off.
                            if let Ok(socket) = acceptor.accept(socket).await {
                                answer(handshake(socket).await, lifetime).await;
                            }
                        }
                    }
                });
            }
        });
    });
    address
}

async fn answer<T: AsyncRead + AsyncWrite + Unpin>(
    connection: Result<Connection<T, Bytes>, h2::Error>,
    lifetime: usize,
) {
    let Ok(mut connection) = connection else {
        return;
    };
    let mut count = 0;
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        count += 1;
        if count == lifetime {
            connection.graceful_shutdown();
        }
        // Who sent it may be gone.
        if let Ok(mut body) = respond.send_response(Response::new(()), false) {
            let _gone = body.send_data(Bytes::from_static(b"hello"), true);
        }
    }
}
