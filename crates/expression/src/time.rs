//! Points and spans of time as CEL has them: years 1 to 9999, and spans of 64 bits of nanoseconds.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, FixedOffset, Offset, SecondsFormat, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

/// The first second of year 1 and the last of year 9999.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Timestamp {
    /// A time after or before 1970; `None` outside the years 1 to 9999.
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        if !RANGE.contains(&seconds) || nanos >= NANOS_PER_SECOND_U32 {
            return None;
        }
        DateTime::from_timestamp(seconds, nanos).map(Self)
    }

    /// Seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.timestamp()
    }

    /// Nanoseconds past [`Timestamp::seconds`].
    pub fn nanos(self) -> u32 {
        self.0.timestamp_subsec_nanos()
    }

    /// Reads RFC 3339.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Self::new(time.timestamp(), time.timestamp_subsec_nanos())
    }

    pub(crate) fn plus(self, span: Duration) -> Option<Self> {
        let nanos = self.total_nanos().checked_add(span.0.into())?;
        let seconds = i64::try_from(nanos.div_euclid(NANOS_PER_SECOND.into())).ok()?;
        let rest = u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND.into())).ok()?;
        Self::new(seconds, rest)
    }

    pub(crate) fn since(self, earlier: Self) -> Option<Duration> {
        let nanos = self.total_nanos() - earlier.total_nanos();
        i64::try_from(nanos).ok().map(Duration)
    }

    fn total_nanos(self) -> i128 {
        i128::from(self.seconds()) * i128::from(NANOS_PER_SECOND) + i128::from(self.nanos())
    }

    /// One field of the calendar, in a zone.
    pub(crate) fn field(self, field: TimeField, zone: Zone) -> i64 {
        let local = self.0.with_timezone(&zone.offset_at(self.0));
        match field {
            TimeField::FullYear => local.year().into(),
            TimeField::Month => local.month0().into(),
            TimeField::Date => local.day().into(),
            TimeField::DayOfMonth => local.day0().into(),
            TimeField::DayOfWeek => local.weekday().num_days_from_sunday().into(),
            TimeField::DayOfYear => local.ordinal0().into(),
            TimeField::Hours => local.hour().into(),
            TimeField::Minutes => local.minute().into(),
            TimeField::Seconds => local.second().into(),
            TimeField::Milliseconds => local.timestamp_subsec_millis().into(),
        }
    }
}

/// As RFC 3339 writes it, with as many digits of the fraction as it has.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.to_rfc3339_opts(SecondsFormat::Secs, true);
        let fraction = fraction(self.nanos());
        write!(f, "{}{fraction}Z", whole.trim_end_matches('Z'))
    }
}

/// A span of time, to the nanosecond; some 292 years at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const NANOS_PER_SECOND_U32: u32 = 1_000_000_000;

impl Duration {
    /// So many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// All of it in nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Reads `1h30m`, `-1.5s`, `10ms`, `0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let (mut nanos, mut rest) = quantity(rest)?;
        while !rest.is_empty() {
            let (part, after) = quantity(rest)?;
            nanos = nanos.checked_add(part)?;
            rest = after;
        }
        let nanos = if negative { -nanos } else { nanos };
        i64::try_from(nanos).ok().map(Self)
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(crate) fn negated(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// All of it in one unit, except milliseconds, which are those past the last whole second.
    /// `None` for fields that a span does not have.
    pub(crate) const fn field(self, field: TimeField) -> Option<i64> {
        match field {
            TimeField::Hours => Some(self.0 / (3600 * NANOS_PER_SECOND)),
            TimeField::Minutes => Some(self.0 / (60 * NANOS_PER_SECOND)),
            TimeField::Seconds => Some(self.0 / NANOS_PER_SECOND),
            TimeField::Milliseconds => Some(self.0 % NANOS_PER_SECOND / 1_000_000),
            _ => None,
        }
    }
}

/// In seconds: `90s`, `-1.5s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let rest = u32::try_from(nanos % u64::from(NANOS_PER_SECOND_U32)).unwrap_or_default();
        let seconds = nanos / u64::from(NANOS_PER_SECOND_U32);
        write!(f, "{sign}{seconds}{}s", fraction(rest))
    }
}

/// What can be asked of a time or a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeField {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// A time zone: an offset or a name of the IANA database.
#[derive(Clone, Copy)]
pub(crate) enum Zone {
    Utc,
    Fixed(FixedOffset),
    Named(Tz),
}

impl Zone {
    fn offset_at(self, time: DateTime<Utc>) -> FixedOffset {
        match self {
            Self::Utc => Utc.fix(),
            Self::Fixed(offset) => offset,
            Self::Named(zone) => zone.offset_from_utc_datetime(&time.naive_utc()).fix(),
        }
    }
}

/// Reads `UTC`, `Europe/Paris`, `+02:00`, `-03:30`, `02:00`.
impl FromStr for Zone {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(zone) = text.parse() {
            return Ok(Self::Named(zone));
        }
        let (west, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (hours, minutes) = rest.split_once(':').ok_or(())?;
        let seconds = digits(hours, 23)? * 3600 + digits(minutes, 59)? * 60;
        let offset = if west {
            FixedOffset::west_opt(seconds)
        } else {
            FixedOffset::east_opt(seconds)
        };
        offset.map(Self::Fixed).ok_or(())
    }
}

/// Two digits, at most `max`.
fn digits(text: &str, max: i32) -> Result<i32, ()> {
    let two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if two { text.parse().ok() } else { None };
    number.filter(|number| *number <= max).ok_or(())
}

/// One number with its unit at the start of `text`, in nanoseconds, and what follows.
fn quantity(text: &str) -> Option<(i128, &str)> {
    // Longer first: `ms` is no `m`.
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at_checked(unit_at)?;
    let starts = |(name, scale): &(&str, i128)| Some((rest.strip_prefix(*name)?, *scale));
    let (after, scale) = UNITS.iter().find_map(starts)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || whole.len() > 19 || part.contains('.') {
        return None;
    }
    let mut nanos = if whole.is_empty() {
        0
    } else {
        whole.parse::<i128>().ok()?.checked_mul(scale)?
    };
    let mut place = scale;
    for digit in part.chars().take(19).filter_map(|c| c.to_digit(10)) {
        place /= 10;
        nanos += place * i128::from(digit);
    }
    Some((nanos, after))
}

/// `.5`, `.000000001`, or nothing.
fn fraction(nanos: u32) -> String {
    if nanos == 0 {
        return String::new();
    }
    let digits = format!("{nanos:09}");
    format!(".{}", digits.trim_end_matches('0'))
}
