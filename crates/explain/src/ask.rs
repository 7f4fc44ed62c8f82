//! One request put to a compiled configuration: cleaned and decided by the very calls that serve requests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use countersign_config::compiled::{Compiled, Limits};
use countersign_core::authn::Requirement;
use countersign_core::connection::TlsVersion;
use countersign_core::route::RouteQuery;
use countersign_core::{
    Arrival, Connection, Denial, Grant, Identity, Need, Outcome, Prepared, Progress, Reason,
    Request, Trace, UnixTime, decide_with, prepare,
};
use countersign_jose::{Claims, Token};
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};

use crate::answer::{Answer, Reply, Seen, Verdict};
use crate::door::{self, Entrance};
use crate::keys::{KeyRing, Offline};
use crate::place;
use crate::request::{Ask, Credential, Impossible};
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
            return Ok(question.refused(denial, Trace::default(), None));
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

/// The head of the request.
fn build(ask: &Ask) -> Result<Parts, &'static str> {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.method =
        Method::from_bytes(ask.method.as_bytes()).map_err(|_| "the method is no token")?;
    if ask.target.contains('#') {
        return Err("the request target has a fragment");
    }
    parts.uri = ask
        .target
        .parse()
        .map_err(|_| "the request target is no URI")?;
    let host = ask.host.iter().map(|host| (HOST.as_str(), host.as_str()));
    let others = ask
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in host.chain(others) {
        let name = HeaderName::try_from(name).map_err(|_| "a header's name is no token")?;
        let value = HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes());
        let value = value.map_err(|_| "a header's value has a control character")?;
        parts.headers.append(name, value);
    }
    if let Some(body) = &ask.body {
        parts
            .headers
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from(body.len()));
    }
    Ok(parts)
}

impl<'c> Question<'c, '_> {
    fn arrival(&self) -> Arrival<'_> {
        let everywhere = |it: &IpAddr| it.is_unspecified();
        let bound = self.entrance.settings.addresses.first().copied();
        let local = self.ask.local.or(bound.filter(|it| !everywhere(it)));
        let peer = self
            .ask
            .peer
            .or(self.lone_client())
            .unwrap_or(LOOPBACK)
            .to_canonical();
        Arrival {
            socket: self.entrance.id,
            tls: self.entrance.tls,
            connection: Connection {
                peer: SocketAddr::new(peer, CLIENT_PORT),
                local: SocketAddr::new(local.unwrap_or(LOOPBACK), self.entrance.socket.port),
                sni: self.entrance.sni.as_deref(),
                tls: self.entrance.socket.tls.then_some(TlsVersion::Tls13),
                identity: self.ask.identity.as_ref(),
            },
        }
    }

    /// The client where no proxy stands before the gateway: it is the other end of the connection.
    fn lone_client(&self) -> Option<IpAddr> {
        let hops = self.entrance.socket.listeners.iter();
        let mut hops = hops.filter_map(|id| self.compiled.snapshot.listener(*id));
        self.ask
            .client
            .filter(|_| hops.all(|it| it.proxies.hops == 0))
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
            Err(denial) => return Ok(self.refused(denial, Trace::default(), None)),
        };
        let request = Request::new(&parts, &prepared, arrival.connection);
        let (outcome, trace) = self.decide(&request);
        let seen = |parts: &Parts, prepared: &Prepared| Seen {
            parts: parts.clone(),
            prepared: prepared.clone(),
            sent: original.uri.to_string(),
        };
        Ok(match outcome {
            Ok(grant) => {
                let seen = seen(&parts, &prepared);
                self.granted(&grant, trace, seen, &original)
            }
            Err(denial) => self.refused(denial, trace, Some(seen(&parts, &prepared))),
        })
    }

    /// As [`countersign_core::decide`], noting which keys would have been fetched.
    fn decide(&self, request: &Request<'_>) -> (Result<Grant<'c>, Denial>, Trace) {
        let (mut progress, mut trace) = (Progress::default(), Trace::default());
        loop {
            let (snapshot, facts) = (&self.compiled.snapshot, &self.facts);
            match decide_with(
                &mut progress,
                request,
                snapshot,
                facts,
                self.now,
                &mut trace,
            ) {
                Outcome::Allow(grant) => return (Ok(grant), trace),
                Outcome::Deny(denial) => return (Err(denial), trace),
                Outcome::Need(Need::Keys(provider) | Need::FreshKeys { provider, .. }) => {
                    self.facts.lacks(provider);
                }
            }
        }
    }

    fn granted(&self, grant: &Grant<'c>, trace: Trace, seen: Seen, original: &Parts) -> Answer<'c> {
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
                return self.refused(denial, trace, Some(seen));
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
            ..self.blank(trace, Some(seen))
        }
    }

    fn rule_id(&self, grant: &Grant<'c>) -> Option<countersign_core::id::RuleId> {
        let rules = (0u32..).zip(&self.compiled.snapshot.rules);
        let mut found = rules.filter(|(_, it)| std::ptr::eq(*it, grant.rule));
        found.next().map(|(id, _)| countersign_core::id::RuleId(id))
    }

    fn refused(&self, denial: Denial, trace: Trace, seen: Option<Seen>) -> Answer<'c> {
        let body = denial.reason.body().into_owned();
        let challenge = denial.challenge.as_deref();
        let challenge = challenge.map(|it| ("www-authenticate".to_owned(), it.to_owned()));
        let kind = ("content-type".to_owned(), "text/plain".to_owned());
        let kind = Some(kind).filter(|_| !body.is_empty());
        let body = match self.ask.method.as_str() {
            "HEAD" => String::new(),
            _ => body,
        };
        Answer {
            reply: Some(Reply {
                status: denial.reason.status().as_u16(),
                headers: challenge.into_iter().chain(kind).collect(),
                body,
            }),
            route: denial.route.and_then(|id| self.compiled.snapshot.rule(id)),
            reason: denial.reason,
            rule: denial.origin,
            detail: denial.detail,
            ..self.blank(trace, seen)
        }
    }

    fn blank(&self, trace: Trace, seen: Option<Seen>) -> Answer<'c> {
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
            trace,
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

/// The bounds that hold before anything is decided.
fn within(parts: &Parts, limits: &Limits) -> Result<(), Denial> {
    let fields = parts.headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let target = parts.uri.path_and_query().map_or(0, |it| it.as_str().len());
    let line = parts.method.as_str().len() + target + " HTTP/1.1\r\n ".len();
    let bytes = (line + fields.sum::<usize>()) as u64;
    let too_large = |detail| Err(Denial::because(Reason::HeadersTooLarge, detail));
    if parts.headers.len() > limits.headers as usize {
        return too_large("more headers than the listener's limit");
    }
    if bytes > u64::from(limits.header_bytes) {
        return too_large("more bytes in the headers than the listener's limit");
    }
    Ok(())
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Any; no policy reads it.
const CLIENT_PORT: u16 = 49152;
