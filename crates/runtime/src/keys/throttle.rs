//! A token bucket.

use std::time::Duration;

use tokio::time::Instant;

/// Lets `burst` pass at once, then one each `every`.
#[derive(Debug)]
pub(super) struct Bucket {
    burst: u32,
    every: Duration,
    left: u32,
    since: Instant,
}

impl Bucket {
    pub(super) fn new(burst: u32, every: Duration, now: Instant) -> Self {
        Self {
            burst,
            every,
            left: burst,
            since: now,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < self.burst && now.duration_since(self.since) >= self.every {
            self.left += 1;
            self.since += self.every;
        }
        if self.left == self.burst {
            self.since = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_one_each_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::new(2, Duration::from_secs(10), start);
        assert_eq!(
            [0, 0, 0, 9].map(|s| bucket.take(at(s))),
            [true, true, false, false]
        );
        assert_eq!(
            [10, 10, 19, 20].map(|s| bucket.take(at(s))),
            [true, false, false, true]
        );
        // A long rest fills it up, and no further.
        assert_eq!(
            [900, 900, 900].map(|s| bucket.take(at(s))),
            [true, true, false]
        );
        assert_eq!([909, 910].map(|s| bucket.take(at(s))), [false, true]);
    }
}
