//! What AuthorizationPolicies demand, in words that are compared across reloads (decision P5a).
//!
//! Every policy that refuses has a word of its own for each of its rules, so that one more of them takes nothing away. What
//! lets in is told together: one more way in is another word. That some narrower way is another word too cannot be helped.
//! Policies under trial demand nothing.

use std::sync::Arc;

use countersign_core::authz::{Action, Policy, Rule};

use crate::policy::key_names::short;

/// Of the policies that hold on a gateway together.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// In detail, for the gateway.
    pub(super) gateway: Vec<Arc<str>>,
    /// In short, for each of its routes: that some are refused, and that nobody gets in unless a policy lets him.
    pub(super) route: Vec<Arc<str>>,
}

const DIGITS: usize = 16;
/// More policies than this are not told by name.
const NAMED: usize = 8;

impl Words {
    pub(super) fn of<'p>(policies: impl Iterator<Item = &'p Policy>) -> Words {
        let mut words = Words::default();
        let mut allowing: Vec<String> = Vec::new();
        for policy in policies.filter(|it| !it.dry_run) {
            let name = format!("{}/{}", policy.origin.namespace, policy.origin.name);
            let verb = match policy.action {
                Action::Audit => continue,
                Action::Allow => {
                    let mut rules: Vec<String> = policy.rules.iter().map(digest).collect();
                    rules.sort_unstable();
                    allowing.push(format!("{name}/{}", short(&rules.join(" "), DIGITS)));
                    continue;
                }
                Action::Deny => "deny",
                Action::Custom => "custom",
            };
            let rules = policy.rules.iter();
            let rules = rules.map(|it| format!("{verb}:{name}/{}", digest(it)).into());
            words.gateway.extend(rules);
            words.route.push(verb.into());
        }
        if !allowing.is_empty() {
            words.gateway.push(allow_only(allowing).into());
            words.route.push("allow-only".into());
        }
        for list in [&mut words.gateway, &mut words.route] {
            list.sort_unstable();
            list.dedup();
        }
        words
    }
}

fn allow_only(mut policies: Vec<String>) -> String {
    policies.sort_unstable();
    let all = policies.join("|");
    match policies.len() {
        0..=NAMED => format!("allow-only:{all}"),
        many => format!("allow-only:{many}-policies/{}", short(&all, DIGITS)),
    }
}

/// What a rule says, wherever it stands.
fn digest(rule: &Rule) -> String {
    let said = format!("{:?} {:?} {:?}", rule.from, rule.to, rule.when);
    short(&said, DIGITS)
}
