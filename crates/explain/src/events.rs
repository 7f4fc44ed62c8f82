//! Steps of a decision, found again with what they are about.

use std::sync::Arc;

use countersign_core::Snapshot;
use countersign_core::authn::Requirement;
use countersign_core::authz::{Action, Clause, Policy, Rule};
use countersign_core::origin::Origin;
use countersign_core::trace::{Event, Mismatch};
use countersign_jose::Claims;

use crate::answer::Answer;

/// The rules of an action's policies that matched, with the numbers of the steps.
pub(crate) fn matched<'a>(
    answer: &'a Answer<'_>,
    wanted: Action,
) -> impl Iterator<Item = (usize, &'a Arc<Origin>)> {
    in_order(answer).filter_map(move |(index, action, event)| match event {
        Event::RuleMatched { origin } if action == Some(wanted) => Some((index, origin)),
        _ => None,
    })
}

/// The rules of an action's policies that did not match, each with the field that did not hold.
pub(crate) fn failed<'a>(
    answer: &'a Answer<'_>,
    wanted: Action,
) -> impl Iterator<Item = (&'a Arc<Origin>, &'a Mismatch)> {
    in_order(answer).filter_map(move |(_, action, event)| match event {
        Event::RuleFailed { origin, mismatch } if action == Some(wanted) => {
            Some((origin, mismatch))
        }
        _ => None,
    })
}

/// Every step with the action whose policies were being looked at.
fn in_order<'a>(
    answer: &'a Answer<'_>,
) -> impl Iterator<Item = (usize, Option<Action>, &'a Event)> {
    let mut current = None;
    answer
        .trace
        .events
        .iter()
        .enumerate()
        .map(move |(index, event)| {
            if let Event::Policies { action, .. } = event {
                current = Some(*action);
            }
            (index, current, event)
        })
}

/// A rule and the policy that it is of.
pub(crate) fn rule<'s>(
    snapshot: &'s Snapshot,
    answer: &Answer<'_>,
    origin: &Arc<Origin>,
) -> Option<(&'s Policy, &'s Rule)> {
    let set = snapshot.policies(answer.listener?.policies?)?;
    let rules = set
        .policies()
        .iter()
        .flat_map(|policy| policy.rules.iter().map(move |it| (policy, it)));
    let mut found = rules.filter(|(_, rule)| rule.origin == *origin);
    found.next()
}

/// All lists of a rule.
pub(crate) fn clauses(rule: &Rule) -> impl Iterator<Item = &Clause> {
    rule.from.iter().chain(&rule.to).flatten().chain(&rule.when)
}

/// The claims of the tokens that were accepted.
pub(crate) fn accepted<'a>(answer: &'a Answer<'_>) -> Vec<&'a Claims> {
    let was_accepted = |claims: &&Claims| {
        answer.trace.events.iter().any(|event| match event {
            Event::Accepted {
                issuer, subject, ..
            } => issuer.as_deref() == claims.issuer() && subject.as_deref() == claims.subject(),
            _ => false,
        })
    };
    answer.claims.iter().filter(was_accepted).collect()
}

/// The requirement that a step is about, of those that the listener and its routes have.
pub(crate) fn requirement<'s>(
    snapshot: &'s Snapshot,
    answer: &Answer<'_>,
    origin: &Arc<Origin>,
) -> Option<&'s Requirement> {
    let own = answer
        .listener
        .and_then(|it| it.istio)
        .and_then(|id| snapshot.requirement(id));
    let mut all = own.into_iter().chain(&snapshot.requirements);
    all.find(|it| it.origin == *origin)
}
