//! One sentence: what becomes of a request, and because of what.

use countersign_core::authz::Action;
use countersign_core::trace::{Event, Expressed, Mismatch};
use countersign_core::{Reason, Snapshot};

use crate::answer::{Answer, Verdict};
use crate::events;

/// Why the answer is what it is, after `because`. It names the place where one decided.
pub(crate) fn cause(snapshot: &Snapshot, answer: &Answer<'_>) -> String {
    match answer.is_allowed() {
        true => allowed(snapshot, answer),
        false => refused(snapshot, answer),
    }
}

/// `allowed`, `redirected`, `denied with 403`, and what is not known for certain.
pub(crate) fn headline(answer: &Answer<'_>) -> String {
    match answer.verdict {
        Verdict::Forward => "allowed".to_owned(),
        Verdict::Redirect => "redirected".to_owned(),
        Verdict::Preflight => "answered by the CORS filter".to_owned(),
        Verdict::Refuse if answer.passed_to.is_some() => "closed".to_owned(),
        Verdict::Refuse => format!("denied with {}", answer.status().unwrap_or_default()),
    }
}

fn allowed(snapshot: &Snapshot, answer: &Answer<'_>) -> String {
    if let Some((_, origin)) = events::matched(answer, Action::Allow).last() {
        return format!("the ALLOW rule {origin} matches");
    }
    let last =
        |wanted: fn(&Event) -> Option<String>| answer.trace.events.iter().rev().find_map(wanted);
    let expression = last(|event| match event {
        Event::Expression {
            origin,
            action,
            source,
            result: Expressed::True,
        } if *action != "Deny" => Some(format!("`{source}` of {origin} is true")),
        _ => None,
    });
    let accepted = last(|event| match event {
        Event::Accepted { origin, .. } => Some(format!("{origin} accepts its token")),
        _ => None,
    });
    let disregarded = answer.trace.events.contains(&Event::Disregarded);
    let brings = if disregarded {
        "its token is no good and counts as none"
    } else {
        "it brings no token"
    };
    let asked = last(|event| match event {
        Event::Requirement { origin } => Some(origin.to_string()),
        _ => None,
    });
    let anonymous = asked.map(|origin| format!("{brings}, and {origin} asks for none"));
    let preflight = last(|event| match event {
        Event::PreflightSkipped => Some("it is a CORS preflight, which brings no token".to_owned()),
        _ => None,
    });
    let held = answer
        .trace
        .events
        .iter()
        .any(|event| matches!(event, Event::Expression { .. } | Event::AddressList { .. }));
    let nothing = || match answer
        .listener
        .and_then(|it| it.policies)
        .and_then(|id| snapshot.policies(id))
    {
        Some(_) => "no policy refuses it".to_owned(),
        None if held => "no expression refuses it".to_owned(),
        None => "nothing is asked of it here".to_owned(),
    };
    expression
        .or(accepted)
        .or(anonymous)
        .or(preflight)
        .unwrap_or_else(nothing)
}

fn refused(snapshot: &Snapshot, answer: &Answer<'_>) -> String {
    let rule = answer
        .rule
        .as_ref()
        .map_or_else(|| "the gateway".to_owned(), ToString::to_string);
    let detail = &answer.detail;
    match &answer.reason {
        Reason::TokenMissing => format!("it brings no token, and {rule} demands one"),
        Reason::Token(_) | Reason::KeysUnavailable { .. } => {
            let more = if detail.is_empty() {
                String::new()
            } else {
                format!("; {detail}")
            };
            format!("{rule} refuses its token: {}{more}", answer.reason.body())
        }
        Reason::IssuersDiffer => format!("its tokens are of different issuers, at {rule}"),
        Reason::SubjectsDiffer => format!("its tokens are of different subjects, at {rule}"),
        Reason::ClaimNotHeader => format!("a claim cannot stand in a header as {rule} wants it"),
        Reason::RouteNotFound => no_route(answer),
        Reason::PolicyConfiguration => format!("{rule} is closed: {detail}"),
        Reason::PolicyDenied => format!("the DENY rule {rule} matches"),
        Reason::PolicyCustom => {
            format!("{rule} matches, and nobody knows the authorizer that it names")
        }
        Reason::PolicyNotAllowed => not_allowed(snapshot, answer),
        Reason::ExpressionDenied | Reason::ExpressionNotAllowed | Reason::ExpressionFailed => {
            expression(answer, &rule)
        }
        Reason::AddressRefused => {
            let client = answer
                .seen
                .as_ref()
                .map_or_else(String::new, |it| it.client().to_string());
            format!("{rule} keeps out the client {client}")
        }
        Reason::NoBackend => format!("{rule} has no backend: {detail}"),
        _ if detail.is_empty() => answer.reason.body().into_owned(),
        _ => detail.to_string(),
    }
}

fn no_route(answer: &Answer<'_>) -> String {
    let Some(seen) = &answer.seen else {
        let listener = answer.listener.map_or("", |it| &it.name);
        return format!("no route of listener {listener} is for this connection");
    };
    let listener = answer.listener.map_or("", |it| &it.name);
    let (method, host) = (&seen.parts.method, &seen.prepared.host);
    format!(
        "no route of listener {listener} is for {method} `{host}{}`",
        seen.parts.uri.path()
    )
}

/// The rule that came nearest, and the field that kept it from matching.
fn not_allowed(snapshot: &Snapshot, answer: &Answer<'_>) -> String {
    let failed: Vec<_> = events::failed(answer, Action::Allow).collect();
    let nearest = failed
        .iter()
        .enumerate()
        .max_by_key(|(index, (_, mismatch))| (stage(mismatch), std::cmp::Reverse(*index)));
    let Some((_, (origin, mismatch))) = nearest else {
        let set = answer
            .listener
            .and_then(|it| it.policies)
            .and_then(|id| snapshot.policies(id));
        let empty = set.and_then(|set| {
            let mut policies = set.policies().iter();
            policies.find(|it| it.action == Action::Allow && it.rules.is_empty())
        });
        return match empty {
            Some(policy) => format!(
                "{} is an ALLOW policy without rules, which allows nothing",
                policy.origin
            ),
            None => "ALLOW policies hold here, and none of their rules matches".to_owned(),
        };
    };
    let Mismatch {
        field,
        wanted,
        seen,
    } = mismatch;
    let what = format!("{origin}, where {field} wants {wanted} and the request has {seen}");
    match failed.len() {
        1 => format!("the one ALLOW rule does not match: {what}"),
        count => format!("none of {count} ALLOW rules matches, the nearest being {what}"),
    }
}

/// Rules are compared from `from` over `to` to `when`: who fails later came nearer.
fn stage(mismatch: &Mismatch) -> u8 {
    match mismatch.field.get(..2) {
        Some("wh") => 2,
        Some("to") => 1,
        _ => 0,
    }
}

fn expression(answer: &Answer<'_>, rule: &str) -> String {
    let mut events = answer.trace.events.iter().rev();
    let last = events.find_map(|event| match event {
        Event::Expression {
            origin,
            source,
            result,
            ..
        } => Some((origin, source, result)),
        _ => None,
    });
    let Some((origin, source, result)) = last else {
        return format!("{rule} does not let it pass");
    };
    let one = answer.detail.starts_with("the expression");
    match result {
        Expressed::True => format!("`{source}` of {origin} is true"),
        Expressed::False { seen, .. } => {
            let seen = seen
                .iter()
                .map(|(name, value)| format!("{name} is {value}"));
            let seen = seen.collect::<Vec<_>>().join(", ");
            let seen = if seen.is_empty() {
                seen
            } else {
                format!(": {seen}")
            };
            match one {
                true => format!("`{source}` of {origin} is not true{seen}"),
                false => format!(
                    "{}, the last being `{source}` of {origin}{seen}",
                    answer.detail
                ),
            }
        }
        Expressed::Failed(why) => format!("`{source}` of {origin} cannot be evaluated: {why}"),
    }
}
