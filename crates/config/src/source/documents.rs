//! Where the documents of a YAML text begin and end.
//!
//! YAML forbids a document marker at the start of a line everywhere else, inside quotes and block scalars too, so a text
//! can be cut at its markers before it is parsed; a document that is broken then spoils no other.

use std::ops::Range;

/// Cuts a text into its documents. The ranges follow each other and cover all of it; some may hold no document.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut begun = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_start_matches('\u{feff}');
        if marker(bare, "---") {
            if begun {
                documents.push(start..at);
                start = at;
            }
            begun = true;
        } else if marker(bare, "...") {
            documents.push(start..at + line.len());
            start = at + line.len();
            begun = false;
        } else if !begun && !preamble(bare) {
            begun = true;
        }
        at += line.len();
    }
    documents.push(start..text.len());
    documents
}

fn marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// What may stand before the `---` of a document and belongs to it: directives, comments, blank lines.
pub(crate) fn preamble(line: &str) -> bool {
    line.starts_with('%') || line.trim_start().is_empty() || line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        split(text)
            .into_iter()
            .map(|range| text.get(range).unwrap())
            .collect()
    }

    #[test]
    fn documents_are_cut_at_markers() {
        assert_eq!(texts(""), [""]);
        assert_eq!(texts("a: 1\n"), ["a: 1\n"]);
        assert_eq!(texts("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(
            texts("---\na: 1\n--- # two\nb: 2"),
            ["---\na: 1\n", "--- # two\nb: 2"]
        );
        assert_eq!(texts("a: |\n  ---\n---x: 1\n"), ["a: |\n  ---\n---x: 1\n"]);
        assert_eq!(texts("a: 1\r\n---\r\nb: 2"), ["a: 1\r\n", "---\r\nb: 2"]);
        assert_eq!(
            texts("a\n...\n# c\n---\nb\n"),
            ["a\n...\n", "# c\n---\nb\n"]
        );
        assert_eq!(
            texts("\u{feff}---\na\n\u{feff}---\nb"),
            ["\u{feff}---\na\n", "\u{feff}---\nb"]
        );
    }

    #[test]
    fn directives_stay_with_their_document() {
        assert_eq!(
            texts("%YAML 1.2\n# hi\n---\na\n---\nb"),
            ["%YAML 1.2\n# hi\n---\na\n", "---\nb"]
        );
    }
}
