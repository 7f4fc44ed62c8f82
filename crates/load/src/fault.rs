//! What ends a command early, with its exit code, and how answers are shown without their tokens.

use std::fmt;
use std::process::ExitCode;

use tokio::task::JoinError;

/// Why a command came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    usage: bool,
    message: String,
    help: Option<&'static str>,
}

impl Fault {
    /// The command line makes no sense: exit code 2.
    pub(crate) fn usage(message: impl Into<String>, help: &'static str) -> Self {
        Self {
            usage: true,
            message: message.into(),
            help: Some(help),
        }
    }

    /// Something outside went wrong, or an answer was not as expected: exit code 1.
    pub(crate) fn failure(message: impl Into<String>) -> Self {
        Self {
            usage: false,
            message: message.into(),
            help: None,
        }
    }

    /// The same with a line that says what to do.
    pub(crate) fn with_help(self, help: &'static str) -> Self {
        Self {
            help: Some(help),
            ..self
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl From<JoinError> for Fault {
    fn from(error: JoinError) -> Self {
        Self::failure(format!("a connection's task broke down: {error}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help
            .map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

/// The beginning of a body for a message: on one line, with whatever looks like a token left out.
pub(crate) fn show(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut shown = String::new();
    let mut rest: &str = &text;
    // Every compact JWS begins with the base64url of `{"`.
    while let Some((before, token)) = rest.split_once("eyJ") {
        shown.push_str(before);
        shown.push_str("[token]");
        rest =
            token.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || "-_.".contains(it));
    }
    shown.push_str(rest);
    shown.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_on_one_line_without_tokens() {
        let cases = [
            ("Jwt is expired", "Jwt is expired"),
            ("a\nb\x1b[1m", "a\\nb\\u{1b}[1m"),
            (
                "got eyJhbGci.eyJpc3Mi.c2-_ for eyJ",
                "got [token] for [token]",
            ),
            ("cut eyJhbGci.eyJpc3", "cut [token]"),
        ];
        for (body, shown) in cases {
            assert_eq!(show(body.as_bytes()), shown);
        }
    }

    #[test]
    fn help_stands_on_a_line_of_its_own() {
        let fault = Fault::usage("`--rate` is 0", "give a rate above 0");
        assert_eq!(
            fault.to_string(),
            "`--rate` is 0\n  help: give a rate above 0"
        );
        assert_eq!(Fault::failure("no").to_string(), "no");
    }
}
