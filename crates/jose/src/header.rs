//! The JOSE header: what selects a key, and what makes a token unacceptable before any key is tried.

use crate::alg::Alg;
use crate::b64;
use crate::error::TokenError;
use crate::value::{self, JsonProblem, Value};

/// A token's header, not verified. Members that point to keys (`jku`, `jwk`, `x5u`, `x5c`) are
/// never read: keys come from the configured provider alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    alg: Alg,
    kid: Option<Box<str>>,
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

    pub(crate) fn parse(segment: &str) -> Result<Self, TokenError> {
        let json = b64::decode(segment, TokenError::HeaderBase64).map_err(|error| {
            // A scheme in front of the token (`Bearer eyJ…` where no scheme is expected) decodes,
            // white space aside, to something that is no header in any spelling.
            let lax = b64::decode_lax(segment);
            let readable = lax.is_some_and(|json| value::glance(&json, |_| ()).is_ok());
            if error == TokenError::NotCanonical && !readable {
                TokenError::HeaderJson
            } else {
                error
            }
        })?;
        value::glance(&json, Self::read).unwrap_or_else(|error| match error.problem() {
            JsonProblem::DuplicateMember => Err(TokenError::HeaderDuplicate),
            JsonProblem::Syntax | JsonProblem::TooDeep => Err(TokenError::HeaderJson),
        })
    }

    fn read(header: Value<'_>) -> Result<Self, TokenError> {
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
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn parse(json: &str) -> Result<Header, TokenError> {
        Header::parse(&URL_SAFE_NO_PAD.encode(json))
    }

    #[test]
    fn a_header_selects_a_key() {
        let header =
            parse(r#" {"typ":"at+jwt","kid":"k","alg":"ES256","jku":"https://evil.test","x":{}} "#)
                .unwrap();
        assert_eq!((header.alg(), header.kid()), (Alg::ES256, Some("k")));
        let header = parse(r#"{"alg":"RS256","kid":"","typ":null}"#).unwrap();
        assert_eq!(header.kid(), None);
    }

    #[test]
    fn a_header_that_cannot_be_honoured_is_refused() {
        let cases = [
            ("", TokenError::HeaderJson),
            ("null", TokenError::HeaderJson),
            ("[]", TokenError::HeaderJson),
            (r#"{"alg":"RS256"},"#, TokenError::HeaderJson),
            (
                r#"{"alg":"none","alg":"RS256"}"#,
                TokenError::HeaderDuplicate,
            ),
            (
                r#"{"alg":"RS256","jwk":{"n":1,"n":2}}"#,
                TokenError::HeaderDuplicate,
            ),
            ("{}", TokenError::AlgMissing),
            (r#"{"alg":null}"#, TokenError::AlgMissing),
            (r#"{"alg":["RS256"]}"#, TokenError::AlgMissing),
            (r#"{"alg":"none"}"#, TokenError::AlgUnsupported),
            (r#"{"alg":"NONE"}"#, TokenError::AlgUnsupported),
            (r#"{"alg":"rs256"}"#, TokenError::AlgUnsupported),
            (r#"{"alg":"ES256K"}"#, TokenError::AlgUnsupported),
            (r#"{"alg":"RS256","kid":null}"#, TokenError::KidNotString),
            (r#"{"alg":"RS256","kid":1}"#, TokenError::KidNotString),
            (r#"{"alg":"RS256","crit":[]}"#, TokenError::Critical),
            (
                r#"{"alg":"RS256","crit":["exp"],"exp":1}"#,
                TokenError::Critical,
            ),
            (r#"{"alg":"RS256","crit":null}"#, TokenError::Critical),
            (r#"{"alg":"RS256","b64":true}"#, TokenError::Critical),
        ];
        for (json, error) in cases {
            assert_eq!(parse(json), Err(error), "{json}");
        }
        assert_eq!(Header::parse("e30+"), Err(TokenError::HeaderBase64));
        assert_eq!(Header::parse("e30="), Err(TokenError::NotCanonical));
    }
}
