//! PEM public keys: PKIX (`PUBLIC KEY`) and PKCS#1 (`RSA PUBLIC KEY`) into a [`Key`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::alg::Alg;
use crate::der::{self, PublicKey};
use crate::key::{Curve, Key, Material};

/// Whether the text is meant as PEM.
pub(crate) fn is_pem(text: &str) -> bool {
    text.trim_start().starts_with(BEGIN)
}

/// Reads the first block. The key gets the algorithm that kgateway gives it: RS256 for RSA, the
/// curve's for ECDSA, EdDSA for Ed25519; and no `kid`.
///
/// # Errors
/// Why not, in words, without key material.
pub(crate) fn parse(text: &str) -> Result<Key, String> {
    let (label, body) = block(text).ok_or("the block has no end")?;
    if label.contains("PRIVATE KEY") {
        return Err("it is a private key; give its public half (`openssl pkey -pubout`)".into());
    }
    if label == "CERTIFICATE" {
        return Err(
            "it is a certificate; give its public key (`openssl x509 -pubkey -noout`)".into(),
        );
    }
    if label != "PUBLIC KEY" && label != "RSA PUBLIC KEY" {
        return Err(format!(
            "a block of type `{}` is not a public key",
            label.escape_debug().take(40).collect::<String>()
        ));
    }
    let packed: String = body.split_ascii_whitespace().collect();
    let bytes = STANDARD
        .decode(packed)
        .map_err(|_| "the block is not base64")?;
    match der::public_key(&bytes).ok_or("the key's structure or type is not supported")? {
        PublicKey::Rsa { n, e } => Key::build(None, Some(Alg::RS256), &Material::Rsa { n, e }),
        PublicKey::Ec { curve, point } => {
            Key::build(None, Some(alg_of(curve)), &Material::Ec { curve, point })
        }
        PublicKey::Ed25519(x) => Key::build(None, Some(Alg::EdDSA), &Material::Ed25519(x)),
    }
}

fn block(text: &str) -> Option<(&str, &str)> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, end) = rest.split_once("-----END ")?;
    end.strip_prefix(label)?
        .starts_with("-----")
        .then_some((label, body))
}

const fn alg_of(curve: Curve) -> Alg {
    match curve {
        Curve::P256 => Alg::ES256,
        Curve::P384 => Alg::ES384,
        Curve::P521 => Alg::ES512,
    }
}

const BEGIN: &str = "-----BEGIN ";

#[cfg(test)]
mod tests;
