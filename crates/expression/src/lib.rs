//! CEL, bounded: source text becomes a [`Program`] when the configuration loads, and a program is
//! evaluated against the attributes of a request, which are resolved only when they are read.
//!
//! [`Environment`] says which variables exist; [`Program::compile`] refuses whatever it cannot
//! evaluate, each [`Mistake`] with its place and what to write instead. The variables of a request
//! are [`Members`]; [`Program::test`] gives the verdict, [`Program::explain`] the same verdict with
//! the part that made it. The crate is pure: no clock, no socket, no log.
//!
//! # Why the evaluator is our own
//!
//! Parser and syntax tree are those of the crate `cel`. Its interpreter walks the tree without a
//! bound on depth or work, copies what it reads, and leaves unknown names to the evaluation. Here the
//! tree is compiled to a form of our own: names and functions resolved, macros turned into loops,
//! patterns compiled, chains of `&&` and `||` flat. Every step of an evaluation is paid for from a
//! budget ([`MAX_COST`]), which several may share ([`Meter`]), and values borrow from the claims. What could make the parser overflow
//! its stack is refused before it sees the text.

mod call;
mod compare;
mod compile;
mod environment;
mod evaluate;
mod explain;
mod failure;
#[cfg(test)]
mod fixture;
mod function;
mod guard;
mod lex;
mod meter;
mod mistake;
mod number;
mod parse;
mod pattern;
mod program;
#[cfg(test)]
mod properties;
mod span;
mod time;
mod tree;
mod value;

pub use environment::{Environment, Shape};
pub use explain::{Explanation, Read};
pub use failure::{Failure, Problem};
pub use guard::MAX_DEPTH;
pub use lex::MAX_SOURCE_CHARS;
pub use meter::{MAX_COST, Meter};
pub use mistake::Mistake;
pub use program::Program;
pub use time::{Duration, Timestamp};
pub use value::{Blob, List, Map, Members, Text, Type, Value};
