//! Connections to a backend for whatever bytes there are: not kept, not shared.

use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection to a backend.
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Duplex>,
    /// `host:port` for logs.
    pub(crate) label: Rc<str>,
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}
