//! Hostnames of listeners and routes: exact, `*.suffix`, or any.
//!
//! Comparison is on lower-case names without port and without a trailing dot
//! ([`canonical`]); a wildcard matches one or more whole labels (Gateway API
//! `Hostname`).

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// A hostname as a listener or a route states it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// No hostname given: every host.
    Any,
    /// `*.example.com`, kept as `.example.com`.
    Suffix(Box<str>),
    /// One name.
    Exact(Box<str>),
}

impl HostPattern {
    /// Reads a Gateway API hostname; an empty text is [`HostPattern::Any`].
    pub fn new(text: &str) -> HostPattern {
        let text = text.trim_end_matches('.').to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some("") => HostPattern::Any,
            Some(suffix) => HostPattern::Suffix(suffix.into()),
            None if text.is_empty() => HostPattern::Any,
            None => HostPattern::Exact(text.into()),
        }
    }

    /// Whether a canonical host (see [`canonical`]) is one of this pattern's.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            HostPattern::Any => true,
            HostPattern::Exact(name) => **name == *host,
            HostPattern::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(&**suffix),
        }
    }

    /// The hosts that both match, as a pattern; `None` when there are none.
    pub fn intersection(&self, other: &HostPattern) -> Option<HostPattern> {
        use HostPattern::{Any, Exact, Suffix};
        match (self, other) {
            (Any, it) | (it, Any) => Some(it.clone()),
            (Exact(a), it) | (it, Exact(a)) => it.matches(a).then(|| Exact(a.clone())),
            (Suffix(a), Suffix(b)) if a.ends_with(&**b) => Some(Suffix(a.clone())),
            (Suffix(a), Suffix(b)) if b.ends_with(&**a) => Some(Suffix(b.clone())),
            (Suffix(_), Suffix(_)) => None,
        }
    }

    /// Orders patterns by how narrow they are: exact before wildcard before
    /// any, and the longer text first within a kind. Greater is narrower.
    pub fn specificity(&self) -> (u8, usize) {
        match self {
            HostPattern::Any => (0, 0),
            HostPattern::Suffix(suffix) => (1, suffix.len()),
            HostPattern::Exact(name) => (2, name.len()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Any => f.write_str("*"),
            HostPattern::Suffix(suffix) => write!(f, "*{suffix}"),
            HostPattern::Exact(name) => f.write_str(name),
        }
    }
}

/// The host of an authority, ready to compare: no port, no trailing dot, lower
/// case. Borrows when the client already sent it so.
pub fn canonical(authority: &str) -> Cow<'_, str> {
    let host = without_port(authority);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The authority without its `:port`; brackets of an IPv6 literal stay.
pub fn without_port(authority: &str) -> &str {
    if authority.starts_with('[') {
        return match authority.split_once(']') {
            Some((address, _)) => authority.get(..=address.len()).unwrap_or(authority),
            None => authority,
        };
    }
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

/// An authority with an IPv6 address that could be written shorter, so written
/// (RFC 5952); `None` where it is, or is another host.
pub(crate) fn usual_address(authority: &str) -> Option<String> {
    let (address, port) = authority.strip_prefix('[')?.split_once(']')?;
    let usual = format!("[{}]{port}", address.parse::<Ipv6Addr>().ok()?);
    (!usual.eq_ignore_ascii_case(authority)).then_some(usual)
}

/// The port of an authority, where it states one.
pub fn port(authority: &str) -> Option<u16> {
    let rest = authority.strip_prefix(without_port(authority))?;
    rest.strip_prefix(':')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_matches_whole_labels_only() {
        let wild = HostPattern::new("*.Example.com");
        assert!(wild.matches("a.example.com") && wild.matches("a.b.example.com"));
        assert!(!wild.matches("example.com") && !wild.matches("badexample.com"));
        assert!(!wild.matches(".example.com"));
    }

    #[test]
    fn intersections() {
        let at = |a: &str, b: &str| {
            HostPattern::new(a)
                .intersection(&HostPattern::new(b))
                .map(|it| it.to_string())
        };
        assert_eq!(at("", "a.test").as_deref(), Some("a.test"));
        assert_eq!(at("*.test", "a.test").as_deref(), Some("a.test"));
        assert_eq!(at("*.b.test", "*.test").as_deref(), Some("*.b.test"));
        assert_eq!(at("*.test", "test"), None);
        assert_eq!(at("*.ab.test", "*.b.test"), None);
        assert_eq!(at("a.test", "b.test"), None);
    }

    #[test]
    fn canonical_hosts() {
        for (from, to) in [
            ("A.Test:80", "a.test"),
            ("a.test.", "a.test"),
            ("a.test.:443", "a.test"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(canonical(from), to, "{from}");
        }
        assert_eq!(port("[::1]:80"), Some(80));
        assert_eq!(port("a.test"), None);
    }

    #[test]
    fn addresses_as_usually_written() {
        for (from, to) in [
            ("[0:0:0:0:0:0:0:1]:80", Some("[::1]:80")),
            ("[2001:DB8:0::0A]", Some("[2001:db8::a]")),
            ("[::A]", None),
            ("[::1]", None),
            ("[x]", None),
            ("a.test", None),
        ] {
            assert_eq!(usual_address(from).as_deref(), to, "{from}");
        }
    }
}
