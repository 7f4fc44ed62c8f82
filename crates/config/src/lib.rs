//! Named texts in; every diagnostic, or the compiled configuration.
//!
//! [`source`] holds the texts, [`yaml`] makes trees of them, [`object`] takes the Kubernetes objects out of the trees,
//! [`read`] turns fields into checked values, and [`diagnostic`] is how each of them says what is wrong and where.

pub mod compiled;
pub mod diagnostic;
mod gateway;
mod load;
pub mod object;
pub mod policy;
pub mod read;
mod refs;
mod routes;
pub mod source;
pub mod yaml;

pub use load::{Loaded, load};
