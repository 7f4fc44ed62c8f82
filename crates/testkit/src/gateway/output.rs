//! What a process prints to one of its pipes, as it comes.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Everything printed to a pipe so far; read on a thread of its own, so that the process never waits for us.
pub(super) struct Output {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    text: Mutex<String>,
    /// Signalled with every line.
    grown: Condvar,
}

impl Output {
    pub(super) fn of(pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let reader = thread::spawn({
            let shared = Arc::clone(&shared);
            move || read(pipe, &shared)
        });
        Self {
            shared,
            reader: Some(reader),
        }
    }

    pub(super) fn text(&self) -> String {
        self.shared.text.lock().expect(LOCK).clone()
    }

    /// Waits for a line that holds `part`, `patience` at most; all that was printed instead where none comes.
    pub(super) fn line(&self, part: &str, patience: Duration) -> Result<String, String> {
        let find = |text: &str| {
            text.lines()
                .find(|line| line.contains(part))
                .map(str::to_owned)
        };
        let text = self.shared.text.lock().expect(LOCK);
        let waited = self
            .shared
            .grown
            .wait_timeout_while(text, patience, |text| find(text).is_none());
        let (text, _) = waited.expect(LOCK);
        find(&text).ok_or_else(|| text.clone())
    }

    /// Waits until the pipe closes, which it does when the process ends.
    pub(super) fn whole(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader does not panic");
        }
        self.text()
    }
}

const LOCK: &str = "no thread panics while it holds the lock";

fn read(pipe: impl Read, shared: &Shared) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while pipe
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        shared
            .text
            .lock()
            .expect(LOCK)
            .push_str(&String::from_utf8_lossy(&line));
        shared.grown.notify_all();
        line.clear();
    }
}
