//! The proxy behind the real edge, on loopback, before scripted backends.

mod bodies;
mod conformance;
mod faults;
mod http2;
mod mirrors;
mod plain;
mod policies;
mod refusals;
mod scene;
mod silence;
mod streams;
mod tokens;
mod upgrades;
