//! What the YAML parser says, in words that tell its reader what to do.

use saphyr_parser::ScanError;

use crate::diagnostic::Diagnostic;

/// Words of the parser, what they mean, and what to write instead. The first that fits is taken.
const WORDS: &[(&str, &str, &str)] = &[
    (
        "tabs disallowed",
        "a tab cannot indent",
        "use spaces for indentation",
    ),
    (
        "mapping values are not allowed",
        "a value cannot stand here",
        "check the indentation; a text that has `: ` in it must stand in quotes",
    ),
    (
        "unexpected character: ",
        "this character cannot begin a value",
        "put the value in quotes",
    ),
    (
        "found unexpected end of stream",
        "this quote is not closed within the document",
        "end the text with the quote it begins with",
    ),
    (
        "unknown anchor",
        "this alias refers to no anchor",
        "define it with `&name` earlier in the same document",
    ),
    (
        "simple key expect",
        "a key without `:`",
        "write `key: value`; a text of several lines needs `|` or quotes",
    ),
    (
        "block mapping, did not find expected key",
        "this does not belong to the mapping above",
        "indent all keys of a mapping alike",
    ),
    (
        "did not find expected '-' indicator",
        "this does not belong to the list above",
        "begin each item with `- `, and indent them alike",
    ),
    (
        "must be followed by a valid YAML whitespace",
        "a tab cannot stand here",
        "use a space",
    ),
];

/// The diagnostic for an error of the parser, whose position is in `text`.
pub(super) fn explain(text: &str, error: &ScanError) -> Diagnostic {
    let info = error.info();
    if info.contains("recursion limit") {
        return Diagnostic::error("too-deep", "brackets nest too deep")
            .help("no object that is read here nests this deep");
    }
    let line = text
        .lines()
        .nth(error.marker().line().saturating_sub(1))
        .unwrap_or_default();
    let known = WORDS.iter().find(|(words, ..)| info.contains(words));
    let (message, help) = match known {
        Some((_, message, help)) => ((*message).to_owned(), *help),
        None => {
            let help = "check the indentation, the colons and the quotes up to this place";
            (info.replace('\'', "`"), help)
        }
    };
    let help = if line.contains("{{") {
        "templates are not read: render them first, for example with `helm template`"
    } else if info.contains("flow") && line.contains("${") {
        "inside `[…]` and `{…}` put `${VAR}` in quotes"
    } else if indent(line).contains('\t') {
        "use spaces for indentation, not tabs"
    } else {
        help
    };
    Diagnostic::error("broken-yaml", format!("broken YAML: {message}")).help(help)
}

fn indent(line: &str) -> &str {
    let text = line.trim_start();
    line.strip_suffix(text).unwrap_or_default()
}
