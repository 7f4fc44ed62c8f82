//! A claims set (RFC 7519 section 4): registered claims checked for their types, all else kept.

use std::fmt;

use crate::error::TokenError;
use crate::value::{JsonProblem, Value};

/// A claims set. Its `Debug` shows the names of the claims, never their values.
#[derive(Clone, PartialEq)]
pub struct Claims {
    root: Value,
    audiences: Box<[Box<str>]>,
    exp: Option<u64>,
    nbf: Option<u64>,
    iat: Option<u64>,
}

impl Claims {
    /// Reads a claims set and checks the types of `iss`, `sub`, `iat`, `nbf`, `exp`, `jti` and
    /// `aud`. A claim of the wrong type is an error even where nobody asks for it, as in Envoy.
    ///
    /// # Errors
    /// The first thing wrong, in the order just given.
    pub fn parse(json: &[u8]) -> Result<Self, TokenError> {
        let root = Value::parse(json).map_err(|error| match error.problem() {
            JsonProblem::DuplicateMember => TokenError::PayloadDuplicate,
            JsonProblem::Syntax | JsonProblem::TooDeep => TokenError::PayloadJson,
        })?;
        root.as_object().ok_or(TokenError::PayloadJson)?;
        must_be_text(&root, "iss")?;
        must_be_text(&root, "sub")?;
        let iat = seconds(&root, "iat")?;
        let nbf = seconds(&root, "nbf")?;
        let exp = seconds(&root, "exp")?;
        must_be_text(&root, "jti")?;
        let audiences = audiences(root.get("aud"))?;
        Ok(Self {
            root,
            audiences,
            exp,
            nbf,
            iat,
        })
    }

    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `jti`.
    pub fn jwt_id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `aud`, a single string as a list of one.
    pub fn audiences(&self) -> &[Box<str>] {
        &self.audiences
    }

    /// `exp` in seconds; `None` when it is absent or 0, which both mean "never expires" to Envoy.
    pub fn expires(&self) -> Option<u64> {
        self.exp.filter(|seconds| *seconds != 0)
    }

    /// Whether `exp` is there and 0 (or a fraction of a second).
    pub(crate) fn expires_at_zero(&self) -> bool {
        self.exp == Some(0)
    }

    /// `nbf` in seconds.
    pub const fn not_before(&self) -> Option<u64> {
        self.nbf
    }

    /// `iat` in seconds. Nothing is decided by it.
    pub const fn issued_at(&self) -> Option<u64> {
        self.iat
    }

    /// The claim of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.root.get(name)
    }

    /// The claim at that path; objects are entered, lists are not.
    pub fn path<S: AsRef<str>>(&self, path: &[S]) -> Option<&Value> {
        self.root.path(path)
    }

    /// The whole set, always an object.
    pub const fn root(&self) -> &Value {
        &self.root
    }

    /// The whole set as compact JSON.
    pub fn to_json(&self) -> String {
        self.root.to_json()
    }

    /// Bytes of memory that the set takes, itself included.
    pub fn weight(&self) -> usize {
        let audiences = self.audiences.iter();
        size_of::<Self>()
            + self.root.heap()
            + audiences
                .map(|audience| size_of::<Box<str>>() + audience.len())
                .sum::<usize>()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .root
            .as_object()
            .unwrap_or_default()
            .iter()
            .map(|(name, _)| name);
        f.write_str("Claims ")?;
        f.debug_set().entries(names).finish()
    }
}

fn must_be_text(root: &Value, name: &'static str) -> Result<(), TokenError> {
    match root.get(name) {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(TokenError::ClaimNotString(name)),
    }
}

fn seconds(root: &Value, name: &'static str) -> Result<Option<u64>, TokenError> {
    match root.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => number
            .seconds()
            .map(Some)
            .ok_or(TokenError::ClaimNotPositive64(name)),
        Some(_) => Err(TokenError::ClaimNotInteger(name)),
    }
}

fn audiences(aud: Option<&Value>) -> Result<Box<[Box<str>]>, TokenError> {
    let one = |value: &Value| {
        value
            .as_str()
            .map(Into::into)
            .ok_or(TokenError::AudNotStrings)
    };
    match aud {
        None => Ok(Box::default()),
        Some(Value::List(list)) => list.iter().map(one).collect(),
        Some(single) => Ok(Box::new([one(single)?])),
    }
}

#[cfg(test)]
mod tests;
