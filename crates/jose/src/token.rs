//! The way of a token: parsed, checked against what is expected, verified with keys. Each step is a
//! type of its own, so none can be left out.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::claims::Claims;
use crate::compact::{Jws, Parts};
use crate::error::TokenError;
use crate::expect::{self, Expect, UnixTime};
use crate::header::Header;
use crate::jwks::KeySet;

/// A JWT, parsed and **not verified**. Its `Debug` does not show the token.
#[derive(Clone)]
pub struct Token<'a> {
    jws: Jws<'a>,
    claims: Arc<Claims>,
}

impl<'a> Token<'a> {
    /// Steps 1 to 4: parts, header, payload and the types of registered claims, signature encoding.
    ///
    /// # Errors
    /// The first thing wrong, in that order.
    pub fn parse(compact: &'a str) -> Result<Self, TokenError> {
        match Self::read(compact) {
            // Envoy skips symbols before a token. They are not skipped here, but what else is wrong
            // with such a token is told as Envoy tells it.
            Err(TokenError::HeaderBase64) => {
                let skipped = compact.trim_start_matches(|it| !is_base64url(it));
                Err(Self::read(skipped)
                    .err()
                    .unwrap_or(TokenError::HeaderBase64))
            }
            result => result,
        }
    }

    fn read(compact: &'a str) -> Result<Self, TokenError> {
        let (jws, claims) = Jws::read(&Parts::split_jwt(compact)?, Claims::from_vec)?;
        Ok(Self {
            jws,
            claims: Arc::new(claims),
        })
    }

    /// The header, not verified.
    pub const fn header(&self) -> &Header {
        self.jws.header()
    }

    /// The claims as the sender wrote them: anybody can write anything. For choosing a provider,
    /// for tools and for messages, never for a decision.
    pub fn unverified(&self) -> &Claims {
        &self.claims
    }

    /// The payload as sent, still base64url (`outputPayloadToHeader`).
    pub const fn payload_segment(&self) -> &'a str {
        self.jws.payload_segment()
    }

    /// Steps 5 to 7: allowed algorithm, issuer, `nbf`, `exp`, audience.
    ///
    /// # Errors
    /// The first thing wrong, in that order.
    pub fn check(&self, expect: &Expect, now: UnixTime) -> Result<Checked<'_>, TokenError> {
        if !expect.algs.contains(self.header().alg()) {
            return Err(TokenError::AlgNotAllowed);
        }
        expect.check(&self.claims, now)?;
        Ok(Checked(self))
    }
}

const fn is_base64url(it: char) -> bool {
    it.is_ascii_alphanumeric() || matches!(it, '-' | '_')
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("header", self.header())
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// A token that is what was expected, if only its signature is good, which is **not yet known**.
#[derive(Clone, Copy, Debug)]
pub struct Checked<'t>(&'t Token<'t>);

impl<'t> Checked<'t> {
    /// The token, not verified.
    pub const fn token(&self) -> &'t Token<'t> {
        self.0
    }

    /// Steps 8 and 9: key and signature. May be called again with newer keys.
    ///
    /// # Errors
    /// [`TokenError::NoMatchingKey`] or [`TokenError::BadSignature`].
    pub fn verify(&self, keys: &KeySet) -> Result<Verified<Claims>, TokenError> {
        self.0.jws.verify(keys)?;
        Ok(Verified(Arc::clone(&self.0.claims)))
    }
}

/// Proof that a key of the provider signed this. Cheap to clone.
#[derive(Debug, PartialEq)]
pub struct Verified<T>(Arc<T>);

impl Verified<Claims> {
    /// Looks at the time again, for a verification that was kept.
    ///
    /// # Errors
    /// [`TokenError::NotYetValid`] or [`TokenError::Expired`].
    pub fn check_time(&self, skew: u64, now: UnixTime) -> Result<(), TokenError> {
        expect::check_time(self, skew, now)
    }

    /// A copy that shares no memory with this one, for a thread that is to use it often: those that share one count
    /// its users in the same place.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Arc::new(Claims::clone(self)))
    }

    /// Claims that **nobody verified**, in the type that says they were. For tools that explain
    /// decisions on claims typed by their user; never where a request is served.
    pub fn dangerous_unverified(claims: Claims) -> Self {
        Self(Arc::new(claims))
    }
}

impl<T> Verified<T> {
    /// The content, without the proof.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests;
