//! What a decision may know: the keys as they are, and tokens that were
//! verified under them before.

use countersign_core::authn::Accepted;
use countersign_core::{Facts, Keys, Presented, ProviderId};
use countersign_jose::{Claims, TokenDigest, Verified};
use countersign_runtime::{ProviderKeys, Shard};

use super::recent::{Recent, Seen};
use super::tokens::{Key, Tokens, Whose};

/// The facts for one request.
pub(crate) struct Known<'a> {
    pub(crate) keys: &'a [ProviderKeys],
    pub(crate) tokens: &'a Tokens,
    pub(crate) recent: &'a Recent,
    /// Where it is counted what the cache was good for.
    pub(crate) shard: &'a Shard,
}

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
        token: &Presented<'_>,
    ) -> Option<Verified<Claims>> {
        let whose = self.whose(provider, generation)?;
        let claims = match self.recent.find(token.bytes(), whose) {
            Some(Seen::Verified(claims)) => claims,
            Some(Seen::Digest(token)) => self.tokens.find(&Key { whose, token })?,
            None => {
                let key = Key {
                    whose,
                    token: *token.digest(),
                };
                let claims = self.tokens.find(&key)?;
                self.recent.note(token.bytes(), &key, &claims);
                claims
            }
        };
        self.shard.token_known();
        Some(claims)
    }
}

impl Known<'_> {
    /// Keeps those of these tokens that were verified just now.
    pub(crate) fn remember_all(&self, accepted: &[Accepted]) {
        for it in accepted {
            if let Some(token) = &it.fresh {
                self.remember(it.provider, it.generation, **token, &it.claims);
            }
        }
    }

    fn remember(
        &self,
        provider: ProviderId,
        generation: u64,
        token: TokenDigest,
        claims: &Verified<Claims>,
    ) {
        self.shard.token_new();
        if let Some(whose) = self.whose(provider, generation) {
            self.tokens.keep(Key { whose, token }, claims);
        }
    }

    fn whose(&self, provider: ProviderId, generation: u64) -> Option<Whose> {
        let provider = self.find(provider)?.uid;
        Some(Whose {
            provider,
            generation,
        })
    }

    fn find(&self, provider: ProviderId) -> Option<&ProviderKeys> {
        self.keys.get(usize::try_from(provider.0).ok()?)
    }
}

#[cfg(test)]
mod tests;
