//! What a document is made of: nodes in the order of the text, each container before its content.

use smallvec::SmallVec;

use super::number::{Number, Repr};

/// Nodes on their way into a document. Most claims sets fit without an allocation.
pub(super) type Nodes = SmallVec<[Node; 96]>;

/// One value, or the name of the member that follows. Twelve bytes.
///
/// INVARIANT: texts lie within the document's text and on characters; the `span` nodes after a
/// container are its content, `len` values or `len` pairs of a text and a value.
#[derive(Clone, Copy)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// As [`Repr::Unsigned`], [`Repr::Negative`] and [`Repr::Float`]; in halves, because whole ones
    /// would be aligned, and every node be 16 bytes.
    Unsigned(Halves),
    Negative(Halves),
    Float(Halves),
    Text {
        start: u32,
        len: u32,
    },
    List {
        len: u32,
        span: u32,
    },
    Object {
        len: u32,
        span: u32,
    },
}

/// 64 bits, the low half first.
#[derive(Clone, Copy)]
pub(super) struct Halves([u32; 2]);

impl Halves {
    const fn of(bits: u64) -> Self {
        Self([bits as u32, (bits >> 32) as u32])
    }

    const fn bits(self) -> u64 {
        let [low, high] = self.0;
        (high as u64) << 32 | low as u64
    }
}

impl Node {
    /// How many nodes after this one belong to it.
    pub(super) const fn span(self) -> usize {
        match self {
            Self::List { span, .. } | Self::Object { span, .. } => span as usize,
            _ => 0,
        }
    }

    /// The number, when it is one.
    pub(super) fn number(self) -> Option<Number> {
        let repr = match self {
            Self::Unsigned(halves) => Repr::Unsigned(halves.bits()),
            Self::Negative(halves) => Repr::Negative(halves.bits().cast_signed()),
            Self::Float(halves) => Repr::Float(f64::from_bits(halves.bits())),
            _ => return None,
        };
        Some(Number(repr))
    }
}

impl From<Number> for Node {
    fn from(number: Number) -> Self {
        match number.0 {
            Repr::Unsigned(number) => Self::Unsigned(Halves::of(number)),
            Repr::Negative(number) => Self::Negative(Halves::of(number.cast_unsigned())),
            Repr::Float(number) => Self::Float(Halves::of(number.to_bits())),
        }
    }
}
