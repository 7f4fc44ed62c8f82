//! Policies of one action against one request or connection.

use std::fmt::Write as _;
use std::sync::Arc;

use super::attributes::Attributes;
use super::explain::mismatch;
use super::group::{Found, Group, Wanted};
use super::remark::{Remark, Remarked, Remarks};
use super::set::{PolicySet, Stage};
use crate::action::Action;
use crate::origin::Origin;
use crate::reason::Reason;
use crate::trace::{Event, Record};

/// Why policies refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// The first rule that matches; where ALLOW policies lack one, the first of them.
    pub(crate) origin: Arc<Origin>,
    pub(crate) detail: Box<str>,
}

impl PolicySet {
    /// Holds something against the policies of one action. Remarks of policies
    /// that decide nothing are added, whatever comes of it.
    ///
    /// # Errors
    /// When a policy refuses.
    pub(crate) fn enforce<R: Record>(
        &self,
        action: Action,
        attributes: &Attributes<'_>,
        remarks: &mut Remarks,
        rec: &mut R,
    ) -> Result<(), Refusal> {
        let stage = self.stage(action);
        if stage.is_empty() {
            return Ok(());
        }
        let matches = if R::ON {
            self.trace(action, stage, attributes, rec)
        } else {
            stage.search(action, attributes)
        };
        self.remark(action, stage, &matches, remarks);
        self.judge(action, stage, &matches.enforced)
            .map_or(Ok(()), Err)
    }

    fn judge(&self, action: Action, stage: &Stage, enforced: &Found) -> Option<Refusal> {
        let first = enforced
            .first()
            .and_then(|it| stage.enforced.rules().get(*it as usize));
        let because = |reason| {
            first.map(|rule| Refusal {
                reason,
                origin: rule.origin.clone(),
                detail: "".into(),
            })
        };
        match action {
            Action::Custom => because(Reason::PolicyCustom),
            Action::Deny => because(Reason::PolicyDenied),
            Action::Audit => None,
            Action::Allow if first.is_some() => None,
            Action::Allow => self.not_allowed(stage),
        }
    }

    /// The refusal of what no ALLOW rule matches, where any ALLOW policy is enforced.
    fn not_allowed(&self, stage: &Stage) -> Option<Refusal> {
        let all = stage
            .policies
            .iter()
            .filter_map(|it| self.policies.get(*it as usize));
        let enforced = || all.clone().filter(|it| !it.dry_run);
        let first = enforced().next()?;
        let (policies, rules) = (enforced().count(), stage.enforced.rules().len());
        let mut detail = format!(
            "none of {rules} {} in {policies} ALLOW {} matches: ",
            if rules == 1 { "rule" } else { "rules" },
            if policies == 1 { "policy" } else { "policies" },
        );
        for (number, policy) in enforced().take(NAMED).enumerate() {
            let Origin {
                namespace, name, ..
            } = &*policy.origin;
            let comma = if number == 0 { "" } else { ", " };
            // Cannot fail: a text grows.
            let _ = write!(detail, "{comma}{namespace}/{name}");
        }
        if policies > NAMED {
            let _ = write!(detail, " and {} more", policies - NAMED);
        }
        Some(Refusal {
            reason: Reason::PolicyNotAllowed,
            origin: first.origin.clone(),
            detail: detail.into(),
        })
    }

    fn remark(&self, action: Action, stage: &Stage, matches: &Matches, remarks: &mut Remarks) {
        let mut add = |group: &Group, found: &Found, outcome| {
            let rules = found
                .iter()
                .filter_map(|it| group.rules().get(*it as usize));
            remarks.extend(rules.map(|rule| Remark {
                action,
                outcome,
                origin: rule.origin.clone(),
            }));
        };
        let trial = match action {
            Action::Custom | Action::Deny => Remarked::WouldDeny,
            Action::Allow => Remarked::WouldAllow,
            Action::Audit => Remarked::WouldAudit,
        };
        add(&stage.trial, &matches.trial, trial);
        if action == Action::Audit {
            add(&stage.enforced, &matches.enforced, Remarked::Audited);
        }
        let first = stage.first_trial.filter(|_| matches.trial.is_empty());
        if action == Action::Allow
            && let Some(first) = first.and_then(|it| self.policies.get(it as usize))
        {
            remarks.push(Remark {
                action,
                outcome: Remarked::WouldDeny,
                origin: first.origin.clone(),
            });
        }
    }

    /// Looks at every rule, in order, and says what it sees.
    fn trace<R: Record>(
        &self,
        action: Action,
        stage: &Stage,
        attributes: &Attributes<'_>,
        rec: &mut R,
    ) -> Matches {
        let mut matches = Matches::default();
        let count = stage.policies.len();
        rec.record(Event::Policies { action, count });
        let (mut enforced, mut trial) = (0.., 0..);
        for policy in stage
            .policies
            .iter()
            .filter_map(|it| self.policies.get(*it as usize))
        {
            let (origin, dry_run) = (policy.origin.clone(), policy.dry_run);
            rec.record(Event::Policy { origin, dry_run });
            let (group, numbers, found) = if dry_run {
                (&stage.trial, &mut trial, &mut matches.trial)
            } else {
                (&stage.enforced, &mut enforced, &mut matches.enforced)
            };
            for (plain, number) in policy.rules.iter().zip(numbers) {
                let Some(rule) = group.rules().get(number as usize) else {
                    continue;
                };
                let origin = rule.origin.clone();
                match rule.failure(attributes) {
                    Some(place) => {
                        let mismatch = mismatch(plain, place, attributes);
                        rec.record(Event::RuleFailed { origin, mismatch });
                    }
                    None => {
                        rec.record(Event::RuleMatched { origin });
                        found.push(number);
                    }
                }
            }
        }
        stage.trial.settle(&mut matches.trial);
        stage.enforced.settle(&mut matches.enforced);
        matches
    }
}

/// Rules that match.
#[derive(Default)]
struct Matches {
    enforced: Found,
    trial: Found,
}

impl Stage {
    fn search(&self, action: Action, attributes: &Attributes<'_>) -> Matches {
        let wanted = match action {
            Action::Custom | Action::Deny => Wanted::First,
            Action::Allow => Wanted::Any,
            Action::Audit => Wanted::Each,
        };
        Matches {
            trial: self.trial.search(attributes, Wanted::Each),
            enforced: self.enforced.search(attributes, wanted),
        }
    }
}

/// How many ALLOW policies a refusal names.
const NAMED: usize = 5;
