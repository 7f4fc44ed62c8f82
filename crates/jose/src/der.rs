//! Just enough DER to take a public key apart: SubjectPublicKeyInfo (RFC 5280) and RSAPublicKey
//! (RFC 8017).

use crate::key::Curve;

/// The parts of a public key, borrowed from its encoding.
pub(crate) enum PublicKey<'a> {
    Rsa { n: &'a [u8], e: &'a [u8] },
    Ec { curve: Curve, point: &'a [u8] },
    Ed25519(&'a [u8]),
}

/// Reads either structure; `None` when it is neither, malformed, or of another key type.
pub(crate) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut outer = Reader(der);
    let key = Reader(outer.element(SEQUENCE)?);
    outer.end()?;
    if key.next_is(INTEGER) {
        rsa(key)
    } else {
        pkix(key)
    }
}

fn pkix(mut info: Reader<'_>) -> Option<PublicKey<'_>> {
    let mut algorithm = Reader(info.element(SEQUENCE)?);
    let bits = info.element(BIT_STRING)?;
    info.end()?;
    let (0, key) = bits.split_first()? else {
        return None;
    };
    match algorithm.element(OID)? {
        RSA_ENCRYPTION => {
            let mut inner = Reader(key);
            let body = Reader(inner.element(SEQUENCE)?);
            inner.end()?;
            rsa(body)
        }
        EC_PUBLIC_KEY => {
            let curve = match algorithm.element(OID)? {
                SECP256R1 => Curve::P256,
                SECP384R1 => Curve::P384,
                SECP521R1 => Curve::P521,
                _ => return None,
            };
            Some(PublicKey::Ec { curve, point: key })
        }
        ED25519 => Some(PublicKey::Ed25519(key)),
        _ => None,
    }
}

fn rsa(mut body: Reader<'_>) -> Option<PublicKey<'_>> {
    let key = PublicKey::Rsa {
        n: body.positive()?,
        e: body.positive()?,
    };
    body.end()?;
    Some(key)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The content of the next element, which must have that tag.
    fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// An INTEGER that is not negative, its sign byte included.
    fn positive(&mut self) -> Option<&'a [u8]> {
        self.element(INTEGER)
            .filter(|content| content.first().is_some_and(|byte| byte & 0x80 == 0))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A definite length in its shortest form, up to 65535.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, long @ 0x80..=0xff, rest @ ..] => Some((usize::from(*long), rest)),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            Some((usize::from(u16::from_be_bytes([*high, *low])), rest))
        }
        _ => None,
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const SECP256R1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.132.0.34
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// 1.3.132.0.35
const SECP521R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
