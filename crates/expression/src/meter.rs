//! The budget of an evaluation, or of several together.

use crate::failure::Problem;
use crate::value::{Map, Value};

/// How much all evaluations with one [`Meter`] may cost. A step of the program costs 1, and so do every
/// [`BYTES_PER_UNIT`] bytes that a step reads or writes.
pub const MAX_COST: usize = 100_000;

/// Bytes that an operation on strings, or an attribute that is read, gets through for the price of one step.
const BYTES_PER_UNIT: usize = 32;

/// What is left of the budget: [`MAX_COST`] at first.
#[derive(Clone, Debug)]
pub struct Meter {
    left: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self { left: MAX_COST }
    }
}

impl Meter {
    /// Pays before the work is done.
    ///
    /// # Errors
    /// When the budget does not suffice; nothing can be paid for after that.
    pub(crate) fn pay(&mut self, units: usize) -> Result<(), Problem> {
        if let Some(left) = self.left.checked_sub(units) {
            self.left = left;
            Ok(())
        } else {
            self.left = 0;
            Err(Problem::Cost)
        }
    }

    /// Pays for reading or writing so many bytes.
    ///
    /// # Errors
    /// As [`Meter::pay`].
    pub(crate) fn pay_bytes(&mut self, bytes: usize) -> Result<(), Problem> {
        self.pay(bytes / BYTES_PER_UNIT)
    }

    /// Pays for a member that was looked up: attributes of a request are put together, or gone
    /// through, each time they are read.
    ///
    /// # Errors
    /// As [`Meter::pay`].
    pub(crate) fn pay_read(
        &mut self,
        of: &Map<'_>,
        value: Option<&Value<'_>>,
    ) -> Result<(), Problem> {
        match value {
            Some(Value::List(list)) if of.is_assembled() => self.pay(list.len()),
            Some(value) if of.is_assembled() => self.pay_bytes(value.bytes()),
            _ => Ok(()),
        }
    }

    /// Counts the entries of a map and pays for it, where they are listed for that.
    ///
    /// # Errors
    /// When they cannot be listed; and as [`Meter::pay`].
    pub(crate) fn count(&mut self, of: &Map<'_>) -> Result<usize, Problem> {
        let count = of.count().ok_or(Problem::NotListable)?;
        self.pay(if of.is_assembled() { count } else { 0 })?;
        Ok(count)
    }
}
