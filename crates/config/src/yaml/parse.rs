//! One text to its documents.

use saphyr_parser::{Parser, ScanError};

use super::build::Builder;
use super::node::Document;
use super::positions::Positions;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{FileId, Files, Pos};

/// The largest text that is read.
const MAX_TEXT: usize = 64 << 20;
/// The largest document that is read. A Kubernetes object is smaller than 2 MiB; a list of many may be larger.
const MAX_DOCUMENT: usize = 16 << 20;

/// Reads the documents of one text. Each document stands for itself: one that is broken is reported and left out.
/// Documents without content are skipped.
pub fn parse(files: &Files, file: FileId, diags: &mut Diagnostics) -> Vec<Document> {
    let content = files.content(file);
    let mut documents = Vec::new();
    let mut base = Pos {
        byte: 0,
        line: 1,
        column: 1,
    };
    if content.len() > MAX_TEXT {
        let positions = Positions::new(file, base, "");
        diags.push(too_large("text", content.len(), MAX_TEXT).at(positions.span(0, 0)));
        return documents;
    }
    for range in files.documents(file) {
        let text = content.get(range).unwrap_or_default();
        let positions = Positions::new(file, base, text);
        documents.extend(document(text, file, &positions, diags));
        base.line = base.line.saturating_add(positions.breaks());
        base.byte = base
            .byte
            .saturating_add(u32::try_from(text.len()).unwrap_or(u32::MAX));
    }
    documents
}

fn document(
    text: &str,
    file: FileId,
    positions: &Positions,
    diags: &mut Diagnostics,
) -> Vec<Document> {
    if text.len() > MAX_DOCUMENT {
        diags.push(too_large("document", text.len(), MAX_DOCUMENT).at(positions.span(0, 0)));
        return Vec::new();
    }
    if let Some((at, control)) = text.chars().enumerate().find(|(_, c)| !printable(*c)) {
        let message = format!(
            "character U+{:04X} cannot stand in YAML",
            u32::from(control)
        );
        let help = "remove it, or write it as an escape inside double quotes";
        diags.push(
            Diagnostic::error("control-character", message)
                .at(positions.span(at, at + 1))
                .help(help),
        );
        return Vec::new();
    }
    let body = text.trim_start_matches('\u{feff}');
    let skipped = text.len() - body.len();
    let marks = skipped / '\u{feff}'.len_utf8();
    let mut builder = Builder::new(positions, marks, diags);
    for event in Parser::new_from_str(body) {
        match event {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    break;
                }
            }
            Err(error) => {
                builder.report(broken(body, &error), error.marker().index());
                break;
            }
        }
    }
    builder
        .roots()
        .into_iter()
        .map(|node| Document { file, node })
        .collect()
}

fn too_large(what: &str, size: usize, limit: usize) -> Diagnostic {
    let limit = limit >> 20;
    Diagnostic::error(
        "too-large",
        format!("{what} of {size} bytes is larger than {limit} MiB"),
    )
    .help("split it into several files")
}

fn broken(text: &str, error: &ScanError) -> Diagnostic {
    let diagnostic = Diagnostic::error("broken-yaml", format!("broken YAML: {}", error.info()));
    let line = text
        .lines()
        .nth(error.marker().line().saturating_sub(1))
        .unwrap_or_default();
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    if indent.contains('\t') {
        diagnostic.help("a tab cannot indent: use spaces")
    } else if line.contains("${")
        && (line.contains(['[', ',']) || line.contains("{ ") || line.contains(": {"))
    {
        diagnostic.help("inside `[…]` and `{…}` a `${VAR}` must stand in quotes")
    } else if line.trim_start().starts_with("{{") {
        diagnostic
            .help("templates are not read: render them first, for example with `helm template`")
    } else {
        diagnostic.help("check the indentation, the colons and the quotes up to this place")
    }
}

/// The characters that YAML allows in a text (1.2.2, production `c-printable`).
fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
