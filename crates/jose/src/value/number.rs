//! Numbers: exact where they are integers of 64 bits.

use std::fmt;

use serde::{Serialize, Serializer};

/// A JSON number. Integers of 64 bits are exact; all else is the nearest finite double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub(super) Repr);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Repr {
    /// Zero or more.
    Unsigned(u64),
    /// Less than zero.
    Negative(i64),
    /// Finite.
    Float(f64),
}
impl Number {
    /// The number, when it was written as an integer from 0 to 2^64-1.
    pub const fn as_u64(self) -> Option<u64> {
        if let Repr::Unsigned(number) = self.0 {
            Some(number)
        } else {
            None
        }
    }

    /// The number, when it was written as an integer from -2^63 to 2^63-1.
    pub fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(number) => i64::try_from(number).ok(),
            Repr::Negative(number) => Some(number),
            Repr::Float(_) => None,
        }
    }

    /// The nearest double.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the nearest double is what is asked for"
    )]
    pub const fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Unsigned(number) => number as f64,
            Repr::Negative(number) => number as f64,
            Repr::Float(number) => number,
        }
    }

    /// Seconds since 1970 as Envoy reads a NumericDate: the fraction is dropped; `None` below 0 and
    /// from 2^64 on.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded just before; dropping the fraction is the point"
    )]
    pub fn seconds(self) -> Option<u64> {
        const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
        match self.0 {
            Repr::Unsigned(number) => Some(number),
            Repr::Float(number) if (0.0..TWO_TO_64).contains(&number) => Some(number as u64),
            Repr::Negative(_) | Repr::Float(_) => None,
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(Repr::Unsigned(number))
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(u64::try_from(number).map_or(Repr::Negative(number), Repr::Unsigned))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Repr::Unsigned(number) => serializer.serialize_u64(number),
            Repr::Negative(number) => serializer.serialize_i64(number),
            Repr::Float(number) => serializer.serialize_f64(number),
        }
    }
}

/// As JSON writes it.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Unsigned(number) => number.fmt(f),
            Repr::Negative(number) => number.fmt(f),
            // Cannot fail: the reader and the conversions only make finite numbers.
            Repr::Float(number) => f.write_str(&serde_json::to_string(&number).unwrap_or_default()),
        }
    }
}
