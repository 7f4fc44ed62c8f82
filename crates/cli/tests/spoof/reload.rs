//! A folder that is half written never changes what is served, nor costs a request.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use countersign_testkit::client::{Client, Request, Response};
use countersign_testkit::gateway::{Gateway, Setup};
use countersign_testkit::mint::{self, Key};
use countersign_testkit::port;
use countersign_testkit::upstream::Upstream;
use serde_json::{Value, json};

use crate::world::{ISSUER, backend, backend_ref, extension, gateway_yaml, token, traffic, yaml};

/// Longer than a folder must be still before it is read.
const A_WHILE: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn half_a_file_changes_nothing() {
    let folder = Folder::start(&[]);
    let traffic = Traffic::start(folder.address);
    let new = whole("new");
    let (half, _) = new.split_at(new.len() / 2);
    folder.overwrite("app.yaml", half);
    thread::sleep(A_WHILE);
    let _said = folder.gateway.logs("the last one stays in force");
    assert_eq!(traffic.served_by(), "old");

    folder.overwrite("app.yaml", &new);
    traffic.wait_for("new");
    traffic.stop();
}

#[test]
fn one_of_two_files_changes_nothing() {
    let folder = Folder::start(&[]);
    let traffic = Traffic::start(folder.address);
    // The extension moves to a file of its own, which is not there yet.
    let route = [route("new"), policy("moved")];
    folder.overwrite("app.yaml", &yaml(&route));
    thread::sleep(A_WHILE);
    let _said = folder.gateway.logs("the last one stays in force");
    assert_eq!(traffic.served_by(), "old");

    folder.overwrite("extension.yaml", &yaml(&[strict("moved")]));
    traffic.wait_for("new");
    traffic.stop();
}

#[test]
fn a_file_is_not_read_while_it_is_written() {
    let folder = Folder::start(&[]);
    let traffic = Traffic::start(folder.address);
    // After each piece the file is whole YAML: first a route that is open to all, its policy last.
    let pieces = [route("new"), strict("idp"), policy("idp")];
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(folder.path("app.yaml"))
        .expect("a file");
    for piece in pieces {
        for line in [piece.to_string(), "---".to_owned(), "# more".to_owned()] {
            writeln!(file, "{line}").expect("a disk");
            file.flush().expect("a disk");
            thread::sleep(Duration::from_millis(150));
        }
    }
    traffic.wait_for("new");
    traffic.stop();
}

#[test]
fn a_policy_that_is_gone_for_a_while_is_not_missed() {
    let folder = Folder::start(&["--refuse-unprotect"]);
    let traffic = Traffic::start(folder.address);
    folder.overwrite("app.yaml", &yaml(&[route("new")]));
    thread::sleep(A_WHILE);
    let said = folder.gateway.logs("would ask for less than before");
    assert!(said.contains("default/app"), "{said}");
    assert_eq!(traffic.served_by(), "old");

    folder.overwrite("app.yaml", &whole("new"));
    traffic.wait_for("new");
    traffic.stop();
}

/// A gateway whose folder is written to.
struct Folder {
    gateway: Gateway,
    address: SocketAddr,
    /// Only held: they stop when dropped.
    _upstreams: [Upstream; 2],
}

impl Folder {
    fn start(args: &[&str]) -> Self {
        let upstreams = [Upstream::start("old"), Upstream::start("new")];
        let [old, new] = &upstreams;
        let port = port::free();
        let backends = yaml(&[backend("old", old), backend("new", new)]);
        let mut setup = Setup::new(env!("CARGO_BIN_EXE_countersign"))
            .file("gateway.yaml", &gateway_yaml(port))
            .file("backends.yaml", &backends)
            .file("app.yaml", &whole("old"));
        for arg in args {
            setup = setup.arg(arg);
        }
        let gateway = setup.start();
        Self {
            gateway: gateway.unwrap_or_else(|ended| panic!("{}", ended.stderr)),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            _upstreams: upstreams,
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.gateway.folder().join(file)
    }

    /// Writes over what is there, as careless tools do.
    fn overwrite(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a disk");
    }
}

/// A route to a backend, with its policy.
fn whole(backend: &str) -> String {
    yaml(&[strict("idp"), policy("idp"), route(backend)])
}

fn route(backend: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"backendRefs": [backend_ref(backend)]}]},
    })
}

fn strict(name: &str) -> Value {
    let keys = mint::jwks(&[&Key::rsa("idp")]);
    let provider = json!({"name": "idp", "issuer": ISSUER, "jwks": {"local": {"inline": keys}}});
    extension(name, "Strict", &provider)
}

fn policy(extension: &str) -> Value {
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "app"});
    traffic("app", extension, &target)
}

/// Requests without end, with a token and without, each of which must get its due.
struct Traffic {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    sender: JoinHandle<Result<usize, String>>,
}

impl Traffic {
    fn start(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let over = Arc::clone(&over);
            move || send_until(&over, address)
        });
        Self {
            address,
            over,
            sender,
        }
    }

    /// The upstream that answers now.
    fn served_by(&self) -> String {
        let response = with_token().send(self.address);
        assert_eq!(response.status, 200, "{}", response.text());
        let answer = response.json();
        answer["upstream"].as_str().expect("a name").to_owned()
    }

    fn wait_for(&self, upstream: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.served_by() != upstream {
            assert!(Instant::now() < deadline, "{upstream} is never reached");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the requests and sees that none of them failed.
    fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        let count = self.sender.join().expect("a sender that does not panic");
        let count = count.unwrap_or_else(|why| panic!("{why}"));
        assert!(count > 10, "only {count} requests were sent");
    }
}

fn with_token() -> Request {
    Request::get("/").bearer(&token("alice"))
}

fn send_until(over: &AtomicBool, address: SocketAddr) -> Result<usize, String> {
    let (named, anonymous) = (with_token(), Request::get("/"));
    let mut kept = Client::connect(address).map_err(|error| error.to_string())?;
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        let fresh = Client::connect(address).and_then(|mut it| it.send(&named));
        let answers = [
            (fresh, 200),
            (kept.send(&named), 200),
            (kept.send(&anonymous), 401),
        ];
        for (answer, wanted) in answers {
            let answer: Response = answer.map_err(|error| format!("request {count}: {error}"))?;
            if answer.status != wanted {
                let text = answer.text();
                return Err(format!(
                    "request {count}: {} instead of {wanted}: {text}",
                    answer.status
                ));
            }
            if answer.headers.lists("connection", "close") {
                kept = Client::connect(address).map_err(|error| error.to_string())?;
            }
            count += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(count)
}
