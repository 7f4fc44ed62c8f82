//! Results to standard output, all else to standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::fault::Fault;

/// Prints a result as one line of JSON.
///
/// # Errors
/// When nobody takes it.
pub(crate) fn print(result: &impl Serialize) -> Result<(), Fault> {
    let unwritten = |error: io::Error| Fault::failure(format!("standard output: {error}"));
    let mut line = serde_json::to_vec(result).map_err(|error| unwritten(error.into()))?;
    line.push(b'\n');
    io::stdout().write_all(&line).map_err(unwritten)
}

/// Prints a line that is no result.
pub(crate) fn tell(text: &str) {
    // Nobody is left to be told when this fails.
    let _unread = writeln!(io::stderr(), "{text}");
}
