//! Runs the `countersign` binary on files of its own, and stops it when dropped.

mod output;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use output::Output;
use tempfile::TempDir;

use crate::{
    client::{Client, Request, Response},
    port,
};

/// What to start. Files are written to a fresh folder, which is the one `PATH` that `run` gets.
#[must_use]
pub struct Setup {
    binary: PathBuf,
    files: Files,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Setup {
    /// Sets up this binary; in the tests of the cli crate that is `env!("CARGO_BIN_EXE_countersign")`.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let files = Files::new().expect("a temporary folder");
        Self {
            binary: binary.into(),
            files,
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Writes a configuration file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(self, name: &str, text: &str) -> Self {
        self.files.replace(name, text);
        self
    }

    /// Adds an argument of `run`.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until its admin listener says that it is ready.
    ///
    /// # Errors
    /// What it printed and how it ended, when it ends first.
    ///
    /// # Panics
    /// When there is no such binary, or it is neither ready nor gone after twenty seconds.
    pub fn start(self) -> Result<Gateway, Ended> {
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        let mut command = Command::new(&self.binary);
        command
            .arg("run")
            .arg(self.files.folder())
            .args(["--admin", &admin.to_string()])
            .args(&self.args);
        command
            .envs(self.env)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        let mut child =
            spawned.unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let stdout = Output::of(child.stdout.take().expect("piped"));
        let stderr = Output::of(child.stderr.take().expect("piped"));
        Gateway {
            child,
            admin,
            files: self.files,
            stdout,
            stderr,
        }
        .ready()
    }
}

/// A running gateway.
pub struct Gateway {
    child: Child,
    admin: SocketAddr,
    files: Files,
    stdout: Output,
    stderr: Output,
}

/// How a gateway ended, and all that it printed.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Gateway {
    /// The folder that it reads.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.files.folder()
    }

    /// Its admin listener.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Replaces a configuration file in one step, as editors and mounted volumes do.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        self.files.replace(name, text);
    }

    /// Takes a configuration file away.
    ///
    /// # Panics
    /// When there is none.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.folder().join(name)).expect("a file to remove");
    }

    /// Asks the admin listener.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn admin(&self, path: &str) -> Response {
        Request::get(path).send(self.admin)
    }

    /// The value of one series at `/metrics`, `name{label="value"}` as it stands there.
    ///
    /// # Panics
    /// When a value is no number.
    #[must_use]
    pub fn metric(&self, series: &str) -> Option<f64> {
        let text = self.admin("/metrics").text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(value.parse().expect("a number"))
    }

    /// Standard output so far: the access log.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits, ten seconds at most, for a line of standard error that holds `text`, and returns it.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn logs(&self, text: &str) -> String {
        let found = self.stderr.line(text, PATIENCE);
        found.unwrap_or_else(|printed| panic!("no line with {text:?} in:\n{printed}"))
    }

    /// Sends a signal by name: `TERM`, `HUP`.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(kill.is_ok_and(|status| status.success()), "signal {name}");
    }

    /// Waits until it ends by itself, twenty seconds at most.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return self.ended(status);
            }
            assert!(
                Instant::now() < deadline,
                "still running:\n{}",
                self.stderr()
            );
            thread::sleep(POLL);
        }
    }

    fn ready(mut self) -> Result<Self, Ended> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return Err(self.ended(status));
            }
            if self.answers().is_ok_and(|status| status == 200) {
                return Ok(self);
            }
            assert!(Instant::now() < deadline, "not ready:\n{}", self.stderr());
            thread::sleep(POLL);
        }
    }

    fn answers(&self) -> io::Result<u16> {
        Ok(Client::connect(self.admin)?
            .send(&Request::get("/readyz"))?
            .status)
    }

    fn ended(&mut self, status: ExitStatus) -> Ended {
        Ended {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only where it is gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            eprintln!("gateway printed:\n{}", self.stderr());
        }
    }
}

const START: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// The configuration folder, inside a folder of ours.
struct Files(TempDir);

impl Files {
    fn new() -> io::Result<Self> {
        let files = Self(TempDir::new()?);
        fs::create_dir(files.folder())?;
        Ok(files)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("config")
    }

    /// Writes outside the folder, then moves in: a watcher sees the old text or the new, never half of one.
    fn replace(&self, name: &str, text: &str) {
        let (outside, inside) = (self.0.path().join("part"), self.folder().join(name));
        let moved = fs::write(&outside, text).and_then(|()| fs::rename(&outside, &inside));
        moved.unwrap_or_else(|error| panic!("{}: {error}", inside.display()));
    }
}

#[cfg(test)]
mod tests;
