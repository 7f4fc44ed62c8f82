//! The steps of a decision as lines of a tree, in the order in which they were taken, the one that decided marked.

use std::sync::Arc;

use countersign_core::authz::Action;
use countersign_core::origin::Origin;
use countersign_core::trace::{Event, Expressed, Mismatch};
use countersign_core::{Reason, Snapshot};

use crate::answer::Answer;
use crate::events;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How far in it stands.
    pub depth: usize,
    /// What was looked at, and what came of it.
    pub text: String,
    /// Where that stands in the configuration.
    pub at: Option<Arc<Origin>>,
    /// How it went.
    pub mark: Mark,
    /// This step decided.
    pub decisive: bool,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Neither way.
    Plain,
    /// In the request's favour, or a rule that matches.
    Yes,
    /// Against it, or a rule that does not match.
    No,
}

/// All steps of an answer.
pub(crate) fn steps(snapshot: &Snapshot, answer: &Answer<'_>) -> Vec<Step> {
    let decisive = decisive(answer);
    let events = answer.trace.events.iter().enumerate();
    let lines = events.filter_map(|(index, event)| {
        let mut step = step(snapshot, answer, event)?;
        step.decisive = Some(index) == decisive;
        Some(step)
    });
    lines.collect()
}

fn step(snapshot: &Snapshot, answer: &Answer<'_>, event: &Event) -> Option<Step> {
    of_request(answer, event)
        .or_else(|| of_tokens(snapshot, answer, event))
        .or_else(|| of_policies(snapshot, answer, event))
        .or_else(|| of_expressions(event))
}

fn line(depth: usize, text: String, at: &Arc<Origin>, mark: Mark) -> Option<Step> {
    Some(Step {
        at: Some(Arc::clone(at)),
        ..bare(depth, text, mark)?
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as its siblings")]
fn bare(depth: usize, text: impl Into<String>, mark: Mark) -> Option<Step> {
    Some(Step {
        depth,
        text: text.into(),
        at: None,
        mark,
        decisive: false,
    })
}

/// Listener and route.
fn of_request(answer: &Answer<'_>, event: &Event) -> Option<Step> {
    match event {
        Event::Listener { origin, client } => {
            let name = answer.listener.map_or("", |it| &it.name);
            let (port, certificate) = (answer.port, certificate(answer));
            let text = format!("listener {name}, port {port}, client {client}{certificate}");
            line(0, text, origin, Mark::Plain)
        }
        Event::Route { origin } => {
            line(0, format!("route {}", bearer(origin)), origin, Mark::Plain)
        }
        Event::NoRoute => bare(0, "route: none matches", Mark::No),
        _ => None,
    }
}

/// Requirements, the tokens that are found, and what becomes of each.
fn of_tokens(snapshot: &Snapshot, answer: &Answer<'_>, event: &Event) -> Option<Step> {
    match event {
        Event::Requirement { origin } => {
            let text = format!("tokens as {} says", bearer(origin));
            line(0, text, origin, Mark::Plain)
        }
        Event::PreflightSkipped => bare(
            0,
            "tokens: not looked at, this is a CORS preflight",
            Mark::Plain,
        ),
        Event::TokenFound { source } => bare(1, format!("a token in {source}"), Mark::Plain),
        Event::NoToken => {
            let places = places(snapshot, answer, event);
            bare(1, format!("no token{places}"), Mark::Plain)
        }
        Event::Accepted { .. } => accepted(answer, event),
        Event::Rejected { origin, reason } => {
            let (by, body, code) = (bearer(origin), reason.body(), reason.code());
            line(
                2,
                format!("refused by {by}: {body} ({code})"),
                origin,
                Mark::No,
            )
        }
        Event::Disregarded => bare(2, "it counts as none, and the request goes on", Mark::Plain),
        _ => None,
    }
}

/// AuthorizationPolicies and their rules.
fn of_policies(snapshot: &Snapshot, answer: &Answer<'_>, event: &Event) -> Option<Step> {
    match event {
        Event::Policies { action, count } => bare(
            0,
            format!("{action}: {}", count_of(*count, *action)),
            Mark::Plain,
        ),
        Event::Policy { origin, dry_run } => {
            let dry = if *dry_run {
                ", dry run: recorded only"
            } else {
                ""
            };
            line(1, format!("{}{dry}", bearer(origin)), origin, Mark::Plain)
        }
        Event::RuleMatched { origin } => {
            let by = conditions(snapshot, answer, origin);
            line(2, format!("{} matches{by}", origin.part), origin, Mark::Yes)
        }
        Event::RuleFailed { origin, mismatch } => {
            let Mismatch {
                field,
                wanted,
                seen,
            } = mismatch;
            let part = &origin.part;
            let text =
                format!("{part} does not match: {field} wants {wanted}, the request has {seen}");
            line(2, text, origin, Mark::No)
        }
        _ => None,
    }
}

/// Expressions and lists of addresses.
fn of_expressions(event: &Event) -> Option<Step> {
    match event {
        Event::Expression {
            origin,
            action,
            source,
            result,
        } => {
            let (text, mark) = expressed(action, source, result);
            line(0, text, origin, mark)
        }
        Event::AddressList {
            origin,
            client,
            listed,
        } => {
            let is = if *listed { "is in" } else { "is not in" };
            let text = format!("client {client} {is} {}", bearer(origin));
            line(0, text, origin, Mark::Plain)
        }
        _ => None,
    }
}

/// Who the client is by its certificate.
fn certificate(answer: &Answer<'_>) -> String {
    let taken = if answer.principals_taken {
        ", taken as verified"
    } else {
        ""
    };
    match answer.principals.as_slice() {
        [] => String::new(),
        names => format!(", certificate of `{}`{taken}", names.join("`, `")),
    }
}

/// A token that passed. Nothing was verified before this one question but what its author vouches for.
fn accepted(answer: &Answer<'_>, event: &Event) -> Option<Step> {
    let Event::Accepted {
        origin,
        issuer,
        subject,
        cached,
    } = event
    else {
        return None;
    };
    let issuer = issuer.as_deref().unwrap_or("nobody");
    let subject = subject.as_deref();
    let subject = subject.map_or("nobody".to_owned(), |it| format!("`{it}`"));
    let vouched = match (cached, answer.stand_in) {
        (false, _) => "",
        (true, true) => "; claims taken as verified, no signature checked",
        (true, false) => "; its signature was not checked, the keys are not known",
    };
    let by = bearer(origin);
    let text = format!("accepted by {by}: {subject} of `{issuer}`{vouched}");
    line(2, text, origin, Mark::Yes)
}

fn expressed(action: &str, source: &str, result: &Expressed) -> (String, Mark) {
    match result {
        Expressed::True => (format!("{action} `{source}`: true"), Mark::Yes),
        Expressed::False { part, seen } => {
            let seen = seen
                .iter()
                .map(|(name, value)| format!("{name} is {value}"));
            let seen = seen.collect::<Vec<_>>().join(", ");
            let part = if **part == *source {
                String::new()
            } else {
                format!(", because of `{part}`")
            };
            let seen = if seen.is_empty() {
                seen
            } else {
                format!(" ({seen})")
            };
            (
                format!("{action} `{source}`: not true{part}{seen}"),
                Mark::No,
            )
        }
        Expressed::Failed(why) => (format!("{action} `{source}`: failed: {why}"), Mark::No),
    }
}

/// What a rule asks for that matches, where it has no alternatives within.
fn conditions(snapshot: &Snapshot, answer: &Answer<'_>, origin: &Arc<Origin>) -> String {
    let Some((_, rule)) = events::rule(snapshot, answer, origin) else {
        return String::new();
    };
    let fields: Vec<&str> = events::clauses(rule).map(|it| &*it.field).collect();
    match fields.as_slice() {
        [] => ": it has no condition".to_owned(),
        some if rule.from.len() <= 1 && rule.to.len() <= 1 => format!(" by {}", some.join(", ")),
        _ => String::new(),
    }
}

/// `2 policies`, and for ALLOW what follows from their being there.
fn count_of(count: usize, action: Action) -> String {
    let policies = if count == 1 {
        "1 policy".to_owned()
    } else {
        format!("{count} policies")
    };
    match action {
        Action::Allow => format!("{policies}; what no rule of theirs matches is refused"),
        Action::Custom | Action::Audit | Action::Deny => policies,
    }
}

/// Where the requirement before this event looks.
fn places(snapshot: &Snapshot, answer: &Answer<'_>, event: &Event) -> String {
    let before = answer
        .trace
        .events
        .iter()
        .take_while(|it| !std::ptr::eq(*it, event));
    let requirement = before.filter_map(|it| match it {
        Event::Requirement { origin } => events::requirement(snapshot, answer, origin),
        _ => None,
    });
    let sources = requirement
        .last()
        .map(|it| it.sources().map(ToString::to_string));
    let sources: Vec<String> = sources.into_iter().flatten().collect();
    match sources.as_slice() {
        [] => String::new(),
        some => format!(" in {}", some.join(", ")),
    }
}

/// The object, and the part of it that is meant.
pub(crate) fn bearer(origin: &Origin) -> String {
    let part = if origin.part.is_empty() { "" } else { " " };
    format!(
        "{} {}/{}{part}{}",
        origin.kind, origin.namespace, origin.name, origin.part
    )
}

/// The step after which nothing could change the outcome any more.
fn decisive(answer: &Answer<'_>) -> Option<usize> {
    let by_rule = |origin: &Arc<Origin>| answer.rule.as_ref() == Some(origin);
    let decided = |event: &Event| match (&answer.reason, event) {
        (Reason::TokenMissing, Event::NoToken) | (Reason::RouteNotFound, Event::NoRoute) => true,
        (
            reason,
            Event::Rejected {
                origin,
                reason: own,
            },
        ) => reason == own && by_rule(origin),
        (Reason::PolicyDenied | Reason::PolicyCustom, Event::RuleMatched { origin }) => {
            by_rule(origin)
        }
        (Reason::PolicyNotAllowed, Event::Policies { action, .. }) => *action == Action::Allow,
        (
            Reason::ExpressionDenied | Reason::ExpressionNotAllowed | Reason::ExpressionFailed,
            Event::Expression { .. },
        )
        | (Reason::AddressRefused, Event::AddressList { .. }) => true,
        _ => false,
    };
    let events = &answer.trace.events;
    if !answer.is_allowed() {
        return events.iter().rposition(decided);
    }
    let allowing = events::matched(answer, Action::Allow)
        .map(|(index, _)| index)
        .last();
    let accepted = |it: &Event| {
        matches!(
            it,
            Event::Accepted { .. }
                | Event::Expression {
                    result: Expressed::True,
                    ..
                }
        )
    };
    allowing.or_else(|| events.iter().rposition(accepted))
}
