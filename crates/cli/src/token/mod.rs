//! Tokens as tools see them: where they are read from, and what stands in them whether or not it may be believed.

mod decoded;
mod oddities;
mod source;
mod trial;

pub(crate) use decoded::Decoded;
pub(crate) use oddities::{Oddity, oddities};
pub(crate) use source::{TokenArg, read_argument, read_file};
pub(crate) use trial::{Keys, Trial};

/// Seconds by which clocks may differ where a rule says nothing (decision T11).
pub(crate) const SKEW: u64 = 60;
