//! Numbers of three kinds on one line: comparison and conversion.

use std::cmp::Ordering;

/// A number of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int(i64),
    Uint(u64),
    Double(f64),
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;

impl Number {
    /// Where the two stand on the number line; `None` when one is not a number. Next to a double, an
    /// int or uint counts as the nearest double, as cel-spec has it.
    pub(crate) fn compare(self, other: Self) -> Option<Ordering> {
        match (self.whole(), other.whole()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => self.nearest_double().partial_cmp(&other.nearest_double()),
        }
    }

    /// An int or a uint, in a type that holds both.
    fn whole(self) -> Option<i128> {
        match self {
            Self::Int(number) => Some(number.into()),
            Self::Uint(number) => Some(number.into()),
            Self::Double(_) => None,
        }
    }

    /// The nearest double.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub(crate) const fn nearest_double(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Uint(number) => number as f64,
            Self::Double(number) => number,
        }
    }

    /// As an int, when it is exactly one.
    pub(crate) fn exact_int(self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(number),
            Self::Uint(number) => i64::try_from(number).ok(),
            Self::Double(number) if number.fract() == 0.0 => truncated_int(number),
            Self::Double(_) => None,
        }
    }

    /// As a uint, when it is exactly one.
    pub(crate) fn exact_uint(self) -> Option<u64> {
        match self {
            Self::Int(number) => u64::try_from(number).ok(),
            Self::Uint(number) => Some(number),
            Self::Double(number) if number.fract() == 0.0 => truncated_uint(number),
            Self::Double(_) => None,
        }
    }
}

/// Towards zero; `None` out of range. The two ends of the range are out of it, as CEL has it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded just before; dropping the fraction is the point"
)]
pub(crate) fn truncated_int(double: f64) -> Option<i64> {
    (-TWO_TO_63 < double && double < TWO_TO_63).then_some(double as i64)
}

/// Towards zero; `None` out of range.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded just before; dropping the fraction is the point"
)]
pub(crate) fn truncated_uint(double: f64) -> Option<u64> {
    (-1.0 < double && double < TWO_TO_64).then_some(double as u64)
}
