//! What the log says about key sets: providers, URL and cause; never a body, a query or userinfo.

use std::sync::Arc;
use std::time::Duration;

use countersign_config::compiled::{KeyLocation, RemoteKeys};
use countersign_jose::KeySet;

use super::Failure;
use super::set::skipped;

pub(super) fn rotated(names: &[Arc<str>], source: &RemoteKeys, set: &KeySet) {
    let (providers, url) = (names.join(", "), shown(source));
    tracing::info!(providers, url, keys = set.len(), "the key set is new");
    if !set.skipped().is_empty() {
        let skipped = skipped(set);
        tracing::warn!(providers, url, skipped, "keys of the set cannot be used");
    }
}

pub(super) fn recovered(names: &[Arc<str>], source: &RemoteKeys) {
    tracing::info!(
        providers = names.join(", "),
        url = shown(source),
        "the key set can be fetched again"
    );
}

pub(super) fn failed(
    names: &[Arc<str>],
    source: &RemoteKeys,
    failure: &Failure,
    wait: Duration,
    kept: Option<Duration>,
) {
    let (providers, url, code, cause) = (
        names.join(", "),
        shown(source),
        failure.code,
        &failure.message,
    );
    let next_attempt_seconds = wait.as_secs_f64();
    match kept {
        Some(age) => tracing::warn!(
            providers,
            url,
            code,
            cause,
            next_attempt_seconds,
            age_seconds = age.as_secs(),
            "the key set could not be fetched; the last one stays in use"
        ),
        None => tracing::error!(
            providers,
            url,
            code,
            cause,
            next_attempt_seconds,
            "the key set could not be fetched; tokens of these providers are refused"
        ),
    }
}

/// Only for who looks closely: nothing has changed.
pub(super) fn failed_again(names: &[Arc<str>], failure: &Failure) {
    tracing::debug!(
        providers = names.join(", "),
        code = failure.code,
        cause = failure.message,
        "still no key set"
    );
}

pub(super) fn expired(names: &[Arc<str>], source: &RemoteKeys) {
    tracing::error!(
        providers = names.join(", "),
        url = shown(source),
        "the last key set is seven days old and no longer used; tokens of these providers are refused"
    );
}

/// The URL as far as it may be shown: scheme, host and path.
fn shown(source: &RemoteKeys) -> String {
    let (KeyLocation::Jwks(url) | KeyLocation::Discovery(url)) = &source.location;
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest
                .split_once('/')
                .map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = authority.rsplit('@').next().unwrap_or_default();
            path.map_or_else(
                || format!("{scheme}://{host}"),
                |path| format!("{scheme}://{host}/{path}"),
            )
        }
        None => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::script::source;

    #[test]
    fn neither_query_nor_userinfo_is_shown() {
        for (url, expected) in [
            (
                "https://ann:pw@idp.example/keys?secret=1#x",
                "https://idp.example/keys",
            ),
            ("http://idp.example:8080", "http://idp.example:8080"),
            ("http://a@b@idp.example/a@b", "http://idp.example/a@b"),
            ("keys.json?x", "keys.json"),
        ] {
            assert_eq!(shown(&source(url)), expected);
        }
    }
}
