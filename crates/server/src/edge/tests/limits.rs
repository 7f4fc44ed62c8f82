//! Limits and timeouts.

use std::time::{Duration, Instant};

use ::http::HeaderName;
use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::tls::Authority;

use super::http::{ask, h2c, h2c_watched};
use super::*;

const SOON: Duration = Duration::from_secs(2);

fn with(limits: Limits, timeouts: Timeouts) -> (Port, Running) {
    let port = Port {
        limits,
        timeouts,
        ..Port::free()
    };
    let running = Running::start(&[&port]);
    (port, running)
}

#[test]
fn heads_beyond_the_limits_are_431() {
    let limits = Limits {
        header_bytes: 300,
        headers: 5,
        ..Limits::default()
    };
    let (port, running) = with(limits, Timeouts::default());
    let long = "a".repeat(300);
    let many = (0..6).fold(Ask::get("/"), |ask, n| ask.header(&format!("x-{n}"), "1"));
    for ask in [
        Ask::get("/").header("x", &long),
        Ask::get(&format!("/{long}")),
        many,
    ] {
        let mut client = port.client();
        assert_eq!(client.send(&ask).unwrap().status, 431);
        assert!(client.closes_within(SOON));
    }
    let fits = Ask::get("/").header("x", &"a".repeat(200));
    assert_eq!(fits.send(port.address()).status, 200);

    running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        let mut many = ask("/");
        for n in 0..6 {
            many.headers_mut()
                .insert(HeaderName::try_from(format!("x{n}")).unwrap(), 1.into());
        }
        assert_eq!(sender.send_request(many).await.unwrap().status(), 431);
        assert_eq!(sender.send_request(ask("/")).await.unwrap().status(), 200);
    });
}

#[test]
fn a_head_that_does_not_end_is_408_and_an_idle_connection_closes() {
    let timeouts = Timeouts {
        request_headers: Duration::from_millis(200),
        idle: Duration::from_millis(600),
        ..Timeouts::default()
    };
    let (port, running) = with(Limits::default(), timeouts);
    let (mut slow, mut idle) = (port.client(), port.client());
    let start = Instant::now();
    assert_eq!(idle.send(&Ask::get("/")).unwrap().status, 200);
    slow.write(b"POST /slow?y HTTP/1.1\r\nhost: a\r\n").unwrap();
    let answer = slow.read().unwrap();
    assert_eq!(
        (answer.status, answer.headers.first("connection")),
        (408, Some("close"))
    );
    assert_eq!(answer.text(), "client_timeout");
    assert_eq!(answer.headers.first("x-asked"), Some("POST /slow HTTP/1.1"));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_millis(550),
        "{took:?}"
    );
    assert!(slow.closes_within(SOON));

    // A second request is bounded like the first, also behind one that runs.
    for wait in ["/", "/slow?100"] {
        let mut again = port.client();
        again
            .write(&[&Ask::get(wait).bytes()[..], b"GET"].concat())
            .unwrap();
        assert_eq!(again.read().unwrap().status, 200);
        assert_eq!(again.read().unwrap().status, 408);
    }

    assert!(idle.closes_within(SOON));
    assert!(start.elapsed() >= Duration::from_millis(600));
    running.runtime.block_on(async {
        let (mut sender, ended) = h2c_watched(port.address()).await;
        sender.send_request(ask("/")).await.unwrap();
        let start = Instant::now();
        let ended = tokio::time::timeout(SOON, ended).await.unwrap();
        assert!(ended.unwrap().is_ok(), "with a farewell");
        assert!(
            start.elapsed() >= Duration::from_millis(500),
            "{:?}",
            start.elapsed()
        );
    });
}

#[test]
fn the_first_request_is_waited_for_no_longer_than_its_headers() {
    let timeouts = Timeouts {
        request_headers: Duration::from_millis(200),
        ..Timeouts::default()
    };
    let authority = Authority::new("test");
    let identity = authority.issue(&["a.test"]);
    let plain = Port {
        timeouts,
        ..Port::free()
    };
    let secure = Port {
        timeouts,
        listeners: vec![("a", "a.test", Pem::of(&identity))],
        ..Port::free()
    };
    let running = Running::start(&[&plain, &secure]);
    let mut silent = plain.client();
    let start = Instant::now();
    assert!(silent.closes_within(SOON), "without a word");
    assert!(start.elapsed() >= Duration::from_millis(200));
    running.runtime.block_on(async {
        let (_sender, ended) = h2c_watched(plain.address()).await;
        let ended = tokio::time::timeout(SOON, ended).await.unwrap();
        assert!(ended.unwrap().is_ok(), "with a farewell");
    });
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let mut config = rustls::ClientConfig::clone(&authority.client(None));
        config.alpn_protocols = vec![protocol.to_vec()];
        let client = Client::connect_tls(secure.address(), "a.test", config.into());
        let start = Instant::now();
        let mut client = client.unwrap();
        let farewell = Duration::from_secs(5);
        assert!(client.closes_within(SOON + farewell), "{protocol:?}");
        assert!(start.elapsed() >= Duration::from_millis(200));
    }
}

#[test]
fn requests_that_run_are_not_idle() {
    let timeouts = Timeouts {
        idle: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let (port, _running) = with(Limits::default(), timeouts);
    assert_eq!(Ask::get("/slow").send(port.address()).status, 200);
    let mut endless = port.client();
    endless.write(&Ask::get("/endless").bytes()).unwrap();
    assert_eq!(endless.read_head().unwrap().status, 200);
    assert!(!endless.closes_within(Duration::from_millis(400)));
}

#[test]
fn a_client_that_reads_nothing_is_cut() {
    let timeouts = Timeouts {
        idle: Duration::from_millis(300),
        ..Timeouts::default()
    };
    let (port, running) = with(Limits::default(), timeouts);
    let mut client = port.client();
    client.write(&Ask::get("/flood").bytes()).unwrap();
    let gauge = "countersign_connections{listener=\"any\"} ";
    let open = |count: &str| {
        let start = Instant::now();
        while !running
            .handle
            .metrics()
            .render()
            .contains(&format!("{gauge}{count}\n"))
        {
            assert!(
                start.elapsed() < SOON,
                "{}",
                running.handle.metrics().render()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    open("1");
    open("0");
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let (port, _running) = with(limits, Timeouts::default());
    let (mut first, mut second, mut third) = (port.client(), port.client(), port.client());
    assert_eq!(first.send(&Ask::get("/")).unwrap().status, 200);
    assert_eq!(second.send(&Ask::get("/")).unwrap().status, 200);
    third.write(&Ask::get("/").bytes()).unwrap();
    let (answered, answer) = mpsc::channel();
    std::thread::spawn(move || answered.send(third.read().unwrap().status));
    assert!(answer.recv_timeout(Duration::from_millis(200)).is_err());
    drop(first);
    assert_eq!(answer.recv_timeout(SOON), Ok(200));
}

#[test]
fn a_flood_of_resets_ends_the_connection() {
    let (port, running) = with(Limits::default(), Timeouts::default());
    running.runtime.block_on(async {
        let mut sender = h2c(port.address()).await;
        let mut sent = 0;
        while sent < 1000 && sender.ready().await.is_ok() {
            let request = tokio::spawn(sender.send_request(ask("/never")));
            tokio::time::sleep(Duration::from_millis(1)).await;
            request.abort();
            sent += 1;
        }
        assert!((100..600).contains(&sent), "{sent}");
    });
}

#[test]
fn a_faulty_framing_is_refused_wherever_it_stands_and_closes() {
    let (port, _running) = with(Limits::default(), Timeouts::default());
    let good = Ask::new("POST", "/1").body("four").bytes();
    for fields in [
        "transfer-encoding: gzip, chunked\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "x: y\n",
    ] {
        let bad = format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n0\r\n\r\n");
        let mut client = port.client();
        client
            .write(&[&good[..], bad.as_bytes(), &good[..]].concat())
            .unwrap();
        assert_eq!(client.read().unwrap().json()["body"], 4, "{fields:?}");
        let answer = client.read().unwrap();
        assert_eq!((answer.status, answer.text()), (400, "bad_request".into()));
        assert!(client.closes_within(SOON), "{fields:?}");
    }
}

#[test]
fn a_coding_that_breaks_off_ends_the_body_with_an_error() {
    let (port, _running) = with(Limits::default(), Timeouts::default());
    let mut client = port.client();
    let ask = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\n\r\n";
    client.write(ask.as_bytes()).unwrap();
    assert_eq!(client.read().unwrap().json()["body"], Value::Null);
    assert!(client.closes_within(SOON));
}

#[test]
fn a_request_behind_one_for_another_protocol_waits_and_is_answered() {
    let (port, _running) = with(Limits::default(), Timeouts::default());
    let upgrade = Ask::get("/slow")
        .header("connection", "upgrade")
        .header("upgrade", "h2c");
    let mut client = port.client();
    client
        .write(&[upgrade.bytes(), Ask::get("/next").bytes()].concat())
        .unwrap();
    assert_eq!(client.read().unwrap().json()["path"], "/slow");
    assert_eq!(client.read().unwrap().json()["path"], "/next");
    assert_eq!(client.send(&upgrade).unwrap().json()["path"], "/slow");
    assert_eq!(
        client.send(&Ask::get("/last")).unwrap().json()["path"],
        "/last"
    );
}
