//! The edge: from listening sockets to HTTP requests.
//!
//! [`Sockets`] holds the listening sockets across reloads, [`acceptor`] takes
//! connections from them, [`crew`] spreads these over the workers, [`floor`]
//! makes a [`crate::Connection`] of each, and [`http`] hands the requests on
//! it to a [`handler::Handler`], or [`floor`] all of its bytes.

pub(crate) mod acceptor;
mod bind;
mod check;
mod clients;
pub(crate) mod crew;
mod door;
mod floor;
pub(crate) mod framing;
pub(crate) mod handler;
mod handshake;
mod hello;
mod http;
pub(crate) mod proxy_protocol;
mod pulse;
mod sockets;
mod stream;
mod tls;
mod unfit;
mod vouch;
pub(crate) mod wire;

#[cfg(test)]
pub(crate) mod tests;

pub use bind::BindError;
pub use sockets::{Problem, Sockets, Unservable};
pub use tls::CertificateError;
pub use vouch::vouch;
