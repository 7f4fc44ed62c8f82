//! Where a token comes from: an argument, a file or standard input. It is never printed again.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_jose::MAX_TOKEN_BYTES;

use crate::exit::{Exit, Failure};

/// The token on the command line.
#[derive(Args)]
pub(crate) struct TokenArg {
    /// The token, with or without `Bearer`; `-` or nothing: standard input. Other users of this machine can see
    /// arguments, and shells keep them: a live token is better read from a file or standard input
    #[arg(value_name = "TOKEN", num_args = 0..=2, conflicts_with = "file")]
    token: Vec<String>,
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl TokenArg {
    /// The token itself, without `Bearer` and without white space around it.
    pub(crate) fn read(self) -> Result<String, Failure> {
        let text = match (self.file, self.token.as_slice()) {
            (Some(file), _) => return read_file(&file),
            (None, []) if io::stdin().is_terminal() => {
                let failure = Failure::new(Exit::Usage, "there is no token to read");
                return Err(failure.help("pipe it in, or name a file with `--file`"));
            }
            (None, []) => stdin()?,
            (None, [dash]) if dash == "-" => stdin()?,
            (None, [token]) => token.clone(),
            (None, [scheme, token, ..]) => format!("{scheme} {token}"),
        };
        token(&text)
    }
}

/// The token in an argument, where `-` is standard input.
pub(crate) fn read_argument(text: &str) -> Result<String, Failure> {
    match text {
        "-" => token(&stdin()?),
        text => token(text),
    }
}

/// The token in a file.
pub(crate) fn read_file(file: &Path) -> Result<String, Failure> {
    let name = file.display().to_string();
    let opened = File::open(file).and_then(bounded);
    let text = opened.map_err(|error| unreadable(&format!("`{name}`"), &error))?;
    token(&text)
}

fn stdin() -> Result<String, Failure> {
    bounded(io::stdin().lock()).map_err(|error| unreadable("standard input", &error))
}

/// Reads a little more than the longest token, so that a longer one is known to be too long.
fn bounded(reader: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let limit = MAX_TOKEN_BYTES as u64 + 1024;
    reader.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::InvalidData => "it is not text".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(
        Exit::Failure,
        format!("the token cannot be read from {what}: {reason}"),
    )
}

fn token(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let bare = match text.split_once(|c: char| c.is_ascii_whitespace()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim_start(),
        _ => text,
    };
    if bare.is_empty() || bare.eq_ignore_ascii_case("bearer") {
        return Err(Failure::new(Exit::Usage, "the token is empty"));
    }
    Ok(bare.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_token_is_dropped() {
        for text in [
            "a.b.c",
            "a.b.c\n",
            "  a.b.c ",
            "Bearer a.b.c",
            "bearer  a.b.c\r\n",
            "BEARER\ta.b.c",
        ] {
            assert_eq!(token(text).as_deref(), Ok("a.b.c"), "{text:?}");
        }
        for text in ["", " \n", "Bearer", "bearer \n"] {
            assert_eq!(
                token(text).map_err(|failure| failure.exit),
                Err(Exit::Usage),
                "{text:?}"
            );
        }
    }
}
