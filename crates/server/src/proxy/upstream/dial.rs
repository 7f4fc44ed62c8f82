//! Connections to a backend for whatever bytes there are: not kept, not shared.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Pool, Unreachable, Upstream};

/// A connection to a backend.
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Duplex>,
    /// `host:port` for logs.
    pub(crate) label: Rc<str>,
}

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

impl Upstream {
    /// Connects to the next endpoint, or to another where it does not accept,
    /// all within `patience`. What is `sealed` by its client already is not
    /// put into TLS again.
    ///
    /// # Errors
    /// Why the last of them could not be reached.
    pub(crate) async fn dial(
        &self,
        sealed: bool,
        patience: Duration,
    ) -> Result<Dialled, Unreachable> {
        let open = async |pool: &Rc<Pool>| pool.dial(sealed).await;
        self.reach(patience, |_| None, open).await
    }
}
