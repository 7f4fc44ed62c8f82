//! Trying the tokens of a request under the rules of a requirement.
//!
//! Every token found must be accepted by a rule that reads its place, and all
//! accepted tokens of a request must say the same issuer and subject (decision
//! T3). The work can stop for a missing fact and go on where it stopped.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

use countersign_jose::{Claims, Token, TokenDigest, TokenError, UnixTime, Verified};
use smallvec::SmallVec;

use super::detail::detail;
use super::find::{Found, find};
use super::{Bad, Family, Missing, Requirement, TokenRule};
use crate::facts::{Facts, Keys, Need, Presented};
use crate::id::ProviderId;
use crate::origin::Origin;
use crate::provider::Provider;
use crate::reason::Reason;
use crate::request::Request;
use crate::trace::{Event, Record};

/// A token that passed.
#[derive(Clone)]
pub struct Accepted {
    /// Index of the rule in its requirement.
    pub rule: u32,
    /// Index of the place in its requirement.
    pub(super) place: usize,
    /// The payload segment as sent, where the rule passes it on.
    pub(super) payload: Option<Box<str>>,
    /// Whose token.
    pub provider: ProviderId,
    /// Generation of the keys that verified it.
    pub generation: u64,
    /// What it says.
    pub claims: Verified<Claims>,
    /// The token's digest when it was verified just now, for the edge to remember.
    /// Boxed: most tokens are known, and this is moved with each of them.
    pub fresh: Option<Box<TokenDigest>>,
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither token nor claims: this ends up in logs.
        f.debug_struct("Accepted")
            .field("rule", &self.rule)
            .field("provider", &self.provider)
            .field("cached", &self.fresh.is_none())
            .finish_non_exhaustive()
    }
}

/// How far the tokens of a request have been looked at.
#[derive(Default)]
pub struct Evaluation<'r> {
    found: Option<SmallVec<[Found<'r>; 1]>>,
    /// Tokens still to try; the last one found is tried first, as in Envoy.
    left: usize,
    /// Rule to try next, counted among the readers of the token's place.
    reader: usize,
    error: Option<(Reason, Arc<Origin>)>,
    /// The first error for this token says more than "unknown issuer".
    first_is_telling: bool,
    accepted: SmallVec<[Accepted; 1]>,
    asked: SmallVec<[Need; 1]>,
}

/// Where an evaluation stands.
#[derive(Debug)]
pub enum Step {
    /// All tokens passed, or none was needed.
    Pass(SmallVec<[Accepted; 1]>),
    /// Refused, the rule that caused it, and what the token says of itself.
    Refuse(Reason, Arc<Origin>, String),
    /// A fact is missing.
    Need(Need),
}

struct Context<'a, F: ?Sized> {
    family: Family,
    providers: &'a [Provider],
    facts: &'a F,
    now: UnixTime,
}

impl<F: ?Sized> Context<'_, F> {
    /// Looks again at what the edge could not: the time, and what the family
    /// asks of a token beside what its provider expects.
    fn still_good(&self, kept: &Verified<Claims>, provider: &Provider) -> Result<(), TokenError> {
        kept.check_time(provider.expect.skew, self.now)?;
        match self.lasts_too_long(kept) {
            true => Err(TokenError::Expired),
            false => Ok(()),
        }
    }

    /// agentgateway takes no token that never expires.
    fn lasts_too_long(&self, claims: &Claims) -> bool {
        self.family == Family::Agentgateway && claims.expires().is_none()
    }
}

/// A token that is tried, and read once however many rules ask what is in it.
struct Reading<'f, 'r> {
    found: &'f Found<'r>,
    token: OnceCell<Result<Token<'f>, TokenError>>,
}

impl<'f, 'r> Reading<'f, 'r> {
    const fn new(found: &'f Found<'r>) -> Self {
        let token = OnceCell::new();
        Reading { found, token }
    }

    /// The token as it was sent. Nobody has verified it.
    fn token(&self) -> Result<&Token<'f>, TokenError> {
        let text = || self.found.token.as_ref().map_or("", Presented::text);
        let read = self.token.get_or_init(|| Token::parse(text()));
        read.as_ref().map_err(Clone::clone)
    }
}

enum Tried {
    Accepted(Accepted),
    Rejected(Reason),
    Need(Need),
}

impl<'r> Evaluation<'r> {
    /// Goes on until the requirement is met, refused, or a fact is missing.
    /// After [`Step::Pass`] it is ready for the next requirement.
    pub fn run<F: Facts + ?Sized, R: Record>(
        &mut self,
        requirement: &Requirement,
        req: &Request<'r>,
        providers: &[Provider],
        facts: &F,
        now: UnixTime,
        rec: &mut R,
    ) -> Step {
        let found = match self.found.take() {
            Some(found) => found,
            None => self.begin(requirement, req, rec),
        };
        let context = Context {
            family: requirement.family,
            providers,
            facts,
            now,
        };
        while let Some(token) = self.left.checked_sub(1).and_then(|it| found.get(it)) {
            match self.try_token(requirement, token, &context, rec) {
                Some(Step::Need(need)) => {
                    self.asked.push(need);
                    self.found = Some(found);
                    return Step::Need(need);
                }
                Some(Step::Refuse(..)) if requirement.bad == Bad::Disregard => {
                    self.reader = 0;
                    self.left -= 1;
                    if R::ON {
                        rec.record(Event::Disregarded);
                    }
                }
                Some(step) => return step,
                None => self.left -= 1,
            }
        }
        self.conclude(requirement)
    }

    fn begin<R: Record>(
        &mut self,
        requirement: &Requirement,
        req: &Request<'r>,
        rec: &mut R,
    ) -> SmallVec<[Found<'r>; 1]> {
        let found = find(requirement, req);
        self.left = found.len();
        self.reader = 0;
        self.error = None;
        if R::ON {
            rec.record(Event::Requirement {
                origin: requirement.origin.clone(),
            });
            for it in &found {
                if let Some(place) = requirement.places.get(it.place) {
                    rec.record(Event::TokenFound {
                        source: place.source.clone(),
                    });
                }
            }
            if found.is_empty() {
                rec.record(Event::NoToken);
            }
        }
        found
    }

    /// Tries one token under every rule that reads its place; `None` when one accepts it.
    fn try_token<F: Facts + ?Sized, R: Record>(
        &mut self,
        requirement: &Requirement,
        token: &Found<'r>,
        context: &Context<'_, F>,
        rec: &mut R,
    ) -> Option<Step> {
        let readers = requirement
            .places
            .get(token.place)
            .map_or(&[][..], |it| &it.rules);
        let token = Reading::new(token);
        while let Some(&index) = readers.get(self.reader) {
            let rule = requirement.rules.get(index as usize)?;
            match self.try_rule(rule, index, &token, context) {
                Tried::Need(need) => return Some(Step::Need(need)),
                Tried::Accepted(accepted) => {
                    if R::ON {
                        rec.record(accepted_event(rule, &accepted));
                    }
                    self.accepted.push(accepted);
                    self.reader = 0;
                    self.error = None;
                    return None;
                }
                Tried::Rejected(reason) => {
                    if R::ON {
                        let origin = rule.origin.clone();
                        rec.record(Event::Rejected {
                            origin,
                            reason: reason.clone(),
                        });
                    }
                    self.keep_error(reason, rule, requirement.family);
                    self.reader += 1;
                }
            }
        }
        let (reason, origin) = self.error.take().unwrap_or_else(|| {
            (
                Reason::Token(TokenError::IssuerUnknown),
                requirement.origin.clone(),
            )
        });
        let detail = detail(&reason, || token.token().ok());
        Some(Step::Refuse(reason, origin, detail))
    }

    /// Of several rules' errors one is told that says more than "unknown
    /// issuer": the last, as in Envoy's `requires_any`. What istiod generates
    /// tries all rules once more at the end and stops at the first, so there
    /// the first rule's comes first.
    fn keep_error(&mut self, reason: Reason, rule: &TokenRule, family: Family) {
        let dull = reason == Reason::Token(TokenError::IssuerUnknown);
        let settled = family == Family::Istio && self.first_is_telling;
        if self.error.is_none() {
            self.first_is_telling = !dull;
        }
        if self.error.is_none() || !(dull || settled) {
            self.error = Some((reason, rule.origin.clone()));
        }
    }

    fn try_rule<F: Facts + ?Sized>(
        &self,
        rule: &TokenRule,
        index: u32,
        reading: &Reading<'_, 'r>,
        context: &Context<'_, F>,
    ) -> Tried {
        let Some(provider) = context.providers.get(rule.provider.0 as usize) else {
            return Tried::Rejected(Reason::PolicyConfiguration);
        };
        let Some(token) = &reading.found.token else {
            return Tried::Rejected(Reason::Token(TokenError::Format));
        };
        let keys = context.facts.keys(rule.provider);
        let accept = |claims, generation, fresh| {
            let wanted = rule.payload_header.as_ref();
            let payload = wanted.and_then(|_| token.text().split('.').nth(1));
            let payload = payload.map(Into::into);
            let (place, provider) = (reading.found.place, rule.provider);
            Tried::Accepted(Accepted {
                rule: index,
                place,
                payload,
                provider,
                generation,
                claims,
                fresh,
            })
        };
        if let Keys::Ready { generation, .. } = keys
            && let Some(claims) = context.facts.verified(rule.provider, generation, token)
        {
            return match context.still_good(&claims, provider) {
                Ok(()) => accept(claims, generation, None),
                Err(error) => Tried::Rejected(Reason::Token(error)),
            };
        }
        match self.verify(reading, provider, rule.provider, keys, context) {
            Ok((claims, generation)) => accept(claims, generation, Some(Box::new(*token.digest()))),
            Err(Stop::Reason(reason)) => Tried::Rejected(reason),
            Err(Stop::Need(need)) => Tried::Need(need),
        }
    }

    /// Checks in Envoy's order: form, issuer, time, audience, keys, signature.
    fn verify<F: ?Sized>(
        &self,
        reading: &Reading<'_, 'r>,
        provider: &Provider,
        id: ProviderId,
        keys: Keys<'_>,
        context: &Context<'_, F>,
    ) -> Result<(Verified<Claims>, u64), Stop> {
        let token = reading.token()?;
        let lasts_too_long = context.lasts_too_long(token.unverified());
        let checked = token.check(&provider.expect, context.now)?;
        if lasts_too_long {
            return Err(TokenError::Expired.into());
        }
        match keys {
            Keys::Pending => Err(self
                .ask(Need::Keys(id))
                .unwrap_or(Stop::unavailable(provider))),
            Keys::Unavailable => Err(Stop::unavailable(provider)),
            Keys::Ready { set, generation } => match checked.verify(set) {
                Ok(claims) => Ok((claims, generation)),
                Err(TokenError::NoMatchingKey) if provider.remote => {
                    let need = Need::FreshKeys {
                        provider: id,
                        generation,
                    };
                    Err(self
                        .ask(need)
                        .unwrap_or(Stop::Reason(TokenError::NoMatchingKey.into())))
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    fn ask(&self, need: Need) -> Option<Stop> {
        let whose = |it: &Need| match *it {
            Need::Keys(provider) => (provider, false),
            Need::FreshKeys { provider, .. } => (provider, true),
        };
        let asked = self.asked.iter().any(|it| whose(it) == whose(&need));
        (!asked).then_some(Stop::Need(need))
    }

    /// All tokens passed; now the conditions that hold over all of them.
    fn conclude(&mut self, requirement: &Requirement) -> Step {
        let mut accepted = std::mem::take(&mut self.accepted);
        accepted.reverse();
        let is_required = |it: &Accepted| {
            requirement
                .rules
                .get(it.rule as usize)
                .is_some_and(|rule| rule.required)
        };
        let wanting = requirement.rules.iter().find(|rule| rule.required);
        if let Some(rule) = wanting
            && !accepted.iter().any(is_required)
        {
            return Step::Refuse(Reason::TokenMissing, rule.origin.clone(), String::new());
        }
        if accepted.is_empty() && requirement.missing == Missing::Refuse {
            return Step::Refuse(
                Reason::TokenMissing,
                requirement.origin.clone(),
                String::new(),
            );
        }
        Step::Pass(accepted)
    }
}

enum Stop {
    Reason(Reason),
    Need(Need),
}

impl Stop {
    fn unavailable(provider: &Provider) -> Stop {
        Stop::Reason(Reason::KeysUnavailable {
            body: provider.unavailable,
        })
    }
}

impl From<TokenError> for Stop {
    fn from(error: TokenError) -> Stop {
        Stop::Reason(Reason::Token(error))
    }
}

impl From<TokenError> for Reason {
    fn from(error: TokenError) -> Reason {
        Reason::Token(error)
    }
}

fn accepted_event(rule: &TokenRule, accepted: &Accepted) -> Event {
    Event::Accepted {
        origin: rule.origin.clone(),
        issuer: accepted.claims.issuer().map(Into::into),
        subject: accepted.claims.subject().map(Into::into),
        cached: accepted.fresh.is_none(),
    }
}

/// That all tokens speak of one caller, or how they do not.
pub(crate) fn one_identity(accepted: &[Accepted]) -> Result<(), Reason> {
    let Some((first, rest)) = accepted.split_first() else {
        return Ok(());
    };
    if rest
        .iter()
        .any(|it| it.claims.issuer() != first.claims.issuer())
    {
        return Err(Reason::IssuersDiffer);
    }
    if rest
        .iter()
        .any(|it| it.claims.subject() != first.claims.subject())
    {
        return Err(Reason::SubjectsDiffer);
    }
    Ok(())
}
