//! Readers of durations: `1h30m`, `500ms`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::scalars::{out_of_range, parsed};
use crate::diagnostic::Diagnostics;
use crate::yaml::Node;

/// A duration of the Gateway API (GEP-2257), which kgateway uses too: one to four numbers of one to five digits, each with
/// `h`, `m`, `s` or `ms`.
pub fn duration(node: &Node, diags: &mut Diagnostics) -> Option<Duration> {
    duration_in(Duration::ZERO..=Duration::MAX)(node, diags)
}

/// A duration of the Gateway API in a range.
pub fn duration_in(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Duration> {
    let help = "write up to four numbers of up to five digits with `h`, `m`, `s` or `ms`, such as `1h30m` or `500ms`";
    move |node, diags| read(node, gep2257, &range, help, diags)
}

/// A duration as Go writes it: numbers, with fractions if need be, with units from `ns` to `h`; not negative.
pub fn go_duration(node: &Node, diags: &mut Diagnostics) -> Option<Duration> {
    go_duration_in(Duration::ZERO..=Duration::MAX)(node, diags)
}

/// A duration as Go writes it, in a range.
pub fn go_duration_in(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Duration> {
    let help =
        "write numbers with `h`, `m`, `s`, `ms`, `us` or `ns`, such as `1h30m`, `1.5s` or `500ms`";
    move |node, diags| read(node, go, &range, help, diags)
}

fn read(
    node: &Node,
    parse: fn(&str) -> Option<Duration>,
    range: &RangeInclusive<Duration>,
    help: &'static str,
    diags: &mut Diagnostics,
) -> Option<Duration> {
    let duration = parsed(parse, "is not a duration", help)(node, diags)?;
    if range.contains(&duration) {
        return Some(duration);
    }
    let help = if *range.end() == Duration::MAX {
        format!("write at least `{:?}`", range.start())
    } else {
        format!(
            "write a duration from `{:?}` to `{:?}`",
            range.start(),
            range.end()
        )
    };
    out_of_range(node, &help, diags);
    None
}

fn gep2257(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    for _ in 0..4 {
        let (digits, tail) = number(rest);
        if digits.is_empty() || digits.len() > 5 {
            return None;
        }
        let (unit, tail) = unit(tail)?;
        if unit < Duration::from_millis(1) {
            return None;
        }
        total += unit * digits.parse::<u32>().ok()?;
        rest = tail;
        if rest.is_empty() {
            return Some(total);
        }
    }
    None
}

fn go(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (whole, tail) = number(rest);
        let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), number);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, tail) = unit(tail)?;
        let whole: u32 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total
            .checked_add(unit.checked_mul(whole)?)?
            .checked_add(part(unit, fraction)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// A decimal fraction of a unit, cut to nanoseconds.
fn part(unit: Duration, fraction: &str) -> Option<Duration> {
    let mut place = unit.as_nanos();
    let mut nanos = 0;
    for digit in fraction.chars() {
        // Cutting each digit loses less than one nanosecond each, and nothing for the lengths anybody writes.
        let digit = u128::from(digit.to_digit(10)?);
        nanos += place * digit / 10;
        place /= 10;
    }
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn unit(text: &str) -> Option<(Duration, &str)> {
    const UNITS: [(&str, Duration); 8] = [
        ("ms", Duration::from_millis(1)),
        ("us", Duration::from_micros(1)),
        ("µs", Duration::from_micros(1)),
        ("μs", Duration::from_micros(1)),
        ("ns", Duration::from_nanos(1)),
        ("h", Duration::from_secs(3600)),
        ("m", Duration::from_secs(60)),
        ("s", Duration::from_secs(1)),
    ];
    UNITS
        .iter()
        .find_map(|(name, unit)| Some((*unit, text.strip_prefix(name)?)))
}
