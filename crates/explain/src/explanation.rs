//! An answer with its explanation: a sentence, a tree of steps, hints; for people and for programs.

use std::sync::Arc;

use countersign_config::compiled::Compiled;
use countersign_config::diagnostic::Diagnostics;
use countersign_core::authz::Remark;
use countersign_core::origin::Origin;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::cases::rule_name;
use crate::hints::{self, Hint};
use crate::steps::{self, Mark, Step};
use crate::{cause, mask};

/// Everything there is to tell of an answer.
#[derive(Debug)]
pub struct Explanation<'a, 'c> {
    /// The answer.
    pub answer: &'a Answer<'c>,
    /// `allowed`, `denied with 403`.
    pub headline: String,
    /// Because of what, in one sentence, with file and line.
    pub cause: String,
    /// How it came about.
    pub steps: Vec<Step>,
    /// What people get wrong, where it bears on this answer.
    pub hints: Vec<Hint>,
    /// The issuers whose signatures the answer takes for good.
    pub assumed: Vec<String>,
}

/// Explains an answer. `told` is what the load of its configuration had to tell.
pub fn explain<'a, 'c>(
    compiled: &Compiled,
    told: &Diagnostics,
    answer: &'a Answer<'c>,
) -> Explanation<'a, 'c> {
    let snapshot = &compiled.snapshot;
    let providers = answer
        .assumed
        .iter()
        .filter_map(|id| snapshot.provider(*id));
    let issuer = |it: &countersign_core::provider::Provider| {
        it.expect
            .issuer
            .as_deref()
            .map_or_else(|| it.name.to_string(), str::to_owned)
    };
    Explanation {
        answer,
        headline: cause::headline(answer),
        cause: cause::cause(snapshot, answer),
        steps: steps::steps(snapshot, answer),
        hints: hints::hints(snapshot, answer, told),
        assumed: providers.map(issuer).collect(),
    }
}

impl Explanation<'_, '_> {
    /// The explanation as one JSON object, whose shape `docs/explain.md` tells.
    pub fn json(&self) -> Value {
        let answer = self.answer;
        let reply = answer.reply.as_ref().map(|reply| {
            json!({
                "status": reply.status,
                "headers": pairs(&reply.headers, mask::reply),
                "body": reply.body,
            })
        });
        let upstream = answer.upstream.as_ref().map(|it| {
            let removed = it.removed.iter();
            json!({
                "backends": it.backends.iter().map(backend).collect::<Vec<_>>(),
                "method": it.method,
                "target": mask::target(it),
                "headers": pairs(&it.headers, |name, value| mask::header(it, name, value)),
                "removed": removed.map(|(name, why)| json!({ "name": name, "why": why.why() })).collect::<Vec<_>>(),
            })
        });
        let connection = answer.passed_to.as_ref().map(
            |backends| json!({ "backends": backends.iter().map(backend).collect::<Vec<_>>() }),
        );
        json!({
            "verdict": answer.verdict.name(),
            "allowed": answer.is_allowed(),
            "certain": self.assumed.is_empty(),
            "assumed": self.assumed,
            "claimsTakenAsVerified": answer.stand_in,
            "reason": answer.reason.code(),
            "cause": self.cause,
            "rule": answer.rule.as_deref().map(place),
            "detail": Some(&answer.detail).filter(|it| !it.is_empty()),
            "listener": answer.listener.map(|it| &*it.name),
            "route": answer.route.map(|it| &*it.name),
            "principals": answer.principals,
            "principalsTakenAsVerified": answer.principals_taken,
            "client": answer.seen.as_ref().map(|it| it.client().to_string()),
            "answer": reply,
            "upstream": upstream,
            "connection": connection,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
            "remarks": answer.remarks.iter().map(remark).collect::<Vec<_>>(),
            "hints": self.hints.iter().map(hint).collect::<Vec<_>>(),
        })
    }
}

fn backend((name, weight): &(Option<Arc<str>>, u32)) -> Value {
    json!({ "name": name.as_deref(), "weight": weight })
}

fn pairs(headers: &[(String, String)], show: impl Fn(&str, &str) -> String) -> Vec<[String; 2]> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| [name.clone(), show(name, value)])
        .collect()
}

fn place(origin: &Origin) -> Value {
    json!({ "name": rule_name(origin), "file": &*origin.file, "line": origin.line })
}

fn step(step: &Step) -> Value {
    json!({
        "depth": step.depth,
        "text": step.text,
        "matches": match step.mark {
            Mark::Plain => None,
            Mark::Yes => Some(true),
            Mark::No => Some(false),
        },
        "decisive": step.decisive,
        "at": step.at.as_deref().map(place),
    })
}

/// What a policy that decides nothing has to say.
fn remark(remark: &Remark) -> Value {
    json!({ "outcome": remark.outcome.code(), "rule": place(&remark.origin) })
}

fn hint(hint: &Hint) -> Value {
    json!({ "code": hint.code, "text": hint.text, "at": hint.at.as_deref().map(place) })
}
