//! Key sets: JSON Web Key Sets (RFC 7517 section 5) and the inline forms that kgateway accepts.

use std::fmt;

use crate::alg::Alg;
use crate::jwk::{self, Symmetric};
use crate::key::Key;
use crate::pem;
use crate::value::{Document, JsonError, Value};

/// The longest key set document that is read.
pub const MAX_JWKS_BYTES: usize = 1024 * 1024;

/// The most keys of one set. A token without `kid` is tried against all of them.
pub const MAX_KEYS: usize = 128;

/// The keys of one provider. Its `Debug` shows kid and kind, no key material.
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

/// An entry of a key set that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Position in `keys`, from 0.
    pub index: usize,
    /// Its `kid`, if it has one.
    pub kid: Option<String>,
    /// Why, in words, without key material.
    pub reason: String,
}

/// Why a document gives no key set at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than [`MAX_JWKS_BYTES`].
    #[error("the key set has {bytes} bytes, more than {MAX_JWKS_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// More than [`MAX_KEYS`] entries.
    #[error("the key set has {count} keys, more than {MAX_KEYS}")]
    TooManyKeys {
        /// Their number.
        count: usize,
    },
    /// Not JSON, nested too deep, or a member is there twice.
    #[error("the key set is not acceptable JSON: {0}")]
    Json(JsonError),
    /// JSON, but without a list `keys`.
    #[error("the key set has no list `keys`")]
    NoKeys,
    /// A PEM text that holds no usable public key.
    #[error("the PEM text is not a usable public key: {0}")]
    Pem(String),
}

impl KeySetError {
    /// What to write instead.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooManyKeys { .. } => {
                "publish only the keys that tokens are signed with"
            }
            Self::Json(_) => "write `{\"keys\": [...]}` with each member once, as RFC 7517 has it",
            Self::NoKeys => {
                "write `{\"keys\": [...]}`, or a single key with its `kty`, or a PEM public key"
            }
            Self::Pem(_) => "write a block that begins with `-----BEGIN PUBLIC KEY-----`",
        }
    }
}

impl KeySet {
    /// Reads `{"keys": [...]}`. Entries that cannot be used are skipped and reported; a set may end
    /// up without any key.
    ///
    /// # Errors
    /// When the document as a whole cannot be used.
    pub fn from_jwks(bytes: &[u8], symmetric: Symmetric) -> Result<Self, KeySetError> {
        Self::from_document(parse(bytes)?.root(), symmetric)
    }

    /// Reads what kgateway's `jwks.local.inline` may hold: a PEM public key, else a key set, else a
    /// single key. Symmetric keys are allowed, except as PEM.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn from_inline(text: &str) -> Result<Self, KeySetError> {
        if pem::is_pem(text) {
            let key = pem::parse(text).map_err(KeySetError::Pem)?;
            return Ok(Self {
                keys: vec![key],
                skipped: Vec::new(),
            });
        }
        let document = parse(text.as_bytes())?;
        let root = document.root();
        if root.get("keys").is_none() && root.get("kty").is_some() {
            return Ok(Self::from_entries([root], Symmetric::Allow));
        }
        Self::from_document(root, Symmetric::Allow)
    }

    /// The set without keys: verifies nothing.
    pub const fn empty() -> Self {
        Self {
            keys: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys, in the order of the document.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }

    /// The entries that cannot be used, in the order of the document.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// The keys that a token with this `kid` and `alg` may be from: same `kid`, or one of the two
    /// has none; same `alg`, or the key states none. A key of another type may be among them, as in
    /// Envoy; it will not verify.
    pub(crate) fn matching(&self, kid: Option<&str>, alg: Alg) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| {
            let same_kid = kid.is_none() || key.kid().is_none() || kid == key.kid();
            same_kid && key.alg().is_none_or(|stated| stated == alg)
        })
    }

    fn from_document(document: Value<'_>, symmetric: Symmetric) -> Result<Self, KeySetError> {
        let entries = document
            .get("keys")
            .and_then(Value::as_list)
            .ok_or(KeySetError::NoKeys)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys {
                count: entries.len(),
            });
        }
        Ok(Self::from_entries(entries, symmetric))
    }

    fn from_entries<'v>(
        entries: impl IntoIterator<Item = Value<'v>>,
        symmetric: Symmetric,
    ) -> Self {
        let mut set = Self::empty();
        for (index, entry) in entries.into_iter().enumerate() {
            match jwk::parse(entry, symmetric) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.skipped.push(SkippedKey {
                    index,
                    kid: jwk::kid(entry).map(Into::into),
                    reason,
                }),
            }
        }
        set
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

fn parse(bytes: &[u8]) -> Result<Document, KeySetError> {
    if bytes.len() > MAX_JWKS_BYTES {
        return Err(KeySetError::TooLarge { bytes: bytes.len() });
    }
    Document::parse(bytes).map_err(KeySetError::Json)
}

#[cfg(test)]
mod tests;
