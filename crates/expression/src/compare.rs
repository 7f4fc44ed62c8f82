//! Equality, order and membership. Work is paid for as it is done, deep down included.

use std::cmp::Ordering;

use crate::failure::Problem;
use crate::meter::Meter;
use crate::value::{List, Map, Value};

/// Whether two values are equal. Numbers are compared as numbers whatever their type; values of
/// different types are not equal, which is no error.
///
/// # Errors
/// When the budget does not suffice, or attributes would have to be listed that cannot be.
pub(crate) fn equal(meter: &mut Meter, a: &Value<'_>, b: &Value<'_>) -> Result<bool, Problem> {
    meter.pay(1)?;
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Ok(a.compare(b) == Some(Ordering::Equal));
    }
    match (a, b) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::String(a), Value::String(b)) => {
            meter.pay_bytes(a.len().min(b.len()))?;
            Ok(**a == **b)
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.pay_bytes(a.len().min(b.len()))?;
            Ok(**a == **b)
        }
        (Value::List(a), Value::List(b)) => equal_lists(meter, a, b),
        (Value::Map(a), Value::Map(b)) => equal_maps(meter, a, b),
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(a == b),
        (Value::Duration(a), Value::Duration(b)) => Ok(a == b),
        (Value::Type(a), Value::Type(b)) => Ok(a == b),
        _ => Ok(false),
    }
}

fn equal_lists(meter: &mut Meter, a: &List<'_>, b: &List<'_>) -> Result<bool, Problem> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b.iter()) {
        if !equal(meter, &a, &b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(meter: &mut Meter, a: &Map<'_>, b: &Map<'_>) -> Result<bool, Problem> {
    if meter.count(a)? != meter.count(b)? {
        return Ok(false);
    }
    let keys = a.keys().ok_or(Problem::NotListable)?;
    for key in keys.iter() {
        meter.pay(1 + a.breadth() + b.breadth())?;
        let (Some(of_a), Some(of_b)) = (a.lookup(&key), b.lookup(&key)) else {
            return Ok(false);
        };
        meter.pay_read(a, Some(&of_a))?;
        meter.pay_read(b, Some(&of_b))?;
        if !equal(meter, &of_a, &of_b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two values are ordered; `Ok(None)` when one is not a number.
///
/// # Errors
/// When their types have no common order.
pub(crate) fn order(
    meter: &mut Meter,
    of: &'static str,
    a: &Value<'_>,
    b: &Value<'_>,
) -> Result<Option<Ordering>, Problem> {
    if let (Some(a), Some(b)) = (a.number(), b.number()) {
        return Ok(a.compare(b));
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(Some(a.cmp(b))),
        (Value::String(a), Value::String(b)) => {
            meter.pay_bytes(a.len().min(b.len()))?;
            Ok(Some((**a).cmp(&**b)))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            meter.pay_bytes(a.len().min(b.len()))?;
            Ok(Some((**a).cmp(&**b)))
        }
        (Value::Timestamp(a), Value::Timestamp(b)) => Ok(Some(a.cmp(b))),
        (Value::Duration(a), Value::Duration(b)) => Ok(Some(a.cmp(b))),
        _ => Err(mismatch(of, a, b)),
    }
}

/// The type to name when two do not go together: that of the first if it is of no use at all.
fn mismatch(of: &'static str, a: &Value<'_>, b: &Value<'_>) -> Problem {
    let ordered = !matches!(
        a,
        Value::Null | Value::List(_) | Value::Map(_) | Value::Type(_)
    );
    let given = if ordered { b.kind() } else { a.kind() };
    Problem::NoOverload {
        of,
        given: given.name(),
    }
}

/// Whether a list has an equal element, or a map the key.
///
/// # Errors
/// When the second is neither, or the budget does not suffice.
pub(crate) fn contains(
    meter: &mut Meter,
    element: &Value<'_>,
    group: &Value<'_>,
) -> Result<bool, Problem> {
    match group {
        Value::List(list) => {
            for other in list.iter() {
                if equal(meter, element, &other)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(map) => {
            meter.pay(map.breadth())?;
            let found = map.lookup(element);
            meter.pay_read(map, found.as_ref())?;
            Ok(found.is_some())
        }
        _ => Err(Problem::NoOverload {
            of: "in",
            given: group.kind().name(),
        }),
    }
}
