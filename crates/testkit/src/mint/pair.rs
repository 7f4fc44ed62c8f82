//! The key material behind a [`super::Key`]: generation, signing, and the public members of its JWK.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
    rsa::KeySize,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{Alg, Kind};

/// Private key material.
pub(super) enum Pair {
    Rsa(RsaKeyPair),
    Ec {
        curve: &'static Curve,
        pair: EcdsaKeyPair,
    },
    Ed25519(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Pair {
    pub(super) fn secret(bytes: &[u8]) -> Self {
        Self::Secret(bytes.to_owned())
    }

    pub(super) fn alg(&self) -> Alg {
        match self {
            Self::Rsa(_) => Alg::Rs256,
            Self::Ec { curve, .. } => curve.alg,
            Self::Ed25519(_) => Alg::EdDsa,
            Self::Secret(_) => Alg::Hs256,
        }
    }

    pub(super) fn jwk(&self) -> Map<String, Value> {
        let members = match self {
            Self::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
            }
            Self::Ec { curve, pair } => {
                // An uncompressed point (SEC 1 section 2.3.3): 0x04, x, y.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(curve.coordinate);
                json!({ "kty": "EC", "crv": curve.name, "x": base64url(x), "y": base64url(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref()) })
            }
            Self::Secret(bytes) => json!({ "kty": "oct", "k": base64url(bytes) }),
        };
        match members {
            Value::Object(members) => members,
            _ => unreachable!("each arm is an object"),
        }
    }

    pub(super) fn sign(&self, alg: Alg, input: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_padding(alg), &rng, input, &mut signature)
                    .expect("an RSA signature");
                signature
            }
            Self::Ec { curve, pair } if curve.alg == alg => pair
                .sign(&rng, input)
                .expect("an ECDSA signature")
                .as_ref()
                .to_owned(),
            Self::Ed25519(pair) if alg == Alg::EdDsa => pair.sign(input).as_ref().to_owned(),
            Self::Secret(bytes) => hmac::sign(&hmac::Key::new(hmac_hash(alg), bytes), input)
                .as_ref()
                .to_owned(),
            Self::Ec { .. } | Self::Ed25519(_) => {
                panic!("{} does not go with this kind of key", alg.name())
            }
        }
    }
}

type Named = HashMap<(Kind, String), Arc<Pair>>;

/// The key of this kind and name, made once per process.
pub(super) fn cached(kind: Kind, name: &str) -> Arc<Pair> {
    static KEYS: LazyLock<Mutex<Named>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().expect("no test panicked while it made a key");
    Arc::clone(
        keys.entry((kind, name.to_owned()))
            .or_insert_with(|| Arc::new(generate(kind))),
    )
}

fn generate(kind: Kind) -> Pair {
    match kind {
        Kind::Rsa => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key")),
        Kind::P256 => elliptic(&P256),
        Kind::P384 => elliptic(&P384),
        Kind::P521 => elliptic(&P521),
        Kind::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key")),
        Kind::Secret => {
            let mut bytes = vec![0; 64];
            SystemRandom::new().fill(&mut bytes).expect("random bytes");
            Pair::Secret(bytes)
        }
    }
}

fn elliptic(curve: &'static Curve) -> Pair {
    Pair::Ec {
        curve,
        pair: EcdsaKeyPair::generate(curve.signing).expect("an elliptic curve key"),
    }
}

pub(super) struct Curve {
    name: &'static str,
    alg: Alg,
    /// Bytes of one coordinate (RFC 7518 section 6.2.1.2).
    coordinate: usize,
    signing: &'static EcdsaSigningAlgorithm,
}

static P256: Curve = Curve {
    name: "P-256",
    alg: Alg::Es256,
    coordinate: 32,
    signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
};
static P384: Curve = Curve {
    name: "P-384",
    alg: Alg::Es384,
    coordinate: 48,
    signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
};
static P521: Curve = Curve {
    name: "P-521",
    alg: Alg::Es512,
    coordinate: 66,
    signing: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
};

fn rsa_padding(alg: Alg) -> &'static dyn RsaEncoding {
    match alg {
        Alg::Rs256 => &signature::RSA_PKCS1_SHA256,
        Alg::Rs384 => &signature::RSA_PKCS1_SHA384,
        Alg::Rs512 => &signature::RSA_PKCS1_SHA512,
        Alg::Ps256 => &signature::RSA_PSS_SHA256,
        Alg::Ps384 => &signature::RSA_PSS_SHA384,
        Alg::Ps512 => &signature::RSA_PSS_SHA512,
        _ => panic!("{} does not go with an RSA key", alg.name()),
    }
}

fn hmac_hash(alg: Alg) -> hmac::Algorithm {
    match alg {
        Alg::Hs256 => hmac::HMAC_SHA256,
        Alg::Hs384 => hmac::HMAC_SHA384,
        Alg::Hs512 => hmac::HMAC_SHA512,
        _ => panic!("{} does not go with a secret", alg.name()),
    }
}

/// Modulus and exponent out of the DER of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn rsa_numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = der_value(der);
    let (n, rest) = der_value(sequence);
    let (e, _) = der_value(rest);
    (unsigned(n), unsigned(e))
}

/// Contents of the first DER element, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let first = usize::from(der[1]);
    let (start, len) = match first.checked_sub(0x80) {
        None => (2, first),
        Some(octets) => (
            2 + octets,
            der[2..2 + octets]
                .iter()
                .fold(0, |len, b| len << 8 | usize::from(*b)),
        ),
    };
    der[start..].split_at(len)
}

/// Without the zero octet that keeps a DER INTEGER positive.
fn unsigned(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
