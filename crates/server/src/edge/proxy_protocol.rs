//! The PROXY protocol, versions 1 and 2: how a load balancer says for whom it
//! opened a connection (HAProxy's `proxy-protocol.txt`, sections 2.1 and 2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

/// A header as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// For whom the connection was opened; `None` when the sender speaks for
    /// itself (`LOCAL`, `UNKNOWN`, `UNSPEC`), as health checks do.
    pub(crate) source: Option<SocketAddr>,
    /// Bytes that the header takes.
    pub(crate) length: usize,
}

/// Why the start of a connection is no PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Bad {
    #[error("the connection does not start with a PROXY protocol header")]
    Missing,
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    #[error("the PROXY protocol header is too long")]
    TooLong,
}

/// Reads a header from the start of `bytes`; `None` while more are needed.
///
/// # Errors
/// When no further byte can make a header of them.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, Bad> {
    if bytes.starts_with(SIGNATURE) {
        version2(bytes)
    } else if bytes.starts_with(PREFIX) {
        version1(bytes)
    } else if SIGNATURE.starts_with(bytes) || PREFIX.starts_with(bytes) {
        Ok(None)
    } else {
        Err(Bad::Missing)
    }
}

/// Whether a connection starts with a header, good or bad.
pub(crate) fn starts(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE) || bytes.starts_with(PREFIX)
}

/// First bytes of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// First bytes of version 1.
const PREFIX: &[u8] = b"PROXY ";
/// Longest line of version 1, CRLF included.
const LONGEST_LINE: usize = 107;
/// Most that addresses and extensions of version 2 may take. Senders stay far
/// below; the format would allow 64 KiB.
const LONGEST_REST: usize = 2048;

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`
fn version1(bytes: &[u8]) -> Result<Option<Header>, Bad> {
    let Some(end) = bytes
        .iter()
        .take(LONGEST_LINE)
        .position(|byte| *byte == b'\n')
    else {
        return if bytes.len() < LONGEST_LINE {
            Ok(None)
        } else {
            Err(Bad::TooLong)
        };
    };
    let line = bytes
        .get(PREFIX.len()..end)
        .and_then(|line| line.strip_suffix(b"\r"));
    let line = line
        .and_then(|line| std::str::from_utf8(line).ok())
        .ok_or(Bad::Malformed)?;
    let length = end + 1;
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // Whatever follows must be ignored.
        return Ok(Some(Header {
            source: None,
            length,
        }));
    }
    let (source, target) = (words.next(), words.next());
    let ports = (words.next(), words.next());
    let (Some(source), Some(target), (Some(from), Some(to)), None) =
        (source, target, ports, words.next())
    else {
        return Err(Bad::Malformed);
    };
    let (Some(port), Some(_)) = (port(from), port(to)) else {
        return Err(Bad::Malformed);
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse().ok().map(IpAddr::V4),
            "TCP6" => text.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    match (address(source), address(target)) {
        (Some(source), Some(_)) => Ok(Some(Header {
            source: Some(SocketAddr::new(source, port)),
            length,
        })),
        _ => Err(Bad::Malformed),
    }
}

fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Signature, version and command, family, length, addresses, extensions.
fn version2(bytes: &[u8]) -> Result<Option<Header>, Bad> {
    let fixed = SIGNATURE.len() + 4;
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..fixed) else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > LONGEST_REST {
        return Err(Bad::TooLong);
    }
    let length = fixed + rest;
    let Some(addresses) = bytes.get(fixed..length) else {
        return Ok(None);
    };
    let source = match (command, family) {
        (LOCAL, _) | (PROXY, 0x00) => None,
        (PROXY, TCP4) => {
            let (address, port) = leading::<12, 4>(addresses)?;
            Some((Ipv4Addr::from(address), port).into())
        }
        (PROXY, TCP6) => {
            let (address, port) = leading::<36, 16>(addresses)?;
            Some((Ipv6Addr::from(address), port).into())
        }
        _ => return Err(Bad::Malformed),
    };
    Ok(Some(Header { source, length }))
}

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The source address at the start of a block of `BLOCK` bytes, and the source
/// port, which stands behind both addresses.
fn leading<const BLOCK: usize, const ADDRESS: usize>(
    bytes: &[u8],
) -> Result<([u8; ADDRESS], u16), Bad> {
    let block: &[u8; BLOCK] = bytes.first_chunk().ok_or(Bad::Malformed)?;
    let address = block.first_chunk().copied().ok_or(Bad::Malformed)?;
    match block.get(2 * ADDRESS..) {
        Some(&[high, low, ..]) => Ok((address, u16::from_be_bytes([high, low]))),
        _ => Err(Bad::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, addresses].concat()
    }

    /// Every prefix of a good header wants more; nothing behind it matters.
    fn reads(header: &[u8], source: Option<&str>) {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end} bytes of {header:?}");
        }
        let source = source.map(|text| text.parse().unwrap());
        let expected = Ok(Some(Header {
            source,
            length: header.len(),
        }));
        assert_eq!(parse(header), expected);
        assert_eq!(parse(&[header, b"GET / HTTP/1.1\r\n"].concat()), expected);
    }

    #[test]
    fn version_1() {
        reads(
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
            Some("192.0.2.1:56324"),
        );
        reads(
            b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            Some("[2001:db8::1]:1"),
        );
        reads(b"PROXY UNKNOWN\r\n", None);
        reads(b"PROXY UNKNOWN ffff::1 what ever\r\n", None);
    }

    #[test]
    fn version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 7, 0, 80, 1, 187];
        reads(&v2(0x21, 0x11, &four), Some("192.0.2.1:80"));
        reads(
            &v2(0x21, 0x11, &[&four[..], &[4, 0, 1, 0]].concat()),
            Some("192.0.2.1:80"),
        );
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        six[15] = 1;
        reads(&v2(0x21, 0x21, &six), Some("[2001:db8::1]:0"));
        reads(&v2(0x20, 0x00, &[]), None);
        reads(&v2(0x20, 0x11, &four), None);
        reads(&v2(0x21, 0x00, &[]), None);
    }

    #[test]
    fn what_is_no_header() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01",
            b"PROXX",
            b"\r\n\r\n\0\r\nQUIX",
        ] {
            assert_eq!(parse(bytes), Err(Bad::Missing), "{bytes:?}");
        }
        for bytes in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n"[..],
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 1\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 65536\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
            b"PROXY TCP4 ::1 ::1 1 443\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.1 1 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
            b"PROXY  TCP4 192.0.2.1 198.51.100.7 1 443\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.7 1 443\r\n",
            b"PROXY \xff\r\n",
            &v2(0x21, 0x11, &[1; 11]),
            &v2(0x21, 0x21, &[1; 35]),
            &v2(0x22, 0x11, &[1; 12]),
            &v2(0x11, 0x11, &[1; 12]),
            &v2(0x21, 0x12, &[1; 12]),
            &v2(0x21, 0x31, &[1; 216]),
        ] {
            assert_eq!(parse(bytes), Err(Bad::Malformed), "{bytes:?}");
        }
        assert_eq!(
            parse(&[b"PROXY TCP4 ", &[b'1'; 200][..]].concat()),
            Err(Bad::TooLong)
        );
        assert_eq!(
            parse(&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat()),
            Err(Bad::TooLong)
        );
    }
}
