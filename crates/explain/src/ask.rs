//! One request put to a compiled configuration: cleaned and decided by the very calls that serve requests.

use countersign_config::compiled::Compiled;
use countersign_core::authn::Requirement;
use countersign_core::authz::Remark;
use countersign_core::listener::Mode;
use countersign_core::route::RouteQuery;
use countersign_core::{
    Arrival, Denial, Grant, Identity, Need, Outcome, Prepared, Progress, Reason, Request, Trace,
    UnixTime, decide_with, prepare,
};
use countersign_jose::{Claims, Token};
use http::HeaderValue;
use http::request::Parts;

use crate::answer::{Answer, Seen, Verdict};
use crate::door::{self, Entrance};
use crate::head::{build, within};
use crate::keys::{KeyRing, Offline};
use crate::place;
use crate::reply;
use crate::request::{Ask, Credential, Impossible};
use crate::stream;
use crate::upstream;

/// What the gateway would answer to a request at this time.
///
/// # Errors
/// When such a request cannot come about, or too little is told of it.
pub fn ask<'c>(
    compiled: &'c Compiled,
    ask: &Ask,
    ring: &KeyRing,
    now: UnixTime,
) -> Result<Answer<'c>, Impossible> {
    let entrance = door::find(compiled, ask)?;
    entrance.check(ask)?;
    if entrance
        .listener(compiled)
        .is_some_and(|it| it.mode != Mode::Http)
    {
        return stream::ask(compiled, &entrance, ask);
    }
    let mut question = Question {
        compiled,
        entrance,
        ask,
        facts: Offline::new(compiled, ring, now),
        now,
        tokens: Vec::new(),
        stand_in: false,
    };
    let mut parts = match build(ask) {
        Ok(parts) => parts,
        Err(problem) => {
            let denial = Denial::because(Reason::BadRequest, problem);
            return Ok(question.refused(denial, Told::default(), None));
        }
    };
    question.credentials(&mut parts)?;
    question.tell_client(&mut parts)?;
    let answer = question.answer(parts.clone())?;
    if question.facts.missing().is_empty() || answer.is_allowed() {
        return Ok(answer);
    }
    question.facts.assume();
    let mut answer = question.answer(parts)?;
    answer.assumed = question.facts.missing();
    Ok(answer)
}

/// The head of a request as it would be sent, with its tokens where the gateway looks for them.
///
/// # Errors
/// As [`ask`], and when it cannot be written as HTTP.
pub fn head(compiled: &Compiled, ask: &Ask) -> Result<Parts, Impossible> {
    let mut parts = build(ask).map_err(Impossible::new)?;
    let mut question = Question {
        compiled,
        entrance: door::find(compiled, ask)?,
        ask,
        facts: Offline::new(compiled, &KeyRing::default(), UnixTime(0)),
        now: UnixTime(0),
        tokens: Vec::new(),
        stand_in: false,
    };
    question.credentials(&mut parts)?;
    Ok(parts)
}

/// What a decision says beside its outcome.
#[derive(Default)]
struct Told {
    trace: Trace,
    remarks: Vec<Remark>,
}

struct Question<'c, 'a> {
    compiled: &'c Compiled,
    entrance: Entrance<'c>,
    ask: &'a Ask,
    facts: Offline<'c>,
    now: UnixTime,
    /// What was put on the request.
    tokens: Vec<String>,
    stand_in: bool,
}

impl<'c> Question<'c, '_> {
    fn arrival(&self) -> Arrival<'_> {
        Arrival {
            socket: self.entrance.id,
            tls: self.entrance.tls,
            connection: self.entrance.connection(self.compiled, self.ask),
        }
    }

    /// Has as many proxies as the listener trusts tell who the client is.
    fn tell_client(&self, parts: &mut Parts) -> Result<(), Impossible> {
        let Some(client) = self.ask.client else {
            return Ok(());
        };
        let Ok(prepared) = prepare(&self.compiled.snapshot, &self.arrival(), &mut parts.clone())
        else {
            return Ok(());
        };
        let listener = self.compiled.snapshot.listener(prepared.listener);
        let hops = listener.map_or(0, |it| it.proxies.hops);
        if hops > 0 {
            let proxies = vec![prepared.peer.to_string(); hops.saturating_sub(1) as usize];
            let told = std::iter::once(client.to_string()).chain(proxies);
            let told = HeaderValue::try_from(told.collect::<Vec<_>>().join(", "));
            let told = told.map_err(|_| Impossible::new("the client's address cannot be told"))?;
            parts.headers.append("x-forwarded-for", told);
        }
        let seen = prepare(&self.compiled.snapshot, &self.arrival(), &mut parts.clone());
        if seen.is_ok_and(|it| it.client != client.to_canonical()) {
            let message = "nobody who may tell the client's address is on this way";
            return Err(Impossible::new(message).help(
                "the connection's other end must be one of the trusted proxies; where none is trusted, it is the client",
            ));
        }
        Ok(())
    }

    /// Puts tokens where the listener and the route look for them.
    fn credentials(&mut self, parts: &mut Parts) -> Result<(), Impossible> {
        let snapshot = &self.compiled.snapshot;
        let requirements = self.requirements(parts);
        for credential in &self.ask.credentials {
            let token = match credential {
                Credential::Token(token) => token.clone(),
                Credential::Claims(json) => {
                    let token = place::stand_in(snapshot, &requirements, json)?;
                    self.facts.stand_in(token.clone());
                    self.stand_in = true;
                    token
                }
            };
            place::put(parts, snapshot, &requirements, &token)?;
            self.tokens.push(token);
        }
        let bearer = parts.headers.get(http::header::AUTHORIZATION);
        let bearer = bearer.and_then(|it| it.to_str().ok()?.split_whitespace().last());
        self.tokens.extend(bearer.map(str::to_owned));
        Ok(())
    }

    /// What the request must satisfy, as far as that is clear before a token is in it.
    fn requirements(&self, parts: &Parts) -> Vec<&'c Requirement> {
        let snapshot = &self.compiled.snapshot;
        let mut parts = parts.clone();
        let Ok(prepared) = prepare(snapshot, &self.arrival(), &mut parts) else {
            return Vec::new();
        };
        let Some(listener) = snapshot.listener(prepared.listener) else {
            return Vec::new();
        };
        let hit = listener.routes.find(&RouteQuery {
            host: &prepared.host,
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
        });
        let jwt = hit.map_or(listener.jwt, |hit| hit.jwt);
        let ids = [listener.istio, jwt].into_iter().flatten();
        ids.filter_map(|id| snapshot.requirement(id)).collect()
    }

    fn answer(&self, mut parts: Parts) -> Result<Answer<'c>, Impossible> {
        let original = parts.clone();
        let snapshot = &self.compiled.snapshot;
        let arrival = self.arrival();
        let within = within(&parts, &self.entrance.settings.limits);
        let prepared = within.and_then(|()| prepare(snapshot, &arrival, &mut parts));
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(denial) => return Ok(self.refused(denial, Told::default(), None)),
        };
        let request = Request::new(&parts, &prepared, arrival.connection);
        let (outcome, told) = self.decide(&request);
        let seen = |parts: &Parts, prepared: &Prepared| Seen {
            parts: parts.clone(),
            prepared: prepared.clone(),
            sent: original.uri.to_string(),
        };
        Ok(match outcome {
            Ok(grant) => {
                let seen = seen(&parts, &prepared);
                self.granted(&grant, told, seen, &original)
            }
            Err(denial) => self.refused(denial, told, Some(seen(&parts, &prepared))),
        })
    }

    /// As [`countersign_core::decide`], noting which keys would have been fetched.
    fn decide(&self, request: &Request<'_>) -> (Result<Grant<'c>, Denial>, Told) {
        let (mut progress, mut trace) = (Progress::default(), Trace::default());
        let outcome = loop {
            let (snapshot, facts) = (&self.compiled.snapshot, &self.facts);
            match decide_with(
                &mut progress,
                request,
                snapshot,
                facts,
                self.now,
                &mut trace,
            ) {
                Outcome::Allow(grant) => break Ok(grant),
                Outcome::Deny(denial) => break Err(denial),
                Outcome::Need(Need::Keys(provider) | Need::FreshKeys { provider, .. }) => {
                    self.facts.lacks(provider);
                }
            }
        };
        let remarks = progress.remarks().to_vec();
        (outcome, Told { trace, remarks })
    }

    fn granted(&self, grant: &Grant<'c>, told: Told, seen: Seen, original: &Parts) -> Answer<'c> {
        let made = upstream::make(&upstream::Way {
            compiled: self.compiled,
            grant,
            seen: &seen,
            original,
            port: self.entrance.socket.port,
            settings: self.entrance.settings,
            body: self.ask.body.as_deref().unwrap_or_default(),
        });
        let made = match made {
            Ok(made) => made,
            Err(mut denial) => {
                denial.route = self.rule_id(grant);
                return self.refused(denial, told, Some(seen));
            }
        };
        Answer {
            verdict: made.verdict,
            reason: made.reason,
            rule: None,
            detail: "".into(),
            reply: made.reply,
            upstream: made.upstream,
            route: Some(grant.rule),
            ..self.blank(told, Some(seen))
        }
    }

    fn rule_id(&self, grant: &Grant<'c>) -> Option<countersign_core::id::RuleId> {
        let rules = (0u32..).zip(&self.compiled.snapshot.rules);
        let mut found = rules.filter(|(_, it)| std::ptr::eq(*it, grant.rule));
        found.next().map(|(id, _)| countersign_core::id::RuleId(id))
    }

    fn refused(&self, denial: Denial, told: Told, seen: Option<Seen>) -> Answer<'c> {
        let route = denial.route.and_then(|id| self.compiled.snapshot.rule(id));
        Answer {
            reply: Some(reply::refusal(&denial, self.ask, route)),
            route,
            reason: denial.reason,
            rule: denial.origin,
            detail: denial.detail,
            ..self.blank(told, seen)
        }
    }

    fn blank(&self, told: Told, seen: Option<Seen>) -> Answer<'c> {
        let listener = seen.as_ref().map(|seen| seen.prepared.listener);
        let listener = listener.or(self.entrance.tls);
        let principals = self.ask.identity.iter().flat_map(Identity::names);
        let tokens = self.tokens.iter();
        let claims = tokens.filter_map(|it| Some(Token::parse(it).ok()?.unverified().clone()));
        Answer {
            verdict: Verdict::Refuse,
            reason: Reason::Ok,
            rule: None,
            detail: "".into(),
            reply: None,
            listener: listener.and_then(|id| self.compiled.snapshot.listener(id)),
            port: self.entrance.socket.port,
            route: None,
            upstream: None,
            passed_to: None,
            trace: told.trace,
            remarks: told.remarks,
            seen,
            principals: principals.map(str::to_owned).collect(),
            uri_names: self.ask.identity.as_ref().map_or(0, |it| it.uris.len()),
            principals_taken: self.ask.identity.is_some() && !self.ask.identity_checked,
            claims: claims.collect::<Vec<Claims>>(),
            stand_in: self.stand_in,
            assumed: Vec::new(),
        }
    }
}
