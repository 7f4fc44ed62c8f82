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

/// Whether the text of a document may be that of a Secret, or a list with one. It must work on text that cannot be parsed,
/// so it goes by looks, and says yes where it cannot tell: a Gateway that refers to a Secret is to be told from one, a
/// Gateway in JSON is not.
pub(super) fn names_secret(document: &str) -> bool {
    let mut lines = document
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}'));
    let first = lines.find(|line| !preamble(line) && line.trim_end() != "---");
    let root = first.map_or(0, indent);
    let block = first.is_some_and(|line| line.trim_start().starts_with(char::is_alphabetic));
    let list = kinds(document).any(|(_, kind)| kind.contains("List"));
    kinds(document).any(|(indent, kind)| {
        let nested = block && !list && indent.is_some_and(|indent| indent > root);
        kind.contains("Secret") && !nested
    })
}

/// Every value of a key `kind`, with its indentation if the key begins a line.
fn kinds(document: &str) -> impl Iterator<Item = (Option<usize>, &str)> {
    document.match_indices("kind").filter_map(|(at, key)| {
        let (before, after) = document.split_at_checked(at)?;
        let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let line = line.trim_end_matches(['"', '\'']);
        let begins = line.trim_start_matches([' ', '\t', '-']).is_empty();

        let after = after
            .strip_prefix(key)?
            .trim_start_matches(['"', '\'', ' ', '\t']);
        let value = after.strip_prefix(':')?.trim_start();
        let value = value
            .split(['\n', '\r', ',', '}'])
            .next()
            .unwrap_or_default();
        Some((begins.then_some(line.len()), value))
    })
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// What may stand before the `---` of a document and belongs to it: directives, comments, blank lines.
fn preamble(line: &str) -> bool {
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

    #[test]
    fn secrets_are_recognised_in_any_spelling() {
        for text in [
            "kind: Secret\n",
            "a: 1\nkind:   'Secret' # c",
            "  a: 1\n  kind: Secret",
            "  a: 1\n kind: Secret",
            "--- # c\n# c\n\"kind\": \"Secret\"",
            "--- {kind: Secret}",
            "{\"kind\":\"Secret\"}",
            "kind:\n  Secret",
            "kind: &x !!str Secret",
            "- kind : Secret",
            "kind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n",
            "\u{feff}kind: Secret\r\n",
            "\tkind: Secret",
        ] {
            assert!(names_secret(text), "{text}");
        }
    }

    #[test]
    fn references_to_secrets_are_none() {
        for text in [
            "kind: ConfigMap\n",
            "secret: x\nkind: HTTPRoute",
            "",
            "kind: Gateway\nspec:\n  certificateRefs:\n  - kind: Secret\n    name: x\n",
            "---\nkind: Gateway\nspec:\n  tls:\n    ref: {name: x}\n    kind: Secret\n",
        ] {
            assert!(!names_secret(text), "{text}");
        }
    }
}
