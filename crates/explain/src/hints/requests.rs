//! Hints about the request itself and about what the configuration does not do here.

use countersign_config::diagnostic::{Diagnostics, Severity};
use countersign_core::Reason;
use countersign_core::authz::Action;
use countersign_core::trace::Event;

use super::{Hint, Scene, hint};
use crate::answer::{Answer, Removal};
use crate::events;

pub(super) fn hints(scene: &Scene<'_>, told: &Diagnostics, about_rules: bool) -> Vec<Hint> {
    let found = [
        preflight(scene),
        flipped(scene).filter(|_| !about_rules),
        path_changed(scene),
        spoofed(scene),
        unrouted(scene),
        assumed(scene),
    ];
    let mut out: Vec<Hint> = found.into_iter().flatten().collect();
    out.extend(idle(scene, told));
    out
}

/// Of requests that no listener has seen.
pub(super) fn unseen(answer: &Answer<'_>) -> Vec<Hint> {
    match answer.reason {
        Reason::Misdirected => vec![hint(
            "other-listener",
            "the TLS handshake chose a listener by its server name, and the host of the request belongs to another",
            answer.listener.map(|it| &it.origin),
        )],
        _ => Vec::new(),
    }
}

/// A preflight brings no token, and rules about callers refuse it.
fn preflight(scene: &Scene<'_>) -> Option<Hint> {
    let skipped = scene.answer.trace.events.contains(&Event::PreflightSkipped);
    (skipped && scene.answer.reason.is_authorization()).then(|| {
        let text = "browsers send a CORS preflight without a token, so rules about principals and claims refuse it; allow the \
                    method `OPTIONS` on these paths";
        hint("preflight", text, scene.answer.rule.as_ref())
    })
}

/// One ALLOW policy changes what holds for everything else.
fn flipped(scene: &Scene<'_>) -> Option<Hint> {
    let elsewhere = scene.answer.reason == Reason::PolicyNotAllowed
        && events::failed(scene.answer, Action::Allow)
            .all(|(_, mismatch)| mismatch.field.starts_with("to["));
    elsewhere.then(|| {
        let text = "as soon as one ALLOW policy holds on a gateway, whatever none of them matches is refused, on every host \
                    and path";
        hint("allow-is-exclusive", text, None)
    })
}

fn path_changed(scene: &Scene<'_>) -> Option<Hint> {
    let path = scene.parts.uri.path();
    let sent = scene.sent.split('?').next().unwrap_or_default();
    (sent.starts_with('/') && sent != path).then(|| {
        let text = format!(
            "the path was sent as `{sent}`; policies, routes and the backend all get `{path}`"
        );
        hint("path-normalised", text, None)
    })
}

/// Headers that say who is calling and did not come from the gateway.
fn spoofed(scene: &Scene<'_>) -> Option<Hint> {
    let removed = scene
        .answer
        .upstream
        .as_ref()
        .map_or(&[][..], |it| &it.removed);
    let names = removed.iter().filter(|(_, why)| *why == Removal::Identity);
    let names: Vec<_> = names.map(|(name, _)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        let text = format!(
            "{} of the client is taken off: only the gateway may say who is calling",
            names.join(", ")
        );
        hint("spoofed-header", text, None)
    })
}

/// Nothing is for this host, or nothing for this path.
fn unrouted(scene: &Scene<'_>) -> Option<Hint> {
    if scene.answer.reason != Reason::RouteNotFound {
        return None;
    }
    let listener = scene.answer.listener?;
    let host = &scene.prepared.host;
    let entries = listener.routes.entries();
    let text = match entries.len() {
        0 => "no route is attached to this listener".to_owned(),
        _ if listener.routes.entries().any(|it| it.host.matches(host)) => return None,
        _ => {
            let mut hosts: Vec<String> = entries.map(|it| format!("`{}`", it.host)).collect();
            hosts.sort_unstable();
            hosts.dedup();
            format!(
                "the routes of this listener are for {}, not for `{host}`",
                hosts.join(", ")
            )
        }
    };
    Some(hint("no-route-for-host", text, Some(&listener.origin)))
}

/// The answer stands on something that nobody has checked.
fn assumed(scene: &Scene<'_>) -> Option<Hint> {
    let providers = scene.answer.assumed.iter();
    let names = providers.filter_map(|id| scene.snapshot.provider(*id));
    let names: Vec<_> = names.map(|it| it.origin.to_string()).collect();
    (!names.is_empty()).then(|| {
        let text = format!(
            "the keys of {} are fetched when the gateway runs and not now; give them with `--jwks` to have the signature checked",
            names.join(", ")
        );
        hint("keys-not-known", text, None)
    })
}

/// Policies that hold nowhere, as the load has said.
fn idle<'a>(scene: &'a Scene<'_>, told: &'a Diagnostics) -> impl Iterator<Item = Hint> + 'a {
    let anonymous = scene.answer.is_allowed();
    let warnings = told.iter().filter(|it| it.severity == Severity::Warning);
    let idle = warnings.filter(|it| it.message.contains("protects nothing"));
    idle.filter(move |_| anonymous).map(|it| {
        let subject = it
            .subject
            .as_ref()
            .map_or_else(String::new, |it| format!("{it}: "));
        hint("policy-elsewhere", format!("{subject}{}", it.message), None)
    })
}
