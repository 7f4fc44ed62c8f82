//! Bytes, keys and time in; verified claims out.
//!
//! [`Token::parse`] reads a compact JWT, [`Token::check`] holds it against what a rule expects at a
//! given time, [`Checked::verify`] tries the keys. Only that last step makes a [`Verified`], and
//! nothing behind authentication should take less than that. [`KeySet`] reads keys. The crate is
//! pure: no clock, no socket, no log.

mod alg;
mod b64;
mod claims;
mod compact;
mod der;
mod digest;
mod error;
mod expect;
mod header;
mod jwk;
mod jwks;
mod key;
mod pem;
mod token;
mod value;

pub use alg::{Alg, AlgSet};
pub use claims::Claims;
pub use compact::Jws;
pub use digest::TokenDigest;
pub use error::{MAX_TOKEN_BYTES, TokenError};
pub use expect::{Audiences, Expect, UnixTime, ZeroExp};
pub use header::Header;
pub use jwk::Symmetric;
pub use jwks::{KeySet, KeySetError, MAX_JWKS_BYTES, MAX_KEYS, SkippedKey};
pub use key::Key;
pub use token::{Checked, Token, Verified};
pub use value::{
    Document, Elements, JsonError, JsonProblem, List, MAX_JSON_DEPTH, Members, Number, Object,
    Value,
};
