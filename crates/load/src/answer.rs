//! Reads answers of HTTP/1.1 (RFC 9112 section 6) out of bytes as they come, without copying bodies.

use httparse::{EMPTY_HEADER, Response, Status};

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status code.
    pub(crate) status: u16,
    /// Bytes of its body, de-chunked.
    pub(crate) bytes: u64,
    /// Whether the connection ends with it.
    pub(crate) close: bool,
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("no HTTP head: {0}")]
    Head(httparse::Error),
    #[error("a head of more than {0} bytes")]
    LongHead(usize),
    #[error("101, which nobody asked for")]
    Upgrade,
    #[error("`content-length` is no number, or there are two")]
    Length,
    #[error("a transfer coding that is not `chunked` alone")]
    Coding,
    #[error("`content-length` beside `transfer-encoding`")]
    Ambiguous,
    #[error("a chunk that is none")]
    Chunk,
    #[error("{0} bytes after the answer")]
    Surplus(usize),
    #[error("the connection ended in the middle of an answer")]
    Cut,
    #[error("the connection ended without an answer")]
    Silent,
}

/// Takes one answer after the other.
pub(crate) struct Decoder {
    state: State,
    status: u16,
    bytes: u64,
    close: bool,
    sample: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    Done,
}

/// Where in a chunked body (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size { size: u64, digits: u8 },
    Extension { size: u64 },
    SizeEnd { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    End,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Head,
            status: 0,
            bytes: 0,
            close: false,
            sample: Vec::with_capacity(SAMPLE),
        }
    }

    /// Takes what it can of `bytes` and says how many those were. What is left of an incomplete head
    /// must come again, with more behind it.
    ///
    /// # Errors
    /// When this is no answer.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut rest = bytes;
        while self.state != State::Done {
            let used = self.step(rest)?;
            if used == 0 {
                break;
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(bytes.len() - rest.len())
    }

    /// The connection ended.
    ///
    /// # Errors
    /// When an answer was still to come.
    pub(crate) fn end(&mut self) -> Result<(), Malformed> {
        match self.state {
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            State::Done => Ok(()),
            State::Head => Err(Malformed::Silent),
            State::Length(_) | State::Chunked(_) => Err(Malformed::Cut),
        }
    }

    /// The answer, once it is whole. The next one may follow then.
    pub(crate) fn take(&mut self) -> Option<Answer> {
        if self.state != State::Done {
            return None;
        }
        self.state = State::Head;
        Some(Answer {
            status: self.status,
            bytes: self.bytes,
            close: self.close,
        })
    }

    /// How the body of the last answer begins.
    pub(crate) fn sample(&self) -> &[u8] {
        &self.sample
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Head => self.head(bytes),
            State::Length(left) => {
                let used = self.body(bytes, left);
                let left = left - used as u64;
                self.state = if left == 0 {
                    State::Done
                } else {
                    State::Length(left)
                };
                Ok(used)
            }
            State::UntilClose => Ok(self.body(bytes, u64::MAX)),
            State::Chunked(chunk) => self.chunk(chunk, bytes),
            State::Done => Ok(0),
        }
    }

    /// Takes up to `left` bytes of body.
    fn body(&mut self, bytes: &[u8], left: u64) -> usize {
        let len = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if self.sample.len() < SAMPLE {
            let room = len.min(SAMPLE - self.sample.len());
            self.sample
                .extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        self.bytes += len as u64;
        len
    }

    fn head(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let mut fields = [EMPTY_HEADER; MAX_FIELDS];
        let mut head = Response::new(&mut fields);
        let Status::Complete(len) = head.parse(bytes).map_err(Malformed::Head)? else {
            return Ok(0);
        };
        let status = head.code.unwrap_or_default();
        if status == 101 {
            return Err(Malformed::Upgrade);
        }
        // Interim answers (RFC 9110 section 15.2) come before the one.
        if status >= 200 {
            let facts = Facts::read(&head)?;
            self.status = status;
            self.bytes = 0;
            self.sample.clear();
            self.close = facts.close;
            self.state = facts.state(status)?;
            self.close |= self.state == State::UntilClose;
        }
        Ok(len)
    }

    fn chunk(&mut self, chunk: Chunk, bytes: &[u8]) -> Result<usize, Malformed> {
        let Some(byte) = bytes.first() else {
            return Ok(0);
        };
        if let Chunk::Data { left } = chunk {
            let used = self.body(bytes, left);
            let left = left - used as u64;
            self.state = State::Chunked(match left {
                0 => Chunk::DataCr,
                left => Chunk::Data { left },
            });
            return Ok(used);
        }
        self.state = match (chunk, byte) {
            (Chunk::End, b'\n') => State::Done,
            _ => State::Chunked(chunk.after(*byte).ok_or(Malformed::Chunk)?),
        };
        Ok(1)
    }
}

impl Chunk {
    /// Where the framing stands after one more byte of it.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size { size, digits }, _) if byte.is_ascii_hexdigit() => Self::Size {
                size: size.checked_mul(16)? + u64::from(char::from(byte).to_digit(16)?),
                digits: digits.saturating_add(1),
            },
            (Self::Size { digits: 0, .. }, _) => return None,
            (Self::Size { size, .. } | Self::Extension { size }, b'\r') => Self::SizeEnd { size },
            (Self::Size { size, .. }, b';' | b' ' | b'\t') => Self::Extension { size },
            (Self::Extension { size }, _) if byte != b'\n' => Self::Extension { size },
            (Self::SizeEnd { size: 0 }, b'\n') => Self::LineStart,
            (Self::SizeEnd { size }, b'\n') => Self::Data { left: size },
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { size: 0, digits: 0 },
            (Self::LineStart, b'\r') => Self::End,
            (Self::Trailer, b'\n') => Self::LineStart,
            (Self::LineStart | Self::Trailer, _) => Self::Trailer,
            _ => return None,
        })
    }
}

/// What a head says about framing.
struct Facts {
    length: Option<u64>,
    chunked: bool,
    close: bool,
}

impl Facts {
    fn read(head: &Response<'_, '_>) -> Result<Self, Malformed> {
        let mut facts = Self {
            length: None,
            chunked: false,
            close: head.version == Some(0),
        };
        for field in head.headers.iter() {
            // The lengths first: most fields are none of these.
            match field.name.len() {
                14 if field.name.eq_ignore_ascii_case("content-length") => {
                    let length = length(field.value).ok_or(Malformed::Length)?;
                    if facts.length.replace(length).is_some_and(|it| it != length) {
                        return Err(Malformed::Length);
                    }
                }
                17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                    if facts.chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Malformed::Coding);
                    }
                    facts.chunked = true;
                }
                10 if field.name.eq_ignore_ascii_case("connection") => {
                    facts.close = closes(field.value, facts.close);
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    fn state(&self, status: u16) -> Result<State, Malformed> {
        if matches!(status, 204 | 304) {
            return Ok(State::Done);
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Malformed::Ambiguous),
            (Some(0), false) => Ok(State::Done),
            (Some(length), false) => Ok(State::Length(length)),
            (None, true) => Ok(State::Chunked(Chunk::Size { size: 0, digits: 0 })),
            (None, false) => Ok(State::UntilClose),
        }
    }
}

fn length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// Whether the connection ends, after a field `connection` too.
fn closes(value: &[u8], before: bool) -> bool {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .fold(before, |close, option| {
            (close || option.eq_ignore_ascii_case(b"close"))
                && !option.eq_ignore_ascii_case(b"keep-alive")
        })
}

/// As much of a body as messages show.
pub(crate) const SAMPLE: usize = 300;
const MAX_FIELDS: usize = 64;

#[cfg(test)]
mod tests;
