//! Deciding a connection whose bytes are passed on unread.

use super::outcome::Denial;
use crate::action::Action;
use crate::authz::{Attributes, PolicySet, Remarks};
use crate::connection::Connection;
use crate::trace::{Event, Record};

/// What becomes of a connection.
#[derive(Debug)]
pub struct ConnectionDecision {
    /// Why it is refused, if it is.
    pub denial: Option<Denial>,
    /// What policies under trial and audits say beside it.
    pub remarks: Remarks,
}

/// Decides one connection by policies compiled with
/// [`PolicySet::for_connections`]; `None` where none hold.
pub fn decide_connection<R: Record>(
    policies: Option<&PolicySet>,
    connection: &Connection<'_>,
    rec: &mut R,
) -> ConnectionDecision {
    let decision = by_policies(policies, connection, rec);
    if R::ON {
        rec.record(match &decision.denial {
            Some(denial) => Event::Denied {
                origin: denial.origin.clone(),
                reason: denial.reason.clone(),
            },
            None => Event::Allowed,
        });
    }
    decision
}

/// What policies say, before there is a last word.
pub(super) fn by_policies<R: Record>(
    policies: Option<&PolicySet>,
    connection: &Connection<'_>,
    rec: &mut R,
) -> ConnectionDecision {
    let attributes = Attributes::of_connection(connection);
    let mut remarks = Remarks::new();
    let actions = [Action::Custom, Action::Audit, Action::Deny, Action::Allow];
    let refusal = actions.iter().find_map(|action| {
        let outcome = policies?.enforce(*action, &attributes, &mut remarks, rec);
        outcome.err()
    });
    let denial = refusal.map(|it| Denial {
        reason: it.reason,
        origin: Some(it.origin),
        route: None,
        challenge: None,
        detail: it.detail,
    });
    ConnectionDecision { denial, remarks }
}
