//! Moments in words: `in 3 hours (2026-11-25 15:00:00 UTC)`.

/// Reads `--at`: seconds since 1970, or `YYYY-MM-DDTHH:MM:SSZ`.
///
/// # Errors
/// In words, when it is neither.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let number = text.parse().ok();
    let moment = number.or_else(|| utc(text));
    moment.ok_or_else(|| {
        "write seconds since 1970, or a time in UTC such as `2026-11-25T15:00:00Z`".to_owned()
    })
}

/// The moment on the calendar, in UTC; where the calendar has more than four digits for the year, in seconds.
pub(crate) fn calendar(moment: u64) -> String {
    let (days, second) = (moment / DAY, moment % DAY);
    let (year, month, day) = date(days);
    if year > 9999 {
        return format!("{moment} seconds after 1970");
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// How far `moment` is from `now`, in its largest unit: `in 3 hours`, `2 days ago`, `now`.
pub(crate) fn distance(moment: u64, now: u64) -> String {
    if moment == now {
        return "now".to_owned();
    }
    let length = length(moment.abs_diff(now));
    if moment > now {
        format!("in {length}")
    } else {
        format!("{length} ago")
    }
}

/// A length of time in its largest unit, rounded down: `3 hours`.
pub(crate) fn length(seconds: u64) -> String {
    let units = [
        (365 * DAY, "year"),
        (DAY, "day"),
        (3600, "hour"),
        (60, "minute"),
    ];
    let (count, unit) = units
        .into_iter()
        .find(|(size, _)| seconds >= *size)
        .map_or((seconds, "second"), |(size, unit)| (seconds / size, unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

const DAY: u64 = 24 * 60 * 60;

/// Year, month and day of the Gregorian calendar, by days since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends a year, and years in eras of 400.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let since_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * since_march + 2) / 5 + 1;
    let month = (since_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

fn utc(text: &str) -> Option<u64> {
    let (date_text, time) = text.strip_suffix(['Z', 'z'])?.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date_text, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let clock = hour < 24 && minute < 60 && second < 60;
    // The calendar itself says which day has this date, if any: leap days and the day of the year come on top.
    let first = (year.checked_sub(1970)? * 365).min(3_000_000);
    let fits = |days: &u64| date(*days) == (year, month, day);
    let days = (first..first + 2_600).find(fits).filter(|_| clock)?;
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut next = || {
        let part = parts.next()?;
        let digits =
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let numbers = [next()?, next()?, next()?];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_on_the_calendar() {
        for (moment, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_210_096, "2024-02-29 12:34:56 UTC"),
            (2_074_274_884, "2035-09-24 19:28:04 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(calendar(moment), text);
            let written = text.replacen(' ', "T", 1).replace(" UTC", "Z");
            assert_eq!(parse(&written), Ok(moment), "{written}");
        }
        assert_eq!(calendar(253_402_300_800), "253402300800 seconds after 1970");
        assert_eq!(
            calendar(u64::MAX),
            format!("{} seconds after 1970", u64::MAX)
        );
    }

    #[test]
    fn distances() {
        for (moment, text) in [
            (1_000_000, "now"),
            (1_000_001, "in 1 second"),
            (999_941, "59 seconds ago"),
            (1_000_060, "in 1 minute"),
            (1_000_000 + 3 * 3600 + 3599, "in 3 hours"),
            (1_000_000 - 2 * DAY, "2 days ago"),
            (1_000_000 + 364 * DAY, "in 364 days"),
            (1_000_000 + 800 * DAY, "in 2 years"),
        ] {
            assert_eq!(distance(moment, 1_000_000), text);
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        assert_eq!(parse("1700000000"), Ok(1_700_000_000));
        for text in [
            "",
            "-1",
            "yesterday",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00Z",
            "2024-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "2024-01-01T00:00:00:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
