//! One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037 section 2) into a [`Key`].

use crate::alg::Alg;
use crate::b64;
use crate::key::{Curve, Key, Material};
use crate::value::Value;

/// Whether `oct` keys of a document may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symmetric {
    /// The document is part of the configuration.
    Allow,
    /// The document is published: whoever reads it could sign with such a key.
    Refuse,
}

/// Reads one entry of a key set.
///
/// # Errors
/// Why the entry cannot be used, in words, without key material.
pub(crate) fn parse(entry: Value<'_>, symmetric: Symmetric) -> Result<Key, String> {
    if entry.as_object().is_none() {
        return Err(format!(
            "an entry must be an object, not a {}",
            entry.kind()
        ));
    }
    check_use(entry)?;
    let alg = stated_alg(entry)?;
    let build = |material: &Material<'_>| Key::build(kid(entry).map(Into::into), alg, material);
    match text(entry, "kty")? {
        "RSA" => build(&Material::Rsa { n: &bytes(entry, "n")?, e: &bytes(entry, "e")? }),
        "EC" => {
            let curve = curve(text(entry, "crv")?)?;
            build(&Material::Ec { curve, point: &point(curve, &bytes(entry, "x")?, &bytes(entry, "y")?)? })
        }
        "OKP" => match text(entry, "crv")? {
            "Ed25519" => build(&Material::Ed25519(&bytes(entry, "x")?)),
            other => Err(format!("the curve `{}` is not supported", shown(other))),
        },
        "oct" if symmetric == Symmetric::Refuse => {
            Err("a symmetric key is accepted only from an inline key set: who can read a published one can sign".into())
        }
        "oct" => build(&Material::Symmetric(&bytes(entry, "k")?)),
        other => Err(format!("the key type `{}` is not supported", shown(other))),
    }
}

/// `kid`, when it is a string; any other type counts as none, as in Envoy.
pub(crate) fn kid(entry: Value<'_>) -> Option<&str> {
    entry.get("kid").and_then(Value::as_str)
}

/// RFC 7517 sections 4.2 and 4.3: a key that was published for something else is not used.
fn check_use(entry: Value<'_>) -> Result<(), String> {
    match entry.get("use").map(Value::as_str) {
        None | Some(Some("sig")) => {}
        Some(Some(other)) => return Err(format!("`use` is `{}`, not `sig`", shown(other))),
        Some(None) => return Err("`use` is not a string".into()),
    }
    match entry.get("key_ops") {
        None => Ok(()),
        Some(Value::List(ops)) if ops.iter().any(|op| op.as_str() == Some("verify")) => Ok(()),
        Some(Value::List(_)) => Err("`key_ops` does not include `verify`".into()),
        Some(other) => Err(format!("`key_ops` is a {}, not a list", other.kind())),
    }
}

fn stated_alg(entry: Value<'_>) -> Result<Option<Alg>, String> {
    let Some(stated) = entry.get("alg") else {
        return Ok(None);
    };
    let name = stated
        .as_str()
        .ok_or_else(|| format!("`alg` is a {}, not a string", stated.kind()))?;
    match Alg::parse(name) {
        Some(alg) => Ok(Some(alg)),
        None => Err(format!(
            "`alg` is `{}`, which is not a supported signature algorithm",
            shown(name)
        )),
    }
}

fn curve(name: &str) -> Result<Curve, String> {
    match name {
        "P-256" => Ok(Curve::P256),
        "P-384" => Ok(Curve::P384),
        "P-521" => Ok(Curve::P521),
        other => Err(format!("the curve `{}` is not supported", shown(other))),
    }
}

/// The uncompressed point. RFC 7518 section 6.2.1.2 wants coordinates of full length, but some
/// servers drop leading zero bytes; that leaves no doubt about the point, so they are put back.
fn point(curve: Curve, x: &[u8], y: &[u8]) -> Result<Vec<u8>, String> {
    let mut point = vec![4];
    for coordinate in [x, y] {
        let missing = curve
            .size()
            .checked_sub(coordinate.len())
            .ok_or("a coordinate is longer than the curve's")?;
        point.extend(std::iter::repeat_n(0, missing));
        point.extend(coordinate);
    }
    Ok(point)
}

fn text<'v>(entry: Value<'v>, member: &str) -> Result<&'v str, String> {
    match entry.get(member) {
        None => Err(format!("`{member}` is missing")),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{member}` is a {}, not a string", other.kind())),
    }
}

fn bytes(entry: Value<'_>, member: &str) -> Result<Vec<u8>, String> {
    b64::decode_key_member(text(entry, member)?)
        .ok_or_else(|| format!("`{member}` is not base64url"))
}

/// A name from the document, fit for one line of a message.
fn shown(name: &str) -> String {
    name.escape_debug().take(40).collect()
}
