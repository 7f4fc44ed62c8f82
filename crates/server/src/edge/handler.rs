//! Who answers requests: what the edge knows of the proxy.

use std::rc::Rc;

use bytes::Bytes;
use countersign_core::Denial;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use super::wire::Wire;
use crate::connection::Connection;

/// Answers the requests of one worker's connections, or passes their bytes on.
pub(crate) trait Handler: 'static {
    /// Body of its answers. An error cuts the connection or the stream.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + 'static;

    /// Answers a request.
    fn handle(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + 'static;

    /// Passes a connection on whose bytes are not read.
    fn stream(
        self: Rc<Self>,
        connection: Rc<Connection>,
        wire: Wire,
    ) -> impl Future<Output = ()> + 'static;

    /// Answers a request that broke a rule of the edge, and takes note of it.
    fn refuse(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: &Request<Incoming>,
        denial: Denial,
    ) -> Response<Self::Body>;
}
