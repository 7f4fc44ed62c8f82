//! Diagnostics as text: plain for logs, coloured for terminals, JSON lines for machines.

use std::fmt::Write as _;

use super::excerpt::Excerpt;
use super::visible::visible;
use super::withheld::Masks;
use super::{Diagnostic, Diagnostics, Severity, json};
use crate::source::{Files, Span};

/// How diagnostics are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `file:line:column: error[code]: message`, then the line it is about with the place underlined.
    Plain,
    /// The same with ANSI colours.
    Fancy,
    /// One JSON object per diagnostic and line; never any source text.
    Json,
}

impl Diagnostics {
    /// Shows all, in their present order.
    pub fn render(&self, files: &Files, style: Style) -> String {
        let mut out = String::new();
        let more = self.more();
        let painter = Painter {
            colour: style == Style::Fancy,
            files,
            masks: self.masks(),
        };
        for diagnostic in self.iter().chain(&more) {
            match style {
                Style::Json => out.push_str(&json::line(diagnostic, files)),
                Style::Plain | Style::Fancy => painter.diagnostic(&mut out, diagnostic),
            }
            out.push('\n');
        }
        out
    }
}

struct Painter<'a> {
    colour: bool,
    files: &'a Files,
    masks: Masks,
}

impl Painter<'_> {
    fn diagnostic(&self, out: &mut String, diagnostic: &Diagnostic) {
        let start = diagnostic
            .span
            .map_or_else(String::new, |span| place(self.files, span) + ": ");
        let name = format!("{}[{}]", diagnostic.severity.name(), diagnostic.code);
        let colour = match diagnostic.severity {
            Severity::Error => "31;1",
            Severity::Warning => "33;1",
            Severity::Note => "36;1",
        };
        let _ = writeln!(
            out,
            "{start}{}: {}",
            self.paint(&name, colour),
            self.paint(&visible(&diagnostic.message), "1")
        );
        if let Some(span) = diagnostic.span {
            self.excerpt(out, diagnostic, span, colour);
        }
        for (span, message) in &diagnostic.related {
            let _ = writeln!(
                out,
                "  {}: {}: {}",
                self.paint("see", "36"),
                place(self.files, *span),
                visible(message)
            );
        }
        if let Some(subject) = &diagnostic.subject {
            let _ = writeln!(
                out,
                "  {}: {}",
                self.paint("in", "36"),
                visible(&subject.to_string())
            );
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "  {}: {}", self.paint("help", "32"), visible(help));
        }
    }

    fn excerpt(&self, out: &mut String, diagnostic: &Diagnostic, span: Span, colour: &str) {
        let label = diagnostic
            .label
            .as_deref()
            .map_or_else(String::new, |label| format!(" {}", visible(label)));
        let excerpt = Excerpt::new(self.files, &self.masks, span);
        let number = excerpt.line.to_string();
        let margin = " ".repeat(number.len());
        let bar = self.paint("|", "34");
        let carets = self.paint(&format!("{}{label}", "^".repeat(excerpt.underline)), colour);
        let _ = writeln!(
            out,
            "  {} {bar} {}",
            self.paint(&number, "34"),
            excerpt.text
        );
        let _ = writeln!(out, "  {margin} {bar} {}{carets}", " ".repeat(excerpt.skip));
    }

    fn paint(&self, text: &str, colour: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

fn place(files: &Files, span: Span) -> String {
    format!(
        "{}:{}:{}",
        visible(&files.name(span.file)),
        span.start.line,
        span.start.column
    )
}
