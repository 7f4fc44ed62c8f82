//! A token taken apart as far as it goes: also one that every gateway refuses, so that its owner sees why.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use countersign_jose::{Token, TokenError};
use serde_json::Value;

use crate::exit::{Exit, Failure};

/// Header and claims, **not verified**.
pub(crate) struct Decoded {
    /// The header, always an object.
    pub(crate) header: Value,
    /// The claims, always an object; `None` where they are encrypted.
    pub(crate) claims: Option<Value>,
    /// Why no rule of any gateway takes this token, whatever its keys.
    pub(crate) refused: Option<TokenError>,
}

impl Decoded {
    /// Takes a signed or encrypted token apart.
    ///
    /// # Errors
    /// When it is neither; no message holds any of it.
    pub(crate) fn read(token: &str) -> Result<Self, Failure> {
        let parts: Vec<&str> = token.split('.').collect();
        let (header, payload) = match parts.as_slice() {
            [header, payload, _] => (header, Some(payload)),
            [header, _, _, _, _] => (header, None),
            _ => return Err(opaque(parts.len())),
        };
        Ok(Self {
            header: object("header", header)?,
            claims: payload.map(|part| object("payload", part)).transpose()?,
            refused: Token::parse(token).err(),
        })
    }

    /// A claim.
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    /// A claim that is a moment: seconds since 1970, the fraction dropped.
    pub(crate) fn moment(&self, name: &str) -> Option<u64> {
        let number = self.claim(name)?.as_number()?;
        // As the gateway reads it, so that both say the same of one token.
        let json = number.to_string();
        let document = countersign_jose::Document::parse(json.as_bytes()).ok()?;
        match document.root() {
            countersign_jose::Value::Number(number) => number.seconds(),
            _ => None,
        }
    }

    /// A member of the header that is a string.
    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }
}

fn opaque(parts: usize) -> Failure {
    let message = match parts {
        1 => "this is not a JWT: it has no dots".to_owned(),
        _ => format!("this is not a JWT: it has {parts} parts between dots"),
    };
    Failure::new(Exit::Denied, message).help(
        "a signed JWT has three parts, `header.payload.signature`; an opaque token means something to its issuer alone",
    )
}

/// Reads a part that ought to be the base64url of a JSON object. Takes every spelling of base64, wrapped lines too:
/// [`Decoded::refused`] tells what a gateway makes of that.
fn object(name: &str, part: &str) -> Result<Value, Failure> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let one_alphabet = part
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        });
    let broken = |what: &str| {
        let message = format!("this is not a JWT: its {name} is not {what}");
        let help = "was it cut off, or changed on the way? copy it anew";
        Failure::new(Exit::Denied, message).help(help)
    };
    let decoded = LENIENT.decode(one_alphabet.collect::<String>());
    let json = decoded.map_err(|_| broken("base64url"))?;
    let value: Value = serde_json::from_slice(&json).map_err(|_| broken("JSON"))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(broken("a JSON object"))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |part: &str| URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.c2ln", encode(header), encode(payload))
    }

    #[test]
    fn what_no_gateway_takes_is_shown_all_the_same() {
        let decoded = Decoded::read(&token(r#"{"alg":"none"}"#, r#"{"exp":1.9,"a":"é"}"#)).unwrap();
        assert_eq!(decoded.header, json!({ "alg": "none" }));
        assert_eq!(decoded.claims, Some(json!({ "exp": 1.9, "a": "é" })));
        assert_eq!(
            (decoded.moment("exp"), decoded.moment("a")),
            (Some(1), None)
        );
        assert_eq!(decoded.refused, Some(TokenError::AlgUnsupported));

        let padded = token(r#"{"alg":"RS256"}"#, "{}").replace("e30", "e3\n0=");
        let decoded = Decoded::read(&padded).unwrap();
        assert_eq!(decoded.claims, Some(json!({})));
        assert_eq!(decoded.refused, Some(TokenError::NotCanonical));
    }

    #[test]
    fn an_encrypted_token_shows_its_header() {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
        let decoded = Decoded::read(&format!("{header}.a.b.c.d")).unwrap();
        assert_eq!(decoded.header_text("enc"), Some("A256GCM"));
        assert_eq!(
            (decoded.claims, decoded.refused),
            (None, Some(TokenError::Format))
        );
    }

    #[test]
    fn what_is_no_token_is_said_so_without_showing_it() {
        for (text, says) in [
            ("secret", "it has no dots"),
            ("secret.secret", "it has 2 parts"),
            ("s!.e30.x", "its header is not base64url"),
            ("c2VjcmV0.e30.x", "its header is not JSON"),
            ("W10.e30.x", "its header is not a JSON object"),
            ("e30.IiI.x", "its payload is not a JSON object"),
        ] {
            let failure = Decoded::read(text).err().unwrap();
            let shown = failure.to_string();
            assert!(shown.contains(says) && !shown.contains("secret"), "{shown}");
            assert_eq!(failure.exit, Exit::Denied);
        }
    }
}
