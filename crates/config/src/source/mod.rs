//! The texts a configuration is made of, and positions in them.
//!
//! [`Files`] owns every text of one load; a [`Span`] is a place in one of them. YAML's document markers are found here,
//! because both the parser (which reads each document by itself) and the excerpts of diagnostics (which withhold the text
//! of Secrets) need to know where a document begins and ends.

mod documents;
mod files;

pub use files::{FileId, Files, Pos, Span, Text};
