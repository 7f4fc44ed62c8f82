//! Readers: from nodes to checked values, with every error reported where it stands.
//!
//! A reader is any `Fn(&Node, &mut Diagnostics) -> Option<T>`; `None` means that it has reported why. [`Fields`] reads a
//! mapping and reports every key that nobody asked for, so that no field is ever passed over in silence:
//!
//! ```
//! # use countersign_config::diagnostic::Diagnostics;
//! # use countersign_config::read::{Fields, dns_subdomain, int_in, port};
//! # use countersign_config::yaml::Node;
//! # use std::sync::Arc;
//! struct BackendRef { name: Arc<str>, port: Option<u16>, weight: u32 }
//!
//! fn backend_ref(node: &Node, diags: &mut Diagnostics) -> Option<BackendRef> {
//!     let mut fields = Fields::of(node, "BackendRef", diags)?;
//!     let name = fields.required("name", dns_subdomain);
//!     let port = fields.optional("port", port);
//!     let weight = fields.optional("weight", int_in(0..=1_000_000)).unwrap_or(1);
//!     fields.unsupported("filters", "use the filters of the rule");
//!     Some(BackendRef { name: name?, port, weight })
//! }
//! ```
//!
//! Ask for all fields first and use `?` last: a field that was not asked for because of an early return is reported too.

mod collections;
mod duration;
mod fields;
mod names;
mod scalars;
mod suggest;
#[cfg(test)]
mod tests;
mod unread;

pub use collections::{Spanned, list, list_in, map, spanned};
pub use duration::{duration, duration_in, go_duration, go_duration_in};
pub use fields::Fields;
pub use names::{dns_label, dns_subdomain, header_name, hostname, port, precise_hostname};
pub use scalars::{any_string, boolean, choice, int_in, invalid, parsed, string, string_of};

pub(crate) use suggest::{distance, nearest};
