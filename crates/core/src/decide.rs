//! Deciding one request: the same call serves the proxy, `explain`, `test`
//! and every later door.

use std::fmt;
use std::sync::Arc;

use countersign_jose::UnixTime;
use http::HeaderMap;
use smallvec::SmallVec;

use crate::authn::{Accepted, Edits, Evaluation, Family, Step, one_identity};
use crate::facts::{Facts, Need};
use crate::id::{RequirementId, RuleId};
use crate::listener::Listener;
use crate::origin::Origin;
use crate::reason::{Challenge, Reason};
use crate::request::Request;
use crate::route::{Hit, RouteQuery, RouteRule};
use crate::snapshot::Snapshot;
use crate::trace::{Event, Record, Trace};

/// How far a decision has come. Made for one request; kept while the edge gets
/// a fact that was missing, so that no stage runs twice.
#[derive(Default)]
pub struct Progress<'r> {
    stage: Stage,
    hit: Option<Hit>,
    evaluation: Evaluation<'r>,
    accepted: SmallVec<[Accepted; 2]>,
    edits: Edits,
    /// Requirements that have passed already.
    passed: SmallVec<[RequirementId; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Route,
    /// RequestAuthentications of the gateway.
    Istio,
    /// What the route, or without one the gateway, demands.
    Jwt,
    /// Lookup once more, when claims may have changed the route.
    Reroute,
    Answer,
}

/// What becomes of a request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once per request and moved once; a box would be an allocation for each"
)]
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
    pub accepted: SmallVec<[Accepted; 2]>,
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

    fn by(reason: Reason, origin: Arc<Origin>, req: &Request<'_>) -> Denial {
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

/// An outcome with the steps that led to it.
#[derive(Debug)]
pub struct Decision<'s> {
    /// What becomes of the request.
    pub outcome: Outcome<'s>,
    /// How that came about.
    pub trace: Trace,
}

/// Decides in one go, with all facts there are: a fact that is missing is
/// taken as not to be had.
pub fn decide<'s, F: Facts + ?Sized>(
    req: &Request<'_>,
    snap: &'s Snapshot,
    facts: &F,
    now: UnixTime,
) -> Decision<'s> {
    let (mut progress, mut trace) = (Progress::default(), Trace::default());
    loop {
        match decide_with(&mut progress, req, snap, facts, now, &mut trace) {
            Outcome::Need(_) => {}
            outcome => return Decision { outcome, trace },
        }
    }
}

/// Decides, or says what is missing. Each call goes on from `progress`.
pub fn decide_with<'r, 's, F: Facts + ?Sized, R: Record>(
    progress: &mut Progress<'r>,
    req: &Request<'r>,
    snap: &'s Snapshot,
    facts: &F,
    now: UnixTime,
    rec: &mut R,
) -> Outcome<'s> {
    let Some(listener) = snap.listener(req.listener) else {
        return deny(
            Denial::because(Reason::NoListener, "the listener is gone"),
            rec,
        );
    };
    match progress.advance(listener, req, snap, facts, now, rec) {
        Ok(grant) => {
            if R::ON {
                rec.record(Event::Allowed);
            }
            Outcome::Allow(grant)
        }
        Err(Halt::Need(need)) => Outcome::Need(need),
        Err(Halt::Deny(mut denial)) => {
            denial.route = progress.hit.map(|hit| hit.rule);
            deny(*denial, rec)
        }
    }
}

enum Halt {
    Need(Need),
    Deny(Box<Denial>),
}

impl From<Denial> for Halt {
    fn from(denial: Denial) -> Halt {
        Halt::Deny(Box::new(denial))
    }
}

fn deny<'s, R: Record>(denial: Denial, rec: &mut R) -> Outcome<'s> {
    if R::ON {
        rec.record(Event::Denied {
            origin: denial.origin.clone(),
            reason: denial.reason.clone(),
        });
    }
    Outcome::Deny(denial)
}

impl<'r> Progress<'r> {
    fn advance<'s, F: Facts + ?Sized, R: Record>(
        &mut self,
        listener: &Listener,
        req: &Request<'r>,
        snap: &'s Snapshot,
        facts: &F,
        now: UnixTime,
        rec: &mut R,
    ) -> Result<Grant<'s>, Halt> {
        loop {
            self.stage = match self.stage {
                Stage::Route => {
                    self.begin(listener, req, snap, rec)?;
                    Stage::Istio
                }
                Stage::Istio => {
                    self.require(listener.istio, req, snap, facts, now, rec)?;
                    Stage::Jwt
                }
                Stage::Jwt => {
                    let wanted = self.hit.map_or(listener.jwt, |hit| hit.jwt);
                    self.require(wanted, req, snap, facts, now, rec)?;
                    Stage::Reroute
                }
                Stage::Reroute => {
                    if self.reroute(listener, req, snap, rec) {
                        Stage::Jwt
                    } else {
                        Stage::Answer
                    }
                }
                Stage::Answer => return self.answer(req, snap, now).map_err(Halt::from),
            };
        }
    }

    fn begin<R: Record>(
        &mut self,
        listener: &Listener,
        req: &Request<'r>,
        snap: &Snapshot,
        rec: &mut R,
    ) -> Result<(), Denial> {
        if R::ON {
            rec.record(Event::Listener {
                origin: listener.origin.clone(),
                client: req.client,
            });
        }
        if let Some(why) = &listener.closed {
            let mut denial = Denial::by(Reason::PolicyConfiguration, listener.origin.clone(), req);
            denial.detail = (&**why).into();
            return Err(denial);
        }
        self.hit = find(listener, req, req.headers);
        record_hit(self.hit, snap, rec);
        Ok(())
    }

    /// Puts the request under one requirement, once.
    fn require<F: Facts + ?Sized, R: Record>(
        &mut self,
        id: Option<RequirementId>,
        req: &Request<'r>,
        snap: &Snapshot,
        facts: &F,
        now: UnixTime,
        rec: &mut R,
    ) -> Result<(), Halt> {
        let Some(id) = id.filter(|id| !self.passed.contains(id)) else {
            return Ok(());
        };
        let Some(requirement) = snap.requirement(id) else {
            return Err(
                Denial::because(Reason::PolicyConfiguration, "a requirement is gone").into(),
            );
        };
        if requirement.family == Family::Istio && req.is_preflight() {
            if R::ON {
                rec.record(Event::PreflightSkipped);
            }
            return Ok(());
        }
        match self
            .evaluation
            .run(requirement, req, &snap.providers, facts, now, rec)
        {
            Step::Need(need) => Err(Halt::Need(need)),
            Step::Refuse(reason, origin, detail) => {
                let mut denial = Denial::by(reason, origin, req);
                denial.detail = detail.into();
                Err(denial.into())
            }
            Step::Pass(accepted) => {
                let origin = || requirement.origin.clone();
                let edits = self.edits.add(requirement, &accepted);
                edits.map_err(|reason| Denial::by(reason, origin(), req))?;
                self.accepted.extend(accepted);
                let one = one_identity(&self.accepted);
                one.map_err(|reason| Denial::by(reason, origin(), req))?;
                self.passed.push(id);
                Ok(())
            }
        }
    }

    /// Looks the route up again when claims may have changed it; `true` when
    /// the new route demands something that has not been checked.
    fn reroute<R: Record>(
        &mut self,
        listener: &Listener,
        req: &Request<'r>,
        snap: &Snapshot,
        rec: &mut R,
    ) -> bool {
        if !listener.routes_on_identity || self.edits.identity.is_empty() {
            return false;
        }
        let hit = find(listener, req, &self.edits.preview(req.headers));
        if hit == self.hit {
            return false;
        }
        self.hit = hit;
        record_hit(hit, snap, rec);
        let wanted = hit.map_or(listener.jwt, |hit| hit.jwt);
        wanted.is_some_and(|id| !self.passed.contains(&id))
    }

    fn answer<'s>(
        &mut self,
        req: &Request<'_>,
        snap: &'s Snapshot,
        now: UnixTime,
    ) -> Result<Grant<'s>, Denial> {
        let Some(rule) = self.hit.and_then(|hit| snap.rule(hit.rule)) else {
            return Err(Denial::because(Reason::RouteNotFound, ""));
        };
        if let Some(why) = &rule.closed {
            let mut denial = Denial::by(Reason::PolicyConfiguration, rule.origin.clone(), req);
            denial.detail = (&**why).into();
            return Err(denial);
        }
        let action = match &rule.filters {
            filters if filters.cors.is_some() && req.is_preflight() => Action::Preflight,
            filters if filters.redirect.is_some() => Action::Redirect,
            _ if rule.backends.iter().all(|it| it.weight == 0) => {
                return Err(Denial::by(Reason::NoBackend, rule.origin.clone(), req));
            }
            _ => Action::Forward,
        };
        let accepted = std::mem::take(&mut self.accepted);
        let ends = accepted
            .iter()
            .filter_map(|it| {
                let skew = snap
                    .provider(it.provider)
                    .map_or(0, |provider| provider.expect.skew);
                it.claims.expires().map(|exp| exp.saturating_add(skew))
            })
            .min()
            .map(|at| UnixTime(at.max(now.0)));
        Ok(Grant {
            rule,
            action,
            edits: std::mem::take(&mut self.edits),
            accepted,
            requirements: std::mem::take(&mut self.passed),
            ends,
        })
    }
}

fn find(listener: &Listener, req: &Request<'_>, headers: &HeaderMap) -> Option<Hit> {
    let Request {
        host,
        method,
        path,
        query,
        ..
    } = *req;
    listener.routes.find(&RouteQuery {
        host,
        method,
        path,
        query,
        headers,
    })
}

fn record_hit<R: Record>(hit: Option<Hit>, snap: &Snapshot, rec: &mut R) {
    if R::ON {
        rec.record(match hit.and_then(|hit| snap.rule(hit.rule)) {
            Some(rule) => Event::Route {
                origin: rule.origin.clone(),
            },
            None => Event::NoRoute,
        });
    }
}

/// `WWW-Authenticate` as Envoy writes it: the realm is the request's URI, its
/// path and query cut at 256 bytes.
fn challenge(kind: Challenge, req: &Request<'_>) -> Box<str> {
    const LONGEST: usize = 256;
    let mut target = req.path.to_owned();
    if let Some(query) = req.query {
        target.push('?');
        target.push_str(query);
    }
    target.truncate(target.floor_char_boundary(LONGEST));
    let target = target.replace('"', "%22");
    let (scheme, authority) = (req.scheme, req.authority);
    match kind {
        Challenge::Realm => format!("Bearer realm=\"{scheme}://{authority}{target}\"").into(),
        Challenge::InvalidToken => {
            format!("Bearer realm=\"{scheme}://{authority}{target}\", error=\"invalid_token\"")
                .into()
        }
    }
}
