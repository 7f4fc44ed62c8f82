//! The policies of one gateway, compiled.

use super::group::Group;
use super::policy::Policy;
use super::rule::Rule;
use crate::action::Action;

/// All AuthorizationPolicies that hold on one gateway, or on one listener for
/// connections.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// As given, for explanations.
    pub(super) policies: Box<[Policy]>,
    custom: Stage,
    audit: Stage,
    deny: Stage,
    allow: Stage,
}

/// The policies of one action.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage {
    /// Positions in [`PolicySet::policies`].
    pub(super) policies: Vec<u32>,
    /// The first policy under trial, by its position in the set.
    pub(super) first_trial: Option<u32>,
    /// Rules that decide.
    pub(super) enforced: Group,
    /// Rules under trial.
    pub(super) trial: Group,
}

impl PolicySet {
    /// Compiles policies for requests. A refusal names the first rule that
    /// matches, in the order given.
    pub fn new(policies: Vec<Policy>) -> PolicySet {
        let stage = |action| Stage::new(&policies, action);
        PolicySet {
            custom: stage(Action::Custom),
            audit: stage(Action::Audit),
            deny: stage(Action::Deny),
            allow: stage(Action::Allow),
            policies: policies.into(),
        }
    }

    /// Compiles policies for connections, which have no requests to look at
    /// (decision P6): an ALLOW rule that asks for anything of a request is
    /// dropped; of other rules those fields are, so that they match more.
    pub fn for_connections(policies: &[Policy]) -> PolicySet {
        PolicySet::new(policies.iter().map(Policy::without_requests).collect())
    }

    /// The policies, in the order given.
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Whether any policy has one of these actions.
    pub(crate) fn has_any(&self, actions: &[Action]) -> bool {
        actions.iter().any(|it| !self.stage(*it).is_empty())
    }

    pub(super) fn stage(&self, action: Action) -> &Stage {
        match action {
            Action::Custom => &self.custom,
            Action::Audit => &self.audit,
            Action::Deny => &self.deny,
            Action::Allow => &self.allow,
        }
    }
}

impl Stage {
    fn new(policies: &[Policy], action: Action) -> Stage {
        let numbered = (0..).zip(policies);
        let ours: Vec<(u32, &Policy)> = numbered.filter(|(_, it)| it.action == action).collect();
        let group = |dry_run| {
            let these = ours.iter().filter(|(_, it)| it.dry_run == dry_run);
            let rules = these.flat_map(|(number, it)| it.rules.iter().map(|rule| (*number, rule)));
            let plain: Vec<(u32, &_)> = rules.collect();
            let compile = |(policy, rule): &(u32, &_)| Rule::new(rule, *policy, action);
            let plain_rules: Vec<_> = plain.iter().map(|(_, rule)| *rule).collect();
            Group::new(plain.iter().map(compile).collect(), &plain_rules)
        };
        let first_trial = ours.iter().find(|(_, it)| it.dry_run);
        Stage {
            first_trial: first_trial.map(|(number, _)| *number),
            enforced: group(false),
            trial: group(true),
            policies: ours.iter().map(|(number, _)| *number).collect(),
        }
    }

    /// Whether any policy of this action, under trial or not, is there.
    pub(super) fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}
