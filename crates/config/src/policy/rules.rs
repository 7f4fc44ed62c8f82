//! CEL rules of one load, and the combinations of them that hold somewhere.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use countersign_core::authz::{ExpressionRule, Rbac, RuleAction, RuleSet};
use countersign_core::id::RbacId;

use super::key_names::short;
use crate::diagnostic::{Diagnostic, ObjectRef};
use crate::object::Object;
use crate::source::Span;

/// A rule by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RuleId(usize);

/// What holds at a place: the one rule of kgateway's that won, and all of agentgateway's.
type Combination = (Option<RuleId>, Vec<RuleId>);

/// All rules, and the combinations found so far. Which of them meet on a listener shows only as routes are attached.
#[derive(Debug, Default)]
pub(super) struct Rules {
    list: Vec<Entry>,
    combined: RefCell<Combined>,
    /// Rules that were told to have no claims to read: once each, however many routes there are.
    told: RefCell<HashSet<RuleId>>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<ExpressionRule>,
    policy: ObjectRef,
    at: Span,
}

#[derive(Debug, Default)]
struct Combined {
    list: Vec<Rbac>,
    known: HashMap<Combination, RbacId>,
}

impl Rules {
    /// Takes a rule, which stands at this place of its policy.
    pub(super) fn add(&mut self, rule: ExpressionRule, policy: &Object, at: Span) -> RuleId {
        let id = RuleId(self.list.len());
        self.list.push(Entry {
            rule: Arc::new(rule),
            policy: policy.reference(),
            at,
        });
        id
    }

    /// That a rule holds where nothing verifies tokens and reads claims all the same. `None` where it reads none, or
    /// where that was told.
    pub(super) fn without_claims(&self, id: RuleId) -> Option<Diagnostic> {
        let Entry { rule, policy, at } = self.list.get(id.0)?;
        let mut expressions = rule.expressions.iter();
        let reads = expressions.any(|it| reads_claims(it.program.source()));
        if !reads || !self.told.borrow_mut().insert(id) {
            return None;
        }
        let message = "this policy reads claims and holds on routes where no policy verifies tokens, so nobody has any there";
        let warning = Diagnostic::warning("no-verified-token", message).at(*at);
        let help =
            "attach `jwtAuth`, `jwtAuthentication` or a RequestAuthentication to the same place";
        Some(warning.about(policy.clone()).help(help))
    }

    /// The number of a combination. kgateway's rule and agentgateway's rules do not know of each other: both must pass.
    pub(super) fn combine(
        &self,
        kgateway: Option<RuleId>,
        agentgateway: Vec<RuleId>,
    ) -> Option<RbacId> {
        if kgateway.is_none() && agentgateway.is_empty() {
            return None;
        }
        let combination = (kgateway, agentgateway);
        let mut combined = self.combined.borrow_mut();
        if let Some(id) = combined.known.get(&combination) {
            return Some(*id);
        }
        let one: Vec<RuleId> = combination.0.into_iter().collect();
        let sets = [&one, &combination.1].into_iter();
        let sets = sets.filter(|it| !it.is_empty()).map(|it| self.set(it));
        let rbac = Rbac {
            sets: sets.collect(),
        };
        let id = RbacId(u32::try_from(combined.list.len()).unwrap_or(u32::MAX));
        combined.list.push(rbac);
        combined.known.insert(combination, id);
        Some(id)
    }

    /// The combinations, by number.
    pub(super) fn take_combined(&self) -> Vec<Rbac> {
        self.combined.take().list
    }

    /// What rules demand, in words that change whenever one of them does (decision P5a). Alternatives are told together:
    /// one more of them asks for less.
    pub(super) fn demands(
        &self,
        kgateway: Option<RuleId>,
        agentgateway: &[RuleId],
    ) -> Vec<Arc<str>> {
        let mut words = Vec::new();
        words.extend(kgateway.and_then(|id| self.rule(id)).map(word));
        let rules = agentgateway.iter().filter_map(|id| self.rule(*id));
        let (allow, rest): (Vec<_>, Vec<_>) = rules.partition(|it| it.action == RuleAction::Allow);
        words.extend(rest.into_iter().map(word));
        let alternatives: Vec<String> = allow.into_iter().map(named).collect();
        if !alternatives.is_empty() {
            words.push(format!("rbac:Allow {}", alternatives.join("|")));
        }
        words.into_iter().map(Into::into).collect()
    }

    fn set(&self, rules: &[RuleId]) -> RuleSet {
        let rules = rules.iter().filter_map(|it| self.list.get(it.0));
        RuleSet::new(rules.map(|it| Arc::clone(&it.rule)).collect())
    }

    fn rule(&self, id: RuleId) -> Option<&ExpressionRule> {
        self.list.get(id.0).map(|it| &*it.rule)
    }
}

/// Whether an expression names the claims. A text that looks so in passing is not worth reading it for.
fn reads_claims(source: &str) -> bool {
    let before = |c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '/' | '-' | '\'' | '"');
    let after = |rest: &str| rest.starts_with(['.', '[']);
    let plain = source.match_indices("jwt").any(|(at, it)| {
        let head = source.get(..at).unwrap_or_default();
        let tail = source.get(at + it.len()..).unwrap_or_default();
        head.chars().next_back().is_none_or(before) && after(tail.trim_start())
    });
    plain || source.contains("envoy.filters.http.jwt_authn")
}

fn word(rule: &ExpressionRule) -> String {
    format!("rbac:{} {}", rule.action, named(rule))
}

/// The policy by name, and a digest of all that the rule compares.
fn named(rule: &ExpressionRule) -> String {
    const DIGITS: usize = 16;
    let origin = &rule.origin;
    let mut text = format!("{} {:?}\n", rule.action, rule.join);
    for expression in &rule.expressions {
        text += &format!("{}\n", expression.program.source());
    }
    for (name, list) in [("allowed", &rule.allowed), ("blocked", &rule.blocked)] {
        let networks = list.iter().flat_map(|it| &it.networks);
        networks.for_each(|it| text += &format!("{name} {it}\n"));
    }
    let digest = short(&text, DIGITS);
    format!(
        "{} {}/{} {digest}",
        origin.kind, origin.namespace, origin.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_that_read_claims() {
        for (source, reads) in [
            ("jwt.sub == 'a'", true),
            ("has(jwt.sub)", true),
            ("!(jwt['a'] in ['b'])", true),
            (
                "metadata.filter_metadata['envoy.filters.http.jwt_authn'].payload.sub == ''",
                true,
            ),
            ("request.path == '/jwt.html'", false),
            ("request.headers['x-jwt'] == 'jwt.io'", false),
            ("request.headers.jwt.size() > 3", false),
            ("true", false),
        ] {
            assert_eq!(reads_claims(source), reads, "{source}");
        }
    }
}
