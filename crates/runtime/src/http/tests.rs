use std::time::Duration;

use countersign_testkit::site::{Reply, Site};
use countersign_testkit::tls::Authority;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn terms(ca: &Ca) -> Terms<'_> {
    let guard = AddressGuard::default();
    Terms {
        detour: None,
        ca,
        guard,
        deadline: Instant::now() + LIMIT,
        largest: 1000,
    }
}

fn at(site: &Site, path: &str) -> Url {
    Url::parse(&format!("http://{}{path}", site.address())).unwrap()
}

async fn fetch(url: &Url) -> Result<Answer, Error> {
    get(url, &terms(&Ca::System)).await
}

/// A site that answers every request with this.
fn always(reply: Reply) -> Site {
    Site::start(move |_| reply.clone())
}

#[tokio::test]
async fn a_document_is_got() {
    let site = always(Reply::json("{}").header("x-a", "b"));
    let answer = fetch(&at(&site, "/keys?v=1")).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (200, b"{}".as_slice())
    );
    assert_eq!(answer.headers["x-a"], "b");
    let seen = site.seen().remove(0);
    assert_eq!(seen.target, "/keys?v=1");
    assert_eq!(seen.headers.all("host"), [site.address().to_string()]);
    assert_eq!(seen.headers.all("accept"), ["application/json, */*;q=0.5"]);
    assert_eq!(seen.headers.first("content-length"), None);
    assert!(
        seen.headers
            .first("user-agent")
            .unwrap()
            .starts_with("countersign/")
    );
}

#[tokio::test]
async fn a_document_is_posted_where_it_was_meant_for() {
    let site = Site::start(|seen| match seen.path() {
        "/moved" => Reply::new(307).header("location", "/"),
        _ => Reply::new(503).body("busy"),
    });
    for (path, status, body) in [("/v1?a=b", 503, "busy"), ("/moved", 307, "")] {
        let answer = post(&at(&site, path), "{}".into(), &terms(&Ca::System)).await;
        let answer = answer.unwrap();
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (status, body.as_bytes())
        );
    }
    let seen = site.seen();
    assert_eq!(seen.len(), 2, "no redirect is followed");
    assert_eq!(
        (&*seen[0].method, &*seen[0].target, &*seen[0].body),
        ("POST", "/v1?a=b", b"{}".as_slice())
    );
    assert_eq!(seen[0].headers.all("content-type"), ["application/json"]);
    assert_eq!(seen[0].headers.all("content-length"), ["2"]);
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_fourth() {
    let site = Site::start(|seen| match seen.path().trim_start_matches('/').parse() {
        Ok(0) => Reply::json("[]"),
        Ok(more) => Reply::redirect(&format!("{}?from={more}", more - 1)),
        Err(_) => Reply::new(404),
    });
    let answer = fetch(&at(&site, "/3")).await.unwrap();
    assert_eq!(
        (&*answer.body, answer.url.to_string()),
        (b"[]".as_slice(), at(&site, "/0").to_string())
    );
    assert_eq!(site.seen().len(), 4);
    assert_eq!(fetch(&at(&site, "/4")).await.unwrap_err(), Error::Redirects);
}

#[tokio::test]
async fn redirects_that_lead_astray() {
    for (location, expected) in [
        ("file:///etc/passwd", Error::Location),
        ("gopher://x/", Error::Location),
        ("http://a b/", Error::Location),
    ] {
        let site = always(Reply::redirect(location));
        assert_eq!(
            fetch(&at(&site, "/")).await.unwrap_err(),
            expected,
            "{location}"
        );
    }
    let metadata = always(Reply::redirect("http://169.254.169.254/latest/meta-data"));
    let error = fetch(&at(&metadata, "/")).await.unwrap_err();
    assert_eq!(error.code(), "address_refused", "{error}");
    // Without a `Location` it is an answer like any other.
    let site = always(Reply::new(302));
    assert_eq!(fetch(&at(&site, "/")).await.unwrap().status.as_u16(), 302);
}

#[tokio::test]
async fn https_does_not_lead_to_http() {
    let plain = always(Reply::json("{}"));
    let target = at(&plain, "/").to_string();
    let authority = Authority::new("test");
    let server = Authority::server(&authority.issue(&["localhost"]));
    let site = Site::bind(([127, 0, 0, 1], 0).into(), Some(server), move |_| {
        Reply::redirect(&target)
    })
    .unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", site.address().port())).unwrap();
    let ca = Ca::Pem(authority.pem().into());
    assert_eq!(get(&url, &terms(&ca)).await.unwrap_err(), Error::Downgrade);
    assert_eq!(plain.connections(), 0);
}

#[tokio::test]
async fn large_bodies_are_not_read_to_the_end() {
    for reply in [
        Reply::spaces(1 << 40),
        Reply::json(" ".repeat(1001)),
        Reply::promise(1 << 50),
    ] {
        let site = always(reply);
        assert_eq!(
            fetch(&at(&site, "/")).await.unwrap_err(),
            Error::TooLarge(1000)
        );
    }
    let site = always(Reply::spaces(1000));
    assert_eq!(fetch(&at(&site, "/")).await.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn stalled_servers_are_left_at_the_deadline() {
    let slow = Duration::from_millis(50);
    for reply in [
        Reply::silence(),
        Reply::promise(10),
        Reply::ticks(" ", slow),
        Reply::json("{}").after(LIMIT),
    ] {
        let site = always(reply.clone());
        let begun = Instant::now();
        let ca = Ca::System;
        let soon = Terms {
            deadline: begun + Duration::from_millis(300),
            ..terms(&ca)
        };
        let error = get(&at(&site, "/"), &soon).await.unwrap_err();
        assert_eq!(error, Error::Timeout("waiting for the answer"), "{reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{reply:?}");
    }
}

#[tokio::test]
async fn broken_answers() {
    for reply in [
        Reply::hang_up(),
        Reply::raw("SSH-2.0-x\r\n"),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"),
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "a".repeat(4_000_000)
        )),
        Reply::json("{}").header("content-encoding", "gzip"),
    ] {
        let site = always(reply.clone());
        let error = fetch(&at(&site, "/")).await.err().unwrap();
        assert_eq!(error.code(), "http", "{reply:?}: {error}");
    }
}

#[tokio::test]
async fn the_guard_sees_resolved_addresses() {
    let site = always(Reply::json("{}"));
    let ca = Ca::System;
    let closed = Terms {
        guard: AddressGuard {
            refuse_private: true,
        },
        ..terms(&ca)
    };
    let port = site.address().port();
    for host in [
        "localhost",
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
    ] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = get(&url, &closed).await.unwrap_err();
        assert_eq!(error.code(), "address_refused", "{host}: {error}");
    }
    // Where a detour leads is held to the same rule.
    let url = Url::parse("http://idp.example/").unwrap();
    let endpoint = Endpoint {
        host: "localhost".into(),
        port,
    };
    let error = get(
        &url,
        &Terms {
            detour: Some((&url, &endpoint)),
            ..closed
        },
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), "address_refused", "{error}");
    assert_eq!(site.connections(), 0);

    let open = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    assert_eq!(get(&open, &terms(&ca)).await.unwrap().status.as_u16(), 200);
    for host in [
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "2852039166",
    ] {
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        let error = get(&url, &terms(&ca)).await.unwrap_err();
        assert_eq!(error.code(), "address_refused", "{host}: {error}");
    }
}

#[tokio::test]
async fn a_detour_changes_the_address_and_nothing_else() {
    let authority = Authority::new("test");
    let server = Authority::server(&authority.issue(&["idp.example"]));
    let site = Site::bind(
        ([127, 0, 0, 1], 0).into(),
        Some(server),
        |seen| match seen.path() {
            "/away" => Reply::redirect("https://elsewhere.invalid/"),
            _ => Reply::json("{}"),
        },
    );
    let site = site.unwrap();
    let endpoint = Endpoint {
        host: "127.0.0.1".into(),
        port: site.address().port(),
    };
    let ca = Ca::Pem(authority.pem().into());
    let url = Url::parse("https://idp.example/keys").unwrap();
    let detour = Terms {
        detour: Some((&url, &endpoint)),
        ..terms(&ca)
    };
    assert_eq!(get(&url, &detour).await.unwrap().status.as_u16(), 200);
    assert_eq!(site.seen()[0].headers.all("host"), ["idp.example"]);

    // Another name is not what the certificate says, even at the same address.
    let other = Url::parse("https://other.example/keys").unwrap();
    let error = get(
        &other,
        &Terms {
            detour: Some((&other, &endpoint)),
            ..terms(&ca)
        },
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), "tls", "{error}");
    // Another origin is reached by its own name.
    let away = Url::parse("https://idp.example/away").unwrap();
    let error = get(&away, &detour).await.unwrap_err();
    assert_eq!(error.code(), "resolve", "{error}");
    assert!(error.to_string().contains("elsewhere.invalid"));
}

#[tokio::test]
async fn certificates_must_lead_to_the_anchors() {
    let authority = Authority::new("test");
    let server = Authority::server(&authority.issue(&["localhost"]));
    let site = Site::bind(([127, 0, 0, 1], 0).into(), Some(server), |_| {
        Reply::json("{}")
    })
    .unwrap();
    let url = Url::parse(&format!("https://localhost:{}/", site.address().port())).unwrap();
    let good = Ca::Pem(authority.pem().into());
    assert_eq!(get(&url, &terms(&good)).await.unwrap().status.as_u16(), 200);
    for (ca, code) in [
        (Ca::Pem(Authority::new("another").pem().into()), "tls"),
        (Ca::Pem("".into()), "trust_anchors"),
        (
            Ca::Pem("-----BEGIN CERTIFICATE-----\n!!!".into()),
            "trust_anchors",
        ),
        (Ca::Broken, "trust_anchors"),
    ] {
        let error = get(&url, &terms(&ca)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    // A cleartext server where TLS is wanted.
    let plain = always(Reply::json("{}"));
    let url = Url::parse(&format!("https://localhost:{}/", plain.address().port())).unwrap();
    assert_eq!(get(&url, &terms(&good)).await.unwrap_err().code(), "tls");
}

#[tokio::test]
async fn nobody_there() {
    let port = countersign_testkit::port::free();
    let error = fetch(&Url::parse(&format!("http://127.0.0.1:{port}/?secret=1")).unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "connect");
    assert!(
        error
            .to_string()
            .starts_with(&format!("no connection to 127.0.0.1:{port}: ")),
        "{error}"
    );
    let error = fetch(&Url::parse("http://nobody.invalid/").unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "resolve", "{error}");
}
