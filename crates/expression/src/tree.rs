//! The compiled form of an expression: names resolved, macros turned into loops.

use regex::Regex;

use crate::function::Function;
use crate::span::Span;
use crate::value::Literal;

/// A node and the part of the source that it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) span: Span,
    pub(crate) node: Node,
}

impl Expr {
    /// What it gives, where it is plain that this is no bool, whatever the variables are.
    pub(crate) fn never_bool(&self) -> Option<&'static str> {
        match &self.node {
            Node::Literal(Literal::Bool(_)) => None,
            Node::Literal(Literal::String(_)) => Some("a string"),
            Node::Literal(Literal::List(_)) => Some("a list"),
            Node::Literal(_) => Some("a constant"),
            Node::List(_) => Some("a list"),
            Node::Map(_) => Some("a map"),
            Node::Negate(_) => Some("a number"),
            Node::Binary(binary, _) if binary.is_arithmetic() => Some("a number or string"),
            Node::Loop(of) => match of.macro_ {
                Macro::Filter | Macro::Map | Macro::MapWhere(_) => Some("a list"),
                Macro::All | Macro::Exists | Macro::ExistsOne => None,
            },
            Node::Conditional(parts) => parts.1.never_bool().and(parts.2.never_bool()),
            Node::Call(function, _) => function.never_bool(),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Literal(Literal),
    /// The variable of a macro: how many loops further out it is set.
    Local(usize),
    Path(Path),
    /// `has(path)`
    HasPath(Path),
    /// `operand.key` or `operand['key']`, where the operand is no path.
    Field(Box<Expr>, Box<str>),
    /// `has(operand.key)`
    HasField(Box<Expr>, Box<str>),
    /// `operand[key]`, where the key has to be computed.
    Index(Box<Expr>, Box<Expr>),
    List(Box<[Expr]>),
    Map(Box<[(Expr, Expr)]>),
    /// `&&` and `||` over two terms or more.
    Logic(Logic, Box<[Expr]>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Conditional(Box<(Expr, Expr, Expr)>),
    Binary(Binary, Box<(Expr, Expr)>),
    Call(Function, Box<[Expr]>),
    /// `matches` with a constant pattern.
    Matches(Box<Expr>, Pattern),
    Loop(Box<Loop>),
    /// An unknown name, where names are not checked.
    Unknown(Box<str>),
}

/// A variable and the fields that are read from it.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Where it stands, without a `has` around it.
    pub(crate) place: Span,
    pub(crate) variable: Box<str>,
    pub(crate) fields: Box<[Box<str>]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Binary {
    const fn is_arithmetic(self) -> bool {
        matches!(
            self,
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Remainder
        )
    }

    /// The operator as it is written.
    pub(crate) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::In => "in",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// A compiled pattern and what it costs to try it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// Units for every byte of the text.
    pub(crate) per_byte: usize,
}

/// A macro over a list, or over the keys of a map.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) macro_: Macro,
    pub(crate) range: Expr,
    /// The condition on each element.
    pub(crate) body: Expr,
}

#[derive(Clone, Debug)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map(x, body, result)`: the result for each element that fulfils the condition.
    MapWhere(Expr),
    /// `map(x, body)`: the body is the result.
    Map,
}
