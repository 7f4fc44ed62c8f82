//! Kubernetes objects: the envelope that every document has, and which kinds are ours.
//!
//! [`Objects::collect`] is the way in: texts to objects, each of a [`Kind`] that is read here, none twice. What an object
//! says beyond its envelope is read with [`Object::fields`].

mod classify;
mod collect;
mod envelope;
mod metadata;
#[cfg(test)]
mod tests;
mod timestamp;

pub use classify::{Class, Kind, classify};
pub use collect::Objects;
pub use envelope::Object;
