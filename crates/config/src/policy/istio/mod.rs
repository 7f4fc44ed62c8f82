//! Istio's RequestAuthentication and AuthorizationPolicy.

mod attach;
mod authorization;
mod reach;
mod rule;
mod spec;
mod target;

pub(super) use attach::{Attached, attach};
pub(super) use authorization::{Authorizations, TokenPolicies, attach as authorize};
