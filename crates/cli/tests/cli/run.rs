//! `countersign run`: start, reload, end.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use countersign_testkit::client::{Client, Request};
use countersign_testkit::gateway::Setup;
use countersign_testkit::port;
use countersign_testkit::site::Reply;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::binary::{Folder, Process};
use crate::sample;

const BINARY: &str = env!("CARGO_BIN_EXE_countersign");

fn gateway(port: u16, backend: u16) -> String {
    let yaml = sample::gateway().replace("port: 8080", &format!("port: {port}"));
    yaml.replace("port: 8000", &format!("port: {backend}"))
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn it_serves_until_a_signal_ends_it() {
    let (upstream, port) = (Upstream::start("app"), port::free());
    let setup = Setup::new(BINARY).file("gateway.yaml", &gateway(port, upstream.address().port()));
    let running = setup
        .file("policy.yaml", &sample::policy())
        .arg("--workers")
        .arg("2")
        .start();
    let running = running.unwrap_or_else(|ended| panic!("{}", ended.stderr));
    assert_eq!(Request::get("/").send(at(port)).status, 200);
    assert_eq!(Request::get("/orders").send(at(port)).status, 401);
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(log.len(), 2, "one line for each request: {}", ended.stdout);
    // Workers write their lines each at its own time.
    let refused = |line: &str| line.contains("path=/orders status=401 reason=jwt_missing");
    assert_eq!(
        log.iter().copied().filter(|line| refused(line)).count(),
        1,
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.contains("ready") && ended.stderr.contains("all requests have ended"),
        "{}",
        ended.stderr
    );
}

#[test]
fn errors_stop_a_start_and_warnings_do_not() {
    let broken =
        sample::policy().replace("issuer: https://issuer.test", "isuer: https://issuer.test");
    let folder = Folder::new()
        .file("gateway.yaml", &sample::gateway())
        .file("policy.yaml", &broken);
    let ended = folder.run(&["run", "."]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    assert!(
        ended.stderr.contains("did you mean `issuer`?"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stderr
            .contains("error: the configuration is not usable: "),
        "{}",
        ended.stderr
    );
    let ended = folder.run(&["run", ".", "--log-format", "json"]);
    let first: Value = serde_json::from_str(ended.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(first["code"], "unknown-field");

    let lost = sample::policy().replace("name: orders", "name: order");
    let setup = Setup::new(BINARY)
        .file("gateway.yaml", &gateway(port::free(), 1))
        .file("policy.yaml", &lost);
    let running = setup
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    assert!(
        running.stderr().contains("warning["),
        "{}",
        running.stderr()
    );
}

#[test]
fn a_port_that_is_taken_is_a_failure_that_names_it() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let taken = listener.local_addr().unwrap().port();
    let folder = Folder::new().file("gateway.yaml", &gateway(taken, 1));
    let admin = at(port::free()).to_string();
    let ended = folder.run(&["run", "gateway.yaml", "--admin", &admin]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&taken.to_string()) && ended.stderr.contains("help: "),
        "{}",
        ended.stderr
    );
    drop(listener);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let folder = Folder::new().file("gateway.yaml", &gateway(port::free(), 1));
    let ended = folder.run(&["run", "gateway.yaml", "--admin", &admin]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&admin) && ended.stderr.contains("`--admin`"),
        "{}",
        ended.stderr
    );
}

#[test]
fn changed_files_are_taken_over_and_broken_ones_are_not() {
    let (upstream, port) = (Upstream::start("app"), port::free());
    let yaml = gateway(port, upstream.address().port());
    let setup = Setup::new(BINARY)
        .file("gateway.yaml", &yaml)
        .file("policy.yaml", &sample::policy());
    let running = setup
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    assert_eq!(Request::get("/orders").send(at(port)).status, 401);

    running.write("policy.yaml", "kind: [");
    let _told = running.logs("the last one stays in force");
    assert_eq!(Request::get("/orders").send(at(port)).status, 401);

    running.remove("policy.yaml");
    let warned = running.logs("routes ask for less than before");
    assert!(warned.contains("shop/orders"), "{warned}");
    let _in_force = running.logs("the new configuration is in force");
    assert_eq!(Request::get("/orders").send(at(port)).status, 200);
}

#[test]
fn protection_can_be_held_on_to() {
    let (upstream, port) = (Upstream::start("app"), port::free());
    let yaml = gateway(port, upstream.address().port());
    let setup = Setup::new(BINARY)
        .file("gateway.yaml", &yaml)
        .file("policy.yaml", &sample::policy());
    let running = setup
        .arg("--refuse-unprotect")
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    running.remove("policy.yaml");
    let _told = running.logs("routes would ask for less than before");
    assert_eq!(Request::get("/orders").send(at(port)).status, 401);
    running.signal("HUP");
    let again = Duration::from_secs(5);
    let deadline = std::time::Instant::now() + again;
    while running
        .stderr()
        .matches("routes would ask for less")
        .count()
        < 2
    {
        assert!(std::time::Instant::now() < deadline, "{}", running.stderr());
        std::thread::yield_now();
    }
    assert_eq!(Request::get("/orders").send(at(port)).status, 401);
}

#[test]
fn the_log_level_can_be_changed_while_it_runs() {
    let setup = Setup::new(BINARY)
        .file("gateway.yaml", &gateway(port::free(), 1))
        .arg("--log-level")
        .arg("warn");
    let running = setup
        .arg("--log-format")
        .arg("json")
        .start()
        .unwrap_or_else(|ended| panic!("{}", ended.stderr));
    assert!(!running.stderr().contains("ready"));
    assert_eq!(running.admin("/log").text(), "warn\n");
    assert_eq!(
        Request::new("PUT", "/log?level=loud")
            .send(running.admin_address())
            .status,
        400
    );
    assert_eq!(
        Request::new("PUT", "/log?level=info")
            .send(running.admin_address())
            .text(),
        "info\n"
    );
    running.signal("TERM");
    let ended = running.wait();
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["signal"] == "SIGTERM" && line["level"] == "INFO"),
        "{}",
        ended.stderr
    );
}

#[test]
fn usage_errors_of_run() {
    for args in [
        &["run"][..],
        &["run", "x", "--workers", "0"],
        &["run", "x", "--log-level", "a=loud"],
        &["run", "x", "--admin", "nowhere"],
    ] {
        let ended = Folder::new().run(args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            ended.stderr
        );
    }
    assert_eq!(Folder::new().run(&["run", "missing"]).code, Some(1));
}

#[test]
fn running_requests_may_end_and_a_second_signal_cuts_them_off() {
    let (upstream, port) = (Upstream::start("app"), port::free());
    upstream.answer(
        "/slow",
        Reply::json(json!({}).to_string()).after(Duration::from_secs(3)),
    );
    let yaml = gateway(port, upstream.address().port());
    for (signals, code) in [(1, 0), (2, 130)] {
        let folder = Folder::new().file("gateway.yaml", &yaml);
        let admin = at(port::free()).to_string();
        let process = Process::start(folder, &["run", "gateway.yaml", "--admin", &admin]);
        let _ready = process.stderr_until("ready");
        let (seen, mut client) = (upstream.seen().len(), Client::connect(at(port)).unwrap());
        client.write(&Request::get("/slow").bytes()).unwrap();
        while upstream.seen().len() == seen {
            std::thread::yield_now();
        }
        process.signal("TERM");
        let _draining = process.stderr_until("draining");
        if signals == 2 {
            process.signal("TERM");
        }
        let status = client.read().map(|answer| answer.status);
        assert_eq!(status.is_ok_and(|status| status == 200), signals == 1);
        assert_eq!(process.wait().code, Some(code));
    }
}
