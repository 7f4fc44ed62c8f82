//! agentgateway's policies, open-source and enterprise: `traffic.jwtAuthentication` and `traffic.authorization`.

mod attach;
mod authorization;
mod jwks;
mod jwt;
mod spec;

pub(super) use attach::{Attached, attach};
