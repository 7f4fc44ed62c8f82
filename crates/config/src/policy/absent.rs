//! Headers that are taken off every request before policies look: conditions on them never match.

/// A header that is not there for anybody to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    /// Why, in words.
    pub(super) why: &'static str,
    /// What to compare instead.
    pub(super) help: &'static str,
    /// The one value that it keeps, if it has that.
    pub(super) only: Option<&'static str>,
}

const OURS: Absent = Absent {
    why: "the gateway alone speaks for certificates and for Envoy",
    help: "compare the client's certificate or its address instead, as in `principals` or `remoteIpBlocks`",
    only: None,
};
const HOP: Absent = Absent {
    why: "headers of one connection end at the gateway",
    help: "remove the condition, or compare a header that goes on to the backend",
    only: None,
};

/// Why a header is not there; `name` in any spelling.
pub(super) fn absent(name: &str) -> Option<Absent> {
    let name = name.to_ascii_lowercase();
    // As the core takes them off: some backends take `_` for `-`.
    let folded = name.replace('_', "-");
    if folded == "x-forwarded-client-cert" || folded.starts_with("x-envoy-") {
        return Some(OURS);
    }
    // `upgrade` and `connection` are there where another protocol is asked for.
    match &*name {
        "keep-alive"
        | "proxy-connection"
        | "http2-settings"
        | "transfer-encoding"
        | "proxy-authorization" => Some(HOP),
        "te" => Some(Absent {
            only: Some("trailers"),
            ..HOP
        }),
        _ => None,
    }
}

/// Headers that an expression compares and that are not there, each once, by name. Told by texts in it that are such a
/// name: that one is for something else is possible, but nobody has claims or paths of that name.
pub(super) fn absent_in(source: &str) -> Vec<(&str, Absent)> {
    let mut found: Vec<(&str, Absent)> = Vec::new();
    if !source.contains("headers") {
        return found;
    }
    for text in texts(source) {
        let absent = absent(text).filter(|it| it.only.is_none());
        let known = found.iter().any(|(it, _)| *it == text);
        found.extend(absent.filter(|_| !known).map(|it| (text, it)));
    }
    found
}

/// The texts of an expression, without their quotes. Those with escapes are not read right, and are no names of headers.
fn texts(source: &str) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut rest = source;
    while let Some((at, quote)) = rest.char_indices().find(|(_, it)| matches!(it, '\'' | '"')) {
        rest = rest.get(at + 1..).unwrap_or_default();
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, it)| {
            let ends = *it == quote && !escaped;
            escaped = *it == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else { break };
        texts.extend(rest.get(..end));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_expressions() {
        for (source, expected) in [
            ("a == 'b' && \"c'd\" in e", &["b", "c'd"][..]),
            ("'it\\'s' == 'x\\\\' || y['z']", &["it\\'s", "x\\\\", "z"]),
            ("'open", &[]),
            ("é == 'ü'", &["ü"]),
            ("true", &[]),
        ] {
            assert_eq!(texts(source), expected, "{source}");
        }
    }
}
