//! How the process ends: the exit codes, and failures that end it.

use std::fmt;
use std::process::ExitCode;

/// The exit codes. They are part of the interface and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what was asked.
    Success = 0,
    /// Something outside went wrong.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration has errors.
    Invalid = 3,
    /// The token or the request was refused.
    Denied = 4,
    /// Cases came out otherwise than expected.
    Failed = 5,
    /// The answer hangs on keys that are not known.
    Undetermined = 6,
    /// A second signal came while running requests were still being served.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 8] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::Invalid,
        Self::Denied,
        Self::Failed,
        Self::Undetermined,
        Self::Interrupted,
    ];

    const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure: a file, the network, a port in use",
            Self::Usage => "usage: the command line makes no sense",
            Self::Invalid => "invalid: the configuration has errors",
            Self::Denied => "denied: the request is refused, or no provider accepts the token",
            Self::Failed => "failed: cases came out otherwise than expected",
            Self::Undetermined => "undetermined: the answer hangs on keys that are not known",
            Self::Interrupted => "interrupted: a second signal cut off requests that still ran",
        }
    }

    /// The table that `--help` ends with.
    pub(crate) fn table() -> String {
        let rows = Self::ALL.map(|exit| format!("  {:3}  {}", exit as u8, exit.meaning()));
        format!("Exit codes:\n{}", rows.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early: what went wrong and what to do about it, for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Each with the help for it.
    problems: Vec<(String, Option<String>)>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            problems: vec![(message.into(), None)],
        }
    }

    /// Says what to do instead.
    #[must_use]
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        if let Some((_, help)) = self.problems.last_mut() {
            *help = Some(text.into());
        }
        self
    }

    /// Tells of another problem as well.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self
    }
}

/// For each problem `error: message`, and the help on a line of its own.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (message, help) in &self.problems {
            writeln!(f, "error: {message}")?;
            if let Some(help) = help {
                writeln!(f, "  help: {help}")?;
            }
        }
        Ok(())
    }
}
