//! HTTP/1.1: one request after the other on a connection, one write for each.

use std::io;
use std::rc::Rc;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::answer::{Answer, Decoder, Malformed};
use crate::fault::Fault;
use crate::link::Link;
use crate::plan::Plan;
use crate::session::Session;

/// Sends requests on one connection until there are no more.
///
/// # Errors
/// When an answer is not as expected, or does not come.
pub(crate) async fn drive(session: Rc<Session>, link: Link) -> Result<(), Fault> {
    let plan = &session.plan;
    let mut talk = Talk::new();
    let mut link = Some(link);
    loop {
        let mut open = match link.take() {
            Some(open) => open,
            None => {
                session.reconnected();
                plan.target.dial().await?
            }
        };
        let Some(ticket) = session.pace.next().await else {
            return Ok(());
        };
        session.sending();
        let answer = talk.exchange(plan, ticket.index, &mut open).await?;
        session.record(&ticket, answer.bytes);
        // A server may end a connection after any answer, if it says so (RFC 9112 section 9.6).
        link = (!answer.close).then_some(open);
    }
}

/// The buffers of one connection.
pub(crate) struct Talk {
    head: Vec<u8>,
    inbox: Inbox,
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self {
            head: Vec::new(),
            inbox: Inbox::new(),
        }
    }

    /// Sends request `index` and takes its answer, which is as expected.
    ///
    /// # Errors
    /// When it is not, or does not come.
    pub(crate) async fn exchange(
        &mut self,
        plan: &Plan,
        index: u64,
        link: &mut Link,
    ) -> Result<Answer, Fault> {
        plan.requests.write(index, &mut self.head);
        let sent = send(link, &self.head, plan.requests.body()).await;
        sent.map_err(|error| Fault::failure(format!("a request could not be sent: {error}")))?;
        let answer = self.inbox.answer(link).await;
        let answer = answer.map_err(|broken| Fault::failure(format!("no answer: {broken}")))?;
        let sample = self.inbox.decoder.sample();
        plan.expect.judge(answer.status, answer.bytes, sample)?;
        Ok(answer)
    }
}

async fn send(link: &mut Link, head: &[u8], body: &[u8]) -> io::Result<()> {
    if body.is_empty() {
        link.write_all(head).await?;
    } else {
        link.write_all_buf(&mut Buf::chain(head, body)).await?;
    }
    link.flush().await
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

/// What came in and is not yet taken.
struct Inbox {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    decoder: Decoder,
}

impl Inbox {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER].into(),
            start: 0,
            end: 0,
            decoder: Decoder::new(),
        }
    }

    /// The next answer, whole.
    async fn answer(
        &mut self,
        link: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ) -> Result<Answer, Broken> {
        loop {
            self.make_room()?;
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            let count = link.read(free).await?;
            self.end += count;
            if count == 0 {
                self.decoder.end()?;
            }
            let came = self.buffer.get(self.start..self.end).unwrap_or_default();
            self.start += self.decoder.advance(came)?;
            if let Some(answer) = self.decoder.take() {
                // Nothing was asked for that could come next.
                return match self.end - self.start {
                    0 => Ok(answer),
                    surplus => Err(Malformed::Surplus(surplus).into()),
                };
            }
        }
    }

    fn make_room(&mut self) -> Result<(), Malformed> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            if self.start == 0 {
                return Err(Malformed::LongHead(self.end));
            }
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        Ok(())
    }
}

const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests;
