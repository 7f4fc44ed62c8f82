//! Listeners that come and go and certificates that change with each reload, while requests run on the ones that stay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request};
use countersign_testkit::gateway::Gateway;
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;
use countersign_testkit::tls::{Authority, Identity};

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, only};
use crate::long;
use crate::process::Process;
use crate::scene::{self, Keys, local, reload};

const CLIENTS: Clients = Clients {
    http1: 2,
    http2: 1,
    pause: Duration::from_millis(4),
};
const NAME: &str = "site.test";

#[test]
fn listeners_and_certificates_come_and_go_and_nobody_else_notices() {
    let reloads = if long() { 1_000 } else { 30 };
    let stage = Stage::start();
    let process = Process::of(&stage.gateway);
    let before = process.settled();
    let (token, stop, secured) = (
        Arc::clone(&stage.token),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let load = Load::start(
        local(stage.plain),
        CLIENTS,
        move |_| Ask::get("/", &token),
        only("app ann"),
    );
    let mut kept = stage.secure(0).expect("the first certificate");
    let guests = thread::scope(|scope| {
        let newcomers = scope.spawn(|| stage.newcomers(&stop, &secured));
        let guests = scope.spawn(|| stage.guests(&stop));
        for number in 1..=reloads {
            stage.turn(number, &mut kept);
        }
        stop.store(true, Ordering::Relaxed);
        newcomers.join().expect("every handshake ended well");
        guests.join().expect("nobody was turned away in the middle")
    });
    let tally = load.stop();
    println!("{reloads} reloads of listeners and certificates: {tally}");
    println!(
        "  over TLS, each on a connection of its own: {}; on listeners that come and go: {guests}",
        secured.load(Ordering::Relaxed)
    );
    tally.assert_flawless();
    assert!(secured.load(Ordering::Relaxed) > 0 && guests > 0);
    drop(kept);
    // Back to where it began: the guest's port is closed, and nobody is connected.
    stage.change(0, stage.nobody);
    println!(
        "files and threads before {before:?}, after {:?}",
        process.returns_to(before)
    );
}

/// A gateway with one port that stays, one for TLS whose certificate changes, and one that comes and goes.
struct Stage {
    gateway: Gateway,
    backend: Backend,
    idp: Idp,
    token: Arc<str>,
    plain: u16,
    tls: u16,
    guest: u16,
    nobody: u16,
    certificates: [(Authority, Identity); 2],
}

impl Stage {
    fn start() -> Self {
        let key = Key::new(Kind::P256, "listeners");
        let idp = Idp::start(&[&key]);
        let certificate = |name| {
            let authority = Authority::new(name);
            let identity = authority.issue(&[NAME]);
            (authority, identity)
        };
        let certificates = [certificate("even"), certificate("odd")];
        let backend = Backend::start("app");
        let [plain, tls, guest, nobody] = std::array::from_fn(|_| port::free());
        let first = configuration(&idp, [plain, tls, guest], &certificates[0].1, false, nobody);
        let stage = Self {
            gateway: scene::start(&[("gateway.yaml", &first)]),
            backend,
            token: scene::token(idp.issuer(), &key),
            idp,
            plain,
            tls,
            guest,
            nobody,
            certificates,
        };
        stage.change(0, stage.backend.port());
        stage
    }

    /// Puts the configuration of this turn in force: at odd ones with the other certificate and with the guest.
    fn change(&self, turn: usize, backend: u16) {
        let ports = [self.plain, self.tls, self.guest];
        let certificate = &self.certificates[turn % 2].1;
        let text = configuration(&self.idp, ports, certificate, turn % 2 == 1, backend);
        reload(&self.gateway, "applied", || {
            self.gateway.write("gateway.yaml", &text);
        });
    }

    /// One reload, and what must hold after it.
    fn turn(&self, number: usize, kept: &mut Client) {
        self.change(number, self.backend.port());
        let wanted = |here: bool| here == (number % 2 == 1);
        soon("the guest's port", || {
            wanted(Client::connect(local(self.guest)).is_ok())
        });
        soon("the new certificate", || {
            self.secure(number).is_ok() && self.secure(number + 1).is_err()
        });
        let answer = kept.send(&self.request());
        let answer = answer.expect("a TLS connection outlives its certificate");
        assert_eq!(only("app ann")(&answer), Ok(()), "reload {number}");
    }

    /// A new TLS connection that wants the certificate of this turn.
    fn secure(&self, turn: usize) -> std::io::Result<Client> {
        let authority = &self.certificates[turn % 2].0;
        Client::connect_tls(local(self.tls), NAME, authority.client(None))
    }

    fn request(&self) -> Request {
        Request::get("/").header("host", NAME).bearer(&self.token)
    }

    /// Opens one TLS connection after another. Which certificate is in force is not known at any moment, so both are
    /// tried, and a reload may come between the two.
    fn newcomers(&self, stop: &AtomicBool, count: &AtomicU64) {
        while !stop.load(Ordering::Relaxed) {
            let mut tries = (0..4).map(|turn| self.secure(turn));
            let connected = tries.find_map(Result::ok);
            let mut client = connected.expect("one of the two certificates");
            let answer = client.send(&self.request()).expect("an answer");
            assert_eq!(only("app ann")(&answer), Ok(()));
            count.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks on the port that comes and goes. A connection is refused or ends between two answers; a request that
    /// crosses its end is told that the port is gone, and the connection ends after it.
    fn guests(&self, stop: &AtomicBool) -> u64 {
        let mut served = 0;
        while !stop.load(Ordering::Relaxed) {
            served += self.visit(local(self.guest));
            thread::sleep(Duration::from_millis(10));
        }
        served
    }

    fn visit(&self, guest: SocketAddr) -> u64 {
        let (mut served, begun) = (0, Instant::now());
        let Ok(mut client) = Client::connect(guest) else {
            return 0;
        };
        while let Ok(answer) = client.send(&self.request()) {
            assert!(begun.elapsed() < Duration::from_secs(10), "it never goes");
            match answer.status {
                200 => served += 1,
                404 => {
                    assert!(
                        client.closes_within(Duration::from_secs(5)),
                        "it never goes"
                    );
                    break;
                }
                other => panic!("{other} {}", answer.text()),
            }
            thread::sleep(CLIENTS.pause);
        }
        served
    }
}

fn soon(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn configuration(
    idp: &Idp,
    [plain, tls, guest]: [u16; 3],
    certificate: &Identity,
    with_guest: bool,
    backend: u16,
) -> String {
    let mut listeners = vec![
        scene::http("plain", plain),
        scene::https("tls", tls, NAME, "site"),
    ];
    if with_guest {
        listeners.push(scene::http("guest", guest));
    }
    scene::site(&listeners.join(", "), "", backend, &Keys::Of(idp))
        + &scene::secret("site", certificate)
}
