//! Follows an HTTP/1 stream from message to message, before hyper: a head goes
//! on to it whole, and only if hyper takes it and the next server reads it no
//! other way (RFC 9112 sections 2.2, 6.1 and 11.2).
//!
//! In place of a head with a fault hyper gets one without headers, so that the
//! refusal is an answer like any other: in its turn, with a body, in the log.

mod fault;
mod head;

pub(crate) use fault::Fault;
use head::{Coding, Head};
use memchr::memchr;

/// Where in the stream of one connection we are.
#[derive(Debug)]
pub(crate) struct Framing {
    most: Most,
    state: State,
    /// Among the bytes that did not go on: where the line begins that is next,
    /// and how many bytes of it are known not to end it.
    line: usize,
    searched: usize,
    head: Head,
    heads: u32,
}

/// How large a head may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) bytes: usize,
    pub(crate) fields: usize,
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

/// What to do with the bytes that came and did not go on before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// So many, from the first one, go on to hyper now.
    pub(crate) bytes: usize,
    /// Of what comes next only a stand-in goes on.
    pub(crate) refused: Option<Refused>,
}

/// A head with a fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Which head on this connection, counted from 1.
    pub(crate) number: u32,
    pub(crate) fault: Fault,
    /// The head that hyper gets for it.
    pub(crate) stand_in: Vec<u8>,
}

impl Framing {
    pub(crate) fn new(most: Most) -> Framing {
        Framing {
            most,
            state: State::Start,
            line: 0,
            searched: 0,
            head: Head::default(),
            heads: 0,
        }
    }

    /// Follows the stream. What does not pass must be given again, with what
    /// came behind it.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> Passed {
        let mut rest = bytes;
        let mut refused = None;
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
                State::Start | State::Fields => match self.head(rest) {
                    Ok(Some(count)) => rest = rest.get(count..).unwrap_or_default(),
                    Ok(None) => break,
                    Err(fault) => {
                        refused = Some(self.refuse(rest, fault));
                        break;
                    }
                },
                State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let line = self.next_line(rest);
                    if line.unwrap_or(rest).len() > LONGEST_LINE {
                        self.state = State::Lost;
                    }
                    let Some(line) = line else { break };
                    self.chunk_line(line);
                    rest = rest.get(line.len()..).unwrap_or_default();
                    self.line = 0;
                }
            }
        }
        Passed {
            bytes: bytes.len() - rest.len(),
            refused,
        }
    }

    /// Refuses the head that these bytes begin; nothing more is read.
    pub(crate) fn refuse(&mut self, bytes: &[u8], fault: Fault) -> Refused {
        self.state = State::Over;
        self.heads = self.heads.saturating_add(1);
        Refused {
            number: self.heads,
            fault: fault.explained(bytes),
            stand_in: head::stand_in(bytes),
        }
    }

    /// Whether a head has begun and not come to its end.
    pub(crate) fn is_mid_head(&self) -> bool {
        self.state == State::Fields || (self.state == State::Start && self.searched > 0)
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

    /// Reads on in a head, and says how long it is once all of it is there.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while let Some(line) = self.next_line(bytes) {
            if self.line > self.most.bytes {
                return Err(Fault::TooLong);
            }
            let text = line.strip_suffix(b"\r\n").ok_or(Fault::BareLineFeed)?;
            match (self.state, text) {
                // Empty lines before a request count for nothing.
                (State::Start, []) => {}
                (State::Start, _) => {
                    self.head.request_line(text)?;
                    self.state = State::Fields;
                }
                (_, []) => {
                    self.heads = self.heads.saturating_add(1);
                    self.body();
                    return Ok(Some(std::mem::take(&mut self.line)));
                }
                (_, field) => self.head.field(field, self.most.fields)?,
            }
        }
        if bytes.len() > self.most.bytes {
            return Err(Fault::TooLong);
        }
        if self.state == State::Start {
            head::begins(bytes.get(self.line..).unwrap_or_default())?;
        }
        Ok(None)
    }

    /// The next line with its end, if that is there.
    fn next_line<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let line = bytes.get(self.line..)?;
        let fresh = line.get(self.searched..)?;
        let Some(end) = memchr(b'\n', fresh) else {
            self.searched = line.len();
            return None;
        };
        let line = line.get(..=self.searched + end)?;
        self.line += line.len();
        self.searched = 0;
        Some(line)
    }

    fn chunk_line(&mut self, line: &[u8]) {
        let text = line.strip_suffix(b"\r\n");
        self.state = match (self.state, text) {
            (State::ChunkSize, Some(text)) => match chunk_size(text) {
                None => State::Lost,
                Some(0) => State::Trailers,
                Some(size) => State::Chunk(size),
            },
            (State::ChunkEnd, Some([])) => State::ChunkSize,
            (State::Trailers, Some([])) => return self.end(),
            (State::Trailers, Some(_)) => State::Trailers,
            _ => State::Lost,
        };
    }

    /// A head came to its end.
    fn body(&mut self) {
        match self.head.coding() {
            Coding::Chunked => self.state = State::ChunkSize,
            Coding::Length(left @ 1..) => self.state = State::Body(left),
            Coding::Length(0) => self.end(),
        }
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

/// A line of the chunked coding with its extensions, or a trailer.
const LONGEST_LINE: usize = 16 * 1024;

/// Takes up to `left` bytes off, and says how many are left then.
fn skip(bytes: &[u8], left: u64, then: impl FnOnce(u64)) -> &[u8] {
    let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    then(left - count as u64);
    bytes.get(count..).unwrap_or_default()
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
