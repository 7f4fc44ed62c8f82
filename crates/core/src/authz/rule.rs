//! A rule compiled.

use std::sync::Arc;

use super::attributes::Attributes;
use super::clause::Clause;
use super::policy;
use crate::action::Action;
use crate::origin::Origin;

/// Any of `from`, any of `to`, and every `when`. Clauses stand where the rule
/// that it was compiled from has them.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) origin: Arc<Origin>,
    /// Position of its policy in the set.
    pub(super) policy: u32,
    from: Box<[Box<[Clause]>]>,
    to: Box<[Box<[Clause]>]>,
    when: Box<[Clause]>,
}

impl Rule {
    pub(super) fn new(rule: &policy::Rule, policy: u32, action: Action) -> Rule {
        let all =
            |clauses: &[policy::Clause]| clauses.iter().map(|it| Clause::new(it, action)).collect();
        Rule {
            origin: rule.origin.clone(),
            policy,
            from: rule.from.iter().map(|it| all(it)).collect(),
            to: rule.to.iter().map(|it| all(it)).collect(),
            when: all(&rule.when),
        }
    }

    pub(super) fn matches(&self, attributes: &Attributes<'_>) -> bool {
        let all = |clauses: &[Clause]| clauses.iter().all(|it| it.holds(attributes));
        let any =
            |entries: &[Box<[Clause]>]| entries.is_empty() || entries.iter().any(|it| all(it));
        any(&self.from) && any(&self.to) && all(&self.when)
    }

    /// Where a request that does not match fails first: block by block, and of
    /// several entries in the one that most clauses hold of. `None` where it matches.
    pub(super) fn failure(&self, attributes: &Attributes<'_>) -> Option<Place> {
        let first = |clauses: &[Clause]| clauses.iter().position(|it| !it.holds(attributes));
        let nearest = |entries: &[Box<[Clause]>]| {
            let mut best: Option<(usize, usize, usize)> = None;
            for (entry, clauses) in entries.iter().enumerate() {
                let clause = first(clauses)?;
                let failed = clauses.iter().filter(|it| !it.holds(attributes)).count();
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
        first(&self.when).map(Place::When)
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
