//! The key sets of remote providers: one [`Owner`] fetches each distinct source, ahead of need, and [`Keeper`] holds the
//! owners across reloads.
//!
//! A set is never fetched by a request. A request may wait for the first fetch, or for one that an unknown `kid` asked
//! for; that one is shared by all who wait and throttled (decision T9).

mod fetch;
mod keeper;
mod log;
mod owner;
mod set;
mod throttle;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_config::compiled::RemoteKeys;
use countersign_core::Keys;
use countersign_jose::KeySet;

pub use fetch::Network;
pub use keeper::Keeper;
pub use owner::Owner;

/// What is known of a provider's keys.
#[derive(Debug, Clone)]
pub enum KeyState {
    /// Usable, perhaps empty.
    Ready {
        /// The parsed keys.
        set: Arc<KeySet>,
        /// Grows whenever the set changes; never used twice under one [`uid`](crate::ProviderKeys::uid).
        generation: u64,
    },
    /// The first fetch has not ended yet.
    Pending,
    /// Never fetched with success, or too long ago.
    Unavailable,
}

impl KeyState {
    /// As a decision reads it.
    pub fn facts(&self) -> Keys<'_> {
        match self {
            Self::Ready { set, generation } => Keys::Ready {
                set,
                generation: *generation,
            },
            Self::Pending => Keys::Pending,
            Self::Unavailable => Keys::Unavailable,
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ready { generation: a, .. }, Self::Ready { generation: b, .. }) => a == b,
            (Self::Pending, Self::Pending) | (Self::Unavailable, Self::Unavailable) => true,
            _ => false,
        }
    }
}

/// A key set as it came.
#[derive(Debug, Clone)]
pub struct Document {
    /// The body, a JWK set if all is well.
    pub body: Vec<u8>,
    /// How long the answer may be kept, by its own headers.
    pub fresh_for: Option<Duration>,
}

/// Why a key set could not be had. `Display` never shows a body, a query or userinfo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// One of a closed list, for metrics.
    pub code: &'static str,
    /// What happened, for the log.
    pub message: String,
}

/// A future in a box, so that [`Fetch`] can be used behind a pointer.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Gets key sets: over the network, or in tests from a script.
pub trait Fetch: Send + Sync {
    /// One attempt, bounded by the source's timeout.
    fn fetch(&self, source: &RemoteKeys) -> Boxed<Result<Document, Failure>>;
}

/// A number from 0 to 1, another one each time: what spreads fetches.
pub type Dice = fn() -> f64;

/// Dice that the system throws.
pub fn dice() -> f64 {
    // The standard library seeds each hasher from the system's randomness: good enough to spread fetches, which needs no
    // secrecy.
    let bits = RandomState::new().hash_one(0) >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
pub(crate) mod tests;
