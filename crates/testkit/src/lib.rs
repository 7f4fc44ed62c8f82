//! What tests share: token mint, fake issuer, echo upstream, raw client, gateway runner, corpus reader, comparison.
//!
//! Everything here may be used from plain and from async tests alike: servers run on threads of their own and
//! stop when dropped. Nothing here uses another crate of the workspace, so that judge and judged share no code.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unreachable,
    reason = "only tests link this crate: whatever goes wrong here must fail the test, with its reason"
)]

pub mod agreement;
pub mod client;
pub mod corpus;
pub mod gateway;
pub mod idp;
pub mod mint;
pub mod port;
pub mod site;
pub mod tls;
pub mod tools;
pub mod upstream;
pub mod wire;
