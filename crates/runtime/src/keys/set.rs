//! What a fetch brought: the keys, and for how long.

use std::sync::Arc;
use std::time::Duration;

use countersign_jose::{KeySet, SkippedKey, Symmetric};
use serde_json::Value;

use super::{Document, Failure};

/// A key set that was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) set: Arc<KeySet>,
    pub(super) entries: Arc<[Value]>,
    pub(super) fresh_for: Option<Duration>,
}

/// Reads what was fetched; nothing in it means nothing was fetched.
pub(super) fn read(document: &Document) -> Result<Fetched, Failure> {
    let failure = |code, message| Failure { code, message };
    let set = KeySet::from_jwks(&document.body, Symmetric::Refuse)
        .map_err(|error| failure("not_jwks", error.to_string()))?;
    let value: Value = serde_json::from_slice(&document.body)
        .map_err(|_| failure("not_jwks", "the key set is not acceptable JSON".into()))?;
    let entries = value
        .get("keys")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return Err(failure(
            "no_keys",
            "the key set has an empty list `keys`".into(),
        ));
    }
    Ok(Fetched {
        set: Arc::new(set),
        entries: entries.into(),
        fresh_for: document.fresh_for,
    })
}

/// Whether two sets publish the same keys; issuers are free to change their order.
pub(super) fn same_entries(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().all(|key| b.contains(key)) && b.iter().all(|key| a.contains(key))
}

/// How long a set is used before it is fetched anew: `refresh`, which is never exceeded, so that a key that its issuer
/// withdrew is not trusted for longer than the configuration says. The answer's own headers shorten it, but not below
/// [`SHORTEST_LIFE`]. No lifetime at all (`no-store`, `max-age=0`) cannot be had, since requests never fetch; then
/// `refresh` counts, as in Istio and Envoy.
pub(super) fn lifetime(refresh: Duration, fresh_for: Option<Duration>) -> Duration {
    let longest = refresh.clamp(SHORTEST_REFRESH, LONGEST_LIFE);
    match fresh_for {
        Some(fresh) if !fresh.is_zero() => fresh.clamp(SHORTEST_LIFE.min(longest), longest),
        _ => longest,
    }
}

/// The words of skipped entries, for the log.
pub(super) fn skipped(set: &KeySet) -> String {
    let words = |it: &SkippedKey| {
        let kid = it.kid.as_deref().map_or_else(String::new, |kid| {
            format!(" (kid `{}`)", kid.escape_debug())
        });
        format!("keys[{}]{kid}: {}", it.index, it.reason)
    };
    set.skipped()
        .iter()
        .map(words)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Below this a configured `refresh` would only be load.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
const SHORTEST_LIFE: Duration = Duration::from_secs(30);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
