//! Which request comes next, and when: as fast as answers come, or at fixed times whatever comes.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use crate::alarm::Alarm;

/// How long a run lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Length {
    /// So many requests.
    Requests(u64),
    /// So long.
    Time(Duration),
}

/// One request that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Its number, from 0.
    pub(crate) index: u64,
    /// From when on its latency counts.
    pub(crate) since: Instant,
}

/// Hands out tickets, each number once.
pub(crate) struct Pace {
    taken: Cell<u64>,
    limit: u64,
    start: Instant,
    mode: Mode,
}

enum Mode {
    /// The next request goes out when an answer came.
    Closed { deadline: Option<Instant> },
    /// Requests are due at fixed times. Nobody waits for answers; a request that finds no free
    /// connection waits, and its latency says so.
    Open { rate: f64, alarm: Alarm },
}

impl Pace {
    /// Begins now. `rate` is in requests per second.
    ///
    /// # Errors
    /// When the kernel has no timer.
    pub(crate) fn start(length: Length, rate: Option<f64>) -> io::Result<Self> {
        let start = Instant::now();
        let (limit, mode) = match (length, rate) {
            (Length::Requests(count), None) => (count, Mode::Closed { deadline: None }),
            (Length::Time(time), None) => {
                let deadline = Some(start + time);
                (u64::MAX, Mode::Closed { deadline })
            }
            (length, Some(rate)) => {
                let alarm = Alarm::new()?;
                (count(length, rate), Mode::Open { rate, alarm })
            }
        };
        Ok(Self {
            taken: Cell::new(0),
            limit,
            start,
            mode,
        })
    }

    /// When the run began.
    pub(crate) const fn started(&self) -> Instant {
        self.start
    }

    /// The next request, when it is time to send it; `None` after the last.
    pub(crate) async fn next(&self) -> Option<Ticket> {
        let index = self.taken.get();
        if index >= self.limit {
            return None;
        }
        match &self.mode {
            Mode::Closed { deadline } => {
                let since = Instant::now();
                if deadline.is_some_and(|deadline| since >= deadline) {
                    return None;
                }
                self.taken.set(index + 1);
                Some(Ticket { index, since })
            }
            Mode::Open { rate, alarm } => {
                self.taken.set(index + 1);
                let since = self.start + offset(index, *rate);
                alarm.until(since).await;
                Some(Ticket { index, since })
            }
        }
    }

    /// Keeps the times. Only returns when it cannot.
    ///
    /// # Errors
    /// When the kernel's timer fails.
    pub(crate) async fn keep(&self) -> io::Result<std::convert::Infallible> {
        match &self.mode {
            Mode::Closed { .. } => std::future::pending().await,
            Mode::Open { alarm, .. } => alarm.ring().await,
        }
    }
}

/// How many requests are due within that length.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the product is positive, and a float that is too large becomes the largest number"
)]
fn count(length: Length, rate: f64) -> u64 {
    match length {
        Length::Requests(count) => count,
        Length::Time(time) => ((time.as_secs_f64() * rate).round() as u64).max(1),
    }
}

/// When request `index` is due, from the start.
#[expect(
    clippy::cast_precision_loss,
    reason = "a run does not have as many requests"
)]
fn offset(index: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(index as f64 / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    fn block_on<T>(task: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, task)
    }

    #[test]
    fn due_times_are_evenly_spaced_and_do_not_drift() {
        assert_eq!(offset(0, 4000.0), Duration::ZERO);
        assert_eq!(offset(1, 4000.0), Duration::from_micros(250));
        assert_eq!(offset(240_000, 4000.0), Duration::from_secs(60));
        assert_eq!(offset(180_000, 3000.0), Duration::from_secs(60));
        assert_eq!(count(Length::Time(Duration::from_secs(3)), 4000.0), 12_000);
        assert_eq!(count(Length::Time(Duration::from_millis(1)), 1.0), 1);
        assert_eq!(count(Length::Requests(7), 4000.0), 7);
    }

    #[test]
    fn each_number_is_handed_out_once_and_the_last_ends_it() {
        block_on(async {
            let pace = Pace::start(Length::Requests(3), None).expect("a pace");
            let mut taken = Vec::new();
            while let Some(ticket) = pace.next().await {
                taken.push(ticket.index);
            }
            assert_eq!(taken, [0, 1, 2]);
        });
    }

    #[test]
    fn time_that_is_up_ends_it() {
        block_on(async {
            let length = Length::Time(Duration::from_millis(5));
            let pace = Pace::start(length, None).expect("a pace");
            assert!(pace.next().await.is_some());
            std::thread::sleep(Duration::from_millis(6));
            assert_eq!(pace.next().await, None);
        });
    }

    #[test]
    fn a_late_request_counts_from_when_it_was_due() {
        block_on(async {
            let pace = Rc::new(Pace::start(Length::Requests(4), Some(1000.0)).expect("a pace"));
            let keeper = Rc::clone(&pace);
            tokio::task::spawn_local(async move { keeper.keep().await });
            let mut sent = Vec::new();
            while let Some(ticket) = pace.next().await {
                let now = Instant::now();
                assert!(now >= ticket.since, "not before it is due");
                sent.push((ticket.since - pace.started(), now - ticket.since));
                // Answers take three times the spacing on this one connection.
                std::thread::sleep(Duration::from_millis(3));
            }
            let due: Vec<_> = sent.iter().map(|(due, _)| due.as_millis()).collect();
            assert_eq!(due, [0, 1, 2, 3]);
            assert!(sent[3].1 >= Duration::from_millis(6), "{sent:?}");
        });
    }
}
