//! Input made fit to be shown.

/// What stands in place of a text that is not shown.
pub(super) const WITHHELD: &str = "[withheld]";

/// Input as it may stand in a message: in backticks, bounded in length, control characters made visible, and without what
/// looks like a secret.
pub fn quoted(input: &str) -> String {
    const MAX: usize = 80;
    if looks_secret(input) {
        return format!("`{WITHHELD}`");
    }
    let shown: String = input.chars().take(MAX).collect();
    let more = if shown.len() < input.len() { "…" } else { "" };
    format!("`{}{more}`", visible(&shown))
}

/// Makes control characters visible, so that a configuration cannot drive the terminal of who reads about it.
pub(super) fn visible(text: &str) -> String {
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

/// Keys in JSON and PEM, and URLs with user information, wherever they stand.
pub(crate) fn looks_secret(text: &str) -> bool {
    text.contains("\"kty") || text.contains("PRIVATE KEY-----") || has_user_information(text)
}

/// Whether there is a URL with user information in a text (RFC 3986 section 3.2.1).
pub(crate) fn has_user_information(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let end = |c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace();
        let authority = rest.split(end).next().unwrap_or_default();
        authority.contains('@')
    })
}
