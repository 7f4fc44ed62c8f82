//! What a decision may know: the keys as they are, and tokens that were
//! verified under them before.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::{Facts, Keys, ProviderId};
use countersign_jose::{Claims, Verified};
use countersign_runtime::ProviderKeys;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;

/// The facts for one request.
pub(crate) struct Known<'a> {
    pub(crate) keys: &'a [ProviderKeys],
    pub(crate) tokens: &'a Tokens,
}

/// Tokens that this worker has verified (decision T17). What failed is never kept.
pub(crate) struct Tokens(RefCell<Cache<Key, Entry, Size>>);

/// A token under the keys of one provider: verified for one, it is nothing to another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    provider: u64,
    generation: u64,
    token: [u8; 32],
}

#[derive(Debug, Clone)]
struct Entry {
    claims: Verified<Claims>,
    /// Bytes of the token.
    length: usize,
}

#[derive(Debug, Clone)]
struct Size;

impl Facts for Known<'_> {
    fn keys(&self, provider: ProviderId) -> Keys<'_> {
        match self.find(provider) {
            Some(keys) => keys.state.facts(),
            None => Keys::Unavailable,
        }
    }

    fn verified(
        &self,
        provider: ProviderId,
        generation: u64,
        token: &str,
    ) -> Option<Verified<Claims>> {
        let key = Key::new(self.find(provider)?.uid, generation, token);
        self.tokens
            .0
            .borrow()
            .get(&key)
            .map(|entry| entry.claims.clone())
    }
}

impl Known<'_> {
    /// Keeps a token that a decision has just accepted.
    pub(crate) fn remember(
        &self,
        provider: ProviderId,
        generation: u64,
        token: &str,
        claims: &Verified<Claims>,
    ) {
        if let Some(keys) = self.find(provider) {
            let key = Key::new(keys.uid, generation, token);
            let entry = Entry {
                claims: claims.clone(),
                length: token.len(),
            };
            self.tokens.0.borrow_mut().insert(key, entry);
        }
    }

    fn find(&self, provider: ProviderId) -> Option<&ProviderKeys> {
        self.keys.get(usize::try_from(provider.0).ok()?)
    }
}

impl Tokens {
    pub(crate) fn new() -> Tokens {
        Tokens(RefCell::new(Cache::with_weighter(
            EXPECTED, MOST_BYTES, Size,
        )))
    }
}

impl Key {
    fn new(provider: u64, generation: u64, token: &str) -> Key {
        let mut key = Key {
            provider,
            generation,
            token: [0; 32],
        };
        let digest = digest(&SHA256, token.as_bytes());
        key.token
            .iter_mut()
            .zip(digest.as_ref())
            .for_each(|(to, from)| *to = *from);
        key
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // A digest is spread evenly already, and its first bytes are enough.
        let mut start = [0; 8];
        start
            .iter_mut()
            .zip(&self.token)
            .for_each(|(to, from)| *to = *from);
        state.write_u64(u64::from_ne_bytes(start) ^ self.provider);
    }
}

impl Weighter<Key, Entry> for Size {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        // Parsed claims take up to about this many times their text.
        u64::try_from(entry.length)
            .unwrap_or(u64::MAX)
            .saturating_mul(4)
            .saturating_add(256)
    }
}

/// Most that one worker keeps.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
const EXPECTED: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_config::compiled::{Compiled, KeySource, RemoteKeys};
    use countersign_core::Snapshot;
    use countersign_core::origin::Origin;
    use countersign_core::provider::Provider;
    use countersign_jose::{Expect, KeySet};
    use countersign_runtime::keys::{Boxed, Document, Failure, Fetch};
    use countersign_runtime::{Handle, Metrics, Running};

    use super::*;

    struct NoFetch;

    impl Fetch for NoFetch {
        fn fetch(&self, _: &RemoteKeys) -> Boxed<Result<Document, Failure>> {
            panic!("the keys are inline")
        }
    }

    /// Two providers that differ by nothing but their issuer.
    async fn two_providers() -> Arc<Running> {
        let origin = Arc::new(Origin {
            kind: "RequestAuthentication",
            namespace: "a".into(),
            name: "b".into(),
            part: "".into(),
            file: "c".into(),
            line: 1,
        });
        let provider = |issuer: &str| Provider {
            origin: origin.clone(),
            name: issuer.into(),
            expect: Expect {
                issuer: Some(issuer.into()),
                ..Expect::default()
            },
            remote: false,
            unavailable: "",
        };
        let keys = KeySource::Inline(Arc::new(KeySet::empty()));
        let compiled = Compiled {
            snapshot: Snapshot {
                providers: Box::new([provider("i"), provider("j")]),
                ..Snapshot::default()
            },
            keys: Box::new([keys.clone(), keys]),
            ..Compiled::default()
        };
        let fetch = Arc::new(NoFetch);
        Handle::start(Arc::new(compiled), fetch, || 0.5, Metrics::new()).current()
    }

    fn claims() -> Verified<Claims> {
        Verified::dangerous_unverified(Claims::parse(br#"{"iss":"i","sub":"s"}"#).unwrap())
    }

    #[tokio::test]
    async fn a_token_verified_for_one_provider_is_nothing_to_another() {
        let (running, tokens) = (two_providers().await, Tokens::new());
        let known = Known {
            keys: &running.keys,
            tokens: &tokens,
        };
        let (one, other) = (ProviderId(0), ProviderId(1));
        known.remember(one, 1, "a.b.c", &claims());
        assert_eq!(known.verified(one, 1, "a.b.c"), Some(claims()));
        assert_eq!(known.verified(other, 1, "a.b.c"), None);
        assert_eq!(known.verified(one, 2, "a.b.c"), None);
        assert_eq!(known.verified(one, 1, "a.b.d"), None);
        assert_eq!(known.verified(ProviderId(2), 1, "a.b.c"), None);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let (running, tokens) = (two_providers().await, Tokens::new());
        let known = Known {
            keys: &running.keys,
            tokens: &tokens,
        };
        let long = "x".repeat(8000);
        for number in 0..3000 {
            known.remember(ProviderId(0), 1, &format!("{number}{long}"), &claims());
        }
        let cache = tokens.0.borrow();
        assert!(
            cache.weight() <= MOST_BYTES && cache.len() > 300,
            "{}",
            cache.len()
        );
    }
}
