//! Evaluates a compiled expression, step by paid step.

mod arithmetic;
mod loops;

use smallvec::SmallVec;

use crate::call;
use crate::compare;
use crate::failure::{Failure, Problem};
use crate::meter::Meter;
use crate::tree::{Binary, Expr, Logic, Node, Path, Pattern};
use crate::value::{Key, Map, Members, Value};

/// Sees which attributes an evaluation reads.
pub(crate) trait Observe {
    /// A path was read; `None` when the request does not have it.
    fn read(&mut self, path: &Path, value: Option<&Value<'_>>);
}

/// Looks at nothing and costs nothing.
impl Observe for () {
    fn read(&mut self, _: &Path, _: Option<&Value<'_>>) {}
}

/// One evaluation.
pub(crate) struct Machine<'a, 'm, O> {
    variables: &'a (dyn Members + 'a),
    meter: &'m mut Meter,
    pub(crate) observer: O,
}

/// The variable of a macro, and those around it.
struct Scope<'s, 'a> {
    value: Value<'a>,
    outer: Outer<'s, 'a>,
}

type Outer<'s, 'a> = Option<&'s Scope<'s, 'a>>;

impl<'a, 'm, O: Observe> Machine<'a, 'm, O> {
    pub(crate) fn new(
        variables: &'a (dyn Members + 'a),
        observer: O,
        meter: &'m mut Meter,
    ) -> Self {
        Self {
            variables,
            meter,
            observer,
        }
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn evaluate(&mut self, expr: &'a Expr) -> Result<Value<'a>, Failure> {
        self.value(expr, None)
    }

    /// The value of a condition.
    ///
    /// # Errors
    /// When it has none or is no bool.
    pub(crate) fn test(&mut self, expr: &'a Expr) -> Result<bool, Failure> {
        self.truth(expr, None)
    }

    fn truth(&mut self, expr: &'a Expr, scope: Outer<'_, 'a>) -> Result<bool, Failure> {
        match self.value(expr, scope)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(Problem::NotBool(other.kind().name()).at(expr.span.start)),
        }
    }

    fn value(&mut self, expr: &'a Expr, scope: Outer<'_, 'a>) -> Result<Value<'a>, Failure> {
        let here = |problem: Problem| problem.at(expr.span.start);
        self.meter.pay(1).map_err(here)?;
        match &expr.node {
            Node::Literal(literal) => Ok(literal.into()),
            Node::Local(distance) => Ok(local(scope, *distance)),
            Node::Path(path) => self.path(path).map_err(here),
            Node::HasPath(path) => self.has_path(path).map_err(here),
            Node::Field(operand, name) => {
                let operand = self.value(operand, scope)?;
                let value = self.field(&operand, name).map_err(here)?;
                value.ok_or_else(|| here(Problem::Absent(name.clone())))
            }
            Node::HasField(operand, name) => {
                let operand = self.value(operand, scope)?;
                let value = self.field(&operand, name).map_err(here)?;
                Ok(Value::Bool(value.is_some()))
            }
            Node::Index(operand, key) => {
                let operand = self.value(operand, scope)?;
                let key = self.value(key, scope)?;
                self.index(&operand, &key).map_err(here)
            }
            Node::List(elements) => {
                let values = elements.iter().map(|element| self.value(element, scope));
                Ok(Value::List(values.collect::<Result<_, _>>()?))
            }
            Node::Map(entries) => self.map(entries, scope),
            Node::Logic(logic, terms) => self.logic(*logic, terms, scope),
            Node::Not(operand) => self.truth(operand, scope).map(|truth| Value::Bool(!truth)),
            Node::Negate(operand) => {
                let operand = self.value(operand, scope)?;
                arithmetic::negate(&operand).map_err(here)
            }
            Node::Conditional(parts) => {
                let (condition, yes, no) = &**parts;
                let taken = if self.truth(condition, scope)? {
                    yes
                } else {
                    no
                };
                self.value(taken, scope)
            }
            Node::Binary(binary, operands) => {
                let left = self.value(&operands.0, scope)?;
                let right = self.value(&operands.1, scope)?;
                self.binary(*binary, &left, &right).map_err(here)
            }
            Node::Call(function, arguments) => {
                let values = arguments.iter().map(|argument| self.value(argument, scope));
                let values = values.collect::<Result<SmallVec<[_; 4]>, _>>()?;
                call::call(self.meter, *function, &values).map_err(here)
            }
            Node::Matches(text, pattern) => {
                let text = self.value(text, scope)?;
                self.matches(&text, pattern).map_err(here)
            }
            Node::Loop(of) => self.run(of, expr.span.start, scope),
            Node::Unknown(name) => Err(here(Problem::Unknown(name.clone()))),
        }
    }

    fn path(&mut self, path: &'a Path) -> Result<Value<'a>, Problem> {
        let found = self.walk(path, &path.fields);
        self.observer.read(path, found.as_ref().ok());
        found
    }

    /// Whether the last field is there; those before it have to be.
    fn has_path(&mut self, path: &'a Path) -> Result<Value<'a>, Problem> {
        let found = match path.fields.split_last() {
            None => self.variables.member(&path.variable),
            Some((last, before)) => {
                let operand = self.walk(path, before)?;
                self.field(&operand, last)?
            }
        };
        self.observer.read(path, found.as_ref());
        Ok(Value::Bool(found.is_some()))
    }

    fn walk(&mut self, path: &'a Path, fields: &'a [Box<str>]) -> Result<Value<'a>, Problem> {
        let variable = self.variables.member(&path.variable);
        let mut value = variable.ok_or_else(|| absent(path, 0))?;
        for (index, name) in fields.iter().enumerate() {
            self.meter.pay(1)?;
            let field = self.field(&value, name)?;
            value = field.ok_or_else(|| absent(path, index + 1))?;
        }
        Ok(value)
    }

    fn field(&mut self, operand: &Value<'a>, name: &str) -> Result<Option<Value<'a>>, Problem> {
        let Value::Map(map) = operand else {
            return Err(no_overload(".", operand));
        };
        self.meter.pay(search_cost(map))?;
        let value = map.field(name);
        self.meter.pay_read(map, value.as_ref())?;
        Ok(value)
    }

    fn index(&mut self, operand: &Value<'a>, key: &Value<'a>) -> Result<Value<'a>, Problem> {
        match operand {
            Value::List(list) => {
                let number = key.number().ok_or_else(|| no_overload("[]", key))?;
                let index = number.exact_int().ok_or(Problem::OutOfRange)?;
                self.meter.pay(list.breadth() / 16)?;
                let value = usize::try_from(index).ok().and_then(|index| list.at(index));
                value.ok_or(Problem::OutOfRange)
            }
            Value::Map(map) => {
                self.meter.pay(search_cost(map))?;
                let value = map.lookup(key);
                self.meter.pay_read(map, value.as_ref())?;
                value.ok_or(Problem::NoSuchKey)
            }
            _ => Err(no_overload("[]", operand)),
        }
    }

    fn map(
        &mut self,
        entries: &'a [(Expr, Expr)],
        scope: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let mut pairs = Vec::with_capacity(entries.len());
        let mut start = 0;
        for (key, value) in entries {
            start = key.span.start;
            let key = self.value(key, scope)?;
            let unfit = || Problem::KeyType(key.kind().name()).at(start);
            let key = Key::of(&key).ok_or_else(unfit)?;
            pairs.push((key, self.value(value, scope)?));
        }
        let map = Map::sorted(pairs).ok_or_else(|| Problem::RepeatedKey.at(start))?;
        Ok(Value::Map(map))
    }

    /// One decisive term decides, whether others fail or not; a budget used up ends everything.
    fn logic(
        &mut self,
        logic: Logic,
        terms: &'a [Expr],
        scope: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let decisive = logic == Logic::Or;
        let mut failed = None;
        for term in terms {
            match self.truth(term, scope) {
                Ok(truth) if truth == decisive => return Ok(Value::Bool(truth)),
                Ok(_) => {}
                Err(failure) => absorb(&mut failed, failure)?,
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn binary(
        &mut self,
        binary: Binary,
        left: &Value<'a>,
        right: &Value<'a>,
    ) -> Result<Value<'a>, Problem> {
        let meter = &mut *self.meter;
        let mut ordered = |fits: fn(std::cmp::Ordering) -> bool| {
            let order = compare::order(meter, binary.sign(), left, right)?;
            Ok(Value::Bool(order.is_some_and(fits)))
        };
        match binary {
            Binary::Less => ordered(std::cmp::Ordering::is_lt),
            Binary::LessEqual => ordered(std::cmp::Ordering::is_le),
            Binary::Greater => ordered(std::cmp::Ordering::is_gt),
            Binary::GreaterEqual => ordered(std::cmp::Ordering::is_ge),
            Binary::Equal => compare::equal(meter, left, right).map(Value::Bool),
            Binary::NotEqual => compare::equal(meter, left, right).map(|equal| Value::Bool(!equal)),
            Binary::In => compare::contains(meter, left, right).map(Value::Bool),
            _ => arithmetic::binary(meter, binary, left, right),
        }
    }

    fn matches(&mut self, text: &Value<'a>, pattern: &Pattern) -> Result<Value<'a>, Problem> {
        let Value::String(text) = text else {
            return Err(no_overload("matches", text));
        };
        self.meter
            .pay(text.len().saturating_mul(pattern.per_byte))?;
        Ok(Value::Bool(pattern.regex.is_match(text)))
    }
}

/// Keeps the first failure of a chain or loop, which a decisive term may still overrule.
///
/// # Errors
/// At once, when the budget is used up.
fn absorb(kept: &mut Option<Failure>, failure: Failure) -> Result<(), Failure> {
    if failure.problem == Problem::Cost {
        return Err(failure);
    }
    kept.get_or_insert(failure);
    Ok(())
}

/// The variable of the macro that is so many macros further out.
fn local<'a>(mut scope: Outer<'_, 'a>, distance: usize) -> Value<'a> {
    for _ in 0..distance {
        scope = scope.and_then(|scope| scope.outer);
    }
    // The compiler counted the macros around the name: there are that many.
    scope.map_or(Value::Null, |scope| scope.value.clone())
}

/// The path up to so many fields, as it could be written.
fn absent(path: &Path, fields: usize) -> Problem {
    let fields = path.fields.iter().take(fields);
    let name = fields.fold(path.variable.to_string(), |path, field| {
        let plain = field.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain {
            format!("{path}.{field}")
        } else {
            format!("{path}['{}']", field.escape_debug())
        }
    });
    Problem::Absent(name.into())
}

fn no_overload(of: &'static str, given: &Value<'_>) -> Problem {
    Problem::NoOverload {
        of,
        given: given.kind().name(),
    }
}

/// Objects of claims are searched from front to back, as are their lists of lists and objects.
fn search_cost(map: &Map<'_>) -> usize {
    map.breadth() / 16
}
