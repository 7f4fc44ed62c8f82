//! Runs the binary in a fresh folder, and compares what it prints with what was approved.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// A fresh folder that the binary runs in, so that paths in its messages are short and the same everywhere.
pub(crate) struct Folder(TempDir);

/// How a run ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The binary with these arguments, in this folder and an environment of its own.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).current_dir(self.path()).env_clear();
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, "")
    }

    /// As [`Folder::run`], with this on standard input.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        // It may end without reading what it does not want.
        let _unread = child
            .stdin
            .take()
            .expect("a pipe")
            .write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("a child of ours");
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// A run that goes on until a signal ends it.
pub(crate) struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// It may still read there.
    _folder: Folder,
}

impl Process {
    pub(crate) fn start(folder: Folder, args: &[&str]) -> Self {
        let mut command = folder.command(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let stdout = lines(child.stdout.take().expect("a pipe"));
        let stderr = lines(child.stderr.take().expect("a pipe"));
        Self {
            child,
            stdout,
            stderr,
            _folder: folder,
        }
    }

    /// What it prints up to a line that holds `text`, for twenty seconds at most.
    pub(crate) fn stdout_until(&self, text: &str) -> String {
        self.until(&self.stdout, text)
    }

    /// The same of standard error.
    pub(crate) fn stderr_until(&self, text: &str) -> String {
        self.until(&self.stderr, text)
    }

    /// Sends a signal by name: `INT`, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "signal {name}");
    }

    /// Sends Ctrl-C; how it ended, with what it printed since it was last asked.
    pub(crate) fn interrupt(self) -> Ended {
        self.signal("INT");
        self.wait()
    }

    /// Waits until it ends.
    pub(crate) fn wait(mut self) -> Ended {
        // The pipes are closed when it is gone.
        let stdout = self.until(&self.stdout, END);
        let stderr = self.until(&self.stderr, END);
        let code = self.child.wait().expect("a child of ours").code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }

    fn until(&self, lines: &Receiver<String>, text: &str) -> String {
        let mut seen = String::new();
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    seen += &line;
                    if line.contains(text) {
                        return seen;
                    }
                }
                Err(RecvTimeoutError::Disconnected) if text == END => return seen,
                Err(error) => panic!(
                    "no {text:?} ({error}) after:\n{seen}{}",
                    self.stderr.try_iter().collect::<String>()
                ),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it is gone already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
/// No line holds this.
const END: &str = "\n\n";

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (line_seen, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while pipe.read_line(&mut line).is_ok_and(|length| length > 0) {
            // Nobody may want to know any more.
            let _unread = line_seen.send(std::mem::take(&mut line));
        }
    });
    lines
}

/// Compares with `golden/NAME`. With `COUNTERSIGN_APPROVE` set, `text` becomes what is approved.
pub(crate) fn golden(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cli/golden")
        .join(name);
    if std::env::var_os("COUNTERSIGN_APPROVE").is_some() {
        fs::write(&path, text).expect("a golden file");
    }
    let approved = fs::read_to_string(&path).unwrap_or_default();
    if approved != text {
        let how = "if that is right, run the test with COUNTERSIGN_APPROVE=1 and look at the diff";
        panic!("{name} differs; {how}\n--- approved\n{approved}\n--- now\n{text}");
    }
}

/// A file of the documents' examples; `None`, and a line that says so, where they are not there.
pub(crate) fn example(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/examples")
        .join(name);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{} is missing",
            path.display()
        );
        let _shown = writeln!(std::io::stderr(), "skipped: no {}", path.display());
    }
    text
}
