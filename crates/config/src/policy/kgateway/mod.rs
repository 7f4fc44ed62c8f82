//! kgateway's GatewayExtension (`jwt`) and TrafficPolicy (`jwtAuth`, `rbac`).

mod attach;
mod extension;
mod jwks;
mod jwt;
mod rbac;
mod traffic;

pub(super) use attach::{Attached, attach};
