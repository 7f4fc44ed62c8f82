//! What `countersign demo` puts around the gateway: an issuer of tokens before it, an application behind it, and the
//! configuration between them.

mod application;
mod issuer;
mod people;
mod signer;
mod site;
mod tour;

pub(crate) use application::Application;
pub(crate) use issuer::Issuer;
pub(crate) use tour::Tour;

/// The configuration, as anybody would write it. The ports come from its variables.
pub(crate) const CONFIG: &str = include_str!("demo.yaml");
