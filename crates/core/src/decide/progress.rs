//! The stages of a decision, in order (decision P1).

use countersign_jose::UnixTime;
use http::HeaderMap;
use smallvec::SmallVec;

use super::outcome::{Action, Denial, Grant};
use crate::action;
use crate::authn::{Accepted, Caller, Edits, Evaluation, Family, Step, one_identity};
use crate::authz::{Attributes, Known, Refusal, Remark, Remarks};
use crate::facts::{Facts, Need};
use crate::id::{RequirementId, RuleId};
use crate::listener::Listener;
use crate::reason::Reason;
use crate::request::Request;
use crate::route::{Hit, RouteQuery};
use crate::snapshot::Snapshot;
use crate::trace::{Event, Record};

/// How far a decision has come. Made for one request; kept while the edge gets
/// a fact that was missing, so that no stage runs twice.
#[derive(Default)]
pub struct Progress<'r> {
    stage: Stage,
    hit: Option<Hit>,
    evaluation: Evaluation<'r>,
    accepted: SmallVec<[Accepted; 1]>,
    edits: Edits,
    /// Requirements that accepted a token, each with its caller's place in `accepted`.
    callers: SmallVec<[(RequirementId, usize); 2]>,
    /// Requirements that have passed already.
    passed: SmallVec<[RequirementId; 2]>,
    remarks: Remarks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Route,
    /// CUSTOM policies, before any token is looked at.
    Custom,
    /// RequestAuthentications of the gateway.
    Istio,
    /// What the route, or without one the gateway, demands.
    Jwt,
    /// Lookup once more, when claims may have changed the route.
    Reroute,
    /// AUDIT, DENY and ALLOW policies.
    Policies,
    /// CEL rules of the route finally chosen or, without one, of the listener.
    Expressions,
    Answer,
}

pub(super) enum Halt {
    Need(Need),
    Deny(Box<Denial>),
}

impl From<Denial> for Halt {
    fn from(denial: Denial) -> Halt {
        Halt::Deny(Box::new(denial))
    }
}

impl<'r> Progress<'r> {
    /// What policies under trial and audits have said so far; complete once
    /// the request is allowed or refused.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Tokens of requirements that were met, where the request was refused for
    /// something else; of one that is let in its grant has them.
    pub fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    /// The same, at the end.
    pub fn into_remarks(self) -> Remarks {
        self.remarks
    }

    /// The route rule found so far.
    pub(super) fn route(&self) -> Option<RuleId> {
        self.hit.map(|hit| hit.rule)
    }

    pub(super) fn advance<'s, F: Facts + ?Sized, R: Record>(
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
                    Stage::Custom
                }
                Stage::Custom => {
                    let actions = &[action::Action::Custom];
                    self.authorize(actions, listener, req, snap, rec)?;
                    Stage::Istio
                }
                Stage::Istio => {
                    self.require(listener.istio, req, snap, facts, now, rec)?;
                    Stage::Jwt
                }
                Stage::Jwt => {
                    self.require(self.wanted(listener), req, snap, facts, now, rec)?;
                    Stage::Reroute
                }
                Stage::Reroute => {
                    if self.reroute(listener, req, snap, rec) {
                        Stage::Jwt
                    } else {
                        Stage::Policies
                    }
                }
                Stage::Policies => {
                    self.authorize(&AFTER_TOKENS, listener, req, snap, rec)?;
                    Stage::Expressions
                }
                Stage::Expressions => {
                    self.express(listener, req, snap, now, rec)?;
                    Stage::Answer
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
                let places = self.accepted.len()..;
                let first = places.zip(&accepted).min_by_key(|(_, it)| it.rule);
                self.callers.extend(first.map(|(at, _)| (id, at)));
                if self.accepted.is_empty() {
                    self.accepted = accepted;
                } else {
                    self.accepted.extend(accepted);
                }
                let one = one_identity(&self.accepted);
                one.map_err(|reason| Denial::by(reason, origin(), req))?;
                self.passed.push(id);
                Ok(())
            }
        }
    }

    /// Holds the request against the policies of some actions, in order.
    fn authorize<R: Record>(
        &mut self,
        actions: &[action::Action],
        listener: &Listener,
        req: &Request<'r>,
        snap: &Snapshot,
        rec: &mut R,
    ) -> Result<(), Denial> {
        let Some(id) = listener.policies else {
            return Ok(());
        };
        let Some(policies) = snap.policies(id) else {
            return Err(Denial::because(
                Reason::PolicyConfiguration,
                "a policy set is gone",
            ));
        };
        if !policies.has_any(actions) {
            return Ok(());
        }
        let trusted = listener.proxies.trusts(req.connection.peer.ip());
        let mut remarks = std::mem::take(&mut self.remarks);
        let caller = self.caller(listener.istio.or(self.wanted(listener)), snap);
        let attributes = Attributes::of_request(req, trusted, &self.edits, caller);
        let mut outcome = actions
            .iter()
            .map(|it| policies.enforce(*it, &attributes, &mut remarks, rec));
        let refusal = outcome.find_map(Result::err);
        self.remarks = remarks;
        refusal.map_or(Ok(()), |it| Err(denial(it, req)))
    }

    /// Holds the request against the CEL rules of its route.
    fn express<R: Record>(
        &self,
        listener: &Listener,
        req: &Request<'r>,
        snap: &Snapshot,
        now: UnixTime,
        rec: &mut R,
    ) -> Result<(), Denial> {
        let Some(id) = self.hit.map_or(listener.rbac, |hit| hit.rbac) else {
            return Ok(());
        };
        let Some(rbac) = snap.rbac(id) else {
            return Err(Denial::because(
                Reason::PolicyConfiguration,
                "a set of expressions is gone",
            ));
        };
        let place = self.wanted(listener).or(listener.istio);
        let claims = self.caller(place, snap).map(|it| it.claims);
        let trusted = listener.proxies.trusts(req.connection.peer.ip());
        let known = Known::new(req, trusted, &self.edits, claims, now);
        let outcome = rbac.enforce(&known, rec);
        outcome.map_err(|it| denial(it, req))
    }

    /// What the route, or without one the gateway, demands beside Istio's policies.
    fn wanted(&self, listener: &Listener) -> Option<RequirementId> {
        self.hit.map_or(listener.jwt, |hit| hit.jwt)
    }

    /// Whose token one requirement accepted. A policy reads the claims of the
    /// requirement it stands with and never those of another: an issuer names
    /// one person for all of its audiences, and each of the tokens says
    /// something else about them.
    fn caller<'c>(&'c self, id: Option<RequirementId>, snap: &'c Snapshot) -> Option<Caller<'c>> {
        let id = id?;
        let (_, at) = self.callers.iter().find(|(it, _)| *it == id)?;
        let accepted = self.accepted.get(*at)?;
        Some(Caller {
            claims: &accepted.claims,
            rule: snap.requirement(id)?.rules().get(accepted.rule as usize)?,
        })
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
        self.wanted(listener)
            .is_some_and(|id| !self.passed.contains(&id))
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

fn denial(refusal: Refusal, req: &Request<'_>) -> Denial {
    let Refusal {
        reason,
        origin,
        detail,
    } = refusal;
    Denial {
        detail,
        ..Denial::by(reason, origin, req)
    }
}

const AFTER_TOKENS: [action::Action; 3] = [
    action::Action::Audit,
    action::Action::Deny,
    action::Action::Allow,
];

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
