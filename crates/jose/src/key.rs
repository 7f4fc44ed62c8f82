//! One key, bound to the algorithms it may verify and parsed once for each of them.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};

use crate::alg::Alg;

/// A key that can verify. Its `Debug` shows kid and kind, no key material.
pub struct Key {
    kid: Option<Box<str>>,
    alg: Option<Alg>,
    kind: &'static str,
    /// One entry for each algorithm that this key may be used with. INVARIANT: not empty.
    verifiers: Box<[(Alg, Verifier)]>,
}

impl Key {
    /// `kid`, unless it is missing or empty.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Type and size in words, for messages: `RSA 2048` (`RSA` alone for unusual sizes),
    /// `EC P-256`, `Ed25519`, `symmetric`.
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// The one algorithm that the key itself allows, when it names one.
    pub const fn alg(&self) -> Option<Alg> {
        self.alg
    }

    /// Checks strength and shape, binds to `stated` or to what the type allows, and parses.
    ///
    /// # Errors
    /// The reason in words, without key material.
    pub(crate) fn build(
        kid: Option<Box<str>>,
        stated: Option<Alg>,
        material: &Material<'_>,
    ) -> Result<Self, String> {
        let family = material.check()?;
        let bound: &[Alg] = match &stated {
            None => family.algs,
            Some(alg) if family.algs.contains(alg) => std::slice::from_ref(alg),
            Some(alg) => return Err(material.misfit(*alg, family.kind)),
        };
        let verifiers: Option<_> = bound
            .iter()
            .map(|alg| material.verifier(*alg).map(|verifier| (*alg, verifier)))
            .collect();
        Ok(Self {
            kid: kid.filter(|kid| !kid.is_empty()),
            alg: stated,
            kind: family.kind,
            verifiers: verifiers.ok_or("the numbers do not make a valid key")?,
        })
    }

    pub(crate) fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers
            .iter()
            .any(|(bound, verifier)| *bound == alg && verifier.verify(message, signature))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("kind", &self.kind)
            .field("alg", &self.alg)
            .finish()
    }
}

/// What a key is made of, however it was written down.
pub(crate) enum Material<'a> {
    /// Modulus and exponent, big-endian, leading zero bytes allowed.
    Rsa { n: &'a [u8], e: &'a [u8] },
    /// An uncompressed point: 4, x, y.
    Ec { curve: Curve, point: &'a [u8] },
    /// 32 bytes.
    Ed25519(&'a [u8]),
    /// A shared secret.
    Symmetric(&'a [u8]),
}

/// The curves of RFC 7518 section 6.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Bytes of one coordinate.
    pub(crate) const fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// What the shape of a key says about its use.
struct Family {
    kind: &'static str,
    algs: &'static [Alg],
}

impl Material<'_> {
    fn check(&self) -> Result<Family, String> {
        match self {
            Self::Rsa { n, e } => Ok(Family {
                kind: rsa_kind(n, e)?,
                algs: &RSA_ALGS,
            }),
            Self::Ec { curve, point }
                if point.len() != 1 + 2 * curve.size() || point.first() != Some(&4) =>
            {
                Err("the elliptic curve point is not an uncompressed point of its curve".into())
            }
            Self::Ec {
                curve: Curve::P256, ..
            } => Ok(Family {
                kind: "EC P-256",
                algs: &[Alg::ES256],
            }),
            Self::Ec {
                curve: Curve::P384, ..
            } => Ok(Family {
                kind: "EC P-384",
                algs: &[Alg::ES384],
            }),
            Self::Ec {
                curve: Curve::P521, ..
            } => Ok(Family {
                kind: "EC P-521",
                algs: &[Alg::ES512],
            }),
            Self::Ed25519(x) if x.len() != 32 => {
                Err(format!("an Ed25519 key has 32 bytes, not {}", x.len()))
            }
            Self::Ed25519(_) => Ok(Family {
                kind: "Ed25519",
                algs: &[Alg::EdDSA],
            }),
            Self::Symmetric(secret) => Ok(Family {
                kind: "symmetric",
                algs: symmetric_algs(secret.len())?,
            }),
        }
    }

    fn misfit(&self, alg: Alg, kind: &str) -> String {
        match self {
            Self::Symmetric(secret) if alg.is_symmetric() => {
                format!(
                    "a symmetric key of {} bytes is too short for `{alg}`",
                    secret.len()
                )
            }
            _ => format!("`alg` is `{alg}`, which a key of type {kind} cannot be used with"),
        }
    }

    /// Parses the key for an algorithm of its family; `None` when its numbers make no key, such as
    /// a point that is not on the curve.
    fn verifier(&self, alg: Alg) -> Option<Verifier> {
        let public = match self {
            Self::Rsa { n, e } => {
                let components = RsaPublicKeyComponents {
                    n: strip_zeros(n),
                    e: strip_zeros(e),
                };
                components.to_parsed_public_key(rsa_parameters(alg)?)
            }
            Self::Ec { point, .. } => ParsedPublicKey::new(ecdsa_parameters(alg)?, point),
            Self::Ed25519(x) => ParsedPublicKey::new(&signature::ED25519, x),
            Self::Symmetric(secret) => {
                let key = hmac::Key::new(hmac_algorithm(alg)?, secret);
                return Some(Verifier::Hmac(Box::new(key)));
            }
        };
        public.ok().map(Verifier::Public)
    }
}

/// One key under one algorithm; nothing is parsed when it verifies.
enum Verifier {
    Public(ParsedPublicKey),
    Hmac(Box<hmac::Key>),
}

impl Verifier {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

const RSA_ALGS: [Alg; 6] = [
    Alg::RS256,
    Alg::RS384,
    Alg::RS512,
    Alg::PS256,
    Alg::PS384,
    Alg::PS512,
];

const fn rsa_parameters(alg: Alg) -> Option<&'static RsaParameters> {
    Some(match alg {
        Alg::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Alg::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Alg::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Alg::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Alg::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Alg::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

const fn ecdsa_parameters(alg: Alg) -> Option<&'static EcdsaVerificationAlgorithm> {
    Some(match alg {
        Alg::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
        Alg::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        Alg::ES512 => &signature::ECDSA_P521_SHA512_FIXED,
        _ => return None,
    })
}

const fn hmac_algorithm(alg: Alg) -> Option<hmac::Algorithm> {
    Some(match alg {
        Alg::HS256 => hmac::HMAC_SHA256,
        Alg::HS384 => hmac::HMAC_SHA384,
        Alg::HS512 => hmac::HMAC_SHA512,
        _ => return None,
    })
}

/// RFC 7518 section 3.3 asks for 2048 bits; above 8192 one verification is slow enough to be an
/// attack. The exponent must be odd, over 1 and of at most 33 bits: 1 makes every message its own
/// signature.
fn rsa_kind(n: &[u8], e: &[u8]) -> Result<&'static str, String> {
    let (n, e) = (strip_zeros(n), strip_zeros(e));
    let bits = bit_length(n);
    if bits < 2048 {
        return Err(format!(
            "an RSA key of {bits} bits is too weak; 2048 are the least"
        ));
    }
    if bits > 8192 {
        return Err(format!(
            "an RSA key of {bits} bits is too large; 8192 are the most"
        ));
    }
    if n.last().is_some_and(|byte| byte & 1 == 0) {
        return Err("the RSA modulus is even".into());
    }
    let odd = e.last().is_some_and(|byte| byte & 1 == 1);
    if !odd || e == [1] || bit_length(e) > 33 {
        return Err("the RSA exponent is not an odd number over 1 of at most 33 bits".into());
    }
    Ok(match bits {
        2048 => "RSA 2048",
        3072 => "RSA 3072",
        4096 => "RSA 4096",
        8192 => "RSA 8192",
        _ => "RSA",
    })
}

/// RFC 7518 section 3.2: the secret must be as long as the hash.
fn symmetric_algs(bytes: usize) -> Result<&'static [Alg], String> {
    match bytes {
        0..32 => Err(format!(
            "a symmetric key of {bytes} bytes is too short; HS256 needs 32, HS384 48, HS512 64"
        )),
        32..48 => Ok(&[Alg::HS256]),
        48..64 => Ok(&[Alg::HS256, Alg::HS384]),
        _ => Ok(&[Alg::HS256, Alg::HS384, Alg::HS512]),
    }
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Bits of a number without leading zero bytes.
fn bit_length(number: &[u8]) -> usize {
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
