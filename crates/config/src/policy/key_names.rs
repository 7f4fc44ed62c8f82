//! Key sets with names that change whenever the keys do, for comparison across reloads (decision P5a).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use countersign_jose::{Document, KeySet, Value};

use super::words::escaped;
use crate::compiled::{KeyLocation, KeySource, RemoteKeys};

/// The keys of a provider.
#[derive(Clone, Debug)]
pub(super) struct NamedKeys {
    pub(super) source: KeySource,
    pub(super) name: Arc<str>,
}

impl NamedKeys {
    /// An inline set, with the text that it was read from.
    pub(super) fn inline(text: &str, set: KeySet) -> NamedKeys {
        NamedKeys {
            name: inline(text, &set),
            source: KeySource::Inline(Arc::new(set)),
        }
    }

    /// A set that is fetched.
    pub(super) fn remote(keys: RemoteKeys) -> NamedKeys {
        NamedKeys {
            name: remote(&keys),
            source: KeySource::Remote(keys),
        }
    }
}

/// Hexadecimal digits of a digest: more than anybody could make collide by mistake.
const DIGITS: usize = 16;
/// The same of a shared secret: enough to see that it changed, too few to try guesses against.
const DIGITS_OF_SECRET: usize = 4;

/// Each usable key by its kid, and a digest.
fn inline(text: &str, set: &KeySet) -> Arc<str> {
    let Ok(document) = Document::parse(text.as_bytes()) else {
        let body: String = text.split_ascii_whitespace().collect();
        return short(&body, DIGITS).into();
    };
    let root = document.root();
    let several = root.get("keys").and_then(Value::as_list);
    let single = several.is_none().then_some(root);
    let entries = several.into_iter().flatten().chain(single);
    let skipped = |index| set.skipped().iter().any(|it| it.index == index);
    let usable = entries.enumerate();
    let usable = usable.filter(|(index, _)| !skipped(*index));
    let mut names: Vec<String> = usable.map(|(_, entry)| key(entry)).collect();
    names.sort_unstable();
    names.join("|").into()
}

/// The members that make a key (RFC 7638 section 3.2), and the algorithm that it is bound to.
fn key(entry: Value<'_>) -> String {
    const MEMBERS: [&str; 8] = ["alg", "crv", "e", "k", "kty", "n", "x", "y"];
    let member = |name: &str| entry.get(name).and_then(Value::as_str);
    let material = MEMBERS.map(|name| member(name).unwrap_or_default());
    let digits = if member("kty") == Some("oct") {
        DIGITS_OF_SECRET
    } else {
        DIGITS
    };
    let digest = short(&material.join(" "), digits);
    match member("kid").filter(|it| !it.is_empty()) {
        Some(kid) => format!("{}/{digest}", escaped(kid)),
        None => digest,
    }
}

/// Where a set is fetched from. Queries may hold credentials, so only a digest of them is told.
fn remote(keys: &RemoteKeys) -> Arc<str> {
    let location = match &keys.location {
        // The issuer's own, which is named beside it.
        KeyLocation::Discovery(_) => "discovery".to_owned(),
        KeyLocation::Jwks(url) => match url.split_once('?') {
            Some((url, query)) => format!("{}?{}", escaped(url), short(query, DIGITS_OF_SECRET)),
            None => escaped(url),
        },
    };
    match &keys.connect {
        Some(endpoint) => format!("{location} via {}:{}", endpoint.host, endpoint.port).into(),
        None => location.into(),
    }
}

pub(super) fn short(text: &str, digits: usize) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    let bytes = digest.as_ref().iter().take(digits / 2);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
