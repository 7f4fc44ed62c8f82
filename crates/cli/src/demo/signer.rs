//! Signs tokens with a key that lives as long as the demo.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A private P-256 key with its name.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn new(kid: &'static str) -> Result<Self, Unspecified> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        Ok(Self { pair, kid })
    }

    /// The public key as a JWK (RFC 7518 section 6.2).
    pub(crate) fn jwk(&self) -> Value {
        // An uncompressed point: 4, then x and y of 32 bytes each.
        let point = self.pair.public_key().as_ref();
        let coordinate = |range| encode(point.get(range).unwrap_or_default());
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256",
            "x": coordinate(1..33), "y": coordinate(33..65),
        })
    }

    /// A token over these claims.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn sign(&self, claims: &Value) -> Result<String, Unspecified> {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(signature)))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use countersign_jose::{Expect, KeySet, Symmetric, Token, UnixTime};

    use super::*;

    #[test]
    fn its_tokens_verify_under_its_own_key_alone() {
        let (one, other) = (Signer::new("one").unwrap(), Signer::new("one").unwrap());
        let text = one.sign(&json!({ "sub": "alice" })).unwrap();
        let token = Token::parse(&text).unwrap();
        let checked = token.check(&Expect::default(), UnixTime(0)).unwrap();
        let verifies = |signer: &Signer| {
            let set = json!({ "keys": [signer.jwk()] }).to_string();
            let set = KeySet::from_jwks(set.as_bytes(), Symmetric::Refuse).unwrap();
            checked.verify(&set).is_ok()
        };
        assert!(verifies(&one) && !verifies(&other));
    }
}
