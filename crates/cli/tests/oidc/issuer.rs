//! `scripts/tools/issuer.mjs` as a child process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use countersign_testkit::client::Request;
use countersign_testkit::{port, tools};

/// A running provider, on one port for all its lives.
pub(crate) struct Issuer {
    port: u16,
    child: Child,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let port = port::free();
        Self {
            port,
            child: spawn(port),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A fresh access token for audience `my-api`.
    pub(crate) fn token(&self) -> String {
        let form = "grant_type=client_credentials&client_id=gw&client_secret=gw-secret&resource=urn:api&scope=read";
        let answer = Request::new("POST", "/token")
            .header("Host", &format!("127.0.0.1:{}", self.port))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form)
            .send(self.address());
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("{}", answer.text()))
    }

    /// New keys from now on.
    pub(crate) fn rotate(&self) {
        assert_eq!(
            Request::new("POST", "/rotate").send(self.address()).status,
            200
        );
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again, with other keys.
    pub(crate) fn revive(&mut self) {
        self.child = spawn(self.port);
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // Either may fail when a test killed it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the provider and waits until it says that it listens.
fn spawn(port: u16) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/tools/issuer.mjs");
    let mut child = Command::new("node")
        .arg(script)
        .current_dir(tools::node())
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("node runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line.starts_with("listening")));
    assert!(ready, "the provider ended before it listened");
    // The pipe must stay open, or the provider dies of its next line.
    std::thread::spawn(move || lines.for_each(drop));
    child
}
