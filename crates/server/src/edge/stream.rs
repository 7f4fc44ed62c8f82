//! The byte stream of a connection: TCP with its first bytes put back after a
//! look at them, perhaps TLS on top, watched by a [`Pulse`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::framing::Framing;
use super::pulse::{Pulse, Verdict};

/// TCP, with bytes in front that were read ahead.
#[derive(Debug)]
pub(crate) struct Tcp {
    ahead: BytesMut,
    tcp: TcpStream,
}

impl Tcp {
    pub(crate) fn new(tcp: TcpStream) -> Tcp {
        Tcp {
            ahead: BytesMut::new(),
            tcp,
        }
    }

    /// Bytes that were read ahead and not taken.
    pub(crate) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads more bytes ahead; 0 at the end of the stream.
    pub(crate) async fn look(&mut self) -> io::Result<usize> {
        self.ahead.reserve(LOOK);
        self.tcp.read_buf(&mut self.ahead).await
    }

    /// Takes bytes off that were read ahead.
    pub(crate) fn skip(&mut self, count: usize) {
        self.ahead.advance(count.min(self.ahead.len()));
    }
}

/// Room for one read ahead: a PROXY header and the start of what follows.
const LOOK: usize = 512;

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.tcp).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead.split_to(count));
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// What HTTP is spoken over.
#[derive(Debug)]
pub(crate) enum Wire {
    Clear(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

/// A [`Wire`] that tells a [`Pulse`] what goes over it.
#[derive(Debug)]
pub(crate) struct Stream {
    wire: Wire,
    pulse: Arc<Pulse>,
    /// HTTP/1 only.
    framing: Option<Framing>,
    /// Bytes behind a request for another protocol that is not answered yet.
    held: BytesMut,
}

impl Stream {
    pub(crate) fn new(wire: Wire, pulse: Arc<Pulse>, http2: bool) -> Stream {
        Stream {
            wire,
            pulse,
            framing: (!http2).then(Framing::default),
            held: BytesMut::new(),
        }
    }

    /// Lets no byte pass before it is known how it is to be read.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(framing) = &mut self.framing else {
            return Poll::Ready(Ok(()));
        };
        if framing.waits() {
            let Some(verdict) = self.pulse.verdict(cx.waker()) else {
                return Poll::Pending;
            };
            framing.decide(verdict == Verdict::Switched);
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

    /// How many of these bytes may go on.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let Some(framing) = &mut self.framing else {
            return bytes.len();
        };
        let passed = framing.follow(bytes);
        if let Some((number, fault)) = passed.fault {
            self.pulse.faulty(number, fault);
        }
        passed.bytes
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.pulse.wrote(outcome.is_ready());
        outcome
    }
}

/// Calls a method of whatever the wire is made of.
macro_rules! on_wire {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.wire {
            Wire::Clear(tcp) => Pin::new(tcp).$method($($argument),*),
            Wire::Tls(tls) => Pin::new(&mut **tls).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx))?;
        let before = buf.filled().len();
        if self.held.is_empty() {
            ready!(on_wire!(self.poll_read(cx, buf)))?;
        } else {
            let count = self.held.len().min(buf.remaining());
            let held = self.held.split_to(count);
            buf.put_slice(&held);
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.pulse.read();
        let passed = self.follow(fresh);
        let back = fresh.get(passed..).unwrap_or_default();
        if !back.is_empty() {
            let mut held = BytesMut::from(back);
            held.unsplit(std::mem::take(&mut self.held));
            self.held = held;
            buf.set_filled(before + passed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = on_wire!(self.poll_write(cx, bytes));
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = on_wire!(self.poll_write_vectored(cx, bytes));
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Clear(tcp) => tcp.is_write_vectored(),
            Wire::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self.poll_shutdown(cx))
    }
}
