//! What a reload does to sockets and connections.

use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request as Ask};
use countersign_testkit::tls::Authority;

use super::http::{ask, h2c};
use super::*;

const SOON: Duration = Duration::from_secs(5);

/// Tries until it works: a reload takes effect in a moment.
fn soon<T>(what: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        match what() {
            Some(it) => return it,
            None => assert!(start.elapsed() < SOON, "not in time"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_stays_loses_no_connection_and_what_goes_drains() {
    let (stays, goes, comes) = (Port::free(), Port::free(), Port::free());
    let running = Running::start(&[&stays, &goes]);
    let (mut kept, mut lost, mut busy) = (stays.client(), goes.client(), goes.client());
    let mut silent = goes.client();
    assert_eq!(kept.send(&Ask::get("/1")).unwrap().status, 200);
    assert_eq!(lost.send(&Ask::get("/1")).unwrap().status, 200);
    busy.write(&Ask::get("/slow?2500").bytes()).unwrap();
    let (mut sender, slow) = running.runtime.block_on(async {
        let mut sender = h2c(goes.address()).await;
        let slow = tokio::spawn(sender.send_request(ask("/slow?2500")));
        tokio::time::sleep(Duration::from_millis(100)).await;
        (sender, slow)
    });

    assert_eq!(running.reload(&[&comes, &stays]), "applied");
    soon(|| Client::connect(comes.address()).ok());
    assert!(lost.closes_within(SOON), "idle, and its socket is gone");
    assert!(silent.closes_within(SOON), "never said a word");
    let answer = busy.read().unwrap();
    assert_eq!(
        (answer.status, answer.headers.first("connection")),
        (200, Some("close"))
    );
    running.runtime.block_on(async {
        assert_eq!(slow.await.unwrap().unwrap().status(), 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(sender.ready().await.is_err(), "GOAWAY");
    });
    soon(|| Client::connect(goes.address()).is_err().then_some(()));
    assert_eq!(kept.send(&Ask::get("/2")).unwrap().json()["closing"], false);
    assert_eq!(Ask::get("/").send(comes.address()).status, 200);
    assert_eq!(running.sockets.addresses().len(), 2);
}

#[test]
fn a_port_that_cannot_be_bound_changes_nothing() {
    let port = Port::free();
    let running = Running::start(&[&port]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = Port {
        bind: taken.local_addr().unwrap().port(),
        ..Port::free()
    };
    let problems = running.sockets.prepare(&compiled(&[&wanted])).unwrap_err();
    assert_eq!(problems.binds[0].address, wanted.address());
    assert!(
        problems
            .to_string()
            .contains("Gateway default/web (site.yaml:3)"),
        "{problems}"
    );
    assert_eq!(Ask::get("/").send(port.address()).status, 200);
}

#[test]
fn what_was_bound_for_a_load_that_never_came_is_given_up() {
    let (port, other) = (Port::free(), Port::free());
    let running = Running::start(&[&port]);
    running
        .sockets
        .prepare(&compiled(&[&port, &other]))
        .unwrap();
    std::net::TcpListener::bind(other.address()).unwrap_err();
    running.sockets.prepare(&compiled(&[&port])).unwrap();
    std::net::TcpListener::bind(other.address()).unwrap();
}

#[test]
fn an_address_may_take_the_place_of_all_addresses() {
    let everywhere = Port {
        addresses: vec!["0.0.0.0".parse().unwrap(), "::".parse().unwrap()],
        ..Port::free()
    };
    let running = Running::start(&[&everywhere]);
    let mut before = everywhere.client();
    assert_eq!(
        before.send(&Ask::get("/")).unwrap().json()["peer"],
        "127.0.0.1"
    );
    let one = Port {
        addresses: vec!["127.0.0.1".parse().unwrap()],
        ..everywhere
    };
    assert_eq!(running.reload(&[&one]), "applied");
    assert!(before.closes_within(SOON));
    soon(|| (running.sockets.addresses() == [one.address()]).then_some(()));
    assert_eq!(
        soon(|| Client::connect(one.address()).ok())
            .send(&Ask::get("/"))
            .unwrap()
            .status,
        200
    );
}

#[test]
fn listeners_of_a_connection_are_found_by_name() {
    let authority = Authority::new("test");
    let pem = |name: &str| Pem::of(&authority.issue(&[name]));
    let (a, b) = (
        ("a", "a.test", pem("a.test")),
        ("b", "b.test", pem("b.test")),
    );
    let port = Port {
        listeners: vec![a.clone(), b.clone()],
        ..Port::free()
    };
    let running = Running::start(&[&port]);
    let to =
        |name: &str| Client::connect_tls(port.address(), name, authority.client(None)).unwrap();
    let (mut in_a, mut in_b) = (to("a.test"), to("b.test"));
    running.reload(&[&Port {
        listeners: vec![b],
        ..port.clone()
    }]);
    assert!(in_a.closes_within(SOON), "its listener is gone");
    assert_eq!(in_b.send(&Ask::get("/")).unwrap().json()["listener"], "b");
    // Connections are told by their workers, and sockets by another thread.
    soon(|| Client::connect_tls(port.address(), "a.test", authority.client(None)).err());
}

#[test]
fn certificates_and_settings_change_for_new_connections() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let with =
        |authority: &Authority| vec![("a", "a.test", Pem::of(&authority.issue(&["a.test"])))];
    let port = Port {
        listeners: with(&old),
        ..Port::free()
    };
    let running = Running::start(&[&port]);
    let to = |authority: &Authority| {
        Client::connect_tls(port.address(), "a.test", authority.client(None))
    };
    let mut kept = to(&old).unwrap();
    assert!(to(&new).is_err());
    let mut changed = Port {
        listeners: with(&new),
        ..port.clone()
    };
    changed.limits.headers = 3;
    assert_eq!(running.reload(&[&changed]), "applied");
    let mut fresh = soon(|| to(&new).ok());
    let many = (0..4).fold(Ask::get("/"), |ask, n| ask.header(&format!("x{n}"), "1"));
    assert_eq!(fresh.send(&many).unwrap().status, 431);
    assert!(to(&old).is_err());
    assert_eq!(kept.send(&many).unwrap().status, 200, "goes on as it began");
}

#[test]
fn a_socket_that_turns_to_tls_closes_its_cleartext_connections() {
    let port = Port::free();
    let running = Running::start(&[&port]);
    let mut clear = port.client();
    assert_eq!(clear.send(&Ask::get("/")).unwrap().status, 200);
    let authority = Authority::new("test");
    let listeners = vec![("any", "", Pem::of(&authority.issue(&["a.test"])))];
    running.reload(&[&Port {
        listeners,
        ..port.clone()
    }]);
    assert!(clear.closes_within(SOON));
    let client =
        soon(|| Client::connect_tls(port.address(), "a.test", authority.client(None)).ok());
    drop(client);
}
