//! `'%s is %d'.format([…])`.

use std::fmt::Write;

use super::{convert, no_overload};
use crate::failure::Problem;
use crate::meter::Meter;
use crate::value::{List, Value};

/// The most digits after the point that can be asked for.
const MAX_PRECISION: usize = 100;

/// Digits after the point when none are asked for.
const PRECISION: usize = 6;

/// Fills in each `%` clause with the next of the values.
///
/// # Errors
/// On clauses that do not exist, values of the wrong type, and too few values.
pub(super) fn format(meter: &mut Meter, text: &str, values: &List<'_>) -> Result<String, Problem> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = text;
    while let Some((plain, clause)) = rest.split_once('%') {
        out.push_str(plain);
        meter.pay(1)?;
        if let Some(after) = clause.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, clause) = precision(clause)?;
        let mut characters = clause.chars();
        let verb = characters
            .next()
            .ok_or(Problem::Argument("a `%` stands at the end"))?;
        rest = characters.as_str();
        let value = values
            .next()
            .ok_or(Problem::Argument("there are more clauses than values"))?;
        let written = match verb {
            's' => string(meter, &value)?,
            'd' => decimal(&value)?,
            'f' => float(&value, |number| format!("{number:.precision$}"))?,
            'e' => float(&value, |number| {
                convert::exponent(&format!("{number:.precision$e}"))
            })?,
            'b' => radix(&value, Radix::Binary)?,
            'o' => radix(&value, Radix::Octal)?,
            'x' => hex(meter, &value)?,
            'X' => hex(meter, &value)?.to_ascii_uppercase(),
            _ => {
                return Err(Problem::Argument(
                    "there is no such clause; try `%s` or `%d`",
                ));
            }
        };
        meter.pay_bytes(written.len())?;
        out.push_str(&written);
    }
    out.push_str(rest);
    Ok(out)
}

/// `.3` before the letter of a clause.
fn precision(clause: &str) -> Result<(usize, &str), Problem> {
    let Some(digits) = clause.strip_prefix('.') else {
        return Ok((PRECISION, clause));
    };
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = digits
        .strip_suffix(rest)
        .and_then(|digits| digits.parse().ok());
    let number = number.filter(|number| *number <= MAX_PRECISION);
    let number = number.ok_or(Problem::Argument("the precision is no number up to 100"))?;
    Ok((number, rest))
}

fn string(meter: &mut Meter, value: &Value<'_>) -> Result<String, Problem> {
    match value {
        Value::Null => Ok("null".to_owned()),
        Value::Type(kind) => Ok(kind.name().to_owned()),
        Value::List(list) => {
            let mut parts = Vec::new();
            for element in list.iter() {
                meter.pay(1)?;
                parts.push(string(meter, &element)?);
            }
            Ok(format!("[{}]", parts.join(", ")))
        }
        Value::Map(map) => {
            let keys = map.keys().ok_or(Problem::NotListable)?;
            let mut parts = Vec::new();
            for key in keys.iter() {
                meter.pay(1 + map.breadth())?;
                let value = map.lookup(&key);
                meter.pay_read(map, value.as_ref())?;
                let value = string(meter, &value.unwrap_or(Value::Null))?;
                parts.push(format!("{}: {value}", string(meter, &key)?));
            }
            parts.sort();
            Ok(format!("{{{}}}", parts.join(", ")))
        }
        other => {
            meter.pay_bytes(other.bytes())?;
            match convert::to_string(other)? {
                Value::String(text) => Ok(text.to_string()),
                _ => Err(no_overload(other)),
            }
        }
    }
}

fn decimal(value: &Value<'_>) -> Result<String, Problem> {
    match value {
        Value::Int(number) => Ok(number.to_string()),
        Value::Uint(number) => Ok(number.to_string()),
        Value::Double(number) if !number.is_finite() => Ok(convert::double(*number)),
        other => Err(no_overload(other)),
    }
}

fn float(value: &Value<'_>, write: impl Fn(f64) -> String) -> Result<String, Problem> {
    let number = value.number().ok_or_else(|| no_overload(value))?;
    let number = number.nearest_double();
    if number.is_finite() {
        Ok(write(number))
    } else {
        Ok(convert::double(number))
    }
}

#[derive(Clone, Copy)]
enum Radix {
    Binary,
    Octal,
    Hex,
}

fn radix(value: &Value<'_>, radix: Radix) -> Result<String, Problem> {
    let (negative, size) = match (value, radix) {
        (Value::Int(number), _) => (*number < 0, number.unsigned_abs()),
        (Value::Uint(number), _) => (false, *number),
        (Value::Bool(truth), Radix::Binary) => (false, u64::from(*truth)),
        (other, _) => return Err(no_overload(other)),
    };
    let sign = if negative { "-" } else { "" };
    Ok(match radix {
        Radix::Binary => format!("{sign}{size:b}"),
        Radix::Octal => format!("{sign}{size:o}"),
        Radix::Hex => format!("{sign}{size:x}"),
    })
}

fn hex(meter: &mut Meter, value: &Value<'_>) -> Result<String, Problem> {
    let bytes = match value {
        Value::String(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        number => return radix(number, Radix::Hex),
    };
    meter.pay_bytes(bytes.len() * 2)?;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Cannot fail: the text grows.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
