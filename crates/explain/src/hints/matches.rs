//! Hints about rules that did match, where their author may have thought that they do not.

use countersign_core::authz::{Action, Clause, HeaderField, Remark, Remarked, Rule, Test, Text};
use countersign_jose::Value;

use super::{Hint, Scene, hint};
use crate::events;

pub(super) fn hints(scene: &Scene<'_>) -> Vec<Hint> {
    let mut out = on_trial(scene);
    for action in [Action::Deny, Action::Allow] {
        for (_, origin) in events::matched(scene.answer, action) {
            let Some((_, rule)) = events::rule(scene.snapshot, scene.answer, origin) else {
                continue;
            };
            let clauses: Vec<&Clause> = events::clauses(rule).collect();
            let absent = clauses
                .iter()
                .find(|it| it.negated && is_absent(scene, &it.test));
            out.extend(absent.map(|clause| {
                let text = format!(
                    "the request has nothing that {} is about, and what is absent is none of the values: such a list holds for \
                     every request without it",
                    clause.field
                );
                hint("absent-not-values", text, Some(origin))
            }));
            // What variables held is not told.
            let mut told = clauses.iter().filter(|it| !it.expanded);
            let either = told.find_map(|it| alternatives(scene, it));
            out.extend(either.map(|text| hint("values-are-or", text, Some(origin))));
            if action == Action::Deny
                && has_no_condition(rule)
                && scene.answer.rule.as_ref() == Some(origin)
            {
                out.push(hint("rule-of-everything", EVERYTHING, Some(origin)));
            }
        }
    }
    out
}

/// Policies that would decide otherwise, were they not under trial.
fn on_trial(scene: &Scene<'_>) -> Vec<Hint> {
    let would_deny = |it: &&Remark| it.outcome == Remarked::WouldDeny;
    let remarks = scene.answer.remarks.iter().filter(would_deny);
    let passing = remarks.filter(|_| scene.answer.is_allowed());
    passing
        .map(|it| {
            let text = "a policy under trial (`istio.io/dry-run`) would refuse this request; as it is, that is only recorded";
            hint("under-trial", text, Some(&it.origin))
        })
        .collect()
}

const EVERYTHING: &str = "the rule has no condition, so it matches every request";

fn has_no_condition(rule: &Rule) -> bool {
    events::clauses(rule).next().is_none()
}

fn is_absent(scene: &Scene<'_>, test: &Test) -> bool {
    let accepted = || events::accepted(scene.answer);
    match test {
        Test::Claim(path, _) => accepted().iter().all(|claims| claims.path(path).is_none()),
        Test::RequestPrincipals(_) => accepted().is_empty(),
        Test::Header(HeaderField::Named(name), _) => !scene.parts.headers.contains_key(name),
        Test::Principals(_)
        | Test::Namespaces(_)
        | Test::ServiceAccounts(_)
        | Test::TrustDomains(_) => scene.prepared.scheme == "http",
        Test::Absent => true,
        _ => false,
    }
}

/// Several values of one claim, of which the token has only some.
fn alternatives(scene: &Scene<'_>, clause: &Clause) -> Option<String> {
    let Test::Claim(path, values) = &clause.test else {
        return None;
    };
    if clause.negated || values.len() < 2 {
        return None;
    }
    let claims = events::accepted(scene.answer);
    let claim = claims.iter().find_map(|claims| claims.path(path))?;
    let has = |wanted: &Text| match claim {
        Value::List(items) => items
            .iter()
            .filter_map(Value::as_str)
            .any(|it| wanted.matches(it)),
        // Split at spaces, or compared whole: a word of it is enough to tell.
        Value::String(text) => wanted.matches(text) || text.split(' ').any(|it| wanted.matches(it)),
        _ => false,
    };
    let missing = values.iter().find(|it| !has(it))?;
    Some(format!(
        "one of the values of {} is enough, and the token's `{}` has no `{missing}`; to ask for all of them, write an entry \
         of `when` for each",
        clause.field,
        path.join(".")
    ))
}
