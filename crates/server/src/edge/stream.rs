//! The byte stream of a connection that HTTP is spoken on: its wire, watched by
//! a [`Pulse`].

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::framing::{Fault, Framing, Passed};
use super::pulse::{Pulse, Verdict};
use super::wire::Wire;

/// A [`Wire`] that tells a [`Pulse`] what goes over it, and lets through only
/// what [`Framing`] passes.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    pulse: Arc<Pulse>,
    /// HTTP/1 only.
    framing: Option<Framing>,
    /// Bytes that were read and did not go on.
    held: BytesMut,
    /// So many of them may go on now.
    free: usize,
}

impl Stream {
    pub(crate) fn new(wire: Wire, pulse: Arc<Pulse>, framing: Option<Framing>) -> Stream {
        Stream {
            wire,
            pulse,
            framing,
            held: BytesMut::new(),
            free: 0,
        }
    }

    /// Reads on for a moment and forgets what comes. Who is refused may still
    /// be sending, and a connection that closes on unread bytes is reset, and
    /// with it goes the answer (RFC 9112 section 9.6).
    pub(crate) async fn linger(mut self) {
        let mut left = LINGER_BYTES;
        let mut scrap = vec![0; 16 * 1024];
        let rest = poll_fn(|cx| {
            loop {
                let mut buf = ReadBuf::new(&mut scrap);
                let read = ready!(Pin::new(&mut self.wire).poll_read(cx, &mut buf));
                left = left.saturating_sub(buf.filled().len());
                if read.is_err() || buf.filled().is_empty() || left == 0 {
                    return Poll::Ready(());
                }
            }
        });
        let _over = timeout(LINGER_TIME, rest).await;
    }

    /// Lets no byte pass before it is known how it is to be read.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(framing) = &mut self.framing else {
            return Poll::Ready(Ok(()));
        };
        if self.pulse.is_late() && framing.is_mid_head() {
            let refused = framing.refuse(&self.held, Fault::Late);
            self.settle(Passed {
                bytes: 0,
                refused: Some(refused),
            });
            return Poll::Ready(Ok(()));
        }
        if framing.waits() {
            let Some(verdict) = self.pulse.verdict(cx.waker()) else {
                return Poll::Pending;
            };
            framing.decide(verdict == Verdict::Switched);
            let passed = framing.follow(&self.held);
            self.settle(passed);
            return Poll::Ready(Ok(()));
        }
        // Nobody has to be woken: the last answer is on its way.
        if framing.is_over() {
            return Poll::Pending;
        }
        if framing.is_lost() {
            let kind = io::ErrorKind::InvalidData;
            return Poll::Ready(Err(io::Error::new(kind, "malformed chunked coding")));
        }
        Poll::Ready(Ok(()))
    }

    /// Follows the bytes in `buf` behind `before`, and takes back what must not
    /// go on yet.
    fn follow(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(framing) = &mut self.framing else {
            return;
        };
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let passed = if self.held.is_empty() {
            let passed = framing.follow(fresh);
            if passed.bytes == fresh.len() {
                self.pulse.read(false);
                return;
            }
            self.held.extend_from_slice(fresh);
            passed
        } else {
            self.held.extend_from_slice(fresh);
            framing.follow(&self.held)
        };
        buf.set_filled(before);
        self.settle(passed);
    }

    /// Takes note of what was found about the bytes that are held.
    fn settle(&mut self, passed: Passed) {
        self.free = passed.bytes;
        if let Some(refused) = passed.refused {
            self.pulse.faulty(refused.number, refused.fault);
            self.held.truncate(passed.bytes);
            self.held.extend_from_slice(&refused.stand_in);
            self.free = self.held.len();
        }
        self.pulse
            .read(self.framing.as_ref().is_some_and(Framing::is_mid_head));
    }

    /// Hands on bytes that were held.
    fn release(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.free.min(buf.remaining());
        buf.put_slice(&self.held.split_to(count));
        self.free -= count;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.wrote(outcome.is_ready());
        outcome
    }
}

const LINGER_BYTES: usize = 2 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(2);

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            if self.free == 0 {
                ready!(self.poll_turn(cx))?;
            }
            if self.free > 0 {
                self.release(buf);
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            self.follow(buf, before);
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.wire).poll_write_vectored(cx, bytes);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
