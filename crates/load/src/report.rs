//! What was measured, and how it is printed.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::fault::Fault;

/// Counts and latencies, as answers come.
pub(crate) struct Tally {
    /// In nanoseconds.
    latencies: Histogram<u64>,
    bytes: u64,
    last: Option<Instant>,
    /// Connections that took the place of others.
    pub(crate) reconnects: u64,
}

/// The result of a run.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    /// Answers, all of them as expected.
    requests: u64,
    /// From the start to the last answer.
    seconds: f64,
    requests_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    /// Of bodies.
    bytes_in: u64,
    /// Idle connections that were still open at the end.
    idle_open: u64,
    reconnects: u64,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never, with these bounds.
    pub(crate) fn new() -> Result<Self, Fault> {
        let latencies = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        Ok(Self {
            latencies: latencies.map_err(|error| Fault::failure(error.to_string()))?,
            bytes: 0,
            last: None,
            reconnects: 0,
        })
    }

    /// How many answers there were.
    pub(crate) fn answers(&self) -> u64 {
        self.latencies.len()
    }

    /// An answer came `now`, with a body of so many bytes.
    pub(crate) fn record(&mut self, since: Instant, now: Instant, bytes: u64) {
        let latency = now.saturating_duration_since(since).as_nanos();
        let latency = u64::try_from(latency).unwrap_or(LONGEST);
        self.latencies.saturating_record(latency);
        self.bytes += bytes;
        self.last = Some(now);
    }

    /// The result of a run that began at `start`.
    ///
    /// # Errors
    /// When no answer came.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and nanoseconds of a run are far below 2^52"
    )]
    pub(crate) fn report(&self, start: Instant, idle_open: u64) -> Result<Report, Fault> {
        let last = self
            .last
            .ok_or_else(|| Fault::failure("no answer came in that time"))?;
        let seconds = last.saturating_duration_since(start).max(INSTANT);
        let us = |nanoseconds: u64| (nanoseconds as f64 / 100.0).round() / 10.0;
        let quantile = |it| us(self.latencies.value_at_quantile(it));
        let requests = self.answers();
        let per_second = requests as f64 / seconds.as_secs_f64();
        Ok(Report {
            requests,
            seconds: (seconds.as_secs_f64() * 1e6).round() / 1e6,
            requests_per_second: (per_second * 10.0).round() / 10.0,
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: us(self.latencies.max()),
            bytes_in: self.bytes,
            idle_open,
            reconnects: self.reconnects,
        })
    }
}

/// An hour in nanoseconds: what takes longer counts as this.
const LONGEST: u64 = 3_600_000_000_000;
/// Significant digits of latencies.
const DIGITS: u8 = 3;
/// No run is shorter.
const INSTANT: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_all_answers() {
        let start = Instant::now();
        let mut tally = Tally::new().expect("a histogram");
        // 1 to 1000 µs, each once, in an order that is neither.
        for at in 0..1000_u64 {
            let latency = Duration::from_micros(1 + at * 37 % 1000);
            tally.record(start, start + latency, 6);
        }
        tally.record(start, start + Duration::from_secs(2), 6);
        let report = tally.report(start, 3).expect("answers");
        let near = |got: f64, wanted: f64| (got - wanted).abs() <= wanted / 500.0;
        assert!(near(report.p50_us, 501.0), "{report:?}");
        assert!(near(report.p99_us, 991.0), "{report:?}");
        assert!(near(report.p999_us, 1000.0), "{report:?}");
        assert!(near(report.max_us, 2_000_000.0), "{report:?}");
        assert_eq!(
            (report.requests, report.bytes_in, report.idle_open),
            (1001, 6006, 3)
        );
        assert!(near(report.seconds, 2.0), "{report:?}");
        assert!(near(report.requests_per_second, 500.5), "{report:?}");
    }

    #[test]
    fn without_an_answer_there_is_no_result() {
        let tally = Tally::new().expect("a histogram");
        assert!(tally.report(Instant::now(), 0).is_err());
    }
}
