//! The control runtime's end: spans leave for the collector in batches.

use std::time::Duration;

use bytes::Bytes;
use countersign_config::compiled::AddressGuard;
use countersign_core::backend::Ca;
use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::collector::Collector;
use super::counts::Counts;
use super::message::{Rejected, Resource};
use super::span::Spans;
use crate::http::{Answer, Error, Terms, post};

/// The task that sends spans. Dropping it lets it send what is queued and end.
#[derive(Debug)]
pub struct Exporter {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporter {
    pub(super) fn start(
        collector: Collector,
        resource: Resource,
        counts: Counts,
    ) -> (Sender<Spans>, Self) {
        Self::paced(collector, resource, counts, PACE)
    }

    fn paced(
        collector: Collector,
        resource: Resource,
        counts: Counts,
        pace: Pace,
    ) -> (Sender<Spans>, Self) {
        let (queue, spans) = channel(QUEUE);
        let (finish, finished) = oneshot::channel();
        let courier = Courier {
            collector,
            resource,
            counts,
            pace,
            mood: Mood::Unknown,
        };
        let task = tokio::spawn(courier.run(spans, finished));
        (queue, Self { finish, task })
    }

    /// Sends what is still queued, for two seconds at most, and ends. Call it once no more requests run.
    pub async fn finish(mut self) {
        // Fails only where the task has ended.
        let _gone = self.finish.send(());
        if timeout(LAST, &mut self.task).await.is_err() {
            self.task.abort();
            // Until it is gone it would seem to take more.
            let _aborted = self.task.await;
            tracing::warn!("spans are lost: the collector did not take them in time");
        }
    }
}

/// When things are sent.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long spans wait for others.
    gather: Duration,
    /// How long one attempt may take.
    attempt: Duration,
    /// What is waited before the second one, if the collector does not say.
    pause: Duration,
}

const PACE: Pace = Pace {
    gather: Duration::from_secs(5),
    attempt: Duration::from_secs(10),
    pause: Duration::from_secs(1),
};

/// Requests whose spans may wait.
const QUEUE: usize = 2048;
/// Requests whose spans go at once, together: 512 spans.
const BATCH: usize = 256;
/// Bytes of an answer.
const LARGEST: usize = 64 * 1024;
/// What a collector may ask to be waited at most: meanwhile the queue fills.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What the end of the process waits for.
const LAST: Duration = Duration::from_secs(2);

struct Courier {
    collector: Collector,
    resource: Resource,
    counts: Counts,
    pace: Pace,
    mood: Mood,
}

/// What the log has last said of the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Unknown,
    Well,
    Failing { lost: u64 },
}

/// Why spans were not taken.
#[derive(Debug)]
struct Failure {
    code: &'static str,
    cause: String,
    /// How many.
    lost: u64,
}

impl Courier {
    async fn run(mut self, mut spans: Receiver<Spans>, mut finished: oneshot::Receiver<()>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let more = tokio::select! {
                _ = &mut finished => false,
                more = gather(&mut spans, &mut batch, self.pace.gather) => more,
            };
            if !more {
                break;
            }
            self.send(&mut batch).await;
        }
        spans.close();
        loop {
            spans.recv_many(&mut batch, BATCH).await;
            if batch.is_empty() {
                return;
            }
            self.send(&mut batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<Spans>) {
        let count = batch.iter().map(Spans::count).sum();
        let sent = match self.resource.request(batch) {
            Ok(document) => self.deliver(document.into(), count).await,
            Err(error) => Err(Failure {
                code: "encoding",
                cause: error.to_string(),
                lost: count,
            }),
        };
        batch.clear();
        let lost = sent.as_ref().err().map_or(0, |failure| failure.lost);
        match &sent {
            Err(failure) if failure.code == REJECTED => self.counts.rejected.add(lost),
            _ => self.counts.failed.add(lost),
        }
        self.counts.exported.add(count.saturating_sub(lost));
        self.tell(sent);
    }

    /// Once, and once more where the collector asks for that (OTLP 1.9.0, "Retryable Response Codes").
    async fn deliver(&self, document: Bytes, count: u64) -> Result<(), Failure> {
        let first = self.attempt(document.clone()).await;
        let answer = match first {
            Ok(answer) if may_try_again(answer.status) => {
                sleep(pause(&answer).unwrap_or(self.pace.pause)).await;
                self.attempt(document).await
            }
            other => other,
        };
        let answer = answer.map_err(|error| Failure {
            code: error.code(),
            cause: error.to_string(),
            lost: count,
        })?;
        if !answer.status.is_success() {
            return Err(Failure {
                code: "status",
                cause: format!("it answered with status {}", answer.status.as_u16()),
                lost: count,
            });
        }
        match Rejected::read(&answer.body) {
            None => Ok(()),
            Some(Rejected { spans, message }) => Err(Failure {
                code: REJECTED,
                cause: format!("it rejected {spans} of {count} spans: {message}"),
                lost: spans.min(count),
            }),
        }
    }

    async fn attempt(&self, document: Bytes) -> Result<Answer, Error> {
        let terms = Terms {
            detour: None,
            ca: &Ca::System,
            guard: AddressGuard::default(),
            deadline: Instant::now() + self.pace.attempt,
            largest: LARGEST,
        };
        post(self.collector.url(), document, &terms).await
    }

    /// Says so when it begins to fail and when it is over, not in between.
    fn tell(&mut self, sent: Result<(), Failure>) {
        let collector = &self.collector;
        self.mood = match (self.mood, sent) {
            (Mood::Failing { lost }, Ok(())) => {
                tracing::info!(%collector, lost, "the collector takes spans again");
                Mood::Well
            }
            (Mood::Unknown | Mood::Well, Ok(())) => Mood::Well,
            (Mood::Failing { lost }, Err(failure)) => {
                tracing::debug!(%collector, code = failure.code, cause = failure.cause, "still no spans are taken");
                Mood::Failing {
                    lost: lost.saturating_add(failure.lost),
                }
            }
            (Mood::Unknown | Mood::Well, Err(failure)) => {
                let Failure { code, cause, lost } = failure;
                let help = collector.takes_grpc().then_some(NO_GRPC);
                tracing::warn!(%collector, code, cause, help, "the collector does not take spans; until it does, they are lost");
                Mood::Failing { lost }
            }
        };
    }
}

const NO_GRPC: &str =
    "port 4317 takes OTLP over gRPC: name the one that takes it over HTTP, usually 4318";

/// Fills a batch: until it is full, or some time after its first span came. `false` when there will be no more. May be
/// dropped at any moment: what has come is in the batch.
async fn gather(spans: &mut Receiver<Spans>, batch: &mut Vec<Spans>, patience: Duration) -> bool {
    if spans.recv_many(batch, BATCH).await == 0 {
        return false;
    }
    let deadline = Instant::now() + patience;
    while let Some(room @ 1..) = BATCH.checked_sub(batch.len()) {
        match timeout_at(deadline, spans.recv_many(batch, room)).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    true
}

fn may_try_again(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// What `Retry-After` says, if it says seconds.
fn pause(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let pause = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(pause.min(LONGEST_PAUSE))
}

const REJECTED: &str = "rejected";

#[cfg(test)]
mod tests;
