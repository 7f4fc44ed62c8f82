//! Doors: translate, decide, translate back.
//!
//! A connection comes in by the edge (sockets, TLS, HTTP), as a
//! [`Connection`], and its requests go through the proxy on the worker that
//! has the connection.

mod access_log;
mod admin;
mod connection;
mod edge;
mod gate;
mod keepalive;
mod leash;
mod proxy;
mod server;
mod worker;

#[doc(hidden)]
pub mod fuzz;

pub use access_log::{Sink, Writer};
pub use admin::{Log, SetLevel};
pub use connection::Connection;
pub use edge::{BindError, CertificateError, Problem, Sockets, Unservable, vouch};
pub use proxy::{Body, Broken};
pub use server::{Server, ServerOptions, StartError};
