//! The names in a certificate (RFC 5280).

use aws_lc_rs::digest::{SHA256, digest};
use countersign_core::Identity;

use super::der::{BOOLEAN, OCTET_STRING, OID, Reader, SEQUENCE, hexadecimal};
use super::subject;

/// Reads the names of a certificate in DER. `None` where one of them cannot be
/// shown as it is: what is compared with it must not be fooled.
pub(super) fn read(certificate: &[u8]) -> Option<Identity> {
    let mut outer = Reader(certificate);
    let mut signed = Reader(outer.element(SEQUENCE)?);
    let mut body = Reader(signed.element(SEQUENCE)?);
    body.optional(VERSION);
    for _ in ["serialNumber", "signature", "issuer", "validity"] {
        body.any()?;
    }
    let subject = subject::write(body.element(SEQUENCE)?)?;
    body.element(SEQUENCE)?;
    body.optional(ISSUER_ID);
    body.optional(SUBJECT_ID);
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    if let Some(extensions) = body.optional(EXTENSIONS) {
        let mut list = Reader(Reader(extensions).element(SEQUENCE)?);
        while !list.is_empty() {
            if let Some(names) = alternative_names(list.element(SEQUENCE)?)? {
                collect(names, &mut uris, &mut dns)?;
            }
        }
    }
    Some(Identity {
        uris: uris.into(),
        dns: dns.into(),
        subject,
        digest: hexadecimal(digest(&SHA256, certificate).as_ref()),
    })
}

/// The content of an extension, if it is `subjectAltName`.
#[expect(
    clippy::option_option,
    reason = "another extension is not the same as a broken one"
)]
fn alternative_names(extension: &[u8]) -> Option<Option<&[u8]>> {
    let mut fields = Reader(extension);
    let id = fields.element(OID)?;
    fields.optional(BOOLEAN);
    let value = fields.element(OCTET_STRING)?;
    if id != SUBJECT_ALT_NAME {
        return Some(None);
    }
    Reader(value).element(SEQUENCE).map(Some)
}

fn collect(names: &[u8], uris: &mut Vec<Box<str>>, dns: &mut Vec<Box<str>>) -> Option<()> {
    let mut names = Reader(names);
    while !names.is_empty() {
        let name = names.any()?;
        match name.tag {
            URI_NAME => uris.push(printable(name.content)?.into()),
            DNS_NAME => dns.push(printable(name.content)?.into()),
            _ => {}
        }
    }
    Some(())
}

/// The text of an IA5String without control characters, which no URI and no
/// DNS name has. A NUL hides what stands behind it from other readers.
fn printable(bytes: &[u8]) -> Option<&str> {
    let shown = |byte: &u8| (0x21..0x7f).contains(byte);
    if bytes.is_empty() || !bytes.iter().all(shown) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// `[0]`
const VERSION: u8 = 0xa0;
/// `[1] IMPLICIT`
const ISSUER_ID: u8 = 0x81;
/// `[2] IMPLICIT`
const SUBJECT_ID: u8 = 0x82;
/// `[3]`
const EXTENSIONS: u8 = 0xa3;
/// `[2] IMPLICIT`
const DNS_NAME: u8 = 0x82;
/// `[6] IMPLICIT`
const URI_NAME: u8 = 0x86;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
