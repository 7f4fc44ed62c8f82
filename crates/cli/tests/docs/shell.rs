//! One shell for one page: commands go in one by one, what a terminal would show comes out.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::wildcard::matches;

/// A shell, which ends with everything that it started when dropped.
pub(crate) struct Shell {
    bash: Child,
    input: ChildStdin,
    shown: Arc<Mutex<String>>,
}

impl Shell {
    /// Opens a shell in a folder, with the binary under test on its path.
    pub(crate) fn open(folder: &Path) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", binary.parent().expect("a folder").display());
        let mut bash = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env("PATH", path)
            .env_remove("BASH_ENV")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("bash");
        let input = bash.stdin.take().expect("piped");
        let shown = follow(bash.stdout.take().expect("piped"));
        let mut shell = Self { bash, input, shown };
        shell.write("exec 2>&1\n");
        shell
    }

    /// Runs a command and compares what it shows, which may come late where something runs in the background.
    ///
    /// # Errors
    /// What was shown instead, or that the command failed.
    pub(crate) fn run(&mut self, command: &str, expected: &str) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut start = self.shown().len();
        self.type_in(command);
        loop {
            let shown = self.shown().split_off(start);
            let ended = ended(&shown);
            match &ended {
                Some((text, 0)) if is_whole(text) && matches(expected, text) => return Ok(()),
                Some((_, 0)) if LOOKS.contains(&first_word(command)) => {
                    // Whoever looks too early looks again.
                    thread::sleep(PAUSE);
                    start += shown.len();
                    self.type_in(command);
                }
                Some((text, status)) if *status != 0 => {
                    return Err(format!("failed with {status}:\n{text}"));
                }
                _ => {}
            }
            if Instant::now() > deadline {
                let text = ended.map_or(shown, |(text, _)| text);
                return Err(format!("--- expected\n{expected}\n--- shown\n{text}"));
            }
            thread::sleep(PAUSE);
        }
    }

    /// What a command reads comes from nowhere, or it would read the commands to come.
    fn type_in(&mut self, command: &str) {
        self.write(&format!(
            "{{ {command}\n}} </dev/null\nprintf '{MARK}%s\\n' $?\n"
        ));
    }

    fn write(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).expect("a shell");
    }

    fn shown(&self) -> String {
        self.shown.lock().expect("no thread panics").clone()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The group has nobody in it but what this shell started. Fails only where all of it is gone already.
        let group = format!("-{}", self.bash.id());
        let _gone = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _reaped = self.bash.wait();
    }
}

/// Commands that change nothing, and look at what somebody else may write a moment later.
const LOOKS: [&str; 2] = ["tail", "grep"];
const MARK: &str = "\u{1}ended ";
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

fn first_word(command: &str) -> &str {
    command.split(' ').next().unwrap_or_default()
}

/// What was shown, without the mark, and the exit code; `None` while the command runs.
fn ended(shown: &str) -> Option<(String, i32)> {
    let (before, rest) = shown.split_once(MARK)?;
    let (status, after) = rest.split_once('\n')?;
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let text = format!("{before}{gap}{after}").replace('\r', "");
    Some((text, status.parse().expect("an exit code")))
}

/// Whether no line is missing its end, which would be taken for output of the next command.
fn is_whole(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

fn follow(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let shown = Arc::new(Mutex::new(String::new()));
    let all = Arc::clone(&shown);
    thread::spawn(move || {
        let mut part = [0; 4096];
        let mut bytes = Vec::new();
        while let Ok(count @ 1..) = pipe.read(&mut part) {
            bytes.extend_from_slice(&part[..count]);
            // The rest of a character may still be on its way.
            let whole = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            *all.lock().expect("no thread panics") = whole.to_owned();
        }
    });
    shown
}
