//! Files that the command line names: read whole, or a failure that says which.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use countersign_explain::Impossible;
use countersign_jose::KeySet;

use crate::exit::{Exit, Failure};

/// The text of a file.
pub(crate) fn readable(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))
}

/// The same, where `-` is standard input.
pub(crate) fn readable_or_stdin(file: &Path) -> Result<String, Failure> {
    if file != Path::new("-") {
        return readable(file);
    }
    let mut text = String::new();
    let read = io::stdin().lock().read_to_string(&mut text);
    read.map_err(|error| unreadable(file, &error))?;
    Ok(text)
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let message = format!("`{}` cannot be read: {error}", file.display());
    Failure::new(Exit::Failure, message)
}

/// Keys in a text; `name` is what it is called in messages.
pub(crate) fn key_set(text: &str, name: &str) -> Result<Arc<KeySet>, Failure> {
    let set = KeySet::from_inline(text).map_err(|error| {
        Failure::new(Exit::Invalid, format!("`{name}`: {error}")).help(error.help())
    })?;
    Ok(Arc::new(set))
}

/// A question that has no answer.
pub(crate) fn impossible(it: Impossible) -> Failure {
    let exit = if it.refused {
        Exit::Denied
    } else {
        Exit::Usage
    };
    let failure = Failure::new(exit, it.message);
    match it.help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
