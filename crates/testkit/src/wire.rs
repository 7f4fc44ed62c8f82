//! Reads HTTP/1.1 messages off a stream, to the letter of RFC 9112 and nothing beyond it.
//!
//! Hand-written on purpose: the gateway stands on hyper, and a framing fault of hyper's would go unseen if the
//! other end of the wire had it too.

use std::io::{self, BufRead, Read};

use serde::Serialize;

/// Header fields in the order and spelling received; octets above 0x7f stand as the latin-1 characters they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value under this name, in any case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every value under this name, in any case, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Whether a comma-separated list under this name holds `token`, in any case.
    #[must_use]
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .into_iter()
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }
}

/// Start line and header fields.
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) headers: Headers,
    /// The bytes as they came, blank line included.
    pub(crate) raw: Vec<u8>,
}

/// How the end of a body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The framing that the headers declare, `without` where they declare none.
pub(crate) fn framing(headers: &Headers, without: Framing) -> io::Result<Framing> {
    let codings = headers.all("transfer-encoding");
    let lengths = headers.all("content-length");
    match (codings.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(without),
        ([], [length]) => parse_length(length).map(Framing::Length),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(bad(format!(
            "framing of Transfer-Encoding {codings:?} and Content-Length {lengths:?}"
        ))),
    }
}

/// Reads up to the blank line; `None` where the stream ends before the first byte.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut raw = Vec::new();
    let Some(start) = read_line(stream, &mut raw)? else {
        return Ok(None);
    };
    let headers = read_fields(stream, &mut raw)?;
    Ok(Some(Head {
        start,
        headers,
        raw,
    }))
}

/// Reads a body to its end; trailers come after a chunked one only.
pub(crate) fn read_body(
    stream: &mut impl BufRead,
    framing: Framing,
) -> io::Result<(Vec<u8>, Headers)> {
    let mut body = Vec::new();
    match framing {
        Framing::Length(length) => read_exactly(stream, length, &mut body)?,
        Framing::UntilClose => {
            stream.read_to_end(&mut body)?;
        }
        Framing::Chunked => {
            while let Some(size) = read_chunk_size(stream)? {
                read_exactly(stream, size, &mut body)?;
                if read_line(stream, &mut Vec::new())?.as_deref() != Some("") {
                    return Err(bad("a chunk longer than it said"));
                }
            }
            return Ok((body, read_fields(stream, &mut Vec::new())?));
        }
    }
    Ok((body, Headers::default()))
}

/// `None` for the last chunk.
fn read_chunk_size(stream: &mut impl BufRead) -> io::Result<Option<usize>> {
    let line = read_line(stream, &mut Vec::new())?
        .ok_or_else(|| bad("the end of the stream inside a chunked body"))?;
    let digits = line.split(';').next().unwrap_or_default().trim_end();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad(format!("chunk size {line:?}")));
    }
    let size = usize::from_str_radix(digits, 16).map_err(bad)?;
    Ok((size > 0).then_some(size))
}

fn read_fields(stream: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Headers> {
    let mut headers = Headers::default();
    loop {
        let line = read_line(stream, raw)?
            .ok_or_else(|| bad("the end of the stream inside a header section"))?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| bad(format!("header line {line:?}")))?;
        if name.is_empty() || name.contains([' ', '\t']) {
            return Err(bad(format!("header line {line:?}")));
        }
        headers
            .0
            .push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// One line without its CRLF; `None` where the stream ends before its first byte.
fn read_line(stream: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Option<String>> {
    let start = raw.len();
    if stream.read_until(b'\n', raw)? == 0 {
        return Ok(None);
    }
    let line = raw[start..]
        .strip_suffix(b"\r\n")
        .ok_or_else(|| bad("a line that does not end in CRLF"))?;
    Ok(Some(line.iter().copied().map(char::from).collect()))
}

fn read_exactly(stream: &mut impl BufRead, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
    let copied = io::copy(&mut stream.by_ref().take(length as u64), body)?;
    if copied == length as u64 {
        Ok(())
    } else {
        Err(bad(format!("{copied} bytes of a body of {length}")))
    }
}

fn parse_length(text: &str) -> io::Result<usize> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(bad)
    } else {
        Err(bad(format!("length {text:?}")))
    }
}

pub(crate) fn bad(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_extensions_and_trailers_are_read_and_the_next_message_left() {
        let mut stream: &[u8] =
            b"3;x=1\r\nabc\r\n0a\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\nGET /next HTTP/1.1\r\n\r\n";
        let (body, trailers) = read_body(&mut stream, Framing::Chunked).unwrap();
        assert_eq!(body, b"abc0123456789");
        assert_eq!(trailers.first("x-t"), Some("1"));
        assert_eq!(
            read_head(&mut stream).unwrap().unwrap().start,
            "GET /next HTTP/1.1"
        );
    }

    #[test]
    fn order_spelling_and_octets_of_headers_are_kept() {
        let mut stream: &[u8] = b"GET / HTTP/1.1\r\nB: 1\r\na:\xff \r\nb:2\r\n\r\n";
        let head = read_head(&mut stream).unwrap().unwrap();
        let expected =
            [("B", "1"), ("a", "\u{ff}"), ("b", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(head.headers.0, expected);
        assert_eq!(head.headers.all("B"), ["1", "2"]);
    }

    #[test]
    fn ambiguous_framing_is_an_error() {
        for lines in [
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: xchunked",
        ] {
            let text = format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n");
            let head = read_head(&mut text.as_bytes()).unwrap().unwrap();
            assert!(
                framing(&head.headers, Framing::Length(0)).is_err(),
                "{lines}"
            );
        }
    }

    #[test]
    fn malformed_messages_are_errors() {
        for text in [
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nA : 1\r\n\r\n",
            "GET / HTTP/1.1\r\nA\r\n\r\n",
            "GET / HTTP/1.1\r\n",
        ] {
            assert!(read_head(&mut text.as_bytes()).is_err(), "{text:?}");
        }
        for body in [
            "4\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "\r\n",
            "3\r\nabc\r\n",
        ] {
            assert!(
                read_body(&mut body.as_bytes(), Framing::Chunked).is_err(),
                "{body:?}"
            );
        }
        assert!(read_body(&mut "ab".as_bytes(), Framing::Length(3)).is_err());
    }
}
