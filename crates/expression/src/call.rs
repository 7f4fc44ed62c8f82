//! The functions.

mod convert;
mod format;
mod strings;

use crate::failure::Problem;
use crate::function::Function;
use crate::meter::Meter;
use crate::pattern;
use crate::time::{TimeField, Zone};
use crate::value::{Text, Value};

/// Calls a function; a receiver is its first argument.
///
/// # Errors
/// When it does not take these arguments, or the budget does not suffice.
pub(crate) fn call<'a>(
    meter: &mut Meter,
    function: Function,
    arguments: &[Value<'a>],
) -> Result<Value<'a>, Problem> {
    use Function as F;
    for argument in arguments {
        meter.pay_bytes(argument.bytes())?;
    }
    match (function, arguments) {
        (F::Size, [value]) => size(meter, value),
        (F::TypeOf, [value]) => Ok(Value::Type(value.kind())),
        (F::Dyn, [value]) => Ok(value.clone()),
        (F::ToBool, [value]) => convert::to_bool(value),
        (F::ToInt, [value]) => convert::to_int(value),
        (F::ToUint, [value]) => convert::to_uint(value),
        (F::ToDouble, [value]) => convert::to_double(value),
        (F::ToString, [value]) => convert::to_string(value),
        (F::ToBytes, [value]) => convert::to_bytes(value),
        (F::ToTimestamp, [value]) => convert::to_timestamp(value),
        (F::ToDuration, [value]) => convert::to_duration(value),
        (F::Time(field), [value, zone @ ..]) => time(meter, field, value, zone.first()),
        (F::Matches, [Value::String(text), Value::String(pattern)]) => {
            matches(meter, text, pattern)
        }
        (F::Format, [Value::String(text), Value::List(values)]) => {
            format::format(meter, text, values).map(Value::from)
        }
        (F::Join, [Value::List(list), separator @ ..]) => {
            strings::join(meter, list, separator.first())
        }
        (_, [Value::String(text), rest @ ..]) => strings::call(meter, function, text, rest),
        (_, [other, ..]) => Err(no_overload(other)),
        (_, []) => Err(Problem::Argument("an argument is missing")),
    }
}

/// The type that no function of that name takes there.
fn no_overload(given: &Value<'_>) -> Problem {
    Problem::NoOverload {
        of: "the function",
        given: given.kind().name(),
    }
}

fn size<'a>(meter: &mut Meter, value: &Value<'a>) -> Result<Value<'a>, Problem> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.len(),
        Value::Map(map) => meter.count(map)?,
        other => return Err(no_overload(other)),
    };
    int(size)
}

/// A count or position as an int.
fn int<'a>(number: usize) -> Result<Value<'a>, Problem> {
    i64::try_from(number)
        .map(Value::Int)
        .map_err(|_| Problem::Overflow)
}

/// What it costs to find a time zone by its name, and what its offset is at a time.
const ZONE_COST: usize = 20;

fn time<'a>(
    meter: &mut Meter,
    field: TimeField,
    value: &Value<'a>,
    zone: Option<&Value<'a>>,
) -> Result<Value<'a>, Problem> {
    match (value, zone) {
        (Value::Timestamp(time), None) => Ok(Value::Int(time.field(field, Zone::Utc))),
        (Value::Timestamp(time), Some(Value::String(zone))) => {
            meter.pay(ZONE_COST)?;
            let zone = zone.parse().map_err(|()| Problem::TimeZone)?;
            Ok(Value::Int(time.field(field, zone)))
        }
        (Value::Duration(span), None) => {
            let number = span.field(field);
            number.map(Value::Int).ok_or_else(|| no_overload(value))
        }
        _ => Err(no_overload(zone.unwrap_or(value))),
    }
}

/// With a pattern that is known only now.
fn matches<'a>(
    meter: &mut Meter,
    text: &Text<'a>,
    pattern: &Text<'a>,
) -> Result<Value<'a>, Problem> {
    meter.pay(pattern::COMPILE_COST)?;
    let pattern = pattern::compile_computed(pattern).map_err(|_| Problem::Pattern)?;
    meter.pay(text.len().saturating_mul(pattern.per_byte))?;
    Ok(Value::Bool(pattern.regex.is_match(text)))
}
