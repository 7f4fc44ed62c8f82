//! The admin pages over the wire.

use countersign_testkit::client::Request as Ask;
use countersign_testkit::tls::Authority;

use crate::edge::tests::{Pem, Port, Running};

fn status(running: &Running, ask: &Ask) -> u16 {
    running.admin(ask).status
}

#[test]
fn health_and_readiness() {
    let running = Running::start(&[&Port::free()]);
    assert_eq!(running.admin(&Ask::get("/healthz")).text(), "ok\n");
    assert_eq!(running.admin(&Ask::get("/readyz")).status, 200);
    assert_eq!(status(&running, &Ask::new("POST", "/healthz")), 405);
    assert_eq!(status(&running, &Ask::get("/nothing")), 404);
    let index = running.admin(&Ask::get("/")).text();
    for line in index.lines() {
        let path = line.split(' ').next().unwrap();
        assert_eq!(status(&running, &Ask::get(path)), 200, "{path}");
    }
    assert_eq!(index.lines().count(), 5);
}

#[test]
fn metrics_are_prometheus_text() {
    let running = Running::start(&[&Port::free()]);
    let answer = running.admin(&Ask::get("/metrics"));
    assert_eq!(
        answer.headers.first("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        answer
            .text()
            .contains("# TYPE countersign_requests_total counter\n")
    );
}

#[test]
fn names_that_others_may_point_here_are_refused() {
    let running = Running::start(&[&Port::free()]);
    for own in [
        "localhost",
        "localhost:9901",
        "127.0.0.1:9901",
        "[::1]:9901",
        "[::1]",
        "10.0.0.7",
    ] {
        assert_eq!(
            status(&running, &Ask::get("/config").header("host", own)),
            200,
            "{own}"
        );
    }
    for foreign in [
        "rebind.test",
        "rebind.test:9901",
        "127.0.0.1.rebind.test",
        "localhost.rebind.test",
        "",
    ] {
        assert_eq!(
            status(&running, &Ask::get("/config").header("host", foreign)),
            403,
            "{foreign}"
        );
    }
}

#[test]
fn the_log_level_is_read_and_changed() {
    let running = Running::start(&[&Port::free()]);
    assert_eq!(running.admin(&Ask::get("/log")).text(), "info\n");
    assert_eq!(
        running.admin(&Ask::new("PUT", "/log?level=debug")).text(),
        "debug\n"
    );
    assert_eq!(running.admin(&Ask::get("/log")).text(), "debug\n");
    let answer = running.admin(&Ask::new("POST", "/log?level=loud"));
    assert_eq!(
        (answer.status, answer.text()),
        (400, "levels are `info` and `debug`\n".into())
    );
    assert_eq!(status(&running, &Ask::new("PUT", "/log")), 400);
    assert_eq!(status(&running, &Ask::new("DELETE", "/log")), 405);
    let page = Ask::new("POST", "/log?level=info").header("origin", "https://evil.test");
    assert_eq!(status(&running, &page), 403);
    assert_eq!(running.admin(&Ask::get("/log")).text(), "debug\n");
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let authority = Authority::new("test");
    let identity = authority.issue(&["a.test"]);
    let secure = Port {
        listeners: vec![("a", "a.test", Pem::of(&identity))],
        ..Port::free()
    };
    let running = Running::start(&[&Port::free(), &secure]);
    let answer = running.admin(&Ask::get("/config"));
    let config = answer.json();
    assert_eq!(
        (&config["version"], &config["load"]),
        (&2.into(), &2.into())
    );
    let socket = &config["sockets"][1];
    assert_eq!(
        (&socket["tls"], &socket["bound"]["port"]),
        (&true.into(), &secure.bind.into())
    );
    assert_eq!(
        socket["certificates"][0]["origin"],
        "Secret default/a (site.yaml:3)"
    );
    assert_eq!(config["listeners"][1]["hostname"], "a.test");
    assert!(!answer.text().contains("PRIVATE"), "{}", answer.text());
}
