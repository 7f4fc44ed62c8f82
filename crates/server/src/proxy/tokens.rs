//! Tokens that were verified, kept for all workers and bounded by the memory
//! that they take.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use countersign_jose::{Claims, TokenDigest, Verified};
use countersign_runtime::{Handle, KeyState, ProviderKeys};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// Tokens that were verified (decision T17). What failed is never kept, so a
/// flood of bad tokens neither pushes out good ones nor makes anybody wait.
///
/// Keys are numbered by a [`countersign_runtime::Handle`]; tokens of one handle
/// mean nothing under another.
pub(crate) struct Tokens(Cache<Key, Entry, Size>);

/// A token under the keys of one provider: verified for one, it is nothing to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) whose: Whose,
    pub(super) token: TokenDigest,
}

/// Keys of a provider that verified something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    /// [`ProviderKeys::uid`].
    pub(super) provider: u64,
    pub(super) generation: u64,
}

#[derive(Clone)]
struct Entry {
    claims: Verified<Claims>,
    /// Memory that it takes with all that belongs to it, worked out once: the
    /// cache asks for it under its locks.
    bytes: u32,
}

#[derive(Clone)]
struct Size;

impl Tokens {
    /// A cache that takes so many bytes at most; none: nothing is kept.
    pub(crate) fn new(bytes: u64) -> Arc<Tokens> {
        // How many there will be decides into how many parts the cache is split
        // and how many it remembers by their hash alone. That stays when it is
        // resized: a small cache that grows is bounded and right, but has few locks.
        let expected = match bytes {
            0 => SHARDS * TYPICAL,
            some => some,
        } / TYPICAL;
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        let shards = usize::try_from(SHARDS).unwrap_or(1);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(expected.max(1))
            .weight_capacity(bytes)
            .build();
        #[expect(
            clippy::expect_used,
            reason = "fails only without the two numbers above"
        )]
        let options = options.expect("whole options");
        let (hash, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Arc::new(Tokens(Cache::with_options(options, Size, hash, lifecycle)))
    }

    /// Follows the keys and the configuration of a handle, without end.
    pub(crate) async fn follow(self: Arc<Tokens>, handle: Handle) {
        let mut versions = handle.subscribe();
        loop {
            let running = handle.current();
            self.resize(running.compiled.token_cache.bytes);
            self.keep_only(&running.keys);
            if versions.changed().await.is_err() {
                return;
            }
        }
    }

    /// From now on so many bytes at most.
    fn resize(&self, bytes: u64) {
        self.0.set_capacity(bytes);
    }

    /// Lets go of all tokens but those of these keys. Nobody would find the
    /// others any more, but they would fill the cache until new ones push them out.
    fn keep_only(&self, keys: &[ProviderKeys]) {
        let current = |keys: &ProviderKeys| match keys.state {
            KeyState::Ready { generation, .. } => Some(Whose {
                provider: keys.uid,
                generation,
            }),
            KeyState::Pending | KeyState::Unavailable => None,
        };
        let current: HashSet<Whose> = keys.iter().filter_map(current).collect();
        self.0.retain(|key, _| current.contains(&key.whose));
    }

    /// Memory that is taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(super) fn find(&self, key: &Key) -> Option<Verified<Claims>> {
        self.0.get(key).map(|entry| entry.claims)
    }

    pub(super) fn keep(&self, key: Key, claims: &Verified<Claims>) {
        let bytes = claims.weight().saturating_add(OVERHEAD);
        let entry = Entry {
            claims: claims.clone(),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        self.0.insert(key, entry);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.token.head() ^ self.whose.provider);
    }
}

impl Weighter<Key, Entry> for Size {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        entry.bytes.into()
    }
}

/// Locks that workers share. So many that they seldom meet, and that nobody
/// waits for long while [`Tokens::keep_only`] goes through one of the parts.
const SHARDS: u64 = 64;

/// What a token with the usual claims takes, rather more than less.
const TYPICAL: u64 = 1536;

/// What an entry takes beside its claims: its place of 80 bytes in the cache and
/// half of another's that is remembered by its hash alone, some 20 bytes of the
/// table of hashes, the counts of the shared claims, and what the allocator
/// rounds up and the tables hold ready.
const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests;
