//! One connection put to a listener that reads no requests.

use countersign_config::compiled::Compiled;
use countersign_core::{Identity, Reason, Trace, decide_stream};

use crate::answer::{Answer, Verdict};
use crate::door::Entrance;
use crate::request::{Ask, Impossible};

/// What becomes of the connection.
///
/// # Errors
/// When it is asked with what only a request has.
pub(crate) fn ask<'c>(
    compiled: &'c Compiled,
    entrance: &Entrance<'c>,
    ask: &Ask,
) -> Result<Answer<'c>, Impossible> {
    let port = entrance.socket.port;
    if !ask.credentials.is_empty() {
        let message = format!("port {port} passes connections on unread, and no token with them");
        return Err(Impossible::new(message).help("leave out tokens and claims"));
    }
    let snapshot = &compiled.snapshot;
    let listener = entrance.listener_id();
    let listener =
        listener.ok_or_else(|| Impossible::new(format!("port {port} has no listener")))?;
    let mut trace = Trace::default();
    let connection = entrance.connection(compiled, ask);
    let decided = decide_stream(snapshot, listener, &connection, &mut trace);
    let blank = Answer {
        verdict: Verdict::Refuse,
        reason: Reason::Ok,
        rule: None,
        detail: "".into(),
        reply: None,
        listener: snapshot.listener(listener),
        port,
        route: None,
        upstream: None,
        passed_to: Some(Vec::new()),
        trace,
        remarks: decided.remarks.to_vec(),
        seen: None,
        principals: ask
            .identity
            .iter()
            .flat_map(Identity::names)
            .map(str::to_owned)
            .collect(),
        uri_names: ask.identity.as_ref().map_or(0, |it| it.uris.len()),
        principals_taken: ask.identity.is_some() && !ask.identity_checked,
        claims: Vec::new(),
        stand_in: false,
        assumed: Vec::new(),
    };
    Ok(match decided.outcome {
        Ok((_, rule)) => {
            let backends = rule.backends.iter().filter(|it| it.weight > 0);
            let name = |id| snapshot.backend(id).map(|it| it.name.clone());
            let backends = backends.map(|it| (it.backend.and_then(name), it.weight));
            Answer {
                verdict: Verdict::Forward,
                route: Some(rule),
                passed_to: Some(backends.collect()),
                ..blank
            }
        }
        Err(denial) => Answer {
            route: denial.route.and_then(|id| snapshot.rule(id)),
            reason: denial.reason,
            rule: denial.origin,
            detail: denial.detail,
            ..blank
        },
    })
}
