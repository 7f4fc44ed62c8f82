//! Conversions between types: exact, or an error.

use super::no_overload;
use crate::failure::Problem;
use crate::number::{truncated_int, truncated_uint};
use crate::time::{Duration, Timestamp};
use crate::value::Value;

pub(super) fn to_bool<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::String(text) => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(Problem::Conversion("bool")),
        },
        other => Err(no_overload(other)),
    }
}

pub(super) fn to_int<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let number = match value {
        Value::Int(number) => Some(*number),
        Value::Uint(number) => i64::try_from(*number).ok(),
        Value::Double(number) => truncated_int(*number),
        Value::String(text) => text.parse().ok(),
        Value::Timestamp(time) => Some(time.seconds()),
        other => return Err(no_overload(other)),
    };
    number.map(Value::Int).ok_or(Problem::Conversion("int"))
}

pub(super) fn to_uint<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Uint(number) => Some(*number),
        Value::Double(number) => truncated_uint(*number),
        Value::String(text) => text.parse().ok(),
        other => return Err(no_overload(other)),
    };
    number.map(Value::Uint).ok_or(Problem::Conversion("uint"))
}

pub(super) fn to_double<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    if let Some(number) = value.number() {
        return Ok(Value::Double(number.nearest_double()));
    }
    let Value::String(text) = value else {
        return Err(no_overload(value));
    };
    let number = text.parse().map_err(|_| Problem::Conversion("double"))?;
    Ok(Value::Double(number))
}

pub(super) fn to_bytes<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    match value {
        Value::Bytes(_) => Ok(value.clone()),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().to_vec().into())),
        other => Err(no_overload(other)),
    }
}

pub(super) fn to_string<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let text = match value {
        Value::String(_) => return Ok(value.clone()),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => double(*number),
        Value::Timestamp(time) => time.to_string(),
        Value::Duration(span) => span.to_string(),
        Value::Bytes(bytes) => {
            let text = std::str::from_utf8(bytes);
            text.map_err(|_| Problem::Conversion("string"))?.to_owned()
        }
        other => return Err(no_overload(other)),
    };
    Ok(Value::from(text))
}

pub(super) fn to_timestamp<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let time = match value {
        Value::Timestamp(time) => Some(*time),
        Value::Int(seconds) => Timestamp::new(*seconds, 0),
        Value::String(text) => Timestamp::parse(text),
        other => return Err(no_overload(other)),
    };
    time.map(Value::Timestamp)
        .ok_or(Problem::Conversion("timestamp"))
}

pub(super) fn to_duration<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let span = match value {
        Value::Duration(span) => Some(*span),
        Value::String(text) => Duration::parse(text),
        other => return Err(no_overload(other)),
    };
    span.map(Value::Duration)
        .ok_or(Problem::Conversion("duration"))
}

/// The shortest text that reads as the same double; very large and very small ones with an exponent.
pub(super) fn double(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        format!("{sign}Infinity")
    } else if size != 0.0 && !(1e-4..1e21).contains(&size) {
        exponent(&format!("{number:e}"))
    } else {
        format!("{number}")
    }
}

/// `1e5` as `1e+05`.
pub(super) fn exponent(text: &str) -> String {
    let Some((mantissa, power)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}
