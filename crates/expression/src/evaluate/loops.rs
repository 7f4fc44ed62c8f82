//! The macros.

use super::{Machine, Observe, Outer, Scope, absorb};
use crate::failure::{Failure, Problem};
use crate::tree::{Loop, Macro};
use crate::value::{List, Value};

impl<'a, O: Observe> Machine<'a, '_, O> {
    /// `start` is where the macro stands in the source.
    pub(super) fn run(
        &mut self,
        of: &'a Loop,
        start: usize,
        scope: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let range = self.value(&of.range, scope)?;
        let range = listed(range).map_err(|problem| problem.at(start))?;
        // Keys of a map are made into values first.
        self.meter
            .pay(range.len())
            .map_err(|problem| problem.at(start))?;
        match &of.macro_ {
            Macro::All => self.quantify(of, &range, false, scope),
            Macro::Exists => self.quantify(of, &range, true, scope),
            Macro::ExistsOne => self.exists_one(of, &range, scope),
            Macro::Filter => self.filter(of, &range, scope),
            Macro::Map | Macro::MapWhere(_) => self.transform(of, &range, scope),
        }
    }

    /// `exists` and `all`: one decisive element decides, whether others fail or not.
    fn quantify(
        &mut self,
        of: &'a Loop,
        range: &List<'a>,
        decisive: bool,
        outer: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let mut failed = None;
        for value in range.iter() {
            match self.truth(&of.body, Some(&Scope { value, outer })) {
                Ok(truth) if truth == decisive => return Ok(Value::Bool(truth)),
                Ok(_) => {}
                Err(failure) => absorb(&mut failed, failure)?,
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn exists_one(
        &mut self,
        of: &'a Loop,
        range: &List<'a>,
        outer: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let mut count = 0;
        for value in range.iter() {
            if self.truth(&of.body, Some(&Scope { value, outer }))? {
                count += 1;
            }
        }
        Ok(Value::Bool(count == 1))
    }

    fn filter(
        &mut self,
        of: &'a Loop,
        range: &List<'a>,
        outer: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let mut kept = Vec::new();
        for value in range.iter() {
            let scope = Scope { value, outer };
            if self.truth(&of.body, Some(&scope))? {
                kept.push(scope.value);
            }
        }
        Ok(Value::List(kept.into_iter().collect()))
    }

    fn transform(
        &mut self,
        of: &'a Loop,
        range: &List<'a>,
        outer: Outer<'_, 'a>,
    ) -> Result<Value<'a>, Failure> {
        let mut made = Vec::new();
        for value in range.iter() {
            let scope = Scope { value, outer };
            match &of.macro_ {
                Macro::MapWhere(result) => {
                    if self.truth(&of.body, Some(&scope))? {
                        made.push(self.value(result, Some(&scope))?);
                    }
                }
                _ => made.push(self.value(&of.body, Some(&scope))?),
            }
        }
        Ok(Value::List(made.into_iter().collect()))
    }
}

/// What a macro goes through: the elements of a list, the keys of a map.
fn listed(range: Value<'_>) -> Result<List<'_>, Problem> {
    match range {
        Value::List(list) => Ok(list),
        Value::Map(map) => map.keys().ok_or(Problem::NotListable),
        other => Err(Problem::NoOverload {
            of: "a macro",
            given: other.kind().name(),
        }),
    }
}
