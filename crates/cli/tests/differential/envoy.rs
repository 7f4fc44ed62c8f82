//! A real Envoy with one listener per set of policies, each set up as istiod would.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use countersign_testkit::{corpus, tools};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One listener.
pub(crate) struct Listener {
    pub(crate) port: u16,
    /// Istio documents, with everything filled in.
    pub(crate) policies: String,
    /// `namespace` and `labels`, by which policies select.
    pub(crate) workload: Value,
    /// `pathNormalization`, `numTrustedProxies`, `trustDomains`.
    pub(crate) mesh: Value,
    /// Paths of `cert`, `key` and `ca`; null without TLS.
    pub(crate) tls: Value,
}

/// A running Envoy, ended when dropped.
pub(crate) struct Envoy {
    child: Child,
    _folder: TempDir,
}

impl Envoy {
    /// Starts one that sends everything to the port `upstream`, and waits until it listens.
    ///
    /// What the translator or Envoy said where it does not start.
    pub(crate) fn start(listeners: &[Listener], upstream: u16) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bootstrap = folder.path().join("envoy.json");
        fs::write(&bootstrap, translated(listeners, upstream)?).expect("a file");
        let log = folder.path().join("log");
        let output = File::create(&log).expect("a file");
        let child = Command::new(tools::envoy())
            .arg("-c")
            .arg(&bootstrap)
            .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("Envoy runs");
        let mut envoy = Self {
            child,
            _folder: folder,
        };
        for listener in listeners {
            if let Err(why) = envoy.listens(listener.port) {
                let log = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("Envoy: {why}\n{log}"));
            }
        }
        Ok(envoy)
    }

    fn listens(&mut self, port: u16) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return Err(format!("ended with {status}"));
            }
            if Instant::now() > deadline {
                return Err(format!("does not listen on {port}"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The bootstrap that `envoy.py` makes with the translator of the conformance suite.
fn translated(listeners: &[Listener], upstream: u16) -> Result<Vec<u8>, String> {
    let groups: Vec<Value> = listeners
        .iter()
        .map(|it| {
            json!({
                "name": format!("port-{}", it.port),
                "port": it.port,
                "policies": it.policies,
                "workload": it.workload,
                "mesh": it.mesh,
                "tls": it.tls,
            })
        })
        .collect();
    let input = json!({"upstream": upstream, "groups": groups}).to_string();
    let translator = corpus::shared("conformance/istio").expect("checked before");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential/envoy.py");
    let mut child = Command::new(tools::python())
        .arg(script)
        .arg(translator)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python runs");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("Python ends");
    let written = writer.join().expect("no panic");
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the translator: {said}"));
    }
    written.map_err(|error| format!("the translator: {error}"))?;
    Ok(output.stdout)
}
