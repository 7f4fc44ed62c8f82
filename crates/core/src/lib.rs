//! The pure heart of the gateway: routes, compiled policy and the decision.
//!
//! No clock, socket, lock or log lives here. Time, keys and already verified
//! tokens are inputs ([`Facts`]); what an edge must fetch before it can go on
//! is an output ([`Need`]). Enter by [`prepare`], which runs the first steps on
//! a request (hop-by-hop headers, identity headers, path, client address),
//! then [`decide`] or [`decide_with`].

pub mod action;
pub mod address;
pub mod authn;
pub mod authz;
pub mod backend;
pub mod connection;
pub mod filter;
pub mod headers;
pub mod host;
pub mod id;
pub mod identity;
pub mod listener;
pub mod origin;
pub mod path;
pub mod provider;
pub mod reason;
pub mod request;
pub mod route;
pub mod snapshot;
pub mod source;
pub mod trace;

mod decide;
mod facts;
mod prepare;

pub use connection::Connection;
pub use countersign_jose::UnixTime;
pub use decide::{
    Action, ConnectionDecision, Decision, Denial, Grant, Outcome, Progress, StreamDecision, decide,
    decide_connection, decide_stream, decide_with,
};
pub use facts::{Facts, Keys, Need, Presented};
pub use id::ProviderId;
pub use identity::Identity;
pub use origin::Origin;
pub use prepare::{Arrival, prepare};
pub use reason::Reason;
pub use request::{Prepared, Request};
pub use snapshot::Snapshot;
pub use trace::{Event, NoRecord, Record, Trace};
