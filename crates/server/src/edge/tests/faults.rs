//! Heads that are refused before they are requests: each gets an answer that
//! says what it is, and the handler hears of it.

use std::time::{Duration, Instant};

use ::http::HeaderName;
use countersign_testkit::client::{Request as Ask, Response as Answer};

use super::http::{ask, h2c};
use super::*;

const SOON: Duration = Duration::from_secs(2);

/// Sends bytes on a connection of their own, and reads the answer that must
/// end it.
fn last(port: &Port, bytes: &[u8]) -> Answer {
    let mut client = port.client();
    client.write(bytes).unwrap();
    let answer = client.read().unwrap();
    assert_eq!(answer.headers.first("connection"), Some("close"));
    assert!(client.closes_within(SOON));
    answer
}

fn says(answer: &Answer) -> (u16, String, &str, &str) {
    let header = |name| answer.headers.first(name).unwrap();
    let (detail, asked) = (header("x-detail"), header("x-asked"));
    (answer.status, answer.text(), detail, asked)
}

#[test]
fn what_breaks_http_is_told() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    for (bytes, detail, asked) in [
        (
            "GET /a?b HTTP/1.1\r\nHost : a\r\n\r\n",
            "white space before the colon of a header",
            "GET /a HTTP/1.1",
        ),
        (
            "GET /a?q=\"b\" HTTP/1.1\r\nhost: a\r\n\r\n",
            "a target with a character that no URI has",
            "GET /a HTTP/1.1",
        ),
        (
            "GET / HTTP/1.2\r\nhost: a\r\n\r\n",
            "a version other than HTTP/1.1 and HTTP/1.0",
            "GET / HTTP/1.1",
        ),
        (
            "POST http://h.test/a HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            "a Content-Length that is no number",
            "POST /a HTTP/1.1",
        ),
        (
            "GET /\r\n",
            "a request line that is not `method target version`",
            "GET / HTTP/1.1",
        ),
        (
            "GE\"T / HTTP/1.1\r\n\r\n",
            "a method with a character that no token has",
            "- / HTTP/1.1",
        ),
        (
            "\x16\x03\x01\x02",
            "a TLS handshake on a port without TLS",
            "-  HTTP/1.1",
        ),
        (
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\nGET / HTTP/1.1\r\n\r\n",
            "a PROXY header from an address that is not in `proxyProtocol.from`",
            "PROXY  HTTP/1.1",
        ),
    ] {
        let answer = last(&port, bytes.as_bytes());
        let expected = (400, "bad_request".into(), detail, asked);
        assert_eq!(says(&answer), expected, "{bytes:?}");
    }
}

#[test]
fn a_head_that_is_too_large_is_told_while_it_is_still_sent() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let too_long = Ask::get("/fat?x").header("cookie", &"c".repeat(70_000));
    let much_too_long = Ask::get("/fat?x").header("cookie", &"c".repeat(1_000_000));
    let too_many = (0..100).fold(Ask::get("/fat"), |ask, n| {
        ask.header(&format!("x-{n}"), "1")
    });
    for (ask, detail) in [
        (too_long, "more bytes than `limits.headerBytes`"),
        (much_too_long, "more bytes than `limits.headerBytes`"),
        (too_many, "more header lines than `limits.headers`"),
    ] {
        let answer = last(&port, &ask.bytes());
        let expected = (431, "headers_too_large".into(), detail, "GET /fat HTTP/1.1");
        assert_eq!(says(&answer), expected);
    }
    let long = "/".to_owned() + &"a".repeat(70_000);
    let answer = last(&port, &Ask::get(&long).bytes());
    let asked = says(&answer).3;
    assert_eq!((answer.status, asked.len()), (431, 4 + 1024 + 9), "cut");
}

#[test]
fn answers_before_a_fault_come_before_it() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let bad = b"GET /bad HTTP/1.1\r\nx\r\n\r\n";
    let mut client = port.client();
    client
        .write(
            &[
                &Ask::get("/slow?100").bytes()[..],
                bad,
                &Ask::get("/3").bytes(),
            ]
            .concat(),
        )
        .unwrap();
    assert_eq!(client.read().unwrap().json()["path"], "/slow");
    let answer = client.read().unwrap();
    assert_eq!(
        says(&answer),
        (
            400,
            "bad_request".into(),
            "a header line without a colon",
            "GET /bad HTTP/1.1"
        )
    );
    assert!(client.closes_within(SOON));
}

#[test]
fn a_good_head_may_come_in_any_pieces() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let mut client = port.client();
    for byte in Ask::new("POST", "/1").body("four").bytes() {
        client.write(&[byte]).unwrap();
    }
    assert_eq!(client.read().unwrap().json()["body"], 4);
    let large = Ask::get("/2").header("cookie", &"c".repeat(60_000)).bytes();
    let two = [&large[..], &large].concat();
    for piece in two.chunks(7_001) {
        client.write(piece).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.read().unwrap().json()["path"], "/2");
    assert_eq!(client.read().unwrap().json()["path"], "/2");
    // Half of one, and the client is gone: nothing to answer.
    client.write(b"GET / HTTP/1.1\r\nhost:").unwrap();
    client.finish().unwrap();
    assert!(client.closes_within(SOON));
}

#[test]
fn http2_is_told_as_well_and_goes_on() {
    let port = Port::free();
    let running = Running::start(&[&port]);
    running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        let mut fat = ask("/fat?x");
        let mut many = ask("/many");
        for n in 0..7 {
            let name = HeaderName::try_from(format!("x{n}")).unwrap();
            let value = "c".repeat(10_000).try_into().unwrap();
            fat.headers_mut().insert(name, value);
        }
        for n in 0..101 {
            let name = HeaderName::try_from(format!("x{n}")).unwrap();
            many.headers_mut().insert(name, 1.into());
        }
        for (request, detail) in [
            (fat, "more bytes than `limits.headerBytes`"),
            (many, "more header lines than `limits.headers`"),
        ] {
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 431);
            assert_eq!(answer.headers()["x-detail"], detail);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "headers_too_large");
        }
        assert_eq!(sender.send_request(ask("/")).await.unwrap().status(), 200);
    });
}

#[test]
fn a_request_that_is_on_its_way_at_shutdown_is_served() {
    let port = Port::free();
    let mut running = Running::start(&[&port]);
    let (mut first, mut second) = (port.client(), port.client());
    assert_eq!(second.send(&Ask::get("/")).unwrap().status, 200);
    for client in [&mut first, &mut second] {
        client.write(b"GET /half HTTP/1.1\r\n").unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    let ended = running.shutdown();
    std::thread::sleep(Duration::from_millis(100));
    for client in [&mut first, &mut second] {
        client.write(b"host: a\r\n\r\n").unwrap();
        assert_eq!(client.read().unwrap().json()["path"], "/half");
        assert!(client.closes_within(SOON));
    }
    running.runtime.block_on(ended).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}

/// The kernel asks after silent clients: timer 2 in `/proc/net/tcp` is that of
/// SO_KEEPALIVE.
#[cfg(target_os = "linux")]
#[test]
fn the_system_looks_after_silent_clients() {
    let port = Port::free();
    let _running = Running::start(&[&port]);
    let mut client = port.client();
    assert_eq!(client.send(&Ask::get("/")).unwrap().status, 200);
    let (ours, theirs) = (port.bind, client.local().unwrap().port());
    let pair = format!("0100007F:{ours:04X} 0100007F:{theirs:04X} 01 ");
    let start = Instant::now();
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let line = table.lines().find(|line| line.contains(&pair)).unwrap();
        if line.split_whitespace().nth(5).unwrap().starts_with("02:") {
            return;
        }
        // Until the answer is acknowledged another timer runs.
        assert!(start.elapsed() < SOON, "{line}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
