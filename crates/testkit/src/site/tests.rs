//! The servers and the raw client against each other; h2c against hyper's client.

use std::{io::ErrorKind, time::Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use super::*;
use crate::{
    client::{Client, Request},
    idp::{Idp, JWKS_PATH},
    mint::Key,
    tls::Authority,
    upstream::Upstream,
};

#[test]
fn an_upstream_shows_what_it_received_in_order_and_spelling() {
    let upstream = Upstream::start("v1");
    let request = Request::new("POST", "/a?b=1")
        .header("Host", "h.test")
        .header("X-B", "1");
    let response = request
        .header("x-a", "\u{e9}")
        .body("hi")
        .send(upstream.address());
    let expected = json!({
        "upstream": "v1", "version": "HTTP/1.1", "method": "POST", "path": "/a?b=1",
        "headers": [["Host", "h.test"], ["X-B", "1"], ["x-a", "\u{e9}"], ["content-length", "2"]],
        "body": "hi", "trailers": [],
    });
    assert_eq!((response.status, response.json()), (200, expected));
    assert!(
        upstream.seen()[0]
            .head
            .starts_with(b"POST /a?b=1 HTTP/1.1\r\nHost: h.test\r\n")
    );
}

#[test]
fn a_connection_carries_many_requests_and_closes_when_told() {
    let upstream = Upstream::start("v1");
    upstream.answer("/last", Reply::new(503).close());
    let mut client = Client::connect(upstream.address()).unwrap();
    assert_eq!(client.send(&Request::get("/1")).unwrap().status, 200);
    let head = client.send(&Request::new("HEAD", "/2")).unwrap();
    assert!(head.body.is_empty() && head.headers.first("content-length") != Some("0"));
    assert_eq!(client.send(&Request::get("/last")).unwrap().status, 503);
    assert!(client.closes_within(PATIENCE));
    assert_eq!(
        upstream
            .seen()
            .iter()
            .map(|seen| seen.connection)
            .collect::<Vec<_>>(),
        [1, 1, 1]
    );
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn framing_that_smuggles_is_refused_by_the_upstream_itself() {
    let upstream = Upstream::start("v1");
    let mut client = Client::connect(upstream.address()).unwrap();
    client
        .write(b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    assert_eq!(client.read().unwrap().status, 400);
    assert!(client.closes_within(PATIENCE));
    assert!(upstream.seen().is_empty());
}

#[test]
fn every_misbehaviour_reaches_the_client() {
    let upstream = Upstream::start("v1");
    let ask = |reply: Reply| {
        upstream.answer("/", reply);
        let mut client = Client::connect(upstream.address()).unwrap();
        (client.send(&Request::get("/")), client)
    };
    assert_eq!(ask(Reply::spaces(200_000)).0.unwrap().body.len(), 200_000);
    assert_eq!(
        ask(Reply::hang_up()).0.unwrap_err().kind(),
        ErrorKind::UnexpectedEof
    );
    assert_eq!(
        ask(Reply::raw("nonsense\r\n\r\n")).0.unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    let redirect = ask(Reply::redirect("/b")).0.unwrap();
    assert_eq!(
        (redirect.status, redirect.headers.first("location")),
        (302, Some("/b"))
    );
    let trailed = ask(Reply::new(200).body("x").trailer("X-T", "1"))
        .0
        .unwrap();
    assert_eq!(
        (trailed.text().as_str(), trailed.trailers.first("x-t")),
        ("x", Some("1"))
    );
    let started = Instant::now();
    assert_eq!(
        ask(Reply::new(204).after(Duration::from_millis(60)))
            .0
            .unwrap()
            .status,
        204
    );
    assert!(started.elapsed() >= Duration::from_millis(60));
}

#[test]
fn silence_promises_and_ticks_last_until_the_site_is_dropped() {
    let upstream = Upstream::start("v1");
    upstream.answer("/silence", Reply::silence());
    upstream.answer("/promise", Reply::promise(10));
    upstream.answer("/ticks", Reply::ticks("ab", Duration::from_millis(5)));
    let open = |path: &str| {
        let mut client = Client::connect(upstream.address()).unwrap();
        client.write(&Request::get(path).bytes()).unwrap();
        client
    };
    let (mut silence, mut promise, mut ticks) =
        (open("/silence"), open("/promise"), open("/ticks"));
    assert!(!silence.closes_within(Duration::from_millis(30)));
    assert_eq!(
        promise.read_head().unwrap().headers.first("content-length"),
        Some("10")
    );
    assert_eq!(ticks.read_head().unwrap().status, 200);
    assert_eq!(ticks.read_bytes(14).unwrap(), b"2\r\nab\r\n2\r\nab\r\n");
    let address = upstream.address();
    drop(upstream);
    assert!(
        silence.closes_within(PATIENCE)
            && promise.closes_within(PATIENCE)
            && ticks.closes_within(PATIENCE)
    );
    assert_eq!(
        Client::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn an_upgraded_connection_echoes() {
    let site = Site::start(|_| Reply::upgrade("websocket"));
    let mut client = Client::connect(site.address()).unwrap();
    let response = client.send(&Request::get("/")).unwrap();
    assert_eq!(
        (response.status, response.headers.first("upgrade")),
        (101, Some("websocket"))
    );
    client.write(b"\x81ping").unwrap();
    assert_eq!(client.read_bytes(5).unwrap(), b"\x81ping");
    site.cut();
    assert!(client.closes_within(PATIENCE));
}

#[test]
fn a_client_binds_the_address_that_it_is_told() {
    let site = Site::start(|seen| Reply::new(200).body(seen.peer.ip().to_string()));
    let from = Ipv4Addr::new(127, 0, 0, 9).into();
    let mut client = Client::connect_from(from, site.address()).unwrap();
    assert_eq!(client.send(&Request::get("/")).unwrap().text(), "127.0.0.9");
    assert_eq!(client.local().unwrap().ip(), from);
}

#[test]
fn an_issuer_rotates_fails_recovers_and_comes_back() {
    let (old, new) = (Key::rsa("old"), Key::rsa("new"));
    let idp = Idp::start(&[&old]);
    let fetch = |idp: &Idp| Request::get(JWKS_PATH).send(idp.address());
    let kids = |idp: &Idp| {
        fetch(idp).json()["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|k| k["kid"].clone())
            .collect::<Vec<_>>()
    };
    let metadata = Request::get(crate::idp::DISCOVERY_PATH)
        .send(idp.address())
        .json();
    assert_eq!(
        (metadata["issuer"].as_str(), metadata["jwks_uri"].as_str()),
        (Some(idp.issuer()), Some(&*idp.jwks_uri()))
    );
    assert_eq!(kids(&idp), ["old"]);
    idp.publish(&[&new, &old]);
    assert_eq!(kids(&idp), ["new", "old"]);
    idp.fail(Reply::new(503));
    assert_eq!(fetch(&idp).status, 503);
    idp.recover();
    assert_eq!((fetch(&idp).status, idp.fetches()), (200, 4));
    let address = idp.address();
    drop(idp);
    let back = Idp::bind(address, None, &[&new]).unwrap();
    assert_eq!(kids(&back), ["new"]);
}

#[test]
fn an_issuer_signs_tokens_of_its_own() {
    let key = Key::rsa("old");
    let idp = Idp::start(&[&key]);
    let token = idp.token(&key, &json!({ "aud": "api", "sub": "bob" }));
    let payload = token.split('.').nth(1).unwrap();
    let payload =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sub"]),
        (&json!(idp.issuer()), &json!("api"), &json!("bob"))
    );
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        300
    );
}

#[test]
fn tls_ends_trust_their_authority_only() {
    let authority = Authority::new("ours");
    let server = authority.issue(&["localhost", "127.0.0.1"]);
    let member = authority.issue(&["spiffe://cluster.local/ns/default/sa/web"]);
    let stranger = Authority::new("theirs").issue(&["spiffe://cluster.local/ns/default/sa/web"]);
    let ask = |upstream: &Upstream, client| {
        Client::connect_tls(upstream.address(), "localhost", client)?.send(&Request::get("/"))
    };
    let open = Upstream::start_tls("v1", Authority::server(&server));
    assert_eq!(
        ask(&open, authority.client(None)).unwrap().json()["upstream"],
        "v1"
    );
    assert!(
        ask(&open, Authority::new("theirs").client(None)).is_err(),
        "an unknown server"
    );
    let mutual = Upstream::start_tls("v2", authority.mutual_server(&server));
    assert_eq!(
        ask(&mutual, authority.client(Some(&member)))
            .unwrap()
            .status,
        200
    );
    assert!(
        ask(&mutual, authority.client(None)).is_err(),
        "no client certificate"
    );
    assert!(
        ask(&mutual, authority.client(Some(&stranger))).is_err(),
        "a certificate of another authority"
    );
    assert_eq!(mutual.seen().len(), 1);
}

#[test]
fn http2_by_prior_knowledge_is_served_on_the_same_port() {
    let upstream = Upstream::start("v1");
    upstream.answer(
        "/grpc",
        Reply::new(200).body("m").trailer("grpc-status", "7"),
    );
    upstream.answer("/big", Reply::spaces(200_000));
    let ask = async |path: &str| {
        let stream = tokio::net::TcpStream::connect(upstream.address())
            .await
            .unwrap();
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request =
            http::Request::post(format!("http://h.test{path}")).body(Full::new(Bytes::from("hi")));
        let body = sender
            .send_request(request.unwrap())
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap();
        (body.trailers().cloned(), body.to_bytes())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let echo: serde_json::Value = serde_json::from_slice(&ask("/a?b=1").await.1).unwrap();
        assert_eq!(
            (&echo["version"], &echo["path"], &echo["body"]),
            (&json!("HTTP/2"), &json!("/a?b=1"), &json!("hi"))
        );
        assert_eq!(echo["headers"][0], json!([":authority", "h.test"]));
        let (trailers, body) = ask("/grpc").await;
        assert_eq!(
            (&trailers.unwrap()["grpc-status"], &body[..]),
            (&http::HeaderValue::from_static("7"), &b"m"[..])
        );
        assert_eq!(ask("/big").await.1.len(), 200_000);
    });
    assert_eq!(upstream.wait(3).len(), 3);
}
