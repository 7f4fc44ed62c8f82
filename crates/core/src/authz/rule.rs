//! A rule compiled.

use std::sync::Arc;

use smallvec::SmallVec;

use super::attributes::Attributes;
use super::clause::Clause;
use super::policy;
use crate::action::Action;
use crate::origin::Origin;

/// Any of `from`, any of `to`, and every `when`.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) origin: Arc<Origin>,
    /// Position of its policy in the set.
    pub(super) policy: u32,
    from: Box<[Clauses]>,
    to: Box<[Clauses]>,
    when: Clauses,
}

/// Clauses that must all hold, those that cost less first, each with its place
/// in the rule that it was compiled from.
type Clauses = Box<[(usize, Clause)]>;

impl Rule {
    pub(super) fn new(rule: &policy::Rule, policy: u32, action: Action) -> Rule {
        let all = |clauses: &[policy::Clause]| {
            let clauses = clauses.iter().map(|it| Clause::new(it, action));
            let mut clauses: Vec<_> = clauses.enumerate().collect();
            clauses.sort_by_key(|(_, it)| it.price());
            clauses.into()
        };
        Rule {
            origin: rule.origin.clone(),
            policy,
            from: rule.from.iter().map(|it| all(it)).collect(),
            to: rule.to.iter().map(|it| all(it)).collect(),
            when: all(&rule.when),
        }
    }

    pub(super) fn matches(&self, attributes: &Attributes<'_>) -> bool {
        let all = |clauses: &Clauses| clauses.iter().all(|(_, it)| it.holds(attributes));
        let any = |entries: &[Clauses]| entries.is_empty() || entries.iter().any(all);
        any(&self.from) && any(&self.to) && all(&self.when)
    }

    /// Where a request that does not match fails first: block by block, and of
    /// several entries in the one that most clauses hold of. `None` where it matches.
    pub(super) fn failure(&self, attributes: &Attributes<'_>) -> Option<Place> {
        let failing = |clauses: &Clauses| -> SmallVec<[usize; 8]> {
            let failing = clauses.iter().filter(|(_, it)| !it.holds(attributes));
            failing.map(|(place, _)| *place).collect()
        };
        let nearest = |entries: &[Clauses]| {
            let mut best: Option<(usize, usize, usize)> = None;
            for (entry, clauses) in entries.iter().enumerate() {
                let failing = failing(clauses);
                let clause = *failing.iter().min()?;
                let failed = failing.len();
                if best.is_none_or(|(least, ..)| failed < least) {
                    best = Some((failed, entry, clause));
                }
            }
            best.map(|(_, entry, clause)| (entry, clause))
        };
        if let Some((entry, clause)) = nearest(&self.from) {
            return Some(Place::From(entry, clause));
        }
        if let Some((entry, clause)) = nearest(&self.to) {
            return Some(Place::To(entry, clause));
        }
        let first = failing(&self.when).into_iter().min();
        first.map(Place::When)
    }
}

/// A clause of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Entry and clause.
    From(usize, usize),
    /// Entry and clause.
    To(usize, usize),
    /// Clause.
    When(usize),
}
