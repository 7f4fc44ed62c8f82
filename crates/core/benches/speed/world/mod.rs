//! What is measured: a gateway under some configuration, requests to it, and what becomes of them.
//!
//! A [`Scenario`] has a name, so that benchmarks and `scripts/check-instructions` speak of the same work.

mod gateway;
mod policies;
mod requests;

use countersign_core::authz::{Action, PolicySet};
use countersign_core::{
    Arrival, NoRecord, Outcome, Prepared, Progress, Request, Snapshot, UnixTime, decide_with,
    headers, prepare,
};
use http::request::Parts;

pub(crate) use gateway::routes;
use gateway::{CONNECTION, Gateway, SOCKET, Token};
pub(crate) use policies::policies;
use requests::{Callers, Shape, heads};

/// Requests that take turns.
pub(crate) const TURNS: usize = 16;

/// A configuration with requests to it, all of which end alike.
pub(crate) struct Scenario {
    snapshot: Snapshot,
    callers: Callers,
    /// As clients send them.
    heads: Vec<Parts>,
    /// The same after the first steps.
    prepared: Vec<(Parts, Prepared)>,
    /// Whether the requests are let in.
    admits: bool,
}

impl Scenario {
    /// Builds one from its name:
    ///
    /// - `plain`: one route for everything, nothing else;
    /// - `token`: and a token that was verified before; `token-headers`: four of its claims go to headers;
    /// - `token-missing`: there should be one and is none;
    /// - `token-strange-NUMBER`: the token is of an issuer that none of so many rules knows;
    /// - `expressions`: and a rule in CEL about the claims;
    /// - `refused`: and a policy that denies;
    /// - `policies-SHAPE-NUMBER`: and that many policies, see [`policies`];
    /// - `routes-KIND-NUMBER`: as `plain`, with that many routes, see [`routes`].
    pub(crate) fn named(name: &str) -> Result<Scenario, String> {
        let parts: Vec<&str> = name.split('-').collect();
        let count = |text: &str| {
            text.parse()
                .map_err(|_| format!("`{text}` in `{name}` is no number"))
        };
        let token = |headers| Some(Token { headers, rules: 1 });
        let (mut gateway, mut shape, mut admits) = (Gateway::default(), Shape::default(), true);
        match parts[..] {
            ["plain"] => shape.token = false,
            ["token"] => gateway.token = token(false),
            ["token", "headers"] => gateway.token = token(true),
            ["token", "missing"] => {
                gateway.token = token(false);
                (shape.token, admits) = (false, false);
            }
            ["token", "strange", rules] => {
                let (headers, rules) = (false, count(rules)?);
                gateway.token = Some(Token { headers, rules });
                (shape.kind, admits) = ("strange", false);
            }
            ["expressions"] => {
                gateway.token = token(false);
                gateway.expression =
                    Some("'platform' in jwt.groups && jwt.email.endsWith('@example.com')");
            }
            ["refused"] => {
                gateway.token = token(false);
                let mut list = policies("claim", 1)?;
                list.iter_mut().for_each(|it| it.action = Action::Deny);
                gateway.policies = PolicySet::new(list);
                admits = false;
            }
            ["policies", kind, number] => {
                gateway.token = token(false);
                let number = count(number)?;
                gateway.policies = PolicySet::new(policies(kind, number)?);
                (shape.kind, shape.number) = (kind, number.max(1));
            }
            ["routes", kind, number] => {
                shape.token = false;
                (shape.kind, shape.number) = (kind, count(number)?);
                gateway.routes = routes(kind, shape.number)?;
            }
            _ => return Err(format!("`{name}` is no scenario")),
        }
        Scenario::new(gateway, &shape, admits)
    }

    fn new(gateway: Gateway, shape: &Shape<'_>, admits: bool) -> Result<Scenario, String> {
        let snapshot = gateway.snapshot()?;
        let heads = heads(shape)?;
        let prepared = heads.iter().cloned().map(|mut parts| {
            let prepared = prepare(&snapshot, &ARRIVAL, &mut parts);
            let prepared = prepared.map_err(|denial| denial.to_string())?;
            Ok((parts, prepared))
        });
        Ok(Scenario {
            prepared: prepared.collect::<Result<_, String>>()?,
            callers: Callers::new(shape.number)?,
            snapshot,
            heads,
            admits,
        })
    }

    /// Decides one of the requests; `true` when that ends as it should.
    pub(crate) fn decide(&self, turn: usize) -> bool {
        let Some((parts, prepared)) = self.prepared.get(turn % TURNS) else {
            return false;
        };
        let outcome = self.ask(parts, prepared);
        match std::hint::black_box(outcome) {
            Outcome::Allow(_) => self.admits,
            Outcome::Deny(_) => !self.admits,
            Outcome::Need(_) => false,
        }
    }

    /// One of the requests as its client sends it.
    pub(crate) fn head(&self, turn: usize) -> Option<Parts> {
        self.heads.get(turn % TURNS).cloned()
    }

    /// Takes a request all the way through the core, as far as its backend sees it: the first steps, the decision,
    /// what tokens change, and what every backend is told. `None` for one that should be let in and is not.
    pub(crate) fn rewrite(&self, mut parts: Parts) -> Option<Parts> {
        let prepared = prepare(&self.snapshot, &ARRIVAL, &mut parts).ok()?;
        let edits = match self.ask(&parts, &prepared) {
            Outcome::Allow(grant) => grant.edits,
            Outcome::Deny(_) | Outcome::Need(_) => return None,
        };
        edits.apply(&mut parts);
        // No proxy before the gateway is trusted.
        headers::forward(&mut parts.headers, prepared.peer, prepared.scheme, false);
        Some(parts)
    }

    fn ask(&self, parts: &Parts, prepared: &Prepared) -> Outcome<'_> {
        let request = Request::new(parts, prepared, CONNECTION);
        let mut progress = Progress::default();
        decide_with(
            &mut progress,
            &request,
            &self.snapshot,
            &self.callers,
            UnixTime(requests::NOW),
            &mut NoRecord,
        )
    }
}

const ARRIVAL: Arrival<'static> = Arrival {
    socket: SOCKET,
    tls: None,
    connection: CONNECTION,
};
