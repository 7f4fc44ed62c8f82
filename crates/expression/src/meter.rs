//! The budget of one evaluation.

use crate::failure::Problem;

/// How much one evaluation may cost. A step of the program costs 1, and so do every
/// [`BYTES_PER_UNIT`] bytes that a step reads or writes.
pub const MAX_COST: usize = 100_000;

/// Bytes that a string operation gets through for the price of one step.
const BYTES_PER_UNIT: usize = 32;

/// What is left of the budget.
pub(crate) struct Meter {
    left: usize,
}

impl Meter {
    pub(crate) const fn new() -> Self {
        Self { left: MAX_COST }
    }

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
}
