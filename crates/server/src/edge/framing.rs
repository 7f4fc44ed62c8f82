//! Follows an HTTP/1 stream from message to message, beside hyper, to find
//! what hyper reads its own way in silence and the next server may read
//! another way (RFC 9112 sections 2.2, 6.1 and 11.2).
//!
//! Whatever hyper refuses by itself is left to it: this changes nothing, and
//! where it loses the thread in a body it only reads no further.

use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};

/// Where in the stream of one connection we are.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    state: State,
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    head: Head,
    heads: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a request line.
    #[default]
    Start,
    Fields,
    /// So many bytes of a body are left.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Until it is known whether the protocol was switched.
    Verdict,
    /// Another protocol.
    Switched,
    /// After a head with a fault: nothing more is read.
    Over,
    /// In a body that does not keep to its coding.
    Lost,
}

/// What the fields of a head say about framing.
#[derive(Debug, Default)]
struct Head {
    chunked: bool,
    length: Option<u64>,
    upgrade: bool,
    fault: Option<Fault>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BareLineFeed = 1,
    Folded,
    TwoLengths,
    TwoCodings,
    OtherCoding,
    LengthAndCoding,
    LookAlike,
}

impl Fault {
    const ALL: [Fault; 7] = [
        Fault::BareLineFeed,
        Fault::Folded,
        Fault::TwoLengths,
        Fault::TwoCodings,
        Fault::OtherCoding,
        Fault::LengthAndCoding,
        Fault::LookAlike,
    ];

    /// The fault of a number that [`Fault`] gives.
    pub(crate) fn from_code(code: u8) -> Option<Fault> {
        Fault::ALL.into_iter().find(|fault| *fault as u8 == code)
    }

    /// In words, for the log.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Fault::BareLineFeed => "a line of the head that does not end in CRLF",
            Fault::Folded => "a folded header",
            Fault::TwoLengths => "more than one Content-Length",
            Fault::TwoCodings => "more than one Transfer-Encoding",
            Fault::OtherCoding => "a Transfer-Encoding other than chunked",
            Fault::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Fault::LookAlike => "a framing header spelt with `_`",
        }
    }
}

/// What to do with bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// So many may go on to hyper now.
    pub(crate) bytes: usize,
    /// The head that ended last is this one, counted from 1, and has a fault.
    pub(crate) fault: Option<(u32, Fault)>,
}

impl Framing {
    /// Follows bytes in the order in which they come. Those that may not go on
    /// are to be kept for later.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Passed {
        let mut rest = bytes;
        let mut fault = None;
        while !rest.is_empty() {
            match self.state {
                State::Switched => rest = &[],
                State::Verdict | State::Over | State::Lost => break,
                State::Body(left) => {
                    rest = skip(rest, left, |left| self.state = State::Body(left));
                    if self.state == State::Body(0) {
                        self.end();
                    }
                }
                State::Chunk(left) => {
                    rest = skip(rest, left, |left| self.state = State::Chunk(left));
                    if self.state == State::Chunk(0) {
                        self.state = State::ChunkEnd;
                    }
                }
                _ => {
                    let end = rest.iter().position(|byte| *byte == b'\n');
                    let end = end.map_or(rest.len(), |at| at + 1);
                    let (part, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                    rest = after;
                    fault = self.take(part).or(fault);
                }
            }
        }
        Passed {
            bytes: bytes.len() - rest.len(),
            fault,
        }
    }

    /// Whether bytes must wait for [`Framing::decide`].
    pub(crate) fn waits(&self) -> bool {
        self.state == State::Verdict
    }

    /// Whether nothing more is to be read: the last request is being refused.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether nobody can tell what the next byte is.
    pub(crate) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// The request that asked for another protocol was answered.
    pub(crate) fn decide(&mut self, switched: bool) {
        self.state = if switched {
            State::Switched
        } else {
            State::Start
        };
    }

    /// Takes a line, or a part of one that does not end yet.
    fn take(&mut self, part: &[u8]) -> Option<(u32, Fault)> {
        if !part.ends_with(b"\n") {
            self.line.extend_from_slice(part);
            return None;
        }
        if self.line.is_empty() {
            return self.line(part);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(part);
        let fault = self.line(&line);
        line.clear();
        self.line = line;
        fault
    }

    fn line(&mut self, line: &[u8]) -> Option<(u32, Fault)> {
        let strict = line.strip_suffix(b"\r\n");
        let text = strict.or_else(|| line.strip_suffix(b"\n")).unwrap_or(line);
        match self.state {
            State::Start | State::Fields => {
                if strict.is_none() {
                    self.head.faulty(Fault::BareLineFeed);
                }
                match (self.state, text) {
                    // Empty lines before a request count for nothing.
                    (State::Start, []) => {}
                    (State::Start, _) => self.state = State::Fields,
                    (_, []) => return self.head_ends(),
                    (_, field) => self.head.field(field),
                }
            }
            State::ChunkSize => {
                self.state = match strict.and_then(chunk_size) {
                    None => State::Lost,
                    Some(0) => State::Trailers,
                    Some(size) => State::Chunk(size),
                }
            }
            State::ChunkEnd if strict == Some(b"") => self.state = State::ChunkSize,
            State::Trailers if strict == Some(b"") => self.end(),
            State::Trailers if strict.is_some() => {}
            _ => self.state = State::Lost,
        }
        None
    }

    fn head_ends(&mut self) -> Option<(u32, Fault)> {
        self.heads = self.heads.saturating_add(1);
        let Head {
            chunked, length, ..
        } = self.head;
        if chunked && length.is_some() {
            self.head.faulty(Fault::LengthAndCoding);
        }
        if let Some(fault) = self.head.fault {
            self.state = State::Over;
            return Some((self.heads, fault));
        }
        match (chunked, length) {
            (true, _) => self.state = State::ChunkSize,
            (false, Some(left @ 1..)) => self.state = State::Body(left),
            (false, _) => self.end(),
        }
        None
    }

    /// A request was read to its end.
    fn end(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.state = if head.upgrade {
            State::Verdict
        } else {
            State::Start
        };
    }
}

impl Head {
    /// The first fault tells most.
    fn faulty(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn field(&mut self, field: &[u8]) {
        if field.starts_with(b" ") || field.starts_with(b"\t") {
            return self.faulty(Fault::Folded);
        }
        let Some(colon) = field.iter().position(|byte| *byte == b':') else {
            return;
        };
        let (name, value) = field.split_at_checked(colon).unwrap_or((field, b""));
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if is(name, &TRANSFER_ENCODING) {
            if self.chunked {
                self.faulty(Fault::TwoCodings);
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                self.faulty(Fault::OtherCoding);
            }
            self.chunked = true;
        } else if is(name, &CONTENT_LENGTH) {
            if self.length.is_some() {
                self.faulty(Fault::TwoLengths);
            }
            // What is no number is refused by hyper.
            self.length = decimal(value).or(Some(0));
        } else if is(name, &UPGRADE) {
            self.upgrade = true;
        } else if is_like(name, &TRANSFER_ENCODING) || is_like(name, &CONTENT_LENGTH) {
            self.faulty(Fault::LookAlike);
        }
    }
}

/// Takes up to `left` bytes off, and says how many are left then.
fn skip(bytes: &[u8], left: u64, then: impl FnOnce(u64)) -> &[u8] {
    let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    then(left - count as u64);
    bytes.get(count..).unwrap_or_default()
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
    let text = std::str::from_utf8(text).ok()?;
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// The size at the start of a chunk's line, whatever extension follows.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, after) = line.split_at_checked(digits)?;
    if !matches!(after, [] | [b';' | b' ' | b'\t', ..]) || digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |size, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        size.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
