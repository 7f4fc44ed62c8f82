//! Deciding where a connection goes whose bytes are passed on unread.

use http::{HeaderMap, Method};

use super::connection::by_policies;
use super::outcome::Denial;
use crate::authz::Remarks;
use crate::connection::Connection;
use crate::id::{ListenerId, RuleId};
use crate::listener::{Listener, Mode};
use crate::reason::Reason;
use crate::route::{RouteQuery, RouteRule};
use crate::snapshot::Snapshot;
use crate::trace::{Event, Record};

/// What becomes of a connection.
#[derive(Debug)]
pub struct StreamDecision<'s> {
    /// The rule whose backends it goes to, or why it goes nowhere.
    pub outcome: Result<(RuleId, &'s RouteRule), Denial>,
    /// What policies under trial and audits say beside it.
    pub remarks: Remarks,
}

/// Decides one connection of a listener that reads no requests. As with
/// requests, that there is no route is said only to those whom policies let in
/// (decision P1).
pub fn decide_stream<'s, R: Record>(
    snap: &'s Snapshot,
    listener: ListenerId,
    connection: &Connection<'_>,
    rec: &mut R,
) -> StreamDecision<'s> {
    let Some(listener) = snap.listener(listener) else {
        let gone = Denial::because(Reason::NoListener, "the listener is gone");
        return last_word(Err(gone), Remarks::new(), rec);
    };
    if listener.mode == Mode::Http {
        let other = Denial::because(Reason::NoListener, "the listener reads requests");
        return last_word(Err(other), Remarks::new(), rec);
    }
    if R::ON {
        rec.record(Event::Listener {
            origin: listener.origin.clone(),
            client: connection.peer.ip(),
        });
    }
    let found = find(listener, connection.sni);
    let rule = found.and_then(|id| Some((id, snap.rule(id)?)));
    if R::ON {
        rec.record(match rule {
            Some((_, rule)) => Event::Route {
                origin: rule.origin.clone(),
            },
            None => Event::NoRoute,
        });
    }
    let policies = listener.policies.map(|id| snap.policies(id));
    // A set that is not there must not count as none.
    let (denial, remarks) = match policies {
        Some(None) => (
            Some(closed(listener, "a policy set is gone")),
            Remarks::new(),
        ),
        Some(Some(set)) => {
            let decision = by_policies(Some(set), connection, rec);
            (decision.denial, decision.remarks)
        }
        None => (None, Remarks::new()),
    };
    let outcome = match denial {
        Some(denial) => Err(denial),
        None => route(listener, rule),
    };
    let outcome = outcome.map_err(|mut denial| {
        denial.route = found;
        denial
    });
    last_word(outcome, remarks, rec)
}

fn find(listener: &Listener, sni: Option<&str>) -> Option<RuleId> {
    let hit = listener.routes.find(&RouteQuery {
        host: sni.unwrap_or_default(),
        method: &Method::GET,
        path: "/",
        query: None,
        headers: &HeaderMap::new(),
    });
    hit.map(|hit| hit.rule)
}

fn route<'s>(
    listener: &Listener,
    rule: Option<(RuleId, &'s RouteRule)>,
) -> Result<(RuleId, &'s RouteRule), Denial> {
    if let Some(why) = &listener.closed {
        return Err(closed(listener, why));
    }
    let (id, rule) = rule.ok_or_else(|| Denial::because(Reason::RouteNotFound, ""))?;
    let refused = |reason, detail: &str| Denial {
        origin: Some(rule.origin.clone()),
        ..Denial::because(reason, detail)
    };
    if let Some(why) = &rule.closed {
        return Err(refused(Reason::PolicyConfiguration, why));
    }
    if rule.backends.iter().all(|it| it.weight == 0) {
        return Err(refused(Reason::NoBackend, ""));
    }
    Ok((id, rule))
}

fn closed(listener: &Listener, why: &str) -> Denial {
    Denial {
        origin: Some(listener.origin.clone()),
        ..Denial::because(Reason::PolicyConfiguration, why)
    }
}

fn last_word<'s, R: Record>(
    outcome: Result<(RuleId, &'s RouteRule), Denial>,
    remarks: Remarks,
    rec: &mut R,
) -> StreamDecision<'s> {
    if R::ON {
        rec.record(match &outcome {
            Ok(_) => Event::Allowed,
            Err(denial) => Event::Denied {
                origin: denial.origin.clone(),
                reason: denial.reason.clone(),
            },
        });
    }
    StreamDecision { outcome, remarks }
}
