//! What a requirement demands, in words that can be compared across reloads (decision P5a).
//!
//! One that asks for less no longer has one of the words it had. Providers are alternatives, so what they accept is told
//! together: one more of them changes the word. That some narrower requirements change a word too cannot be helped.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::authn::{Bad, Missing, Requirement, TokenRule};
use countersign_core::provider::Provider;
use countersign_core::source::Source;
use countersign_jose::Audiences;

use super::words::escaped;

/// What a provider accepts if any issuer will do.
const ANY_ISSUER: &str = "any issuer";

/// A provider with the name of its keys.
type Named<'a> = (&'a Provider, &'a str);

/// The words for a requirement. `keys` are the names of each provider's keys.
pub(super) fn demands(
    requirement: &Requirement,
    providers: &[Provider],
    keys: &[Arc<str>],
) -> Vec<Arc<str>> {
    let rules = requirement.rules();
    let named = |rule: &TokenRule| {
        let index = rule.provider.0 as usize;
        Some((providers.get(index)?, &**keys.get(index)?))
    };
    let mut words = presence(requirement, |rule| named(rule).map(|(it, _)| issuer(it)));
    if rules.is_empty() {
        if requirement.missing == Missing::Refuse {
            words.push("no-issuer".into());
        }
        return words.into_iter().map(Into::into).collect();
    }
    if requirement.bad == Bad::Refuse {
        words.extend(places(requirement));
    }
    let mut by_issuer: BTreeMap<String, Vec<Named<'_>>> = BTreeMap::new();
    for (provider, keys) in rules.iter().filter_map(named) {
        let same = by_issuer.entry(issuer(provider)).or_default();
        same.push((provider, keys));
    }
    if !by_issuer.contains_key(ANY_ISSUER) {
        let issuers: Vec<&str> = by_issuer.keys().map(String::as_str).collect();
        words.push(format!("issuer:{}", issuers.join("|")));
    }
    for (issuer, providers) in &by_issuer {
        words.extend(of_issuer(providers).map(|word| format!("{word} of {issuer}")));
    }
    words.into_iter().map(Into::into).collect()
}

/// Puts words in an order to be read in, each once.
pub(crate) fn sort(words: &mut Vec<Arc<str>>) {
    const ORDER: [&str; 8] = [
        "token-present",
        "valid-tokens",
        "no-issuer",
        "issuer",
        "audience",
        "keys",
        "clock-skew",
        "rbac",
    ];
    let rank = |word: &str| {
        let name = word.split(':').next();
        ORDER.iter().position(|it| Some(*it) == name)
    };
    words.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
    words.dedup();
}

/// Whether there must be a token, and if not any will do, whose.
fn presence(
    requirement: &Requirement,
    issuer: impl Fn(&TokenRule) -> Option<String>,
) -> Vec<String> {
    let rules = requirement.rules();
    let required: Vec<&TokenRule> = rules.iter().filter(|it| it.required).collect();
    let any = !required.is_empty() && required.len() == rules.len();
    if requirement.missing == Missing::Refuse || any {
        return vec!["token-present".to_owned()];
    }
    let issuers: Vec<String> = required.into_iter().filter_map(issuer).collect();
    let issuers = joined(issuers);
    if issuers.is_empty() {
        return Vec::new();
    }
    vec![format!("token-present:{issuers}")]
}

/// Where tokens are judged; those that stand elsewhere are not.
fn places(requirement: &Requirement) -> Vec<String> {
    let sources: Vec<&Source> = requirement.sources().collect();
    let defaults = Source::defaults();
    let all = defaults.iter().all(|it| sources.contains(&it));
    let others = sources.iter().filter(|it| !all || !defaults.contains(it));
    let mut words: Vec<String> = others
        .map(|it| format!("valid-tokens:{}", place(it)))
        .collect();
    if all {
        words.push("valid-tokens".to_owned());
    }
    words
}

fn place(source: &Source) -> String {
    match source {
        Source::Header { name, prefix } if prefix.is_empty() => format!("header {name}"),
        Source::Header { name, prefix } => format!("header {name} after {}", escaped(prefix)),
        Source::Query(name) => format!("query parameter {}", escaped(name)),
        Source::Cookie(name) => format!("cookie {}", escaped(name)),
    }
}

fn issuer(provider: &Provider) -> String {
    let issuer = provider.expect.issuer.as_deref();
    issuer.map_or_else(|| ANY_ISSUER.to_owned(), escaped)
}

/// What the providers of one issuer accept.
fn of_issuer(providers: &[Named<'_>]) -> impl Iterator<Item = String> {
    let audiences: Option<Vec<Vec<String>>> =
        providers.iter().map(|(it, _)| audiences(it)).collect();
    let audience = audiences.map(|all| format!("audience:{}", joined(all.concat())));
    let keys = providers.iter().map(|(provider, keys)| {
        // Of several, each has keys for audiences of its own.
        match (providers.len(), audiences_of(provider)) {
            (1, _) => (*keys).to_owned(),
            (_, audiences) => format!("{} for {audiences}", keys.replace('|', ",")),
        }
    });
    let keys = format!("keys:{}", joined(keys.collect()));
    let skew = providers.iter().map(|(it, _)| it.expect.skew).max();
    let skew = format!("clock-skew:{}s", skew.unwrap_or_default());
    audience.into_iter().chain([keys, skew])
}

/// `None`: any.
fn audiences(provider: &Provider) -> Option<Vec<String>> {
    match &provider.expect.audiences {
        Audiences::Any => None,
        Audiences::Exact(some) | Audiences::Istio(some) => {
            Some(some.iter().map(|it| escaped(it)).collect())
        }
    }
}

fn audiences_of(provider: &Provider) -> String {
    match audiences(provider) {
        Some(some) => joined(some).replace('|', ","),
        None => "any audience".to_owned(),
    }
}

fn joined(mut texts: Vec<String>) -> String {
    texts.sort_unstable();
    texts.dedup();
    texts.join("|")
}
