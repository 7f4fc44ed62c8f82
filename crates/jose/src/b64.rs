//! Base64url as RFC 7515 wants it: no `+` or `/`, no padding, no stray bits at the end.

mod strict;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::error::TokenError;

/// Decodes a part of a token, in the one spelling that its bytes have: two spellings of one token
/// would have two digests, and caches and deny lists go by the digest.
///
/// # Errors
/// [`TokenError::NotCanonical`] when laxer decoders would take it, else `invalid`.
pub(crate) fn decode(part: &str, invalid: TokenError) -> Result<Vec<u8>, TokenError> {
    strict::decode(part.as_bytes()).ok_or_else(|| {
        if decode_lax(part).is_some() {
            TokenError::NotCanonical
        } else {
            invalid
        }
    })
}

/// Decodes what laxer decoders would take; for choosing between errors only.
pub(crate) fn decode_lax(part: &str) -> Option<Vec<u8>> {
    let packed: String = part.split_ascii_whitespace().collect();
    LAX.decode(packed).ok()
}

/// Decodes a member of a key. Padding is let through, as Envoy does: a published key has no second
/// spelling to fear, and some servers pad.
pub(crate) fn decode_key_member(text: &str) -> Option<Vec<u8>> {
    PADDING_OPTIONAL.decode(text).ok()
}

const PADDING_OPTIONAL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What Envoy's decoder takes, white space aside.
const LAX: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_decodes() {
        let good: &[(&str, &[u8])] = &[
            ("", b""),
            ("AA", b"\0"),
            ("AAA", b"\0\0"),
            ("AAAA", b"\0\0\0"),
            ("-_8", b"\xfb\xff"),
            ("Zm9v", b"foo"),
        ];
        for (text, bytes) in good {
            assert_eq!(
                decode(text, TokenError::PayloadBase64).as_deref(),
                Ok(*bytes),
                "{text}"
            );
        }
        let other_spellings = [
            "AA==", "AAA=", "AA=", "AB", "AAB", "Zm9v\n", " Zm9v", "Zm 9v", "Zm9v\r\n", "-_9=",
        ];
        for text in other_spellings {
            assert_eq!(
                decode(text, TokenError::PayloadBase64),
                Err(TokenError::NotCanonical),
                "{text:?}"
            );
        }
        let bad = [
            "A", "AAAAA", "+_8", "-/8", "Zm9v=", "====", "A===", "é", "\0", "Zm9v.", "AA=A",
            "\"AA\"",
        ];
        for text in bad {
            assert_eq!(
                decode(text, TokenError::PayloadBase64),
                Err(TokenError::PayloadBase64),
                "{text:?}"
            );
        }
    }

    #[test]
    fn key_members_may_be_padded_but_nothing_else() {
        assert_eq!(decode_key_member("AA==").as_deref(), Some(&b"\0"[..]));
        assert_eq!(decode_key_member("AA").as_deref(), Some(&b"\0"[..]));
        for text in ["AB==", "AA=A", "AA===", "+_8=", "A"] {
            assert_eq!(decode_key_member(text), None, "{text:?}");
        }
    }
}
