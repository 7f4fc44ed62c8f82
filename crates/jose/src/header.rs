//! The JOSE header: what selects a key, and what makes a token unacceptable before any key is tried.

use crate::alg::Alg;
use crate::b64;
use crate::error::TokenError;
use crate::value::{JsonProblem, Value};

/// A token's header, not verified. Members that point to keys (`jku`, `jwk`, `x5u`, `x5c`) are
/// never read: keys come from the configured provider alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    alg: Alg,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl Header {
    /// `alg`.
    pub const fn alg(&self) -> Alg {
        self.alg
    }

    /// `kid`. An empty one counts as none, as in Envoy.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `typ`, when it is a string. Nothing is decided by it.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    pub(crate) fn parse(segment: &str) -> Result<Self, TokenError> {
        let json = b64::decode(segment).ok_or(TokenError::HeaderBase64)?;
        let header = Value::parse(&json).map_err(|error| match error.problem() {
            JsonProblem::DuplicateMember => TokenError::HeaderDuplicate,
            JsonProblem::Syntax | JsonProblem::TooDeep => TokenError::HeaderJson,
        })?;
        header.as_object().ok_or(TokenError::HeaderJson)?;
        let alg = header
            .get("alg")
            .and_then(Value::as_str)
            .ok_or(TokenError::AlgMissing)?;
        let alg = Alg::parse(alg).ok_or(TokenError::AlgUnsupported)?;
        let kid = header
            .get("kid")
            .map(|kid| kid.as_str().ok_or(TokenError::KidNotString))
            .transpose()?;
        if header.get("crit").is_some() || header.get("b64").is_some() {
            return Err(TokenError::Critical);
        }
        Ok(Self {
            alg,
            kid: kid.filter(|kid| !kid.is_empty()).map(Into::into),
            typ: header.get("typ").and_then(Value::as_str).map(Into::into),
        })
    }
}
