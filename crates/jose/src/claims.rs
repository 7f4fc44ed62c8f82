//! A claims set (RFC 7519 section 4): registered claims checked for their types, all else kept.

use std::fmt;

use crate::error::TokenError;
use crate::value::{Document, JsonProblem, Object, Value};

/// A claims set. Its `Debug` shows the names of the claims, never their values.
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// INVARIANT: an object.
    document: Document,
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
        Self::from_vec(json.to_vec())
    }

    /// As [`Claims::parse`], of bytes that are kept.
    pub(crate) fn from_vec(json: Vec<u8>) -> Result<Self, TokenError> {
        let document = Document::from_vec(json).map_err(|error| match error.problem() {
            JsonProblem::DuplicateMember => TokenError::PayloadDuplicate,
            JsonProblem::Syntax | JsonProblem::TooDeep => TokenError::PayloadJson,
        })?;
        let root = document.root().as_object().ok_or(TokenError::PayloadJson)?;
        must_be_text(root.get("iss"), "iss")?;
        must_be_text(root.get("sub"), "sub")?;
        let iat = seconds(root.get("iat"), "iat")?;
        let nbf = seconds(root.get("nbf"), "nbf")?;
        let exp = seconds(root.get("exp"), "exp")?;
        must_be_text(root.get("jti"), "jti")?;
        must_be_texts(root.get("aud"))?;
        Ok(Self {
            exp,
            nbf,
            iat,
            document,
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
    pub fn audiences(&self) -> impl Iterator<Item = &str> + Clone {
        let aud = self.get("aud");
        let list = aud.and_then(Value::as_list);
        let elements = list.into_iter().flatten().filter_map(Value::as_str);
        elements.chain(aud.and_then(Value::as_str))
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
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.root().get(name)
    }

    /// The claim at that path; objects are entered, lists are not.
    pub fn path<S: AsRef<str>>(&self, path: &[S]) -> Option<Value<'_>> {
        self.root().path(path)
    }

    /// The whole set, always an object.
    pub fn root(&self) -> Value<'_> {
        self.document.root()
    }

    /// The whole set as compact JSON.
    pub fn to_json(&self) -> String {
        self.root().to_json()
    }

    /// Bytes of memory that the set takes, itself included.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.document.heap()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.root().as_object().map(Object::names);
        f.write_str("Claims ")?;
        f.debug_set().entries(names.into_iter().flatten()).finish()
    }
}

fn must_be_text(claim: Option<Value<'_>>, name: &'static str) -> Result<(), TokenError> {
    match claim {
        None | Some(Value::String(_)) => Ok(()),
        Some(_) => Err(TokenError::ClaimNotString(name)),
    }
}

fn seconds(claim: Option<Value<'_>>, name: &'static str) -> Result<Option<u64>, TokenError> {
    match claim {
        None => Ok(None),
        Some(Value::Number(number)) => number
            .seconds()
            .map(Some)
            .ok_or(TokenError::ClaimNotPositive64(name)),
        Some(_) => Err(TokenError::ClaimNotInteger(name)),
    }
}

fn must_be_texts(aud: Option<Value<'_>>) -> Result<(), TokenError> {
    let is_text = |value: Value<'_>| value.as_str().is_some();
    match aud {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::List(list)) if list.iter().all(is_text) => Ok(()),
        Some(_) => Err(TokenError::AudNotStrings),
    }
}

#[cfg(test)]
mod tests;
