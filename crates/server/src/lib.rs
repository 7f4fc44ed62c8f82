//! Doors: translate, decide, translate back.
//!
//! A connection comes in by the edge (sockets, TLS, HTTP), as a
//! [`Connection`], and its requests go through the proxy on the worker that
//! has the connection.

mod connection;
mod gate;

pub use connection::Connection;
