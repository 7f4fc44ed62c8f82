//! `+`, `-`, `*`, `/` and `%`. Both sides have one type; what does not fit into it fails.

use crate::failure::Problem;
use crate::meter::Meter;
use crate::tree::Binary;
use crate::value::Value;

/// # Errors
/// On types that do not go together, on overflow, and on division by zero.
pub(super) fn binary<'a>(
    meter: &mut Meter,
    binary: Binary,
    left: &Value<'a>,
    right: &Value<'a>,
) -> Result<Value<'a>, Problem> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => int(binary, *a, *b).map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => uint(binary, *a, *b).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => double(binary, *a, *b).map(Value::Double),
        _ => match binary {
            Binary::Add => add(meter, left, right),
            Binary::Subtract => subtract(left, right),
            _ => Err(mismatch(binary, left, right)),
        },
    }
}

/// # Errors
/// On types without a sign, and on overflow.
pub(super) fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, Problem> {
    match value {
        Value::Int(number) => number
            .checked_neg()
            .map(Value::Int)
            .ok_or(Problem::Overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        Value::Duration(span) => span.negated().map(Value::Duration).ok_or(Problem::Overflow),
        other => Err(Problem::NoOverload {
            of: "-",
            given: other.kind().name(),
        }),
    }
}

fn int(binary: Binary, a: i64, b: i64) -> Result<i64, Problem> {
    let result = match binary {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        _ if b == 0 => return Err(Problem::DivisionByZero),
        Binary::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or(Problem::Overflow)
}

fn uint(binary: Binary, a: u64, b: u64) -> Result<u64, Problem> {
    let result = match binary {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        _ if b == 0 => return Err(Problem::DivisionByZero),
        Binary::Divide => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.ok_or(Problem::Overflow)
}

fn double(binary: Binary, a: f64, b: f64) -> Result<f64, Problem> {
    match binary {
        Binary::Add => Ok(a + b),
        Binary::Subtract => Ok(a - b),
        Binary::Multiply => Ok(a * b),
        Binary::Divide => Ok(a / b),
        _ => Err(Problem::NoOverload {
            of: binary.sign(),
            given: "double",
        }),
    }
}

fn add<'a>(meter: &mut Meter, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Problem> {
    match (left, right) {
        (Value::String(a), Value::String(b)) => {
            meter.pay_bytes(a.len() + b.len())?;
            Ok(Value::from([&**a, &**b].concat()))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.pay_bytes(a.len() + b.len())?;
            Ok(Value::Bytes([&**a, &**b].concat().into()))
        }
        (Value::List(a), Value::List(b)) => {
            meter.pay(a.len() + b.len())?;
            Ok(Value::List(a.iter().chain(b.iter()).collect()))
        }
        (Value::Timestamp(time), Value::Duration(span))
        | (Value::Duration(span), Value::Timestamp(time)) => time
            .plus(*span)
            .map(Value::Timestamp)
            .ok_or(Problem::Overflow),
        (Value::Duration(a), Value::Duration(b)) => {
            a.plus(*b).map(Value::Duration).ok_or(Problem::Overflow)
        }
        _ => Err(mismatch(Binary::Add, left, right)),
    }
}

fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>, Problem> {
    let result = match (left, right) {
        (Value::Timestamp(time), Value::Duration(span)) => {
            let back = span.negated().and_then(|back| time.plus(back));
            back.map(Value::Timestamp)
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => a.since(*b).map(Value::Duration),
        (Value::Duration(a), Value::Duration(b)) => a.minus(*b).map(Value::Duration),
        _ => return Err(mismatch(Binary::Subtract, left, right)),
    };
    result.ok_or(Problem::Overflow)
}

/// The type to name when two do not go together: that of the second if the first would do.
fn mismatch(binary: Binary, left: &Value<'_>, right: &Value<'_>) -> Problem {
    let adds = matches!(left, Value::String(_) | Value::Bytes(_) | Value::List(_))
        && binary == Binary::Add;
    let counts =
        left.number().is_some() || matches!(left, Value::Timestamp(_) | Value::Duration(_));
    let given = if adds || counts { right } else { left };
    Problem::NoOverload {
        of: binary.sign(),
        given: given.kind().name(),
    }
}
