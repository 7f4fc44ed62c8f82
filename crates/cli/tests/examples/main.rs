//! The documents' examples, end to end: the YAML as it is found, the real binary, an upstream where the Backend says.
//! Tests put their own ports, hosts and addresses of key sets in, and nothing else, unless their name says so.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here must fail the test, with its reason"
)]

mod istio;
mod kgateway;
mod nullplatform;
mod place;
mod scene;
