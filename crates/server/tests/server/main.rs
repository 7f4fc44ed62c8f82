//! The server through its public face: started, refused a start, and sent
//! everything that RFC 9112 warns of.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "whatever goes wrong here must fail the test"
)]

mod http_conformance;
mod refused;
mod site;
mod start;
