//! Diagnostics as text: plain for logs, coloured for terminals, JSON lines for machines.

use std::fmt::Write as _;

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
        for diagnostic in self.iter().chain(&more) {
            match style {
                Style::Json => out.push_str(&json::line(diagnostic, files)),
                Style::Plain => Painter { colour: false }.diagnostic(&mut out, diagnostic, files),
                Style::Fancy => Painter { colour: true }.diagnostic(&mut out, diagnostic, files),
            }
            out.push('\n');
        }
        out
    }
}

/// Input as it may stand in a message: in backticks, bounded in length, control characters made visible.
pub fn quoted(input: &str) -> String {
    const MAX: usize = 80;
    let shown: String = input.chars().take(MAX).collect();
    let more = if shown.len() < input.len() { "…" } else { "" };
    format!("`{}{more}`", visible(&shown))
}

/// Makes control characters visible, so that a configuration cannot drive the terminal of who reads about it.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            // A byte order mark has no width: it would only shift what stands below it.
            '\u{feff}' => {}
            c if c.is_control() || is_bidi(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder what a terminal shows after them.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What one line shows of the source.
struct Excerpt {
    line: u32,
    text: String,
    /// Characters before the underlined part.
    skip: usize,
    underline: usize,
}

struct Painter {
    colour: bool,
}

impl Painter {
    fn diagnostic(&self, out: &mut String, diagnostic: &Diagnostic, files: &Files) {
        let start = diagnostic
            .span
            .map_or_else(String::new, |span| place(files, span) + ": ");
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
            self.excerpt(out, diagnostic, files, span, colour);
        }
        for (span, message) in &diagnostic.related {
            let _ = writeln!(
                out,
                "  {}: {}: {}",
                self.paint("see", "36"),
                place(files, *span),
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

    fn excerpt(
        &self,
        out: &mut String,
        diagnostic: &Diagnostic,
        files: &Files,
        span: Span,
        colour: &str,
    ) {
        let label = diagnostic
            .label
            .as_deref()
            .map_or_else(String::new, |label| format!(" {}", visible(label)));
        if diagnostic.private || files.withheld(span.file, span.start) {
            let _ = writeln!(
                out,
                "  {} (text withheld: it may hold a secret){label}",
                self.paint("|", "34")
            );
            return;
        }
        let excerpt = Excerpt::new(files, span);
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

impl Excerpt {
    /// The line a span begins in: as much of it as fits, underlined to the end of the span or of what is shown. Looks no
    /// further than that, because a text may be one line of megabytes.
    fn new(files: &Files, span: Span) -> Self {
        const BEFORE: usize = 60;
        const WIDTH: usize = 120;
        let (before, from) = files.around(span.start, span.file);
        let mut lead: Vec<char> = before
            .chars()
            .rev()
            .take_while(|c| !is_break(c))
            .take(BEFORE + 1)
            .collect();
        if lead.len() > BEFORE {
            lead.truncate(BEFORE);
            lead.push('…');
        }
        let lead = visible(&lead.into_iter().rev().collect::<String>());
        let skip = lead.chars().count();

        let width = WIDTH.saturating_sub(skip).max(1);
        let mut shown: String = from
            .chars()
            .take_while(|c| !is_break(c))
            .take(width + 1)
            .collect();
        let marked = span.end.byte.saturating_sub(span.start.byte) as usize;
        let marked = shown.get(..marked).unwrap_or(&shown).trim_end();
        let underline = visible(marked).chars().count().clamp(1, width);
        if shown.chars().count() > width {
            shown.pop();
            shown.push('…');
        }
        Self {
            line: span.start.line,
            text: format!("{lead}{}", visible(&shown)).trim_end().to_owned(),
            skip,
            underline,
        }
    }
}

fn is_break(c: &char) -> bool {
    matches!(c, '\n' | '\r')
}

fn place(files: &Files, span: Span) -> String {
    format!(
        "{}:{}:{}",
        visible(&files.name(span.file)),
        span.start.line,
        span.start.column
    )
}
