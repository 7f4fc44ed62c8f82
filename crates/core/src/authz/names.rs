//! Names of client certificates against namespaces, service accounts and
//! trust domains.
//!
//! Istio makes regular expressions of these; the same texts are matched here
//! by hand, in one pass over the name.

use super::policy::{NamespacePattern, ServiceAccount};
use super::values::TextSet;

/// A namespace sought in a name: `.*/ns/<it>/.*`, any `*` of it for any text.
#[derive(Debug, Clone)]
pub(super) struct Namespace {
    /// What must follow one another: the slashes at both ends included.
    pieces: Box<[Box<str>]>,
}

impl Namespace {
    pub(super) fn new(pattern: &NamespacePattern) -> Namespace {
        let framed = format!("/ns/{}/", pattern.0);
        let pieces = framed.split('*').map(Into::into);
        Namespace {
            pieces: pieces.collect(),
        }
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        // The first place of each piece is as good as any later one.
        let mut rest = name;
        self.pieces
            .iter()
            .all(|piece| match rest.split_once(&**piece) {
                Some((_, tail)) => {
                    rest = tail;
                    true
                }
                None => false,
            })
    }
}

/// A service account sought in a name:
/// `spiffe://.+/ns/<namespace>/(.+/|)sa/<name>(/.+)?`.
#[derive(Debug, Clone)]
pub(super) struct Account {
    namespace: Box<str>,
    name: Box<str>,
}

impl Account {
    pub(super) fn new(account: &ServiceAccount) -> Account {
        Account {
            namespace: format!("/ns/{}/", account.namespace).into(),
            name: format!("sa/{}", account.name).into(),
        }
    }

    /// Whether a name, without `spiffe://`, is this account's.
    pub(super) fn matches(&self, spiffe: &str) -> bool {
        let mut domain = spiffe.chars();
        domain.next();
        let Some((_, path)) = domain.as_str().split_once(&*self.namespace) else {
            return false;
        };
        let slashes = path.match_indices('/').map(|(at, _)| at);
        let places = slashes.filter(|at| *at > 0).map(|at| at + 1);
        let ends = |it: &str| it.is_empty() || (it.len() > 1 && it.starts_with('/'));
        std::iter::once(0).chain(places).any(|at| {
            let name = path.get(at..).and_then(|it| it.strip_prefix(&*self.name));
            name.is_some_and(ends)
        })
    }
}

/// The trust domain of a name without `spiffe://`, where a path follows it.
pub(super) fn trust_domain(spiffe: &str) -> Option<&str> {
    spiffe.split_once('/').map(|(domain, _)| domain)
}

/// Whether a name, without `spiffe://`, is of one of these trust domains; `*` is any.
pub(super) fn is_of(domains: &TextSet, spiffe: &str) -> bool {
    domains.present
        || trust_domain(spiffe).is_some_and(|domain| domains.matches_text(domain.as_bytes()))
}

/// What stands right after each segment `label` of a name: `/ns/<this>/…`.
pub(super) fn segments_after<'n>(name: &'n str, label: &str) -> impl Iterator<Item = &'n str> {
    let segments = name.split('/');
    let next = name.split('/').skip(1);
    segments
        .zip(next)
        .filter(move |(it, _)| *it == label)
        .map(|(_, next)| next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Text;
    use proptest::prelude::*;
    use regex::Regex;

    fn quoted(text: &str) -> String {
        regex::escape(text)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn namespaces_as_istio_compiles_them(
            pattern in "(ns|[ab*/]){1,3}",
            name in "(spiffe://)?(/ns/|ns|[ab/]){0,8}",
        ) {
            let regex = pattern.split('*').map(quoted).collect::<Vec<_>>().join(".*");
            let regex = Regex::new(&format!("^.*/ns/{regex}/.*$")).unwrap();
            let namespace = Namespace::new(&NamespacePattern((&*pattern).into()));
            prop_assert_eq!(namespace.matches(&name), regex.is_match(&name));
        }

        #[test]
        fn accounts_as_istio_compiles_them(
            (namespace, account) in ("ns|a|ab", "sa|a|ab"),
            name in "(/ns/a/|/ns/ns/|ns/|sa/a|/sa/sa/|[ab/]){0,8}",
        ) {
            let regex = format!("^spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?$", quoted(&namespace), quoted(&account));
            let regex = Regex::new(&regex).unwrap();
            let wanted = regex.is_match(&format!("spiffe://{name}"));
            let account = ServiceAccount { namespace: namespace.into(), name: account.into() };
            prop_assert_eq!(Account::new(&account).matches(&name), wanted);
        }

        #[test]
        fn trust_domains_as_istio_compiles_them(text in "\\*?[ab]{1,2}|[ab]{1,2}\\*|\\*", name in "[ab/]{0,5}") {
            let regex = match text.split_once('*') {
                _ if text == "*" => "^spiffe://.*$".to_owned(),
                None => format!("^spiffe://{text}/.*$"),
                Some((start, end)) => format!("^spiffe://{start}[^/]*{end}/.*$"),
            };
            let wanted = Regex::new(&regex).unwrap().is_match(&format!("spiffe://{name}"));
            prop_assert_eq!(is_of(&TextSet::new(&[Text::parse(&text)]), &name), wanted);
        }
    }

    #[test]
    fn labelled_segments() {
        let after = |label| segments_after("td/ns/a/ns/b/sa/c", label).collect::<Vec<_>>();
        assert_eq!(
            (after("ns"), after("sa"), after("td")),
            (vec!["a", "b"], vec!["c"], vec!["ns"])
        );
    }
}
