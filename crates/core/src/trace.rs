//! What a decision did, step by step, for those who ask; nothing for those who don't.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::action::Action;
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
    /// The token that was rejected last counts as none, and the request goes on.
    Disregarded,
    /// The policies of one action are looked at.
    Policies {
        /// The action.
        action: Action,
        /// How many policies there are.
        count: usize,
    },
    /// A policy is looked at.
    Policy {
        /// The object.
        origin: Arc<Origin>,
        /// Recorded only, whatever comes of it.
        dry_run: bool,
    },
    /// A rule of the policy matches the request.
    RuleMatched {
        /// The rule.
        origin: Arc<Origin>,
    },
    /// A rule of the policy does not match the request.
    RuleFailed {
        /// The rule.
        origin: Arc<Origin>,
        /// The first field that did not hold.
        mismatch: Mismatch,
    },
    /// An expression was evaluated.
    Expression {
        /// The policy, and the place of the expression in it.
        origin: Arc<Origin>,
        /// What was done with requests for which it is true: `Allow`, `Deny`, `Require`.
        action: &'static str,
        /// The expression.
        source: Arc<str>,
        /// What came out.
        result: Expressed,
    },
    /// The client's address was held against a list.
    AddressList {
        /// The policy, and the list in it.
        origin: Arc<Origin>,
        /// The client's address.
        client: IpAddr,
        /// Whether it is in the list.
        listed: bool,
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

/// Why a rule does not match: the first field that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The field as it stands in the rule: `to[0].operation.methods`.
    pub field: Arc<str>,
    /// What it asks for, in words.
    pub wanted: Box<str>,
    /// What the request has, in words; never a token.
    pub seen: Box<str>,
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expressed {
    /// True.
    True,
    /// Not true.
    False {
        /// The part that decided it.
        part: Box<str>,
        /// Attributes that the part read, with their values.
        seen: Vec<(Box<str>, Box<str>)>,
    },
    /// It could not be evaluated, and why.
    Failed(Box<str>),
}

impl fmt::Display for Expressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expressed::True => f.write_str("true"),
            Expressed::False { part, .. } => write!(f, "not true, because of `{part}`"),
            Expressed::Failed(why) => write!(f, "failed: {why}"),
        }
    }
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
            Event::Disregarded => f.write_str("the token counts as none"),
            Event::Policies { action, count } => write!(f, "{action} policies: {count}"),
            Event::Policy { origin, dry_run } => {
                write!(f, "policy: {origin}")?;
                f.write_str(if *dry_run { ", dry run" } else { "" })
            }
            Event::RuleMatched { origin } => write!(f, "matches: {origin}"),
            Event::RuleFailed { origin, mismatch } => {
                let Mismatch {
                    field,
                    wanted,
                    seen,
                } = mismatch;
                write!(f, "no match: {origin}: {field} wants {wanted}, saw {seen}")
            }
            Event::Expression {
                origin,
                action,
                source,
                result,
            } => {
                write!(f, "{action} `{source}` of {origin}: {result}")
            }
            Event::AddressList {
                origin,
                client,
                listed,
            } => {
                let is = if *listed { "is" } else { "is not" };
                write!(f, "{client} {is} in {origin}")
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
