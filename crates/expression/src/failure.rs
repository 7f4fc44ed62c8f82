//! Why an evaluation has no result. The words name types and what stands in the source, never a value.

use std::fmt;

/// An evaluation that failed: whoever asked must deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub problem: Problem,
    /// Where the sub-expression that failed starts: bytes from the start of the source.
    pub offset: usize,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {})", self.problem, self.offset)
    }
}

impl std::error::Error for Failure {}

/// What can go wrong while evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A variable or field that the request does not have. The name stands in the source.
    Absent(Box<str>),
    /// A map has no such key, where the key was computed.
    NoSuchKey,
    /// An index that the list does not have.
    OutOfRange,
    /// An operator or function that does not take values of this type.
    NoOverload {
        /// The operator or function.
        of: &'static str,
        /// The type it was given.
        given: &'static str,
    },
    /// The result has to be a bool.
    NotBool(&'static str),
    /// Division or remainder by zero.
    DivisionByZero,
    /// A number, time or duration beyond what its type holds.
    Overflow,
    /// A value that cannot become one of that type.
    Conversion(&'static str),
    /// A computed pattern that is no regular expression, or too large a one.
    Pattern,
    /// An unknown time zone.
    TimeZone,
    /// A map with one key twice.
    RepeatedKey,
    /// A map key that is no bool, int, uint or string.
    KeyType(&'static str),
    /// Attributes that can be looked up but not listed.
    NotListable,
    /// An argument that the function refuses, in words.
    Argument(&'static str),
    /// A name that does not exist; only where names are not checked when the program is compiled.
    Unknown(Box<str>),
    /// The evaluation took more steps than [`MAX_COST`](crate::MAX_COST).
    Cost,
}

impl Problem {
    /// With its place in the source.
    pub(crate) const fn at(self, offset: usize) -> Failure {
        Failure {
            problem: self,
            offset,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(name) => write!(f, "`{name}` is absent"),
            Self::NoSuchKey => f.write_str("the map has no such key"),
            Self::OutOfRange => f.write_str("the list has no such index"),
            Self::NoOverload { of, given } => write!(f, "`{of}` does not take a {given} here"),
            Self::NotBool(given) => write!(f, "a bool is needed, not a {given}"),
            Self::DivisionByZero => f.write_str("division by zero"),
            Self::Overflow => f.write_str("the result is out of range"),
            Self::Conversion(to) => write!(f, "the value cannot be converted to {to}"),
            Self::Pattern => f.write_str("the computed pattern is no regular expression"),
            Self::TimeZone => f.write_str("unknown time zone"),
            Self::RepeatedKey => f.write_str("a map has one key twice"),
            Self::KeyType(given) => write!(f, "a {given} cannot be a map key"),
            Self::NotListable => f.write_str("these attributes can be looked up, not listed"),
            Self::Argument(words) => f.write_str(words),
            Self::Unknown(name) => write!(f, "unknown name `{name}`"),
            Self::Cost => f.write_str("the evaluation takes more steps than are allowed"),
        }
    }
}
