//! Rules that mean the same when they match, and the search among them.

use smallvec::SmallVec;

use super::attributes::Attributes;
use super::index::Index;
use super::policy;
use super::rule::Rule;

/// Rules of one action, enforced or under trial, in the order of their policies.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    rules: Box<[Rule]>,
    index: Index,
}

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Some rule that matches.
    Any,
    /// The first rule that matches.
    First,
    /// The first rule of each policy that matches.
    Each,
}

/// Positions of rules, ascending.
pub(super) type Found = SmallVec<[u32; 4]>;

impl Group {
    /// Compiled rules with what they were compiled from.
    pub(super) fn new(rules: Box<[Rule]>, plain: &[&policy::Rule]) -> Group {
        let index = Index::new(plain);
        Group { rules, index }
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Finds rules that match, looking at as few as the index allows.
    pub(super) fn search(&self, attributes: &Attributes<'_>, wanted: Wanted) -> Found {
        let mut found = Found::new();
        if self.rules.is_empty() {
            return found;
        }
        self.index.candidates(attributes, |number| {
            let Some(rule) = self.rules.get(number as usize) else {
                return false;
            };
            // Nothing behind the first is looked for.
            if wanted == Wanted::First && found.first().is_some_and(|it| *it <= number) {
                return false;
            }
            if !rule.matches(attributes) {
                return false;
            }
            if wanted == Wanted::First {
                found.clear();
            }
            found.push(number);
            wanted == Wanted::Any
        });
        self.settle(&mut found);
        found
    }

    /// Sorts, and keeps the first of each policy.
    pub(super) fn settle(&self, found: &mut Found) {
        if found.len() > 1 {
            let policy = |number: &mut u32| self.rules.get(*number as usize).map(|it| it.policy);
            found.sort_unstable();
            found.dedup_by_key(policy);
        }
    }
}
