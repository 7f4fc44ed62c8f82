//! What a decision did, step by step, for those who ask; nothing for those who don't.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::origin::Origin;
use crate::reason::Reason;
use crate::source::Source;

/// Receives the steps of a decision as they are taken.
pub trait Record {
    /// Whether anybody listens; lets callers skip building events.
    const ON: bool;

    /// One step.
    fn record(&mut self, event: Event);
}

/// Listens to nothing and costs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRecord;

impl Record for NoRecord {
    const ON: bool = false;

    #[inline]
    fn record(&mut self, _event: Event) {}
}

/// All steps, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// The steps.
    pub events: Vec<Event>,
}

impl Record for Trace {
    const ON: bool = true;

    fn record(&mut self, event: Event) {
        self.events.push(event);
    }
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The listener that answers, and who asks.
    Listener {
        /// The listener.
        origin: Arc<Origin>,
        /// The client's address as policies see it.
        client: IpAddr,
    },
    /// A route rule was found; said again when claims changed the route.
    Route {
        /// The rule.
        origin: Arc<Origin>,
    },
    /// No route matches.
    NoRoute,
    /// A token requirement is looked at.
    Requirement {
        /// The policy.
        origin: Arc<Origin>,
    },
    /// A requirement was passed over because the request is a CORS preflight (decision T13).
    PreflightSkipped,
    /// A token was found here.
    TokenFound {
        /// Where.
        source: Source,
    },
    /// No token at any configured place.
    NoToken,
    /// A token was tried under a rule and accepted.
    Accepted {
        /// The rule.
        origin: Arc<Origin>,
        /// Whose token.
        issuer: Option<Box<str>>,
        /// About whom.
        subject: Option<Box<str>>,
        /// The signature was verified earlier, not now.
        cached: bool,
    },
    /// A token was tried under a rule and did not pass.
    Rejected {
        /// The rule.
        origin: Arc<Origin>,
        /// Why.
        reason: Reason,
    },
    /// The outcome, when it is a refusal.
    Denied {
        /// The rule that caused it, where one did.
        origin: Option<Arc<Origin>>,
        /// Why.
        reason: Reason,
    },
    /// The request goes on, or is answered by the route itself.
    Allowed,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listener { origin, client } => write!(f, "listener: {origin}, client {client}"),
            Event::Route { origin } => write!(f, "route: {origin}"),
            Event::NoRoute => f.write_str("route: none matches"),
            Event::Requirement { origin } => write!(f, "tokens: {origin}"),
            Event::PreflightSkipped => f.write_str("tokens: passed over, a CORS preflight"),
            Event::TokenFound { source } => write!(f, "token found in {source}"),
            Event::NoToken => f.write_str("no token found"),
            Event::Accepted {
                origin,
                issuer,
                subject,
                cached,
            } => {
                let (issuer, subject) = (issuer.as_deref(), subject.as_deref());
                write!(f, "accepted by {origin}: ")?;
                write!(
                    f,
                    "issuer `{}`, subject `{}`",
                    issuer.unwrap_or(""),
                    subject.unwrap_or("")
                )?;
                f.write_str(if *cached { ", verified before" } else { "" })
            }
            Event::Rejected { origin, reason } => {
                write!(
                    f,
                    "rejected by {origin}: {} ({})",
                    reason.body(),
                    reason.code()
                )
            }
            Event::Denied {
                origin: Some(origin),
                reason,
            } => {
                write!(f, "denied by {origin}: {}", reason.code())
            }
            Event::Denied {
                origin: None,
                reason,
            } => write!(f, "denied: {}", reason.code()),
            Event::Allowed => f.write_str("allowed"),
        }
    }
}
