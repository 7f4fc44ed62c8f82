//! What people get wrong, told where it bears on this very answer: each hint rests on a step of the decision or on the
//! compiled configuration.

mod expressions;
mod matches;
mod requests;
mod rules;
mod tokens;

use std::sync::Arc;

use countersign_config::diagnostic::Diagnostics;
use countersign_core::Snapshot;
use countersign_core::authz::{Action, Clause};
use countersign_core::origin::Origin;
use countersign_core::request::Prepared;
use http::request::Parts;

use crate::answer::Answer;
use crate::events;

/// A remark on an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Stable, in kebab-case.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
    /// What it is about.
    pub at: Option<Arc<Origin>>,
}

/// All hints on an answer, each once.
pub(crate) fn hints(snapshot: &Snapshot, answer: &Answer<'_>, told: &Diagnostics) -> Vec<Hint> {
    let Some(seen) = &answer.seen else {
        return requests::unseen(answer);
    };
    let scene = Scene {
        snapshot,
        answer,
        parts: &seen.parts,
        prepared: &seen.prepared,
        sent: &seen.sent,
    };
    let rules = rules::hints(&scene);
    let requests = requests::hints(&scene, told, !rules.is_empty());
    let tokens = tokens::hints(&scene).into_iter();
    let all = tokens
        .chain(rules)
        .chain(matches::hints(&scene))
        .chain(expressions::hints(&scene))
        .chain(requests);
    let mut hints: Vec<Hint> = all.collect();
    let mut seen: Vec<Hint> = Vec::new();
    hints.retain(|hint| {
        let first = !seen.contains(hint);
        if first {
            seen.push(hint.clone());
        }
        first
    });
    hints
}

/// What hints are drawn from.
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) answer: &'a Answer<'a>,
    /// The request as policies saw it.
    pub(crate) parts: &'a Parts,
    pub(crate) prepared: &'a Prepared,
    /// Its target as the client sent it.
    pub(crate) sent: &'a str,
}

/// A list of a rule that did not hold.
pub(crate) struct Failure<'a> {
    pub(crate) origin: &'a Arc<Origin>,
    pub(crate) clause: &'a Clause,
}

impl<'a> Scene<'a> {
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.parts.headers.get(name).and_then(|it| it.to_str().ok())
    }

    /// The lists that kept rules of these policies from matching.
    pub(crate) fn failures(&self, action: Action) -> Vec<Failure<'a>> {
        let failed = events::failed(self.answer, action);
        let found = failed.filter_map(|(origin, mismatch)| {
            let (_, rule) = events::rule(self.snapshot, self.answer, origin)?;
            let mut clauses = events::clauses(rule);
            // What variables held is not told, nor how near the request came to it.
            let clause = clauses.find(|it| it.field == mismatch.field && !it.expanded)?;
            Some(Failure { origin, clause })
        });
        found.collect()
    }
}

pub(crate) fn hint(code: &'static str, text: impl Into<String>, at: Option<&Arc<Origin>>) -> Hint {
    Hint {
        code,
        text: text.into(),
        at: at.cloned(),
    }
}
