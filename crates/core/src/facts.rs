//! What a decision reads beside its snapshot, and what it asks for.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use countersign_jose::{Claims, KeySet, TokenDigest, Verified};

use crate::id::ProviderId;

/// What an edge knows and the core cannot find out.
pub trait Facts {
    /// The keys of a provider right now.
    fn keys(&self, provider: ProviderId) -> Keys<'_>;

    /// The claims of this very token, if it was verified for this provider
    /// under keys of this generation (decision T17).
    fn verified(
        &self,
        provider: ProviderId,
        generation: u64,
        token: &Presented<'_>,
    ) -> Option<Verified<Claims>>;
}

/// A token as a request presents it.
#[derive(Clone)]
pub struct Presented<'r> {
    bytes: Cow<'r, [u8]>,
    digest: OnceCell<TokenDigest>,
}

impl<'r> Presented<'r> {
    /// Takes a token up; nobody has looked at it yet.
    pub fn new(text: impl Into<Cow<'r, str>>) -> Presented<'r> {
        Presented::unread(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// Takes up what may not even be text: one that was verified before is
    /// known by its bytes, and need not be looked through again.
    pub(crate) fn unread(bytes: Cow<'r, [u8]>) -> Presented<'r> {
        let digest = OnceCell::new();
        Presented { bytes, digest }
    }

    /// The token itself; empty, and so no token, where it is not UTF-8. Looked
    /// through at each call.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Its bytes, out of whatever they were sent in.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its digest, which is worked out once however many rules ask for it.
    pub fn digest(&self) -> &TokenDigest {
        self.digest.get_or_init(|| TokenDigest::of(&self.bytes))
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

/// State of a provider's key set.
#[derive(Debug, Clone, Copy)]
pub enum Keys<'a> {
    /// Usable, perhaps empty.
    Ready {
        /// The parsed keys.
        set: &'a KeySet,
        /// Changes whenever the set does; never used twice for one provider.
        generation: u64,
    },
    /// The first fetch has not ended yet.
    Pending,
    /// Never fetched with success, or too long ago.
    Unavailable,
}

/// The fact that a decision lacks. The edge gets it, or fails to, and calls
/// again with the same progress; the same fact is not asked for twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The provider's first key set.
    Keys(ProviderId),
    /// A newer key set than this generation: a token names a key that is not
    /// in it (decision T9). The edge throttles.
    FreshKeys {
        /// Whose keys.
        provider: ProviderId,
        /// The generation that lacked the key.
        generation: u64,
    },
}
