//! Reloads that go wrong while requests run: the last good configuration serves on, and the log says where the fault is.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use tempfile::TempDir;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, only};
use crate::scene::{self, BINARY, Keys, local, reload, reloads};

const CLIENTS: Clients = Clients {
    http1: 3,
    http2: 1,
    pause: Duration::from_millis(4),
};

#[test]
fn broken_reloads_change_nothing_and_say_where_the_fault_is() {
    let key = Key::new(Kind::P256, "broken");
    let (idp, backend, port) = (Idp::start(&[&key]), Backend::start("good"), port::free());
    let outside = TempDir::new().expect("a folder");
    let extra = outside.path().join("extra.yaml");
    let listener = scene::http("http", port);
    let good = scene::site(&listener, "", backend.port(), &Keys::Of(&idp));
    fs::write(
        &extra,
        scene::extension("spare", idp.issuer(), &scene::fetched(&idp)),
    )
    .expect("a file");
    let setup = Setup::new(BINARY).file("gateway.yaml", &good);
    let gateway = scene::ready(setup.arg(&extra.display().to_string()));
    let token = scene::token(idp.issuer(), &key);
    let asks = move |_| Ask::get("/", &token);
    let load = Load::start(local(port), CLIENTS, asks, only("good ann"));
    load.until("200", 20);

    for (round, fault) in (1..).zip(faults(&good)) {
        let told = reload(&gateway, "rejected", || {
            gateway.write("gateway.yaml", &fault.text);
        });
        let line = gateway.logs(&format!("error[{}]", fault.code));
        let place = format!("gateway.yaml:{}:", fault.line());
        assert!(
            line.contains(&place),
            "{}: no {place} in {line}",
            fault.code
        );
        assert_eq!(gateway.admin("/readyz").status, 200);
        // Well again, and in between never anything but well.
        reload(&gateway, "unchanged", || {
            gateway.write("gateway.yaml", &good);
        });
        println!("{}: told after {:.2} s", fault.code, told.as_secs_f64());
        assert_eq!(reloads(&gateway, "rejected"), round);
    }
    taken_port(&gateway, &good);
    without_files(&gateway, &extra);

    load.until("200", 20);
    let tally = load.stop();
    println!("broken reloads under load: {tally}");
    tally.assert_flawless();
    assert_eq!(reloads(&gateway, "applied"), 0);
    assert_eq!(gateway.admin("/config").json()["load"], 1);
}

/// A listener on a port that somebody else has.
fn taken_port(gateway: &Gateway, good: &str) {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = other.local_addr().expect("an address").port();
    let more = good.replace(
        "listeners: [",
        &format!("listeners: [{}, ", scene::http("more", port)),
    );
    reload(gateway, "not_applied", || {
        gateway.write("gateway.yaml", &more);
    });
    let line = gateway.logs("is in use by another process");
    assert!(line.contains("gateway.yaml:1)"), "{line}");
    assert_eq!(gateway.admin("/readyz").status, 200);
    reload(gateway, "unchanged", || {
        gateway.write("gateway.yaml", good);
    });
}

/// A file that is gone, and then the whole folder: nobody can tell what would have stood there.
fn without_files(gateway: &Gateway, extra: &Path) {
    let folder = gateway.folder();
    for path in [extra, &folder] {
        let away = path.with_extension("away");
        reload(gateway, "unreadable", || {
            fs::rename(path, &away).expect("it is there");
        });
        let line = gateway.logs("the configuration cannot be read");
        assert!(line.contains(&extra.display().to_string()), "{line}");
        assert_eq!(gateway.admin("/readyz").status, 200);
        reload(gateway, "unchanged", || {
            fs::rename(&away, path).expect("it is there");
        });
    }
    let named = format!("{}", folder.display());
    let last = gateway.stderr();
    let mut told = last.lines().filter(|line| line.contains("cannot be read"));
    assert!(told.any(|line| line.contains(&named)), "{last}");
    assert_eq!(reloads(gateway, "unreadable"), 2);
}

/// A configuration with a fault.
struct Fault {
    code: &'static str,
    text: String,
    /// What is wrong; it stands there once.
    place: &'static str,
}

impl Fault {
    fn line(&self) -> usize {
        let before = self.text.split(self.place).next().unwrap_or_default();
        before.matches('\n').count() + 1
    }
}

fn faults(good: &str) -> [Fault; 5] {
    let with = |code, place: &'static str, whole: &str, broken: &str| {
        assert!(good.contains(whole), "{whole}");
        let text = good.replace(whole, broken);
        Fault { code, text, place }
    };
    [
        with(
            "broken-yaml",
            "  rules:",
            "parentRefs: [{name: edge}]",
            "parentRefs: [{name: edge}",
        ),
        with(
            "missing-reference",
            "jwt-gone",
            "extensionRef: {name: jwt}",
            "extensionRef: {name: jwt-gone}",
        ),
        with(
            "parameters-not-found",
            "edge-gone",
            "kind: GatewayParameters, name: edge}",
            "kind: GatewayParameters, name: edge-gone}",
        ),
        with("unknown-field", "isuer", "      issuer:", "      isuer:"),
        with("invalid-value", "/a/../b", "value: /}", "value: /a/../b}"),
    ]
}
