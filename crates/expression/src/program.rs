//! A compiled condition.

use std::fmt;
use std::sync::Arc;

use crate::compile;
use crate::environment::Environment;
use crate::evaluate::Machine;
use crate::explain::{self, Explanation};
use crate::failure::Failure;
use crate::guard;
use crate::lex;
use crate::meter::Meter;
use crate::mistake::Mistake;
use crate::parse;
use crate::span::Tokens;
use crate::tree::Expr;
use crate::value::{Members, Value};

/// An expression, ready to be evaluated. Copies share it.
#[derive(Clone)]
pub struct Program(Arc<Compiled>);

struct Compiled {
    source: Box<str>,
    root: Expr,
}

impl Program {
    /// Compiles a condition.
    ///
    /// # Errors
    /// One mistake when the text cannot be read at all; else every name and function that does not
    /// exist, in the order of the text, up to 20; or that the result can never be a bool. Never empty.
    pub fn compile(source: &str, environment: &Environment) -> Result<Self, Vec<Mistake>> {
        let program = Self::any(source, environment)?;
        match program.0.root.never_bool() {
            None => Ok(program),
            Some(given) => Err(vec![Mistake::new(
                program.0.root.span.start,
                format!("the expression gives {given}, never true or false"),
                "compare it with something, for example by `==` or `in`",
            )]),
        }
    }

    /// Compiles an expression whose result may be of any type.
    ///
    /// # Errors
    /// As [`Program::compile`], but any type will do.
    pub fn any(source: &str, environment: &Environment) -> Result<Self, Vec<Mistake>> {
        let root = compiled(source, environment)?;
        Ok(Self(Arc::new(Compiled {
            source: source.into(),
            root,
        })))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// When that cannot be said: something is absent or of the wrong type, the result is no bool, or
    /// the evaluation takes more than [`MAX_COST`](crate::MAX_COST). Whoever asks has to deny.
    pub fn test(&self, variables: &dyn Members) -> Result<bool, Failure> {
        self.test_within(variables, &mut Meter::default())
    }

    /// As [`Program::test`], paid for from a budget that other evaluations may share.
    ///
    /// # Errors
    /// As [`Program::test`], and when the budget is used up, by whichever evaluation.
    pub fn test_within(&self, variables: &dyn Members, meter: &mut Meter) -> Result<bool, Failure> {
        Machine::new(variables, (), meter).test(&self.0.root)
    }

    /// The value of the expression, of any type.
    ///
    /// # Errors
    /// As [`Program::test`], but any type will do.
    pub fn evaluate<'a>(&'a self, variables: &'a dyn Members) -> Result<Value<'a>, Failure> {
        Machine::new(variables, (), &mut Meter::default()).evaluate(&self.0.root)
    }

    /// As [`Program::test`], and which part of the condition decided, with the attributes it read.
    pub fn explain<'a>(&'a self, variables: &'a dyn Members) -> Explanation<'a> {
        self.explain_within(variables, &mut Meter::default())
    }

    /// As [`Program::explain`], paid for as by [`Program::test_within`].
    pub fn explain_within<'a>(
        &'a self,
        variables: &'a dyn Members,
        meter: &mut Meter,
    ) -> Explanation<'a> {
        explain::explain(&self.0.source, &self.0.root, variables, meter)
    }
}

fn compiled(source: &str, environment: &Environment) -> Result<Expr, Vec<Mistake>> {
    let all = lex::tokens(source).map_err(|mistake| vec![mistake])?;
    let partners = guard::check(source, &all).map_err(|mistake| vec![mistake])?;
    let (tree, places) = parse::parse(source, &all).map_err(|mistake| vec![mistake])?;
    let tokens = Tokens { all, partners };
    compile::compile(&tree, &tokens, &places, environment)
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.0.source).finish()
    }
}

/// Two programs are equal when their sources are.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for Program {}

#[cfg(test)]
mod tests;
