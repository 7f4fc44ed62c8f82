//! Every reason a token is refused for, with its code, its status and the body Envoy would send.

use std::borrow::Cow;

/// The longest token that is looked at. Envoy's bound on all headers together is 60 KiB, so no
/// token that passes it is refused here for its size.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Why a token was refused. The variants stand in the order in which the checks are made.
///
/// `Display` is for logs and explanations; [`message`](Self::message) is what the client is told.
/// Neither ever holds a part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A token is required and there is none. Never made here; callers refuse with it.
    #[error("a token is required and none was sent")]
    Missing,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {} bytes", MAX_TOKEN_BYTES)]
    TooLarge,
    /// Not three non-empty parts between two dots: an opaque or encrypted token, or a cut one.
    #[error("the token does not have three parts: it is opaque, encrypted or damaged")]
    Format,
    /// A part is base64url in another spelling than the one RFC 7515 section 2 allows: padding,
    /// white space, stray bits at the end. Laxer decoders take it; then one token has many digests.
    #[error("the token's base64url has padding, white space or stray bits")]
    NotCanonical,
    /// The header is not base64url: `+`, `/`, a foreign character, an impossible length.
    #[error("the token's header is not base64url")]
    HeaderBase64,
    /// The header is not a JSON object.
    #[error("the token's header is not a JSON object")]
    HeaderJson,
    /// The header has two members of one name.
    #[error("the token's header has a member twice")]
    HeaderDuplicate,
    /// The header has no `alg`, or one that is not a string.
    #[error("the token's header has no `alg`")]
    AlgMissing,
    /// `alg` names nothing that can be verified: `none`, a wrong case, ES256K, …
    #[error("the token's `alg` is not supported")]
    AlgUnsupported,
    /// `kid` is there and not a string.
    #[error("the token's `kid` is not a string")]
    KidNotString,
    /// `crit` or `b64` is there: the sender demands an extension, and none is implemented
    /// (RFC 7515 section 4.1.11, RFC 7797).
    #[error("the token's header demands an extension (`crit` or `b64`) that is not supported")]
    Critical,
    /// The payload is not base64url.
    #[error("the token's payload is not base64url")]
    PayloadBase64,
    /// The payload is not a JSON object, or is nested too deep.
    #[error("the token's payload is not a JSON object")]
    PayloadJson,
    /// The payload has two members of one name.
    #[error("the token's payload has a member twice")]
    PayloadDuplicate,
    /// That claim (`iss`, `sub` or `jti`) is not a string.
    #[error("the claim `{0}` is not a string")]
    ClaimNotString(&'static str),
    /// That claim (`iat`, `nbf` or `exp`) is not a number.
    #[error("the claim `{0}` is not a number")]
    ClaimNotInteger(&'static str),
    /// That claim (`iat`, `nbf` or `exp`) is negative, or 2^64 or more.
    #[error("the claim `{0}` is negative or too large")]
    ClaimNotPositive64(&'static str),
    /// `aud` is neither a string nor a list of strings.
    #[error("the claim `aud` is neither a string nor a list of strings")]
    AudNotStrings,
    /// The signature is not base64url.
    #[error("the token's signature is not base64url")]
    SignatureBase64,
    /// `alg` is supported, but the provider does not allow it.
    #[error("the token's `alg` is not allowed for this provider")]
    AlgNotAllowed,
    /// `iss` is missing or not the configured issuer.
    #[error("the token's issuer is not the configured one")]
    IssuerUnknown,
    /// `nbf` lies in the future, skew allowed for.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` has passed, skew allowed for.
    #[error("the token has expired")]
    Expired,
    /// No `aud` of the token is a configured audience.
    #[error("none of the token's audiences is a configured one")]
    AudienceRefused,
    /// The provider's keys could not be had. Never made here; callers refuse with it. Under
    /// RequestAuthentication the body is that of [`BadSignature`](Self::BadSignature) (T10).
    #[error("the provider's keys are not available")]
    KeysUnavailable,
    /// No key of the set has this token's `kid` and allows its `alg`.
    #[error("no key of the provider fits the token's `kid` and `alg`")]
    NoMatchingKey,
    /// No key that fits made this signature.
    #[error("the token's signature is not from a key of the provider")]
    BadSignature,
}

impl TokenError {
    /// The response body that Envoy's JWT filter sends for this refusal, or for the nearest one it
    /// has.
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Missing => "Jwt is missing",
            Self::TooLarge | Self::Format => {
                "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
            }
            Self::HeaderBase64 => "Jwt header is an invalid Base64url encoded",
            Self::HeaderJson | Self::HeaderDuplicate => "Jwt header is an invalid JSON",
            Self::AlgMissing => "Jwt header [alg] field is required and must be a string",
            Self::AlgUnsupported | Self::AlgNotAllowed => "Jwt header [alg] is not supported",
            Self::KidNotString => "Jwt header [kid] field is not a string",
            Self::PayloadBase64 => "Jwt payload is an invalid Base64url encoded",
            Self::PayloadJson | Self::PayloadDuplicate => "Jwt payload is an invalid JSON",
            Self::ClaimNotString(claim) => {
                return Cow::Owned(format!("Jwt payload [{claim}] field is not a string"));
            }
            Self::ClaimNotInteger(claim) => {
                return Cow::Owned(format!("Jwt payload [{claim}] field is not an integer"));
            }
            Self::ClaimNotPositive64(claim) => {
                return Cow::Owned(format!(
                    "Jwt payload [{claim}] field is not a positive 64 bit integer"
                ));
            }
            Self::AudNotStrings => "Jwt payload [aud] field is not a string or string list",
            Self::SignatureBase64 => "Jwt signature is an invalid Base64url encoded",
            Self::IssuerUnknown => "Jwt issuer is not configured",
            Self::NotYetValid => "Jwt not yet valid",
            Self::Expired => "Jwt is expired",
            Self::AudienceRefused => "Audiences in Jwt are not allowed",
            Self::KeysUnavailable => "Jwks remote fetch is failed",
            Self::NoMatchingKey => "Jwks doesn't have key to match kid or alg from Jwt",
            Self::NotCanonical | Self::Critical | Self::BadSignature => "Jwt verification fails",
        })
    }

    /// The stable reason code. Codes are documented and never change their meaning.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "jwt_missing",
            Self::TooLarge => "jwt_too_large",
            Self::Format => "jwt_format",
            Self::NotCanonical => "jwt_base64_not_canonical",
            Self::HeaderBase64 => "jwt_header_base64",
            Self::HeaderJson => "jwt_header_json",
            Self::HeaderDuplicate => "jwt_header_duplicate_member",
            Self::AlgMissing => "jwt_alg_missing",
            Self::AlgUnsupported => "jwt_alg_unsupported",
            Self::KidNotString => "jwt_kid_not_string",
            Self::Critical => "jwt_critical_header",
            Self::PayloadBase64 => "jwt_payload_base64",
            Self::PayloadJson => "jwt_payload_json",
            Self::PayloadDuplicate => "jwt_payload_duplicate_member",
            Self::ClaimNotString(_) => "jwt_claim_not_string",
            Self::ClaimNotInteger(_) => "jwt_claim_not_integer",
            Self::ClaimNotPositive64(_) => "jwt_claim_out_of_range",
            Self::AudNotStrings => "jwt_aud_not_strings",
            Self::SignatureBase64 => "jwt_signature_base64",
            Self::AlgNotAllowed => "jwt_alg_not_allowed",
            Self::IssuerUnknown => "jwt_issuer_unknown",
            Self::NotYetValid => "jwt_not_yet_valid",
            Self::Expired => "jwt_expired",
            Self::AudienceRefused => "jwt_audience_refused",
            Self::KeysUnavailable => "jwt_keys_unavailable",
            Self::NoMatchingKey => "jwt_no_matching_key",
            Self::BadSignature => "jwt_bad_signature",
        }
    }

    /// The HTTP status: 403 for a refused audience, else 401.
    pub const fn status(&self) -> u16 {
        match self {
            Self::AudienceRefused => 403,
            _ => 401,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [TokenError; 27] = [
        TokenError::Missing,
        TokenError::TooLarge,
        TokenError::Format,
        TokenError::NotCanonical,
        TokenError::HeaderBase64,
        TokenError::HeaderJson,
        TokenError::HeaderDuplicate,
        TokenError::AlgMissing,
        TokenError::AlgUnsupported,
        TokenError::KidNotString,
        TokenError::Critical,
        TokenError::PayloadBase64,
        TokenError::PayloadJson,
        TokenError::PayloadDuplicate,
        TokenError::ClaimNotString("iss"),
        TokenError::ClaimNotInteger("exp"),
        TokenError::ClaimNotPositive64("nbf"),
        TokenError::AudNotStrings,
        TokenError::SignatureBase64,
        TokenError::AlgNotAllowed,
        TokenError::IssuerUnknown,
        TokenError::NotYetValid,
        TokenError::Expired,
        TokenError::AudienceRefused,
        TokenError::KeysUnavailable,
        TokenError::NoMatchingKey,
        TokenError::BadSignature,
    ];

    #[test]
    fn codes_are_unique_and_snake_case() {
        let codes: HashSet<&str> = ALL.iter().map(TokenError::code).collect();
        assert_eq!(codes.len(), ALL.len());
        for code in codes {
            assert!(code.starts_with("jwt_"), "{code}");
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{code}"
            );
        }
    }

    #[test]
    fn messages_for_logs_follow_the_house_rules() {
        for error in ALL {
            let text = error.to_string();
            assert!(
                text.starts_with(char::is_lowercase)
                    && !text.ends_with('.')
                    && !text.contains('\n'),
                "{text}"
            );
        }
    }

    #[test]
    fn bodies_are_those_of_envoy() {
        let bodies = [
            (
                TokenError::ClaimNotString("sub"),
                "Jwt payload [sub] field is not a string",
            ),
            (
                TokenError::ClaimNotInteger("exp"),
                "Jwt payload [exp] field is not an integer",
            ),
            (
                TokenError::ClaimNotPositive64("iat"),
                "Jwt payload [iat] field is not a positive 64 bit integer",
            ),
            (
                TokenError::Format,
                "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
            ),
            (TokenError::Expired, "Jwt is expired"),
        ];
        for (error, body) in bodies {
            assert_eq!(error.message(), body);
        }
        assert!(ALL.iter().all(
            |error| error.message().starts_with("Jw") || *error == TokenError::AudienceRefused
        ));
    }

    #[test]
    fn only_the_audience_is_forbidden() {
        let forbidden: Vec<_> = ALL.iter().filter(|error| error.status() == 403).collect();
        assert_eq!(forbidden, [&TokenError::AudienceRefused]);
        assert!(ALL.iter().all(|error| matches!(error.status(), 401 | 403)));
    }
}
