//! Distinguished names as RFC 2253 writes them, in the form that Envoy shows:
//! last part first, and whatever could be taken for something else escaped.

use std::fmt::Write as _;

use super::der::{Element, OID, Reader, SEQUENCE, SET, hexadecimal};

/// Writes the content of a `Name`. `None` where it is malformed.
pub(super) fn write(name: &[u8]) -> Option<Box<str>> {
    let mut parts = Vec::new();
    let mut sets = Reader(name);
    while !sets.is_empty() {
        parts.push(part(sets.element(SET)?)?);
    }
    parts.reverse();
    Some(parts.join(",").into())
}

/// A relative distinguished name, which may have several values.
fn part(set: &[u8]) -> Option<String> {
    let mut values = Vec::new();
    let mut set = Reader(set);
    while !set.is_empty() {
        let mut pair = Reader(set.element(SEQUENCE)?);
        let (kind, value) = (pair.element(OID)?, pair.any()?);
        values.push(attribute(kind, value)?);
    }
    values.reverse();
    Some(values.join("+"))
}

fn attribute(kind: &[u8], value: Element<'_>) -> Option<String> {
    let name = NAMES.iter().find(|(id, _)| *id == kind);
    let text = name.and_then(|_| text(value));
    let value = match text {
        Some(text) => escaped(&text),
        None => format!("#{}", hexadecimal(value.whole).to_uppercase()),
    };
    let name = match name {
        Some((_, name)) => (*name).to_owned(),
        None => dotted(kind)?,
    };
    Some(format!("{name}={value}"))
}

/// The characters of a string of any type that has some.
fn text(value: Element<'_>) -> Option<String> {
    let bytes = value.content;
    match value.tag {
        UTF8_STRING => String::from_utf8(bytes.to_vec()).ok(),
        NUMERIC_STRING | PRINTABLE_STRING | T61_STRING | IA5_STRING | VISIBLE_STRING => {
            Some(bytes.iter().map(|it| char::from(*it)).collect())
        }
        BMP_STRING => {
            let units = bytes.chunks(2).map(|it| <[u8; 2]>::try_from(it).ok());
            let units: Vec<u16> = units
                .map(|it| it.map(u16::from_be_bytes))
                .collect::<Option<_>>()?;
            String::from_utf16(&units).ok()
        }
        UNIVERSAL_STRING => {
            let units = bytes.chunks(4).map(|it| <[u8; 4]>::try_from(it).ok());
            let characters = units.map(|it| char::from_u32(u32::from_be_bytes(it?)));
            characters.collect()
        }
        _ => None,
    }
}

/// RFC 2253 section 2.4; control characters and everything beyond ASCII by
/// their octets in UTF-8.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let edge = byte == b' ' && (at == 0 || at == last) || byte == b'#' && at == 0;
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                out.extend(['\\', char::from(byte)]);
            }
            _ if edge => out.extend(['\\', char::from(byte)]),
            0x20..0x7f => out.push(char::from(byte)),
            _ => {
                let _infallible = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

/// An object identifier in digits.
fn dotted(id: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for byte in id {
        arc = arc.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            arcs.push(arc);
            arc = 0;
        }
    }
    let (first, rest) = arcs.split_first()?;
    let top = (first / 40).min(2);
    let head = [top, first - top * 40];
    let arcs = head.iter().chain(rest).map(u64::to_string);
    Some(arcs.collect::<Vec<_>>().join("."))
}

/// Attribute types and the names that OpenSSL and its kin give them.
const NAMES: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "street"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 12], "title"),
    (&[0x55, 4, 13], "description"),
    (&[0x55, 4, 15], "businessCategory"),
    (&[0x55, 4, 17], "postalCode"),
    (&[0x55, 4, 41], "name"),
    (&[0x55, 4, 42], "GN"),
    (&[0x55, 4, 43], "initials"),
    (&[0x55, 4, 44], "generationQualifier"),
    (&[0x55, 4, 46], "dnQualifier"),
    (&[0x55, 4, 65], "pseudonym"),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
        "emailAddress",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1],
        "UID",
    ),
    (
        &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
        "DC",
    ),
];

const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const VISIBLE_STRING: u8 = 0x1a;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;
