//! Which traces are kept, where nobody before us has decided.

use std::fmt;
use std::str::FromStr;

use super::context::TraceId;

/// The share of traces that are kept, from 0 to 1.
///
/// Decided by the trace's id alone, by the rule of OpenTelemetry's consistent probability sampling: whoever keeps a larger
/// share keeps these as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    share: f64,
    /// Least random part of the ids that are kept.
    threshold: u64,
}

impl Ratio {
    /// Every trace.
    pub const ALL: Self = Self {
        share: 1.0,
        threshold: 0,
    };

    pub(super) fn keeps(self, trace: TraceId) -> bool {
        trace.random_part() >= self.threshold
    }
}

impl FromStr for Ratio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share: f64 = text.parse().map_err(|_| HELP)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(HELP);
        }
        // Exact: both are whole numbers of 57 bits at most.
        let threshold = ((1.0 - share) * TraceId::RANDOM_PARTS).round() as u64;
        Ok(Self { share, threshold })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.share.fmt(f)
    }
}

const HELP: &str = "write a number from 0 (none) to 1 (all), such as 0.1";

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    fn trace(random_part: u64) -> TraceId {
        TraceId::new(u64::MAX, random_part).unwrap()
    }

    #[test]
    fn a_number_from_zero_to_one() {
        assert_eq!(ratio("1"), Ratio::ALL);
        assert_eq!(ratio("0.10").to_string(), "0.1");
        for bad in ["", "10%", "-0.1", "1.01", "NaN", "inf", "0,1", "all"] {
            assert_eq!(bad.parse::<Ratio>(), Err(HELP), "{bad}");
        }
    }

    #[test]
    fn all_none_and_a_share() {
        let (least, most) = (trace(0), trace((1 << 56) - 1));
        assert!(ratio("1").keeps(least) && ratio("1").keeps(most));
        assert!(!ratio("0").keeps(least) && !ratio("0").keeps(most));
        assert!(!ratio("0.25").keeps(trace((1 << 55) + (1 << 54) - 1)));
        assert!(ratio("0.25").keeps(trace((1 << 55) + (1 << 54))));
        // Only the low 56 bits count.
        assert!(!ratio("0.25").keeps(trace(0xff << 56)));
    }
}
