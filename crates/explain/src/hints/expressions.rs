//! Hints about rules in CEL and about the lists of addresses beside them.

use std::sync::Arc;

use countersign_core::authz::{ExpressionRule, Join, RuleSet};
use countersign_core::origin::Origin;
use countersign_core::trace::{Event, Expressed};

use super::{Hint, Scene, hint};

pub(super) fn hints(scene: &Scene<'_>) -> Vec<Hint> {
    let events = scene.answer.trace.events.iter();
    events
        .filter_map(|event| match event {
            Event::Expression {
                origin,
                action,
                result,
                ..
            } => expression(scene, origin, action, result),
            Event::AddressList { origin, listed, .. } => addresses(scene, origin, *listed),
            _ => None,
        })
        .collect()
}

fn expression(
    scene: &Scene<'_>,
    origin: &Arc<Origin>,
    action: &str,
    result: &Expressed,
) -> Option<Hint> {
    if let Expressed::Failed(_) = result {
        let text = format!(
            "an expression that cannot be evaluated refuses the request, though its action is `{action}`; ask with `has(…)` \
             first whether what it reads is there"
        );
        return Some(hint("expression-failed", text, Some(origin)));
    }
    let rule = rule(scene, origin)?;
    let others = rule.expressions.len().saturating_sub(1);
    let either = rule.join == Join::Any && others > 0 && *result == Expressed::True;
    either.then(|| {
        let text = "the expressions of one policy are alternatives, tried in order: the first that is true decides, and to ask for \
                    all of them join them with `&&`";
        hint("expressions-are-or", text, Some(origin))
    })
}

/// The rule that an expression is of.
fn rule<'a>(scene: &Scene<'a>, origin: &Arc<Origin>) -> Option<&'a ExpressionRule> {
    let sets = scene.snapshot.rbacs.iter().flat_map(|it| &it.sets);
    let mut rules = sets.flat_map(RuleSet::rules);
    let has = |rule: &&Arc<ExpressionRule>| rule.expressions.iter().any(|it| it.origin == *origin);
    rules.find(has).map(|rule| &**rule)
}

/// The client behind a proxy that nobody trusts.
fn addresses(scene: &Scene<'_>, origin: &Arc<Origin>, listed: bool) -> Option<Hint> {
    let told = scene.header("x-forwarded-for")?;
    let (peer, client) = (scene.prepared.peer, scene.prepared.client);
    let networks = &scene.snapshot.rbacs;
    let networks = networks.iter().flat_map(|it| &it.sets);
    let rules = networks.flat_map(RuleSet::rules);
    let mut lists = rules.flat_map(|rule| rule.allowed.iter().chain(&rule.blocked));
    let list = lists.find(|list| list.origin == *origin)?;
    let mut told = told.split(',').filter_map(|it| it.trim().parse().ok());
    let other = told.find(|it| *it != client && list.contains(*it) != listed)?;
    (client == peer).then(|| {
        let text = format!(
            "the list is held against {client}, and `X-Forwarded-For` tells of {other}, which is believed from trusted proxies only"
        );
        hint("address-kind", text, Some(origin))
    })
}
