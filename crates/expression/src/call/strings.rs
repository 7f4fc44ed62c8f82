//! Functions on strings. Positions count characters (code points), not bytes.

use super::{int, no_overload};
use crate::failure::Problem;
use crate::function::Function;
use crate::meter::Meter;
use crate::value::{List, Text, Value};

const NEGATIVE: Problem = Problem::Argument("the position is negative");
const BEYOND: Problem = Problem::Argument("the position is beyond the end of the string");

/// A function whose receiver, or only argument, is a string.
pub(super) fn call<'a>(
    meter: &mut Meter,
    function: Function,
    text: &Text<'a>,
    rest: &[Value<'a>],
) -> Result<Value<'a>, Problem> {
    use Function as F;
    match (function, rest) {
        (F::Contains, [Value::String(part)]) => Ok(Value::Bool(text.contains(&**part))),
        (F::StartsWith, [Value::String(part)]) => Ok(Value::Bool(text.starts_with(&**part))),
        (F::EndsWith, [Value::String(part)]) => Ok(Value::Bool(text.ends_with(&**part))),
        (F::CharAt, [Value::Int(at)]) => char_at(text, *at),
        (F::IndexOf, [Value::String(part)]) => index_of(text, part, 0),
        (F::IndexOf, [Value::String(part), Value::Int(from)]) => index_of(text, part, *from),
        (F::LastIndexOf, [Value::String(part)]) => last_index_of(text, part, None),
        (F::LastIndexOf, [Value::String(part), Value::Int(from)]) => {
            last_index_of(text, part, Some(*from))
        }
        (F::LowerAscii, []) => Ok(Value::from(text.to_ascii_lowercase())),
        (F::UpperAscii, []) => Ok(Value::from(text.to_ascii_uppercase())),
        (F::Trim, []) => trim(text),
        (F::Reverse, []) => Ok(Value::from(text.chars().rev().collect::<String>())),
        (F::Replace, [Value::String(old), Value::String(new)]) => {
            replace(meter, text, old, new, -1)
        }
        (F::Replace, [Value::String(old), Value::String(new), Value::Int(limit)]) => {
            replace(meter, text, old, new, *limit)
        }
        (F::Split, [Value::String(separator)]) => split(meter, text, separator, -1),
        (F::Split, [Value::String(separator), Value::Int(limit)]) => {
            split(meter, text, separator, *limit)
        }
        (F::Substring, [Value::Int(start)]) => substring(text, *start, None),
        (F::Substring, [Value::Int(start), Value::Int(end)]) => substring(text, *start, Some(*end)),
        (F::Quote, []) => Ok(Value::from(quote(text))),
        _ => Err(rest
            .first()
            .map_or(Problem::Argument("this is no string function"), no_overload)),
    }
}

/// Joins a list of strings.
pub(super) fn join<'a>(
    meter: &mut Meter,
    list: &List<'a>,
    separator: Option<&Value<'a>>,
) -> Result<Value<'a>, Problem> {
    let separator = match separator {
        None => "",
        Some(Value::String(separator)) => separator,
        Some(other) => return Err(no_overload(other)),
    };
    let mut joined = String::new();
    for (index, element) in list.iter().enumerate() {
        let Value::String(text) = &element else {
            return Err(no_overload(&element));
        };
        meter.pay(1)?;
        meter.pay_bytes(text.len() + separator.len())?;
        if index > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
    }
    Ok(Value::from(joined))
}

/// Where a character starts, in bytes; the position behind the last one is the end.
fn byte_at(text: &str, position: i64) -> Result<usize, Problem> {
    let position = usize::try_from(position).map_err(|_| NEGATIVE)?;
    let starts = text.char_indices().map(|(at, _)| at);
    starts.chain([text.len()]).nth(position).ok_or(BEYOND)
}

/// How many characters there are before a byte.
fn position_of<'a>(text: &str, byte: usize) -> Result<Value<'a>, Problem> {
    int(text.get(..byte).unwrap_or_default().chars().count())
}

fn char_at<'a>(text: &Text<'a>, at: i64) -> Result<Value<'a>, Problem> {
    let start = byte_at(text, at)?;
    let first = text.get(start..).and_then(|rest| rest.chars().next());
    let end = start + first.map_or(0, char::len_utf8);
    part(text, start, end)
}

fn substring<'a>(text: &Text<'a>, start: i64, end: Option<i64>) -> Result<Value<'a>, Problem> {
    if end.is_some_and(|end| end < start) {
        return Err(Problem::Argument("the end lies before the start"));
    }
    let end = end.map_or(Ok(text.len()), |end| byte_at(text, end))?;
    part(text, byte_at(text, start)?, end)
}

fn part<'a>(text: &Text<'a>, start: usize, end: usize) -> Result<Value<'a>, Problem> {
    text.part(start..end).map(Value::String).ok_or(BEYOND)
}

/// The first place from a position on; -1 where there is none.
fn index_of<'a>(text: &str, sought: &str, from: i64) -> Result<Value<'a>, Problem> {
    let start = match byte_at(text, from) {
        Err(BEYOND) => return Ok(Value::Int(-1)),
        start => start?,
    };
    let found = text.get(start..).and_then(|rest| rest.find(sought));
    found.map_or(Ok(Value::Int(-1)), |at| position_of(text, start + at))
}

/// The last place that starts at a position or before it; -1 where there is none.
fn last_index_of<'a>(text: &str, sought: &str, from: Option<i64>) -> Result<Value<'a>, Problem> {
    let start = match from.map_or(Ok(text.len()), |from| byte_at(text, from)) {
        Err(BEYOND) => return Ok(Value::Int(-1)),
        start => start?,
    };
    let end = text.floor_char_boundary(start.saturating_add(sought.len()));
    let found = text.get(..end).and_then(|rest| rest.rfind(sought));
    found.map_or(Ok(Value::Int(-1)), |at| position_of(text, at))
}

fn trim<'a>(text: &Text<'a>) -> Result<Value<'a>, Problem> {
    let start = text.len() - text.trim_start().len();
    part(text, start, start + text.trim().len())
}

/// The first `limit` places, all of them if it is negative.
fn replace<'a>(
    meter: &mut Meter,
    text: &str,
    old: &str,
    new: &str,
    limit: i64,
) -> Result<Value<'a>, Problem> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let places = text.matches(old).take(limit).count();
    meter.pay(places)?;
    meter.pay_bytes(text.len().saturating_add(places.saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(old, new, limit)))
}

/// At most `limit` parts, any number if it is negative. An empty separator splits into characters.
fn split<'a>(
    meter: &mut Meter,
    text: &Text<'a>,
    separator: &str,
    limit: i64,
) -> Result<Value<'a>, Problem> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut start = 0;
    while parts.len() < limit {
        meter.pay(1)?;
        let rest = text.get(start..).unwrap_or_default();
        let next = if separator.is_empty() {
            rest.chars()
                .next()
                .map(char::len_utf8)
                .filter(|first| *first < rest.len())
        } else {
            rest.find(separator)
        };
        let next = next.filter(|_| parts.len() + 1 < limit);
        let end = next.map_or(text.len(), |next| start + next);
        if !(separator.is_empty() && rest.is_empty()) {
            parts.push(part(text, start, end)?);
        }
        if next.is_none() {
            break;
        }
        start = end + separator.len();
    }
    Ok(Value::List(parts.into_iter().collect()))
}

/// As a literal of CEL would be written.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
