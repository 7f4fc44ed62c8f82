//! JSON as claims and keys have it: one flat document, and views of the values in it.
//!
//! A [`Document`] is a text and a list of small nodes, two allocations whatever it holds. Views are
//! [`Copy`] and borrow from it.

mod document;
mod error;
mod node;
mod number;
mod read;
mod view;

pub use document::Document;
pub(crate) use document::glance;
pub use error::{JsonError, JsonProblem, MAX_JSON_DEPTH};
pub use number::Number;
pub use view::{Elements, List, Members, Object, Value};

#[cfg(test)]
mod tests;
