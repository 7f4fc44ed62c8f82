//! The texts a configuration is made of, and positions in them.
//!
//! [`Files`] owns every text of one load; a [`Span`] is a place in one of them. YAML's document markers are found here,
//! because the parser reads each document by itself.

mod documents;
mod files;

pub(crate) use documents::preamble;
pub use files::{FileId, Files, Pos, Span, Text};
