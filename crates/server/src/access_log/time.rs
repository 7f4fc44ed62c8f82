//! Times as RFC 3339 writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Writes times; remembers the second it wrote last, for the next line is
/// most often of the same.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: Vec<u8>,
}

impl Stamp {
    /// `2026-07-01T12:34:56.789Z`
    pub(super) fn write(&mut self, time: SystemTime, out: &mut Vec<u8>) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.text.clear();
            seconds(since.as_secs(), &mut self.text);
        }
        out.extend_from_slice(&self.text);
        out.push(b'.');
        decimal(since.subsec_millis().into(), 3, out);
        out.push(b'Z');
    }
}

/// Writes a number with at least so many digits; a line has many of them, and
/// the formatting machinery takes several times as long.
pub(super) fn decimal(mut number: u64, least: usize, out: &mut Vec<u8>) {
    let start = out.len();
    while number > 0 || out.len() - start < least {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

fn seconds(seconds: u64, out: &mut Vec<u8>) {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (hour, 2, b':'),
        (minute, 2, b':'),
    ];
    for (number, digits, behind) in parts {
        decimal(number, digits, out);
        out.push(behind);
    }
    decimal(second, 2, out);
}

/// Year, month and day of the Gregorian calendar, from days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that a leap day ends its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        for (seconds, millis, text) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 7, "2000-02-28T23:59:59.007Z"),
            (951_782_400, 7, "2000-02-29T00:00:00.007Z"),
            (951_868_800, 999, "2000-03-01T00:00:00.999Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000Z"),
            (1_767_225_599, 0, "2025-12-31T23:59:59.000Z"),
            (1_767_225_600, 0, "2026-01-01T00:00:00.000Z"),
            (4_107_542_400, 1, "2100-03-01T00:00:00.001Z"),
        ] {
            let mut out = Vec::new();
            let time = UNIX_EPOCH + Duration::from_millis(seconds * 1000 + millis);
            Stamp::default().write(time, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
