//! Istio's RequestAuthentication.

mod attach;
mod rule;
mod spec;

pub(super) use attach::{Attached, attach};
