//! kgateway's GatewayExtension (`jwt`) and TrafficPolicy (`jwtAuth`).

mod attach;
mod extension;
mod keys;
mod traffic;

pub(super) use attach::{Attached, attach};
