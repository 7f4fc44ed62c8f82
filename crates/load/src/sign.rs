//! Signing keys of the three algorithms that are measured, and their public halves as JWK and PEM.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::fault::Fault;

/// An algorithm of RFC 7518 section 3.1 or RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and 2048 bits
    #[value(name = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256
    #[value(name = "ES256")]
    Es256,
    /// Ed25519
    #[value(name = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All three.
    pub(crate) const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name as it stands in `alg`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A private key that signs tokens.
pub(crate) struct Signer {
    algorithm: Algorithm,
    pair: Pair,
    /// Header and dot, as every token of this key begins.
    opening: String,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// A new key. `kid` stands in the header of its tokens and in its JWK.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn generate(algorithm: Algorithm, kid: &str) -> Result<Self, Fault> {
        let pair = match algorithm {
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed),
        };
        let header = json!({ "alg": algorithm.name(), "typ": "JWT", "kid": kid });
        Ok(Self {
            algorithm,
            pair: pair.map_err(|Unspecified| Fault::failure("no key could be generated"))?,
            opening: URL_SAFE_NO_PAD.encode(header.to_string()) + ".",
        })
    }

    /// The compact JWS over this payload.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(crate) fn token(&self, payload: &str) -> Result<String, Fault> {
        let mut token = self.opening.clone();
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self
            .pair
            .sign(token.as_bytes())
            .map_err(|Unspecified| Fault::failure("no signature could be made"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The JWKS (RFC 7517) of this one key.
    ///
    /// # Errors
    /// When the key is not of the form that is generated here.
    pub(crate) fn jwks(&self, kid: &str) -> Result<Value, Fault> {
        let mut jwk = self.pair.jwk().ok_or_else(odd_key)?;
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".into(), json!(kid));
            members.insert("alg".into(), json!(self.algorithm.name()));
            members.insert("use".into(), json!("sig"));
        }
        Ok(json!({ "keys": [jwk] }))
    }

    /// The public key as PEM (a SubjectPublicKeyInfo, RFC 5280 section 4.1).
    ///
    /// # Errors
    /// When the key is not of the form that is generated here.
    pub(crate) fn pem(&self) -> Result<String, Fault> {
        let der = self.pair.spki().map_err(|Unspecified| odd_key())?;
        let text = STANDARD.encode(der);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (at, letter) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        Ok(pem)
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::Ec(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Self::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }

    fn jwk(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(match self {
            Self::Rsa(pair) => {
                let n = rsa_modulus(pair.public_key().as_ref())?;
                json!({ "kty": "RSA", "n": text(n), "e": text(&EXPONENT) })
            }
            Self::Ec(pair) => {
                // An uncompressed point (SEC 1 section 2.3.3): 4, x, y.
                let point = pair.public_key().as_ref().strip_prefix(&[4])?;
                let (x, y) = point.split_at_checked(32)?;
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
        })
    }

    fn spki(&self) -> Result<Vec<u8>, Unspecified> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Rsa(pair) => pair.public_key().as_der()?,
            Self::Ec(pair) => pair.public_key().as_der()?,
            Self::Ed(pair) => pair.public_key().as_der()?,
        };
        Ok(der.as_ref().to_vec())
    }
}

/// The modulus, out of the DER of an `RSAPublicKey` (RFC 8017 appendix A.1.1) of 2048 bits, which
/// ends with it and the exponent.
fn rsa_modulus(der: &[u8]) -> Option<&[u8; 256]> {
    let rest = der.strip_suffix(&EXPONENT)?.strip_suffix(&[2, 3])?;
    rest.split_last_chunk().map(|(_, modulus)| modulus)
}

fn odd_key() -> Fault {
    Fault::failure("a generated key has an unknown form")
}

/// 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];
