//! Reloads under load: no request fails, each takes effect, and nothing is left behind.
//!
//! A reload is read once the files have been still for half a second, so that ten thousand of them take an hour and a
//! half in one process. They are shared out among a few gateways that run side by side.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::Gateway;
use countersign_testkit::idp::Idp;
use countersign_testkit::mint::{Key, Kind};
use countersign_testkit::port;

use crate::backend::Backend;
use crate::load::{Ask, Clients, Load, Tally};
use crate::long;
use crate::process::Process;
use crate::scene::{self, local, reload};

const CLIENTS: Clients = Clients {
    http1: 2,
    http2: 1,
    pause: Duration::from_millis(6),
};
/// Routes that nobody asks for: a configuration that is not given up should show in the memory.
const FILLERS: usize = 40;
/// How much more memory than after the first fifth of the reloads there may be in the end, in KiB. An allocator's ups
/// and downs reach ten thousand.
const GROWTH: u64 = 16 * 1024;

#[test]
fn reloads_fail_no_request_and_leave_nothing_behind() {
    let (gateways, each) = if long() { (5, 2_000) } else { (10, 30) };
    let idp = Idp::start(&[&key()]);
    let ends: Vec<End> = thread::scope(|scope| {
        let running: Vec<_> = (0..gateways)
            .map(|_| scope.spawn(|| Course::start(&idp).run(each)))
            .collect();
        let ends = running.into_iter().map(thread::ScopedJoinHandle::join);
        ends.map(|end| end.expect("no gateway failed")).collect()
    });
    let mut all = Tally::default();
    for (number, end) in ends.iter().enumerate() {
        println!(
            "gateway {number}: {each} reloads, {:.0} ms each",
            end.pace.as_secs_f64() * 1000.0
        );
        println!("  memory in MiB: {}", curve(&end.memory));
        all.add(&end.tally);
    }
    println!("{} reloads under load: {all}", each * gateways);
    all.assert_flawless();
    for end in &ends {
        let warm = end.memory[end.memory.len() / 5];
        let last = end.memory.iter().rev().take(5).min().copied();
        let grown = last.unwrap_or(warm).saturating_sub(warm);
        assert!(grown <= GROWTH, "{grown} KiB more: {}", curve(&end.memory));
    }
}

/// A gateway whose configuration goes back and forth between two backends.
struct Course<'i> {
    idp: &'i Idp,
    port: u16,
    gateway: Gateway,
    /// Nobody is ever sent there.
    nobody: u16,
    blue: Backend,
    green: Backend,
}

/// How it went.
struct End {
    tally: Tally,
    /// In KiB, at twenty moments.
    memory: Vec<u64>,
    pace: Duration,
}

impl<'i> Course<'i> {
    fn start(idp: &'i Idp) -> Self {
        let (port, nobody) = (port::free(), port::free());
        let first = configuration(idp, port, "none", nobody);
        Self {
            idp,
            port,
            gateway: scene::start(&[("gateway.yaml", &first)]),
            nobody,
            blue: Backend::start("blue"),
            green: Backend::start("green"),
        }
    }

    fn run(self, reloads: usize) -> End {
        let process = Process::of(&self.gateway);
        let before = process.settled();
        self.change("blue", self.blue.port());
        let token = scene::token(self.idp.issuer(), &key());
        let load = Load::start(local(self.port), CLIENTS, asks(&token), judge);
        let (begun, mut memory) = (Instant::now(), Vec::new());
        let mut probes: Vec<Client> = (0..4).map(|_| connect(self.port)).collect();
        for number in 1..=reloads {
            let (name, backend) = match number % 2 {
                0 => ("blue", self.blue.port()),
                _ => ("green", self.green.port()),
            };
            self.change(name, backend);
            for probe in &mut probes {
                let answer = probe.send(&Request::get("/fetched").bearer(&token));
                let answer = answer.expect("a connection that outlives reloads");
                assert_eq!(answer.text(), format!("{name} ann"), "reload {number}");
            }
            if number % (reloads / 20).max(1) == 0 {
                memory.push(process.memory());
            }
        }
        let pace = begun.elapsed() / u32::try_from(reloads).expect("some thousands");
        let tally = load.stop();
        drop(probes);
        // With the backends go the connections to them.
        self.change("none", self.nobody);
        let after = process.returns_to(before);
        println!("files and threads before {before:?}, after {after:?}");
        assert!(!self.gateway.stderr().contains(" ERROR "));
        End {
            tally,
            memory,
            pace,
        }
    }

    fn change(&self, name: &str, backend: u16) {
        let text = configuration(self.idp, self.port, name, backend);
        reload(&self.gateway, "applied", || {
            self.gateway.write("gateway.yaml", &text);
        });
    }
}

fn connect(port: u16) -> Client {
    Client::connect(local(port)).expect("it listens")
}

fn key() -> Key {
    Key::new(Kind::P256, "reloads")
}

/// Half of the tokens are judged by keys that were fetched, half by keys that stand in the configuration.
fn asks(token: &Arc<str>) -> impl Fn(usize) -> Ask + Send + Sync + use<> {
    let token = Arc::clone(token);
    move |turn| Ask::get(["/fetched", "/inline"][turn % 2], &token)
}

/// A request lives under one configuration from its backend to the headers of its answer.
fn judge(answer: &Response) -> Result<(), String> {
    let variant = answer.headers.first("x-variant").unwrap_or_default();
    if answer.status == 200 && answer.text() == format!("{variant} ann") {
        return Ok(());
    }
    Err(format!(
        "{} {:?} under variant {variant:?}",
        answer.status,
        answer.text()
    ))
}

fn configuration(idp: &Idp, port: u16, name: &str, backend: u16) -> String {
    let marks = format!(
        "{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-variant, value: {name}}}]}}}}"
    );
    let mut text = [
        scene::gateway(&scene::http("http", port), ""),
        scene::route("fetched", "/fetched", "app", &marks),
        scene::route("inline", "/inline", "app", &marks),
        scene::backend("app", backend),
        scene::idp_backend(idp),
        scene::extension("fetched", idp.issuer(), &scene::fetched(idp)),
        scene::extension("inline", idp.issuer(), &scene::inline(&key())),
        scene::policy("fetched", "Gateway", "edge"),
        scene::policy("inline", "HTTPRoute", "inline"),
    ]
    .concat();
    for number in 0..FILLERS {
        let route = format!("filler-{number}");
        text += &scene::route(&route, &format!("/{route}"), "app", &marks);
        text += &scene::policy("inline", "HTTPRoute", &route);
    }
    text
}

fn curve(memory: &[u64]) -> String {
    let sizes = memory.iter().map(|kib| format!("{}", kib / 1024));
    sizes.collect::<Vec<_>>().join(" ")
}
