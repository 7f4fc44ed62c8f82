//! What is printed and how: formats, colour, and text that cannot drive a terminal or leak a token.

use std::io::{self, IsTerminal, Write};

use clap::{Args, ValueEnum};
use countersign_config::diagnostic::Style;
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For reading: explained, in colour on a terminal
    #[default]
    Human,
    /// One line per finding, for grep and editors
    Plain,
    /// One JSON document
    Json,
}

/// The `--format` option.
#[derive(Args)]
pub(crate) struct FormatArg {
    /// How results are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// Writes a result to standard output. Who reads may close it early (`| head`): nothing is wrong then.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("standard output cannot be written: {error}");
            Err(Failure::new(Exit::Failure, message))
        }
        _ => Ok(()),
    }
}

/// Writes to standard error everything that is not a result.
pub(crate) fn report(text: &str) {
    // Nobody is left to be told when this fails.
    let _unread = io::stderr().lock().write_all(text.as_bytes());
}

/// Adds colours, or leaves them out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    colour: bool,
}

impl Palette {
    /// Never any colour.
    pub(crate) const PLAIN: Self = Self { colour: false };

    /// Colour where standard output is a terminal that wants it.
    pub(crate) fn stdout(format: Format) -> Self {
        Self::wanted(format == Format::Human && io::stdout().is_terminal())
    }

    /// Colour where standard error is a terminal that wants it.
    pub(crate) fn stderr() -> Self {
        Self::wanted(io::stderr().is_terminal())
    }

    /// Terminals can be told to stay without colour (<https://no-color.org>).
    fn wanted(terminal: bool) -> Self {
        let off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colour: terminal && !off,
        }
    }

    pub(crate) const fn is_coloured(self) -> bool {
        self.colour
    }

    /// How diagnostics are shown under it.
    pub(crate) const fn style(self) -> Style {
        if self.colour {
            Style::Fancy
        } else {
            Style::Plain
        }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint(text, "32;1")
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(text, "31;1")
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint(text, "33;1")
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint(text, "1")
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(text, "2")
    }

    fn paint(self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// JSON over several lines, names and values in colours of their own, each line after the first indented by
    /// `indent` more.
    pub(crate) fn json(self, value: &Value, indent: usize) -> String {
        let mut out = String::new();
        self.json_into(&mut out, value, indent);
        out
    }

    fn json_into(self, out: &mut String, value: &Value, indent: usize) {
        let scalar = |code| self.paint(&visible(&value.to_string()), code);
        match value {
            Value::Object(members) if !members.is_empty() => {
                let members = members.iter().map(|(name, value)| (Some(name), value));
                self.block(out, ('{', '}'), members, indent);
            }
            Value::Array(items) if !items.is_empty() => {
                self.block(
                    out,
                    ('[', ']'),
                    items.iter().map(|item| (None, item)),
                    indent,
                );
            }
            Value::String(_) => out.push_str(&scalar("32")),
            Value::Number(_) => out.push_str(&scalar("33")),
            Value::Bool(_) | Value::Null => out.push_str(&scalar("35")),
            Value::Object(_) | Value::Array(_) => out.push_str(&value.to_string()),
        }
    }

    fn block<'a>(
        self,
        out: &mut String,
        (open, close): (char, char),
        entries: impl Iterator<Item = (Option<&'a String>, &'a Value)>,
        indent: usize,
    ) {
        out.push(open);
        let inner = indent + 2;
        for (index, (name, value)) in entries.enumerate() {
            out.push_str(if index == 0 { "\n" } else { ",\n" });
            out.push_str(&" ".repeat(inner));
            if let Some(name) = name {
                let name = visible(&Value::from(name.as_str()).to_string());
                out.push_str(&self.paint(&name, "36"));
                out.push_str(": ");
            }
            self.json_into(out, value, inner);
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        out.push(close);
    }
}

/// A JSON document as it is printed: on one line, and harmless to a terminal.
pub(crate) fn json_line(value: &Value) -> String {
    visible(&value.to_string()) + "\n"
}

/// Escapes what JSON lets through and a terminal would obey: control characters from U+007F on, and characters that
/// reorder what follows. In JSON text they stand inside strings only, so the text keeps its meaning.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_bidi(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Takes out whatever may be a token: somebody puts one where a file name or an option is expected, and the message
/// about it ends up in the log of a build.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at_checked(word).unwrap_or((rest, ""));
        out.push_str(if looks_like_token(token) {
            "[token]"
        } else {
            token
        });
        let next = after.find(is_token_char).unwrap_or(after.len());
        let (between, following) = after.split_at_checked(next).unwrap_or((after, ""));
        out.push_str(between);
        rest = following;
    }
    out
}

const fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// A token begins with the base64url of `{"`, or of `{` and white space.
fn looks_like_token(word: &str) -> bool {
    const SHORTEST_START: usize = 12;
    const SHORTEST_WHOLE: usize = 60;
    let start = ["eyJ", "eyA", "ewo", "ew0"]
        .iter()
        .any(|start| word.starts_with(start));
    let parts = word.split('.').filter(|part| !part.is_empty()).count();
    (start && word.len() >= SHORTEST_START) || (parts >= 3 && word.len() >= SHORTEST_WHOLE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLOURED: Palette = Palette { colour: true };

    #[test]
    fn json_is_indented_and_coloured() {
        let value = json!({ "a": [1, "x", { "b": null }], "c": {}, "d": [] });
        let expected = "{\n    \"a\": [\n      1,\n      \"x\",\n      {\n        \"b\": null\n      }\n    ],\n    \
                        \"c\": {},\n    \"d\": []\n  }";
        assert_eq!(Palette::PLAIN.json(&value, 2), expected);
        assert_eq!(
            COLOURED.json(&json!({ "a": true }), 0),
            "{\n  \u{1b}[36m\"a\"\u{1b}[0m: \u{1b}[35mtrue\u{1b}[0m\n}"
        );
    }

    #[test]
    fn claims_cannot_drive_a_terminal() {
        let value = json!({ "\u{9b}31m": "a\u{1b}[2J\u{7f}\u{202e}é\n" });
        for shown in [json_line(&value), COLOURED.json(&value, 0)] {
            let unescaped = shown.replace("\u{1b}[36m", "").replace("\u{1b}[32m", "");
            let unescaped = unescaped.replace("\u{1b}[0m", "");
            assert!(
                !unescaped.contains(|c: char| c != '\n' && c.is_control()),
                "{shown:?}"
            );
            assert!(!shown.contains('\u{202e}') && shown.contains('é'));
        }
        let read: Value = serde_json::from_str(&json_line(&value)).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn tokens_are_taken_out_and_words_stay() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        let foreign = format!("{}.{}.{}", "a".repeat(30), "b".repeat(30), "c".repeat(30));
        for secret in [
            token,
            &foreign,
            "eyJhbGciOiJSUzI1NiJ9",
            "ewogImFsZyI6ICJub25lIn0.e30.",
        ] {
            let text = format!("error: unexpected argument '{secret}' found in `{secret}`, é");
            assert_eq!(
                redact(&text),
                "error: unexpected argument '[token]' found in `[token]`, é"
            );
        }
        for text in [
            "error: cannot read `gateway.networking.k8s.io.yaml`: not found",
            "error: cannot read `ewallet-production.yaml`",
            "",
            "…",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
