//! Whether both answered alike, and if not, which decision says so.

use countersign_testkit::agreement::{Level, compare, expectation};
use countersign_testkit::client::Response;
use countersign_testkit::corpus::IstioExpect;
use serde_json::Value;

use crate::ask::Ask;
use crate::decisions::{self, DECISIONS, Decision, Policies};
use crate::policies::Group;
use crate::scene::{Answer, Scene, Side};

/// How an answer of the gateway stands beside Envoy's.
pub(crate) enum Verdict {
    Alike,
    /// Different, as these decisions say; and whether we let through what Envoy refused.
    Decided(Vec<&'static str>, bool),
    /// Different, and nobody knows why.
    Different(String),
}

/// What [`explain`] knows beside the readings of [`DECISIONS`]: these never admit what Envoy refuses.
pub(crate) const REFUSALS: &[(&str, &str)] = &[
    (
        "T3",
        "each token must be good, and all must name one caller",
    ),
    ("T4", "`crit` is honoured"),
    ("T6", "of the query only the token goes"),
    (
        "P9",
        "DENY hosts match any port and a trailing dot, DENY templates any character",
    ),
    (
        "HTTP form",
        "a `Host` that is none, and NUL in a path, are refused",
    ),
];

/// Asks both, and asks Envoy again where they differ.
pub(crate) fn judge(
    scene: &mut Scene<'_>,
    group: &Group,
    index: usize,
    ask: &Ask,
) -> (u16, Verdict) {
    let envoy = scene.ask(index, Side::Envoy(Policies::AsWritten), ask);
    let ours = scene.ask(index, Side::Gateway, ask);
    let status = envoy.response.as_ref().map_or(0, |it| it.status);
    let verdict = match differs(&envoy, &ours, |it| it) {
        None => Verdict::Alike,
        Some(why) => match explain(scene, group, index, ask, &envoy, &ours) {
            None => Verdict::Different(why),
            Some(codes) => decided(codes, ours.reached && !envoy.reached),
        },
    };
    (status, verdict)
}

/// Being kinder than Envoy takes a decision that says so.
fn decided(codes: Vec<&'static str>, admitted: bool) -> Verdict {
    let admits = |code: &&str| DECISIONS.iter().any(|it| it.admits && it.code == *code);
    if admitted && !codes.iter().any(admits) {
        return Verdict::Different(format!("admitted under {codes:?}, which only refuse"));
    }
    Verdict::Decided(codes, admitted)
}

fn explain(
    scene: &mut Scene<'_>,
    group: &Group,
    index: usize,
    ask: &Ask,
    envoy: &Answer,
    ours: &Answer,
) -> Option<Vec<&'static str>> {
    // The fewest decisions that explain it, taken together.
    let applicable: Vec<&Decision> = DECISIONS
        .iter()
        .filter(|it| (it.reading)(group, ask).is_some())
        .collect();
    for chosen in subsets(&applicable) {
        let read = chosen.iter().fold(ask.clone(), |ask, decision| {
            (decision.reading)(group, &ask).unwrap_or(ask)
        });
        let codes = chosen.iter().map(|it| it.code);
        let answer = if chosen.is_empty() {
            envoy.clone()
        } else {
            scene.ask(index, Side::Envoy(Policies::AsWritten), &read)
        };
        if let Some(code) = agreed(scene, group, index, (ask, &read), &answer, ours) {
            return Some(codes.chain(code).collect());
        }
    }
    None
}

/// Whether the answer of Envoy to what was `read` is ours to what was asked, by one more decision perhaps.
fn agreed(
    scene: &mut Scene<'_>,
    group: &Group,
    index: usize,
    (ask, read): (&Ask, &Ask),
    envoy: &Answer,
    ours: &Answer,
) -> Option<Option<&'static str>> {
    let unhidden = |it| decisions::unhidden(ask, it);
    if differs(envoy, ours, unhidden).is_none() {
        return Some(None);
    }
    let apart = decisions::lines_apart(group, ask, read)
        .map(|it| scene.ask(index, Side::Envoy(Policies::LinesApart), &it));
    let checks: [(&str, bool); 5] = [
        (
            "T2",
            apart.is_some_and(|it| differs(&it, ours, unhidden).is_none()),
        ),
        ("P9", denied_by_spelling(scene, group, index, read, ours)),
        ("T4", critical(scene, index, read, ours)),
        ("HTTP form", malformed(read, ours)),
        ("T3", each_token(scene, index, read, ours)),
    ];
    seen_otherwise(group, (ask, read), envoy, ours)
        .or_else(|| checks.iter().find(|it| it.1).map(|it| it.0))
        .map(Some)
}

/// Every subset, small ones first, the empty one before all.
fn subsets<'a>(of: &[&'a Decision]) -> Vec<Vec<&'a Decision>> {
    let mut all: Vec<Vec<&Decision>> = vec![Vec::new()];
    for decision in of {
        let with: Vec<_> = all
            .iter()
            .map(|it| it.iter().copied().chain([*decision]).collect())
            .collect();
        all.extend(with);
    }
    all.sort_by_key(Vec::len);
    all
}

/// T6, T3 and T7, as far as they concern what the upstream sees: the same answer, once that is allowed for.
fn seen_otherwise(
    group: &Group,
    (ask, read): (&Ask, &Ask),
    envoy: &Answer,
    ours: &Answer,
) -> Option<&'static str> {
    let response = ours.response.as_ref().ok()?;
    if !envoy.reached || !ours.reached {
        return None;
    }
    let alike = |ours: &Response, change: &dyn Fn(&Value) -> Value| {
        let changed = |expect: IstioExpect| {
            let mut expect = decisions::unhidden(ask, expect);
            expect.upstream = expect.upstream.map(|it| change(&it));
            expect
        };
        let ours = Answer {
            response: Ok(ours.clone()),
            reached: true,
        };
        differs(envoy, &ours, changed).is_none()
    };
    if alike(response, &|it| decisions::query_kept(group, read, it)) {
        return Some("T6");
    }
    if alike(response, &decisions::numbers_as_json) {
        return Some("T7");
    }
    let mut once = response.clone();
    let seen = serde_json::from_slice(&once.body).unwrap_or_default();
    once.body = decisions::said_once(&seen).to_string().into();
    let several = read.tokens.len() > 1;
    let alone =
        alike(&once, &decisions::said_once) || alike(&once, &|it| decisions::tokens_gone(read, it));
    (several && alone).then_some("T3")
}

/// P9, which only ever denies.
fn denied_by_spelling(
    scene: &mut Scene<'_>,
    group: &Group,
    index: usize,
    ask: &Ask,
    ours: &Answer,
) -> bool {
    let denied = |it: &Answer| {
        let text = |it: &Response| it.status == 403 && it.text() == "RBAC: access denied";
        it.response.as_ref().is_ok_and(text)
            // Without a body the status must do.
            || (ask.method == "HEAD" && it.response.as_ref().is_ok_and(|it| it.status == 403))
    };
    if !denied(ours) {
        return false;
    }
    let deny = Policies::needed(group).contains(&Policies::DenyOnly);
    let plain = decisions::plain_path(ask);
    let hosts = decisions::hosts(ask).into_iter().filter(|_| deny);
    let paths = plain.iter().filter(|_| deny).cloned();
    let by_deny: Vec<(Policies, Ask)> = hosts
        .chain(paths)
        .map(|it| (Policies::DenyOnly, it))
        .collect();
    // An ALLOW has `notPaths`.
    let by_allow = plain.into_iter().map(|it| (Policies::AsWritten, it));
    by_deny
        .into_iter()
        .chain(by_allow)
        .any(|(policies, it)| denied(&scene.ask(index, Side::Envoy(policies), &it)))
}

/// T4, which only ever refuses: where Envoy refuses anything else in the token's place, be it with the other tokens or
/// alone (T3).
fn critical(scene: &mut Scene<'_>, index: usize, ask: &Ask, ours: &Answer) -> bool {
    let refused = |it: &Response| it.status == 401;
    let says = |it: &Response| ask.method == "HEAD" || it.text() == "Jwt verification fails";
    let Some(broken) = decisions::critical_broken(ask) else {
        return false;
    };
    if !ours
        .response
        .as_ref()
        .is_ok_and(|it| refused(it) && says(it))
    {
        return false;
    }
    let mut alone = decisions::alone(&broken);
    alone.retain(|it| it.tokens.iter().any(|it| it.critical));
    [broken].into_iter().chain(alone).any(|it| {
        let there = scene.ask(index, Side::Envoy(Policies::AsWritten), &it);
        there.response.as_ref().is_ok_and(refused)
    })
}

/// What the page says under HTTP, which only ever refuses.
fn malformed(ask: &Ask, ours: &Answer) -> bool {
    let refused = ours.response.as_ref().is_ok_and(|it| it.status == 400);
    refused && !ours.reached && decisions::is_malformed(ask)
}

/// T3, which only ever refuses: one of the tokens alone is refused as all together were, or they name different
/// callers.
fn each_token(scene: &mut Scene<'_>, index: usize, ask: &Ask, ours: &Answer) -> bool {
    let Ok(response) = &ours.response else {
        return false;
    };
    let refused = |it: &Response| matches!(it.status, 401 | 403);
    if ours.reached || !refused(response) {
        return false;
    }
    let same = |it: &Response| {
        // The challenge tells the query, which is another.
        it.status == response.status && it.body == response.body
    };
    let mut alone = decisions::alone(ask).into_iter();
    let refused_alone = alone.any(|it| {
        let answer = scene.ask(index, Side::Envoy(Policies::AsWritten), &it);
        answer
            .response
            .is_ok_and(|it| refused(&it) && same(&it) && it.text() != "RBAC: access denied")
    });
    let says = ["Jwt issuer is not configured", "Jwt verification fails"];
    let differ = decisions::callers_differ(ask) && response.status == 401;
    refused_alone || (differ && (says.contains(&response.text().as_str()) || ask.method == "HEAD"))
}

/// In what the gateway's answer is not Envoy's, whose answer is `read` first.
fn differs(
    envoy: &Answer,
    ours: &Answer,
    read: impl FnOnce(IstioExpect) -> IstioExpect,
) -> Option<String> {
    match (&envoy.response, &ours.response) {
        (Ok(theirs), Ok(response)) => {
            let expect = read(expectation(theirs, envoy.reached));
            // What no HTTP parser takes has no body that anybody agreed on.
            let level = if theirs.status == 400 {
                Level::Status
            } else {
                Level::Full
            };
            compare(&expect, response, ours.reached, level, 0)
        }
        (Err(_), Err(_)) => None,
        (Err(error), Ok(response)) => Some(format!("Envoy: {error}; we: {}", response.status)),
        (Ok(theirs), Err(error)) => Some(format!("Envoy: {}; we: {error}", theirs.status)),
    }
}
