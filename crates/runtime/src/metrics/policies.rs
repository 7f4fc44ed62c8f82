//! What policies refused, would have refused and noted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use countersign_core::authz::Remarked;
use countersign_core::{Origin, Reason};

/// What a policy had to say about a request or a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was refused, for the reason of this code.
    Denied(&'static str),
    /// Under trial it would have had this outcome.
    Trial(&'static str),
    /// It was noted.
    Audited,
}

impl Verdict {
    /// Of a refusal, where a rule about what callers may do caused it.
    pub fn of_denial(reason: &Reason) -> Option<Verdict> {
        reason
            .is_authorization()
            .then(|| Verdict::Denied(reason.code()))
    }

    /// Of a remark.
    pub fn of_remark(outcome: Remarked) -> Verdict {
        match outcome {
            Remarked::Audited => Verdict::Audited,
            Remarked::WouldDeny | Remarked::WouldAllow | Remarked::WouldAudit => {
                Verdict::Trial(outcome.code())
            }
        }
    }
}

/// The numbers of one worker, by rule.
#[derive(Default)]
pub(super) struct Policies {
    rules: HashMap<Arc<Origin>, Vec<(Verdict, u64)>, foldhash::fast::RandomState>,
    /// Those of rules beyond [`MOST_RULES`].
    others: Vec<(Verdict, u64)>,
}

impl Policies {
    pub(super) fn count(&mut self, origin: &Arc<Origin>, verdict: Verdict) {
        let full = self.rules.len() >= MOST_RULES;
        let counts = match self.rules.get_mut(&**origin) {
            Some(counts) => counts,
            None if full => &mut self.others,
            None => self.rules.entry(origin.clone()).or_default(),
        };
        match counts.iter_mut().find(|(it, _)| *it == verdict) {
            Some((_, count)) => *count += 1,
            None => counts.push((verdict, 1)),
        }
    }
}

/// What a rule is called: a reload that moves it in its file does not rename it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) kind: &'static str,
    /// `namespace/name`
    pub(super) policy: String,
    pub(super) rule: Arc<str>,
}

/// Sums over workers.
#[derive(Default)]
pub(super) struct Sums(pub(super) BTreeMap<(Verdict, Name), u64>);

impl Sums {
    pub(super) fn add(&mut self, policies: &Policies) {
        let named = policies.rules.iter().map(|(origin, counts)| {
            let Origin {
                kind,
                namespace,
                name,
                part,
                ..
            } = &**origin;
            let name = Name {
                kind,
                policy: format!("{namespace}/{name}"),
                rule: part.clone(),
            };
            (name, counts)
        });
        let others = Name {
            kind: OTHER,
            policy: OTHER.to_owned(),
            rule: OTHER.into(),
        };
        for (name, counts) in named.chain([(others, &policies.others)]) {
            for (verdict, count) in counts {
                *self.0.entry((*verdict, name.clone())).or_default() += count;
            }
        }
    }
}

/// Rules that a worker tells apart. Reloads may bring new ones without end.
const MOST_RULES: usize = 10_000;
const OTHER: &str = "_other";
