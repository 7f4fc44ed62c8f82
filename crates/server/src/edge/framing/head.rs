//! The head of an HTTP/1 request line by line: what it says about framing, and
//! the first thing in it that hyper or a server behind us may not take.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, Uri};
use memchr::memchr;

use super::fault::Fault;

/// What a head has said so far.
#[derive(Debug, Default)]
pub(crate) struct Head {
    fields: usize,
    old: bool,
    chunked: bool,
    length: Option<u64>,
    /// Another protocol is asked for.
    pub(crate) upgrade: bool,
}

/// How the body behind a head ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Chunked,
    /// After so many bytes, perhaps none.
    Length(u64),
}

impl Head {
    /// `GET /path HTTP/1.1`, without its end.
    pub(crate) fn request_line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let mut words = line.split(|byte| *byte == b' ');
        let method = words.next().filter(|method| !method.is_empty());
        if method.is_some_and(|method| !is_token(method)) {
            return Err(Fault::Method);
        }
        let target = words.next().filter(|target| !target.is_empty());
        let (Some(_), Some(target), Some(version), None) =
            (method, target, words.next(), words.next())
        else {
            return Err(Fault::RequestLine);
        };
        if target.len() > LONGEST_NAME {
            return Err(Fault::LongName);
        }
        if !is_target(target) {
            return Err(Fault::Target);
        }
        self.old = match version {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Fault::Version),
        };
        Ok(())
    }

    /// `name: value`, without its end.
    pub(crate) fn field(&mut self, field: &[u8], most: usize) -> Result<(), Fault> {
        self.fields += 1;
        if self.fields > most {
            return Err(Fault::TooMany);
        }
        if field.starts_with(b" ") || field.starts_with(b"\t") {
            return Err(Fault::Folded);
        }
        let colon = memchr(b':', field);
        let (name, value) = colon
            .and_then(|at| field.split_at_checked(at))
            .ok_or(Fault::NoColon)?;
        if name.len() > LONGEST_NAME {
            return Err(Fault::LongName);
        }
        if !is_token(name) {
            let spaced = is_token(name.trim_ascii_end());
            return Err(if spaced {
                Fault::SpaceBeforeColon
            } else {
                Fault::Name
            });
        }
        if has_control(value) {
            return Err(Fault::Value);
        }
        self.means(name, value.strip_prefix(b":").unwrap_or(value).trim_ascii())
    }

    fn means(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if is(name, &TRANSFER_ENCODING) {
            if self.chunked {
                return Err(Fault::TwoCodings);
            }
            if self.old {
                return Err(Fault::OldCoding);
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::OtherCoding);
            }
            self.chunked = true;
        } else if is(name, &CONTENT_LENGTH) {
            if self.length.is_some() {
                return Err(Fault::TwoLengths);
            }
            self.length = Some(decimal(value).ok_or(Fault::Length)?);
        } else if is(name, &UPGRADE) {
            self.upgrade = true;
        } else if is_like(name, &TRANSFER_ENCODING) || is_like(name, &CONTENT_LENGTH) {
            return Err(Fault::LookAlike);
        }
        if self.chunked && self.length.is_some() {
            return Err(Fault::LengthAndCoding);
        }
        Ok(())
    }

    /// What follows the head.
    pub(crate) fn coding(&self) -> Coding {
        if self.chunked {
            Coding::Chunked
        } else {
            Coding::Length(self.length.unwrap_or(0))
        }
    }
}

/// Checks as much as there is of a request line whose end has not come: who
/// speaks another protocol may never send one.
pub(crate) fn begins(line: &[u8]) -> Result<(), Fault> {
    let method = line.split(|byte| *byte == b' ').next().unwrap_or(line);
    let method = method.strip_suffix(b"\r").unwrap_or(method);
    // The first byte of a TLS handshake is waited behind, to know it for one.
    if method.is_empty() || method == b"\x16" || is_token(method) {
        Ok(())
    } else {
        Err(Fault::Method)
    }
}

/// A request without headers that stands for one with a fault: it says as much
/// of what was asked as is known and harmless. Of the target that is the path,
/// as in the log.
pub(crate) fn stand_in(head: &[u8]) -> Vec<u8> {
    let lines = head.split(|byte| *byte == b'\n');
    let mut lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().filter(|it| is_token(it) && it.len() <= 32);
    let path = words.next().and_then(path);
    // A target of `-` is an authority: it has no path.
    let (method, path) = (method.unwrap_or(b"-"), path.as_deref().unwrap_or("-"));
    let version: &[u8] = match words.next() {
        Some(b"HTTP/1.0") => b"HTTP/1.0",
        _ => b"HTTP/1.1",
    };
    [method, path.as_bytes(), version]
        .join(&b' ')
        .into_iter()
        .chain(*b"\r\n\r\n")
        .collect()
}

fn path(target: &[u8]) -> Option<String> {
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next()?;
    let path = path.get(..path.len().min(LONGEST_SHOWN))?;
    let uri = Uri::try_from(path).ok().filter(|_| is_target(path))?;
    Some(uri.path_and_query()?.path().to_owned())
}

/// What the log shows of the path of a request with a fault.
const LONGEST_SHOWN: usize = 1024;
/// Longest target and longest header name that the values of hyper can hold.
const LONGEST_NAME: usize = 65_534;
/// Longest body that hyper can count.
const LONGEST_BODY: u64 = u64::MAX - 2;

/// RFC 9110 section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    // Spelled out, this is one test of bits for each byte.
    let fits = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
            || matches!(
                byte,
                b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            )
    };
    !text.is_empty() && text.iter().all(fits)
}

/// What hyper takes for a target, which is more than a URI may have. A fragment, which it would leave out, is never sent
/// (RFC 9112 section 3.2).
fn is_target(text: &[u8]) -> bool {
    let plain = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'?'..=b'Z' | b'/'..=b'9')
            || matches!(byte, b'!' | b'$'..=b'.' | b':' | b';' | b'=' | b'_' | b'~')
    };
    if text.starts_with(b"/") && text.iter().all(plain) {
        return true;
    }
    let printable = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
    let parsed = || std::str::from_utf8(text).is_ok_and(|it| it.parse::<Uri>().is_ok());
    text.iter().all(printable) && parsed()
}

/// Looks at every byte, with no way out before the end: so the compiler takes
/// many at once, and a token is long.
fn has_control(text: &[u8]) -> bool {
    let is_control = |byte: u8| byte.is_ascii_control() & (byte != b'\t');
    text.iter().fold(false, |any, byte| any | is_control(*byte))
}

fn is(name: &[u8], wanted: &HeaderName) -> bool {
    name.eq_ignore_ascii_case(wanted.as_str().as_bytes())
}

/// The same with `_` for `-`, as servers behind CGI conventions read it.
fn is_like(name: &[u8], wanted: &HeaderName) -> bool {
    let wanted = wanted.as_str().as_bytes();
    let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (*a == b'_' && *b == b'-');
    name.len() == wanted.len() && name.iter().zip(wanted).all(same)
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?;
    let number = digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.then(|| digits.parse().ok())??;
    (number <= LONGEST_BODY).then_some(number)
}
