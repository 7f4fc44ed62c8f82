//! What a decision comes to.

use std::fmt;
use std::sync::Arc;

use countersign_jose::UnixTime;
use smallvec::SmallVec;

use crate::authn::{Accepted, Edits};
use crate::facts::Need;
use crate::id::{RequirementId, RuleId};
use crate::origin::Origin;
use crate::reason::{Challenge, Reason};
use crate::request::Request;
use crate::route::RouteRule;

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome<'s> {
    /// Every policy passed.
    Allow(Grant<'s>),
    /// Refused.
    Deny(Denial),
    /// A fact is missing; get it and call again.
    Need(Need),
}

/// Leave to go on, and with what changes.
#[derive(Debug)]
pub struct Grant<'s> {
    /// The rule that the route lookup settled on.
    pub rule: &'s RouteRule,
    /// What to do now.
    pub action: Action,
    /// Changes that the tokens make to the request.
    pub edits: Edits,
    /// Tokens that were accepted, the caller's first.
    pub accepted: SmallVec<[Accepted; 1]>,
    /// Requirements that were looked at, for taking credentials off mirrors.
    pub requirements: SmallVec<[RequirementId; 2]>,
    /// When a stream opened under this grant must end (decision P12).
    pub ends: Option<UnixTime>,
}

/// How a granted request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To one of the rule's backends.
    Forward,
    /// The rule's redirect filter answers.
    Redirect,
    /// The rule's CORS filter answers a preflight.
    Preflight,
}

/// A refusal: for the caller a status and few words, for the log everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Why, with code, status and body.
    pub reason: Reason,
    /// The rule that caused it, where one did.
    pub origin: Option<Arc<Origin>>,
    /// The route rule that the lookup had found by then: what was asked for.
    pub route: Option<RuleId>,
    /// `WWW-Authenticate`, where one is due.
    pub challenge: Option<Box<str>>,
    /// More for the log; never a token.
    pub detail: Box<str>,
}

impl Denial {
    /// A refusal that no rule caused.
    pub fn because(reason: Reason, detail: &str) -> Denial {
        Denial {
            reason,
            origin: None,
            route: None,
            challenge: None,
            detail: detail.into(),
        }
    }

    pub(super) fn by(reason: Reason, origin: Arc<Origin>, req: &Request<'_>) -> Denial {
        let challenge = reason.challenge().map(|kind| challenge(kind, req));
        Denial {
            reason,
            origin: Some(origin),
            route: None,
            challenge,
            detail: "".into(),
        }
    }
}

/// What the log says: code, rule, detail.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        if let Some(origin) = &self.origin {
            write!(f, " by {origin}")?;
        }
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// `WWW-Authenticate` as Envoy writes it: the realm is the request's URI, its
/// path and query cut at 256 bytes.
fn challenge(kind: Challenge, req: &Request<'_>) -> Box<str> {
    const LONGEST: usize = 256;
    const OPENING: &str = "Bearer realm=\"";
    let (scheme, authority) = (req.scheme, req.authority);
    let [mark, query] = req.query.map_or([""; 2], |it| ["?", it]);
    let whole = [OPENING, scheme, "://", authority, req.path, mark, query];
    let start: usize = whole.iter().take(4).map(|it| it.len()).sum();
    let mut text = whole.concat();
    text.truncate(text.floor_char_boundary(start + LONGEST));
    if let Some(target) = text.get(start..).filter(|it| it.contains('"')) {
        let target = target.replace('"', "%22");
        text.truncate(start);
        text.push_str(&target);
    }
    let end = match kind {
        Challenge::Realm => "\"",
        Challenge::InvalidToken => "\", error=\"invalid_token\"",
    };
    text.reserve_exact(end.len());
    text.push_str(end);
    text.into()
}
