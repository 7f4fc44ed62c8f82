//! A request held against the rules that hold for its route.

use std::sync::Arc;

use countersign_expression::Meter;

use super::told::{FAILED_UNSEEN, expressed, withheld};
use super::{AddressList, Expression, ExpressionRule, Join, Rbac, RuleAction, RuleSet};
use crate::authz::Refusal;
use crate::authz::variables::Known;
use crate::origin::Origin;
use crate::reason::Reason;
use crate::trace::{Event, Record};

impl Rbac {
    /// Holds a request against all sets.
    ///
    /// # Errors
    /// When a rule refuses, or an expression that is looked at cannot be evaluated.
    pub(crate) fn enforce<R: Record>(&self, known: &Known<'_>, rec: &mut R) -> Result<(), Refusal> {
        // A request costs no more for being held against many of them.
        let mut meter = Meter::default();
        let mut sets = self.sets.iter();
        sets.try_for_each(|set| set.enforce(known, &mut meter, rec))
    }
}

/// What a rule came to, and the expression that decided it.
struct Held<'a> {
    truth: bool,
    by: &'a Expression,
}

impl RuleSet {
    fn enforce<R: Record>(
        &self,
        known: &Known<'_>,
        meter: &mut Meter,
        rec: &mut R,
    ) -> Result<(), Refusal> {
        for rule in self.rules() {
            rule.admit(known, rec)?;
        }
        // Rules of one action stand together, `Allow` last.
        let mut wanting: Option<&ExpressionRule> = None;
        for rule in self.rules() {
            let Some(held) = rule.held(known, meter, rec)? else {
                continue;
            };
            match (rule.action, held.truth) {
                (RuleAction::Deny, true) => {
                    return Err(refusal(Reason::ExpressionDenied, rule.named(&held), ""));
                }
                (RuleAction::Require, false) => {
                    let detail = "the expression is not true";
                    return Err(refusal(
                        Reason::ExpressionNotAllowed,
                        &held.by.origin,
                        detail,
                    ));
                }
                (RuleAction::Allow, true) => return Ok(()),
                (RuleAction::Allow, false) => wanting = wanting.or(Some(rule)),
                (RuleAction::Deny, false) | (RuleAction::Require, true) => {}
            }
        }
        match wanting {
            None => Ok(()),
            Some(first) => {
                let detail = self.none_allows();
                Err(refusal(
                    Reason::ExpressionNotAllowed,
                    &first.origin,
                    &detail,
                ))
            }
        }
    }

    /// How many there are that could have let the request in.
    fn none_allows(&self) -> String {
        let allowing = self.rules().iter();
        let allowing = allowing.filter(|it| it.action == RuleAction::Allow);
        let count = allowing.clone().count();
        match allowing.map(|it| it.expressions.len()).sum() {
            1 => "the expression is not true".to_owned(),
            expressions if count == 1 => format!("none of {expressions} expressions lets it in"),
            expressions => {
                format!("none of {expressions} expressions of {count} policies lets it in")
            }
        }
    }
}

impl ExpressionRule {
    /// Holds the client's address against the lists.
    fn admit<R: Record>(&self, known: &Known<'_>, rec: &mut R) -> Result<(), Refusal> {
        let lists = [(&self.blocked, true), (&self.allowed, false)];
        for (list, refused) in lists {
            let Some(list) = list else { continue };
            if list.lists(known, rec) == refused {
                let client = known.client();
                let detail = match refused {
                    true => format!("{client} is blocked"),
                    false => format!("{client} is not among those allowed"),
                };
                return Err(refusal(Reason::AddressRefused, &list.origin, &detail));
            }
        }
        Ok(())
    }

    /// Evaluates the expressions one by one, until they have decided. `None` without any.
    fn held<R: Record>(
        &self,
        known: &Known<'_>,
        meter: &mut Meter,
        rec: &mut R,
    ) -> Result<Option<Held<'_>>, Refusal> {
        let decides = self.join == Join::Any;
        let mut held = None;
        for expression in &self.expressions {
            let truth = self.test(expression, known, meter, rec)?;
            held = Some(Held {
                truth,
                by: expression,
            });
            if truth == decides {
                break;
            }
        }
        Ok(held)
    }

    fn test<R: Record>(
        &self,
        expression: &Expression,
        known: &Known<'_>,
        meter: &mut Meter,
        rec: &mut R,
    ) -> Result<bool, Refusal> {
        let program = &expression.program;
        let result = known.with(self.dialect, |variables| {
            if !R::ON {
                return program.test_within(variables, meter);
            }
            let explanation = program.explain_within(variables, meter);
            let (source, result) = match &expression.written {
                Some(written) => (written.clone(), withheld(&explanation, written)),
                None => (program.source().into(), expressed(&explanation)),
            };
            rec.record(Event::Expression {
                origin: expression.origin.clone(),
                action: self.action.name(),
                source,
                result,
            });
            explanation.result
        });
        result.map_err(|failure| {
            let detail = match expression.written {
                Some(_) => FAILED_UNSEEN.to_owned(),
                None => failure.to_string(),
            };
            refusal(Reason::ExpressionFailed, &expression.origin, &detail)
        })
    }

    /// What refuses: the expression that is true, or the policy where it took several.
    fn named<'a>(&'a self, held: &Held<'a>) -> &'a Arc<Origin> {
        match self.join {
            Join::All if self.expressions.len() > 1 => &self.origin,
            Join::All | Join::Any => &held.by.origin,
        }
    }
}

impl AddressList {
    fn lists<R: Record>(&self, known: &Known<'_>, rec: &mut R) -> bool {
        let client = known.client();
        let listed = self.contains(client);
        if R::ON {
            rec.record(Event::AddressList {
                origin: self.origin.clone(),
                client,
                listed,
            });
        }
        listed
    }
}

fn refusal(reason: Reason, origin: &Arc<Origin>, detail: &str) -> Refusal {
    Refusal {
        reason,
        origin: origin.clone(),
        detail: detail.into(),
    }
}
