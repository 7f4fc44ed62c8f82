//! YAML documents as trees in which every value and every key knows its place.
//!
//! [`parse`] reads the documents of one text; what cannot be read is reported and the rest is read all the same.
//! [`expand`] then replaces `${VAR}` in the scalars of a document. Plain scalars are typed when somebody asks, by the core
//! schema of YAML 1.2 ([`Scalar::typed`]). JSON is YAML.
//!
//! What may be a secret is withheld from all diagnostics here, before anybody reads it.

mod broken;
mod build;
mod expand;
mod node;
mod parse;
mod positions;
mod secrets;
#[cfg(test)]
mod tests;
mod trouble;

pub use expand::{Environment, Unset, expand};
pub use node::{Document, Key, Node, Scalar, Typed, Value};
pub use parse::parse;
pub(crate) use secrets::{NAMES as SECRET_NAMES, folded};
