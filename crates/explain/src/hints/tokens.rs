//! Hints about tokens: those that are missing, elsewhere, or of somebody else.

use std::sync::Arc;

use countersign_core::Reason;
use countersign_core::authn::{Family, Requirement};
use countersign_core::origin::Origin;
use countersign_core::source::Source;
use countersign_core::trace::Event;
use countersign_jose::TokenError;
use http::header::AUTHORIZATION;

use super::{Hint, Scene, hint};
use crate::events;

pub(super) fn hints(scene: &Scene<'_>) -> Vec<Hint> {
    let mut out = Vec::new();
    for (origin, requirement, has_token) in looked_at(scene) {
        if !has_token {
            out.extend(unrecognised(scene, origin, requirement));
            out.extend(anonymous(scene, origin, requirement));
        }
    }
    out.extend(foreign(scene));
    out.extend(nearly(scene));
    out.extend(unread(scene));
    out.extend(lasting(scene));
    out.extend(unfetched(scene));
    out
}

/// The requirements that were looked at, and whether a token was found.
fn looked_at<'a>(scene: &Scene<'a>) -> Vec<(&'a Arc<Origin>, &'a Requirement, bool)> {
    let events = &scene.answer.trace.events;
    let mut found = Vec::new();
    for (index, event) in events.iter().enumerate() {
        if let Event::Requirement { origin } = event {
            let next = events.get(index + 1);
            let has_token = matches!(next, Some(Event::TokenFound { .. }));
            let requirement = events::requirement(scene.snapshot, scene.answer, origin);
            found.extend(requirement.map(|it| (origin, it, has_token)));
        }
    }
    found
}

/// A header that may have been meant for a token.
fn unrecognised(
    scene: &Scene<'_>,
    origin: &Arc<Origin>,
    requirement: &Requirement,
) -> Option<Hint> {
    let headers = requirement.sources().filter_map(|source| match source {
        Source::Header { name, prefix } => Some((&**name, prefix.trim_end())),
        Source::Query(_) | Source::Cookie(_) => None,
    });
    for (name, prefix) in headers {
        let Some(value) = scene.header(name) else {
            continue;
        };
        // The value itself may be a token: only a word before a space is shown.
        let word = value.split_once(' ').map_or("", |(word, _)| word);
        let instead = match word {
            "" => String::new(),
            word if word.len() > 20 || word.contains('.') => String::new(),
            word => format!(" but with `{word}`"),
        };
        let text = format!(
            "header `{name}` does not begin with `{prefix}` and a space{instead}, so there is no token in it and the \
             caller counts as anonymous"
        );
        return Some(hint("scheme", text, Some(origin)));
    }
    let bearer = scene
        .header(AUTHORIZATION.as_str())
        .and_then(|it| it.get(..7));
    let elsewhere = bearer.is_some_and(|it| it.eq_ignore_ascii_case("bearer "));
    elsewhere.then(|| {
        let places: Vec<_> = requirement.sources().map(ToString::to_string).collect();
        let text = format!(
            "the token in `Authorization` is not read: the rules name places of their own, which are {}",
            places.join(" and ")
        );
        hint("token-elsewhere", text, Some(origin))
    })
}

/// RequestAuthentication alone demands nothing.
fn anonymous(scene: &Scene<'_>, origin: &Arc<Origin>, requirement: &Requirement) -> Option<Hint> {
    let alone = scene
        .answer
        .listener
        .is_some_and(|it| it.policies.is_none());
    let passes = scene.answer.is_allowed() && requirement.family == Family::Istio && alone;
    passes.then(|| {
        let text = "a RequestAuthentication refuses bad tokens and lets requests without one pass; an ALLOW \
                    AuthorizationPolicy with `requestPrincipals: [\"*\"]` keeps them out";
        hint("anonymous-passes", text, Some(origin))
    })
}

fn foreign(scene: &Scene<'_>) -> Option<Hint> {
    let unknown = scene.answer.reason == Reason::Token(TokenError::IssuerUnknown);
    unknown.then(|| {
        let text = "a token that is there must be good: one of an unknown issuer is refused with 401, also where no token at \
                    all would pass";
        hint("foreign-token", text, scene.answer.rule.as_ref())
    })
}

/// An issuer that differs in what people overlook.
fn nearly(scene: &Scene<'_>) -> Option<Hint> {
    if scene.answer.reason != Reason::Token(TokenError::IssuerUnknown) {
        return None;
    }
    let bare = |issuer: &str| {
        let issuer = issuer.trim().trim_end_matches('/').to_ascii_lowercase();
        issuer.replacen("http://", "https://", 1)
    };
    let said = scene.answer.claims.iter().filter_map(|it| it.issuer());
    let providers = scene.snapshot.providers.iter();
    let known = providers.filter_map(|it| Some((it, it.expect.issuer.as_deref()?)));
    let mut pairs = said.flat_map(|said| known.clone().map(move |(it, own)| (said, it, own)));
    let (said, provider, own) =
        pairs.find(|(said, _, own)| said != own && bare(said) == bare(own))?;
    let text = format!(
        "the token's issuer `{said}` is not `{own}`: issuers are compared letter by letter, a slash at the end, `http` and \
         capitals count"
    );
    Some(hint("issuer-nearly", text, Some(&provider.origin)))
}

/// A token where nobody looks at tokens.
fn unread(scene: &Scene<'_>) -> Option<Hint> {
    let asked = scene.answer.trace.events.iter();
    let asked =
        asked.filter(|it| matches!(it, Event::Requirement { .. } | Event::PreflightSkipped));
    let unread = !scene.answer.claims.is_empty() && asked.count() == 0 && scene.answer.is_allowed();
    unread.then(|| {
        let text =
            "the request brings a token, and nothing on this listener and route looks at tokens";
        hint(
            "token-unread",
            text,
            scene.answer.route.map(|it| &it.origin),
        )
    })
}

fn lasting(scene: &Scene<'_>) -> Option<Hint> {
    if scene.answer.stand_in {
        return None;
    }
    let accepted = events::accepted(scene.answer);
    let lasts = accepted.iter().any(|claims| claims.expires().is_none());
    lasts.then(|| {
        let text = "the token has no `exp`, so it never expires";
        hint("never-expires", text, None)
    })
}

fn unfetched(scene: &Scene<'_>) -> Option<Hint> {
    let Reason::KeysUnavailable { .. } = scene.answer.reason else {
        return None;
    };
    let text = "while a provider's keys cannot be fetched every token of its issuer is refused, and requests without a token \
                are not";
    Some(hint("keys-unavailable", text, scene.answer.rule.as_ref()))
}
