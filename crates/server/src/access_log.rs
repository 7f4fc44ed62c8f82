//! The access log: one line for each request, written at its end.
//!
//! A worker gathers lines in [`Lines`]; one thread of the process, behind
//! [`Sink`], writes them out. Nobody ever waits for the log: what it cannot
//! take is dropped and counted.

mod entry;
mod time;

use std::cell::RefCell;
use std::io::Write;
use std::rc::{Rc, Weak};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use countersign_config::compiled::AccessLog;
use countersign_runtime::Counter;
use tokio::sync::Notify;

pub(crate) use entry::Entry;

/// Where lines go. Cheap to clone; every worker has one.
#[derive(Debug, Clone)]
pub struct Sink {
    batches: SyncSender<Batch>,
    dropped: Counter,
}

/// The thread behind a [`Sink`].
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

#[derive(Debug)]
struct Batch {
    text: Vec<u8>,
    lines: u64,
}

impl Sink {
    /// Starts the thread that writes to `out`, usually standard output. Lines that are lost are
    /// counted by `dropped`.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(
        out: impl Write + Send + 'static,
        dropped: Counter,
    ) -> std::io::Result<(Sink, Writer)> {
        let (batches, receiver) = sync_channel(QUEUE);
        let sink = Sink {
            batches,
            dropped: dropped.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&receiver, &dropped, out))?;
        Ok((sink, Writer(thread)))
    }

    fn send(&self, batch: Batch) {
        let lines = batch.lines;
        if self.batches.try_send(batch).is_err() {
            self.dropped.add(lines);
        }
    }
}

impl Writer {
    /// Waits until every line has been written. That takes until the last
    /// [`Sink`] is gone, so call it after the workers have ended.
    pub fn finish(self) {
        if self.0.join().is_err() {
            tracing::error!("the access log's thread has died");
        }
    }
}

fn write(batches: &Receiver<Batch>, dropped: &Counter, mut out: impl Write) {
    let mut told = 0;
    for batch in batches {
        // A log that cannot be written stops no traffic.
        if out
            .write_all(&batch.text)
            .and_then(|()| out.flush())
            .is_err()
        {
            dropped.add(batch.lines);
        }
        let lost = dropped.total();
        if lost != told {
            tracing::warn!(lost, "lines of the access log were lost");
            told = lost;
        }
    }
}

/// The lines of one worker.
#[derive(Debug)]
pub(crate) struct Lines {
    sink: Sink,
    gathered: RefCell<Gathered>,
    /// There is something to send after a short while.
    some: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    text: Vec<u8>,
    lines: u64,
    clock: time::Stamp,
}

impl Lines {
    pub(crate) fn new(sink: Sink) -> Rc<Lines> {
        Rc::new(Lines {
            sink,
            gathered: RefCell::default(),
            some: Notify::new(),
        })
    }

    /// Adds a line.
    pub(crate) fn push(&self, form: AccessLog, entry: &Entry<'_>) {
        let gathered = &mut *self.gathered.borrow_mut();
        if !entry.write(form, &mut gathered.clock, &mut gathered.text) {
            return;
        }
        gathered.lines += 1;
        if gathered.text.len() >= BATCH {
            self.send(gathered);
        } else if gathered.lines == 1 {
            self.some.notify_one();
        }
    }

    /// Sends lines on soon after they came, for as long as the worker lives.
    pub(crate) async fn run(lines: Weak<Lines>) {
        while let Some(strong) = lines.upgrade() {
            // Woken at times without a line, lest the worker be kept alive by its log.
            let some = tokio::time::timeout(LONG, strong.some.notified()).await;
            if some.is_ok() {
                tokio::time::sleep(SOON).await;
                strong.send(&mut strong.gathered.borrow_mut());
            }
        }
    }

    fn send(&self, gathered: &mut Gathered) {
        if gathered.lines > 0 {
            let text = std::mem::replace(&mut gathered.text, Vec::with_capacity(BATCH + BATCH / 8));
            let lines = std::mem::take(&mut gathered.lines);
            self.sink.send(Batch { text, lines });
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut gathered = self.gathered.take();
        self.send(&mut gathered);
    }
}

/// Batches that may wait for the writer.
const QUEUE: usize = 256;
/// Bytes after which a batch goes at once.
const BATCH: usize = 16 * 1024;
/// How long a line waits for others.
const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
