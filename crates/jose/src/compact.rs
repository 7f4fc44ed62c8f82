//! The compact serialization (RFC 7515 section 7.1): three parts, their decoding, the signature.

use std::fmt;

use memchr::{memchr, memrchr};

use crate::b64;
use crate::error::{MAX_TOKEN_BYTES, TokenError};
use crate::header::Header;
use crate::jwks::KeySet;

/// A compact JWS, parsed and **not verified**. Its payload need not be JSON; [`Token`](crate::Token)
/// adds that. Its `Debug` does not show the token.
#[derive(Clone)]
pub struct Jws<'a> {
    /// What is signed: header, dot, payload, as sent.
    signed: &'a str,
    payload: &'a str,
    header: Header,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Splits and decodes: three parts, strict base64url, a header that can be honoured. Only the
    /// payload may be empty.
    ///
    /// # Errors
    /// The first thing wrong, from left to right.
    pub fn parse(compact: &'a str) -> Result<Self, TokenError> {
        Self::read(&Parts::split(compact)?, |_| Ok(())).map(|(jws, ())| jws)
    }

    /// As [`Jws::parse`], with `content` called on the decoded payload in its turn, so that errors
    /// come in the order of the text.
    pub(crate) fn read<T>(
        parts: &Parts<'a>,
        content: impl FnOnce(Vec<u8>) -> Result<T, TokenError>,
    ) -> Result<(Self, T), TokenError> {
        let header = Header::parse(parts.header)?;
        let payload = b64::decode(parts.payload, TokenError::PayloadBase64)?;
        let content = content(payload)?;
        let signature = b64::decode(parts.signature, TokenError::SignatureBase64)?;
        let jws = Self {
            signed: parts.signed,
            payload: parts.payload,
            header,
            signature,
        };
        Ok((jws, content))
    }

    /// The header, not verified.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload as sent, still base64url.
    pub const fn payload_segment(&self) -> &'a str {
        self.payload
    }

    /// Tries the keys that fit `kid` and `alg`.
    ///
    /// # Errors
    /// [`TokenError::NoMatchingKey`] when none fits, [`TokenError::BadSignature`] when all that fit
    /// fail.
    pub fn verify(&self, keys: &KeySet) -> Result<(), TokenError> {
        let mut fits = keys
            .matching(self.header.kid(), self.header.alg())
            .peekable();
        if fits.peek().is_none() {
            return Err(TokenError::NoMatchingKey);
        }
        if fits.any(|key| key.verify(self.header.alg(), self.signed.as_bytes(), &self.signature)) {
            Ok(())
        } else {
            Err(TokenError::BadSignature)
        }
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// A compact JWS taken apart, nothing decoded.
pub(crate) struct Parts<'a> {
    /// Header, dot, payload.
    signed: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Exactly two dots, something before the first and after the second.
    pub(crate) fn split(compact: &'a str) -> Result<Self, TokenError> {
        if compact.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let (signed, signature) = split_at(memrchr(b'.', compact.as_bytes()), compact)?;
        let (header, payload) = split_at(memchr(b'.', signed.as_bytes()), signed)?;
        let more = memchr(b'.', payload.as_bytes()).is_some();
        if header.is_empty() || more || signature.is_empty() {
            return Err(TokenError::Format);
        }
        Ok(Self {
            signed,
            header,
            payload,
            signature,
        })
    }

    /// As [`Parts::split`], for a JWT: the payload must be there too. A detached one (RFC 7515
    /// appendix F) would be taken from somewhere else.
    pub(crate) fn split_jwt(compact: &'a str) -> Result<Self, TokenError> {
        Self::split(compact).and_then(|parts| {
            if parts.payload.is_empty() {
                Err(TokenError::Format)
            } else {
                Ok(parts)
            }
        })
    }
}

/// What is before a dot, and what is after it.
fn split_at(dot: Option<usize>, text: &str) -> Result<(&str, &str), TokenError> {
    let dot = dot.ok_or(TokenError::Format)?;
    let parts = text.get(..dot).zip(text.get(dot + 1..));
    parts.ok_or(TokenError::Format)
}
