//! One text to its documents.

use saphyr_parser::Parser;

use super::build::Builder;
use super::node::{Document, Node};
use super::positions::Positions;
use super::{broken, secrets, trouble};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::{FileId, Files, Pos, Span};

/// The largest text that is read.
const MAX_TEXT: usize = 32 << 20;
/// The largest document that is read. A Kubernetes object is smaller than 2 MiB; a list of many may be larger.
const MAX_DOCUMENT: usize = 8 << 20;

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
        let start = Positions::new(file, base, "").span(0, 0);
        diags.push(too_large("text", content.len(), MAX_TEXT).at(start));
        let end = Pos {
            byte: u32::MAX,
            line: u32::MAX,
            column: 1,
        };
        diags.withhold(Span { end, ..start });
        return documents;
    }
    for range in files.documents(file) {
        let text = content.get(range).unwrap_or_default();
        // A byte order mark, at the start of a file or where files were joined, is no part of the document.
        let body = text.trim_start_matches('\u{feff}');
        base.byte += u32::try_from(text.len() - body.len()).unwrap_or_default();
        let positions = Positions::new(file, base, body);
        let told = diags.pushed();
        let roots = document(body, &positions, diags);
        for root in &roots {
            secrets::withhold(root, diags);
        }
        let broken = diags.pushed() > told;
        withhold(body, broken, file, base, diags);
        documents.extend(roots.into_iter().map(|node| Document { file, node }));
        base = positions.end();
    }
    documents
}

fn document(text: &str, positions: &Positions<'_>, diags: &mut Diagnostics) -> Vec<Node> {
    if text.len() > MAX_DOCUMENT {
        let start = positions.span(0, 0);
        diags.push(too_large("document", text.len(), MAX_DOCUMENT).at(start));
        return Vec::new();
    }
    if let Some((at, control)) = text.chars().enumerate().find(|(_, c)| !printable(*c)) {
        let code = u32::from(control);
        let message = format!("character U+{code:04X} cannot stand in YAML");
        let error = Diagnostic::error("control-character", message).at(positions.span(at, at + 1));
        diags.push(error.help("remove it, or write it as an escape inside double quotes"));
        return Vec::new();
    }
    let mut builder = Builder::new(positions, diags);
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    break;
                }
            }
            Err(error) => {
                builder.report(trouble::explain(text, &error), error.marker().index());
                break;
            }
        }
    }
    builder.roots()
}

/// Withholds what looks like a secret outside the tree of a document: in its comments, and where not all of it is there.
fn withhold(text: &str, broken: bool, file: FileId, base: Pos, diags: &mut Diagnostics) {
    let whole = 0..text.len();
    let mut hidden = match broken {
        true if text.len() > MAX_DOCUMENT => vec![whole],
        true => broken::hidden(text),
        false => Vec::new(),
    };
    hidden.extend(broken::comments(text));
    hidden.sort_unstable_by_key(|range| range.start);
    let (mut at, mut pos) = (0, base);
    for range in hidden {
        pos = pos.after(text.get(at..range.start).unwrap_or_default());
        at = range.start;
        let end = pos.after(text.get(range).unwrap_or_default());
        diags.withhold(Span {
            file,
            start: pos,
            end,
        });
    }
}

fn too_large(what: &str, size: usize, limit: usize) -> Diagnostic {
    let limit = limit >> 20;
    let message = format!("{what} of {size} bytes is larger than {limit} MiB");
    Diagnostic::error("too-large", message).help("split it")
}

/// The characters that YAML allows in a text (1.2.2, production `c-printable`).
fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}
