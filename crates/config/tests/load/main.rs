//! Whole loads: texts in, diagnostics and the compiled configuration out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test that calls them"
)]

mod absent;
mod admission;
mod agentgateway;
mod attachment;
mod authorization;
mod backends;
mod callers;
mod clients;
mod examples;
mod expressions;
mod gateways;
mod golden;
mod gwapi;
mod identity;
mod parameters;
mod policies;
mod protection;
mod robust;
mod robust_policies;
mod routes;
mod scale;
mod secrets;
mod silence;
mod streams;
mod support;
mod unprotected;
