//! Constants of a program. Unlike values they may be shared between threads.

use super::Type;

/// A value that stands in the source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Box<[u8]>),
    /// The name of a type.
    Type(Type),
    List(Box<[Literal]>),
}
