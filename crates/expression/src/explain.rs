//! Which part of a condition decided, and what it read. The evaluator is the same one; it is only
//! watched.

use crate::evaluate::{Machine, Observe};
use crate::failure::{Failure, Problem};
use crate::meter::Meter;
use crate::span::Span;
use crate::tree::{Expr, Logic, Node, Path};
use crate::value::{Members, Value};

/// The result of a condition with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// What [`Program::test`](crate::Program::test) says.
    pub result: Result<bool, Failure>,
    /// The part of the source that made the result: the first term of `&&` that was false, the first
    /// of `||` that was true, the term that failed; all of the source where no part did it alone.
    pub decisive: &'a str,
    /// The attributes that this part read, each one once, in the order of reading.
    pub reads: Vec<Read<'a>>,
}

/// An attribute that was read. Its value belongs to `explain`, not into logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<'a> {
    /// The path as it is written: `jwt.groups`.
    pub path: &'a str,
    /// The variable that it starts from, however it is written.
    pub variable: Box<str>,
    /// The fields that lead on from there.
    pub fields: Box<[Box<str>]>,
    /// The value in short; `None` where the request does not have it.
    pub value: Option<String>,
}

pub(crate) fn explain<'a>(
    source: &'a str,
    root: &'a Expr,
    variables: &'a (dyn Members + 'a),
    meter: &mut Meter,
) -> Explanation<'a> {
    let watched = |expr: &'a Expr, meter: &mut Meter| {
        let mut machine = Machine::new(variables, Reads::default(), meter);
        (machine.test(expr), machine.observer)
    };
    let before = meter.clone();
    let (result, mut reads) = watched(root, meter);
    let watched = |expr: &'a Expr| watched(expr, &mut before.clone());
    let mut decisive = root;
    while let Node::Logic(logic, terms) = &decisive.node {
        let Some((term, seen)) = term(&result, *logic, terms, watched) else {
            break;
        };
        decisive = term;
        reads = seen;
    }
    let text = |span: Span| source.get(span.start..span.end).unwrap_or(source);
    let reads = reads.0.into_iter().map(|(path, value)| Read {
        path: text(path.place),
        variable: path.variable,
        fields: path.fields,
        value,
    });
    let mut unique: Vec<Read<'_>> = Vec::new();
    for read in reads {
        if !unique.contains(&read) {
            unique.push(read);
        }
    }
    Explanation {
        decisive: if std::ptr::eq(decisive, root) {
            source
        } else {
            text(decisive.span)
        },
        result,
        reads: unique,
    }
}

/// The term that alone made the result of the chain; `None` when all of them did it together.
fn term<'a>(
    result: &Result<bool, Failure>,
    logic: Logic,
    terms: &'a [Expr],
    mut watched: impl FnMut(&'a Expr) -> (Result<bool, Failure>, Reads),
) -> Option<(&'a Expr, Reads)> {
    let by_all = *result == Ok(logic == Logic::And);
    // On its own a term may well end within the budget, and each of many would be given a new one.
    let by_cost = matches!(result, Err(failure) if failure.problem == Problem::Cost);
    if by_all || by_cost {
        return None;
    }
    terms.iter().find_map(|term| {
        let (of_term, reads) = watched(term);
        (of_term == *result).then_some((term, reads))
    })
}

/// How many reads are kept: macros can make many.
const MAX_READS: usize = 32;

#[derive(Default)]
struct Reads(Vec<(Path, Option<String>)>);

impl Observe for Reads {
    fn read(&mut self, path: &Path, value: Option<&Value<'_>>) {
        let known = self.0.iter().any(|(other, _)| other.place == path.place);
        if !known && self.0.len() < MAX_READS {
            self.0.push((path.clone(), value.map(Value::brief)));
        }
    }
}

#[cfg(test)]
mod tests;
