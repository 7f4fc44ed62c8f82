//! What goes on on a connection: noted by its stream and by its requests,
//! read by the driver, which ends connections that are too slow.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use countersign_config::compiled::Timeouts;
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::framing::Fault;

/// The state of one connection. Shared between parts of one task, so plain
/// loads and stores are enough; atomic because an upgraded stream must be
/// `Send`.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    /// Requests that are not answered to the end.
    running: AtomicU32,
    /// Requests whose answer at least began.
    answered: AtomicU32,
    /// Requests that the client gave up before they were answered.
    given_up: AtomicU32,
    /// When the first byte of a request came whose headers are not complete.
    /// HTTP/1 only.
    head: Moment,
    /// Such a request has begun, perhaps while another one runs.
    partial: AtomicBool,
    /// Its client has had its time.
    late: AtomicBool,
    /// When the last request ended.
    idle: Moment,
    /// Since when the client takes no more bytes.
    blocked: Moment,
    /// Requests whose head came to an end.
    heads: AtomicU32,
    /// The head with a fault, by its number.
    faulty: OnceLock<(u32, Fault)>,
    /// What became of a request for another protocol; see [`Verdict`].
    verdict: AtomicU8,
    /// The reader that waits for the verdict.
    reader: AtomicWaker,
}

/// What became of a request for another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// HTTP goes on.
    Stays = 1,
    /// The other protocol is spoken from here on.
    Switched,
}

/// Why a connection is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// The headers of a request do not come to an end.
    Head,
    /// No request comes.
    Idle,
    /// The client does not read what it asked for.
    Blocked,
}

impl Pulse {
    pub(crate) fn new() -> Arc<Pulse> {
        Arc::new(Pulse {
            start: Instant::now(),
            running: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            given_up: AtomicU32::new(0),
            head: Moment::default(),
            partial: AtomicBool::new(false),
            late: AtomicBool::new(false),
            idle: Moment::at_start(),
            blocked: Moment::default(),
            heads: AtomicU32::new(0),
            faulty: OnceLock::new(),
            verdict: AtomicU8::new(0),
            reader: AtomicWaker::new(),
        })
    }

    /// The head of this number, counted from 1, has a fault. It is the last
    /// one that is read.
    pub(crate) fn faulty(&self, number: u32, fault: Fault) {
        self.faulty.get_or_init(|| (number, fault));
    }

    /// The fault of the request that [`Pulse::request`] told last.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let heads = self.heads.load(Relaxed);
        let this = self.faulty.get().filter(|(number, _)| *number == heads);
        this.map(|(_, fault)| *fault)
    }

    /// The request whose headers do not come to an end is to be refused. False
    /// if that was said before.
    pub(crate) fn late(&self) -> bool {
        !self.late.swap(true, Relaxed)
    }

    /// Whether [`Pulse::late`] was said.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    /// A request that asked for another protocol is answered.
    pub(crate) fn decide(&self, verdict: Verdict) {
        self.verdict.store(verdict as u8, Relaxed);
        self.reader.wake();
    }

    /// Takes the verdict, or has `waker` woken once it is there.
    pub(crate) fn verdict(&self, waker: &Waker) -> Option<Verdict> {
        self.reader.register(waker);
        match self.verdict.swap(0, Relaxed) {
            0 => None,
            code if code == Verdict::Switched as u8 => Some(Verdict::Switched),
            _ => Some(Verdict::Stays),
        }
    }

    /// Bytes came from the client; some of them may begin a request whose
    /// headers are not complete.
    pub(crate) fn read(&self, partial: bool) {
        self.partial.store(partial, Relaxed);
        if partial && !self.runs() && !self.head.is_set() {
            self.head.set(self.start.elapsed());
        }
    }

    /// The client took bytes, or took none.
    pub(crate) fn wrote(&self, taken: bool) {
        if taken {
            self.blocked.clear();
        } else if !self.blocked.is_set() {
            self.blocked.set(self.start.elapsed());
        }
    }

    /// The headers of a request are complete. It runs until the value that is
    /// returned is dropped.
    pub(crate) fn request(self: &Arc<Pulse>) -> InFlight {
        self.head.clear();
        self.heads.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
        InFlight {
            pulse: self.clone(),
            answered: false,
        }
    }

    /// Whether the headers of a request are on their way.
    pub(crate) fn is_mid_head(&self) -> bool {
        self.partial.load(Relaxed)
    }

    /// Whether a request runs.
    pub(crate) fn runs(&self) -> bool {
        self.running.load(Relaxed) > 0
    }

    /// Whether no byte of a request has come yet.
    pub(crate) fn fresh(&self) -> bool {
        let seen = [&self.running, &self.answered, &self.given_up];
        !self.head.is_set() && seen.iter().all(|count| count.load(Relaxed) == 0)
    }

    /// Whether the client gives up more requests than it waits for: it floods
    /// (CVE-2023-44487), or is of no use.
    pub(crate) fn floods(&self) -> bool {
        let given_up = self.given_up.load(Relaxed);
        given_up > PATIENCE && given_up > self.answered.load(Relaxed)
    }

    /// When the connection will have been too slow if nothing happens, and in
    /// what way. `None` while it waits for nothing but us.
    pub(crate) fn due(&self, timeouts: &Timeouts) -> Option<(Instant, Late)> {
        let (since, bound, late) = if let Some(since) = self.blocked.get() {
            (since, timeouts.idle, Late::Blocked)
        } else if self.runs() {
            return None;
        } else if let Some(since) = self.head.get() {
            (since, timeouts.request_headers, Late::Head)
        } else {
            let since = self.idle.get().unwrap_or_default();
            // Who connects has something to say.
            let bound = if self.fresh() {
                timeouts.request_headers.min(timeouts.idle)
            } else {
                timeouts.idle
            };
            (since, bound, Late::Idle)
        };
        Some((self.start + since + bound, late))
    }
}

/// Requests that a client may give up before it must have let others finish.
const PATIENCE: u32 = 200;

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct InFlight {
    pulse: Arc<Pulse>,
    answered: bool,
}

impl InFlight {
    /// The answer begins: dropping it is no longer the client giving up.
    pub(crate) fn answered(&mut self) {
        self.answered = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let pulse = &self.pulse;
        let outcome = if self.answered {
            &pulse.answered
        } else {
            &pulse.given_up
        };
        outcome.fetch_add(1, Relaxed);
        if pulse.running.fetch_sub(1, Relaxed) == 1 {
            pulse.idle.set(pulse.start.elapsed());
            if pulse.is_mid_head() {
                pulse.head.set(pulse.start.elapsed());
            }
        }
    }
}

/// A moment as microseconds after the start, plus one; 0 is none.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn at_start() -> Moment {
        Moment(AtomicU64::new(1))
    }

    fn set(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros.saturating_add(1), Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Relaxed) != 0
    }

    fn get(&self) -> Option<Duration> {
        self.0
            .load(Relaxed)
            .checked_sub(1)
            .map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        request_headers: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        connect: Duration::ZERO,
        request: Duration::ZERO,
        drain: Duration::ZERO,
    };

    fn due(pulse: &Pulse) -> Option<(u64, Late)> {
        let (at, late) = pulse.due(&TIMEOUTS)?;
        Some((at.duration_since(pulse.start).as_secs(), late))
    }

    #[tokio::test(start_paused = true)]
    async fn each_state_has_its_own_bound() {
        let pulse = Pulse::new();
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert_eq!(due(&pulse), Some((10, Late::Idle)), "the first request");
        assert!(pulse.fresh());

        pass(5).await;
        pulse.read(true);
        pass(1).await;
        pulse.read(true);
        assert_eq!(
            due(&pulse),
            Some((15, Late::Head)),
            "from the first byte on"
        );
        assert!(!pulse.fresh());

        let (mut first, second) = (pulse.request(), pulse.request());
        pulse.read(false);
        assert_eq!(due(&pulse), None, "bytes of a body");
        drop(second);
        assert_eq!(due(&pulse), None);
        pulse.wrote(false);
        pass(1).await;
        pulse.wrote(false);
        assert_eq!(due(&pulse), Some((66, Late::Blocked)));
        pulse.wrote(true);
        assert_eq!(due(&pulse), None);

        pass(3).await;
        first.answered();
        drop(first);
        assert_eq!(due(&pulse), Some((70, Late::Idle)));
        assert!(!pulse.fresh());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_begins_behind_a_request_has_its_time_from_the_end_of_that() {
        let pulse = Pulse::new();
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        let request = pulse.request();
        pulse.read(true);
        pass(20).await;
        assert_eq!(due(&pulse), None);
        drop(request);
        assert_eq!(due(&pulse), Some((30, Late::Head)));
        assert!(!pulse.is_late() && pulse.late() && pulse.is_late());
        assert!(!pulse.late(), "once only");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_more_requests_given_up_than_answered() {
        let pulse = Pulse::new();
        for _ in 0..PATIENCE {
            drop(pulse.request());
        }
        assert!(!pulse.floods());
        drop(pulse.request());
        assert!(pulse.floods());
        for _ in 0..=PATIENCE {
            pulse.request().answered();
        }
        assert!(!pulse.floods(), "as many answered");
    }
}
