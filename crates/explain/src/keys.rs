//! What is known of keys where nothing can be fetched: those in the configuration, those that somebody brings along,
//! and claims that are taken as verified.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_config::compiled::{Compiled, KeyLocation, KeySource};
use countersign_core::provider::Provider;
use countersign_core::{Facts, Keys, Presented, ProviderId, UnixTime};
use countersign_jose::{Claims, KeySet, Token, Verified};

/// Keys for providers whose own are elsewhere.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<(Whose, Given)>);

/// Whose keys they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Of every provider whose keys are elsewhere.
    Anybody,
    /// Of the providers of this issuer.
    Issuer(String),
    /// Of the providers whose keys come from this URL.
    Url(String),
}

/// What the provider has.
#[derive(Debug, Clone)]
pub enum Given {
    /// These keys.
    Set(Arc<KeySet>),
    /// Nothing: they cannot be fetched.
    Unavailable,
}

impl KeyRing {
    /// Adds keys. What was added first counts.
    pub fn add(&mut self, whose: Whose, given: Given) {
        self.0.push((whose, given));
    }

    fn find(&self, provider: &Provider, location: &KeyLocation) -> Option<&Given> {
        let is_meant = |whose: &Whose| match (whose, location) {
            (Whose::Anybody, _) => true,
            (Whose::Issuer(issuer), KeyLocation::Discovery(of)) if **of == **issuer => true,
            (Whose::Issuer(issuer), _) => provider.expect.issuer.as_deref() == Some(issuer),
            (Whose::Url(url), KeyLocation::Jwks(at)) => **at == **url,
            (Whose::Url(_), KeyLocation::Discovery(_)) => false,
        };
        let mut found = self.0.iter().filter(|(whose, _)| is_meant(whose));
        found.next().map(|(_, given)| given)
    }
}

/// The facts for one question.
pub(crate) struct Offline<'c> {
    providers: &'c [Provider],
    states: Vec<State>,
    now: UnixTime,
    nothing: KeySet,
    /// Tokens that stand for claims.
    stand_ins: Vec<String>,
    /// Signatures that cannot be checked are taken for good.
    assume: bool,
    /// Providers whose keys were needed and are not known.
    missing: RefCell<BTreeSet<ProviderId>>,
}

#[derive(Debug, Clone)]
enum State {
    Known(Arc<KeySet>),
    Unavailable,
    Unknown,
}

impl<'c> Offline<'c> {
    pub(crate) fn new(compiled: &'c Compiled, ring: &KeyRing, now: UnixTime) -> Self {
        let all = compiled.snapshot.providers.iter().zip(&compiled.keys);
        let states = all.map(|(provider, source)| match source {
            KeySource::Inline(set) => State::Known(Arc::clone(set)),
            KeySource::Remote(remote) => match ring.find(provider, &remote.location) {
                Some(Given::Set(set)) => State::Known(Arc::clone(set)),
                Some(Given::Unavailable) => State::Unavailable,
                None => State::Unknown,
            },
        });
        Self {
            providers: &compiled.snapshot.providers,
            states: states.collect(),
            now,
            nothing: KeySet::empty(),
            stand_ins: Vec::new(),
            assume: false,
            missing: RefCell::default(),
        }
    }

    /// Takes the claims in this token as verified.
    pub(crate) fn stand_in(&mut self, token: String) {
        self.stand_ins.push(token);
    }

    /// Takes from now on the signatures for good that cannot be checked.
    pub(crate) fn assume(&mut self) {
        self.assume = true;
    }

    /// Notes that these keys would have been fetched.
    pub(crate) fn lacks(&self, provider: ProviderId) {
        if matches!(self.state(provider), Some(State::Unknown)) {
            self.missing.borrow_mut().insert(provider);
        }
    }

    /// Whose keys were needed and are not known.
    pub(crate) fn missing(&self) -> Vec<ProviderId> {
        self.missing.borrow().iter().copied().collect()
    }

    fn state(&self, provider: ProviderId) -> Option<&State> {
        self.states.get(usize::try_from(provider.0).ok()?)
    }
}

impl Facts for Offline<'_> {
    fn keys(&self, provider: ProviderId) -> Keys<'_> {
        let ready = |set, generation| Keys::Ready { set, generation };
        match self.state(provider) {
            Some(State::Known(set)) => ready(set, 1),
            // Claims are verified already, whoever's keys that took.
            Some(State::Unavailable) if self.stand_ins.is_empty() => Keys::Unavailable,
            Some(State::Unknown | State::Unavailable) => ready(&self.nothing, 0),
            None => Keys::Unavailable,
        }
    }

    /// The claims of a token that is only taken for verified: what a provider expects of issuer, times and audience
    /// holds for them all the same.
    fn verified(
        &self,
        provider: ProviderId,
        _generation: u64,
        token: &Presented<'_>,
    ) -> Option<Verified<Claims>> {
        let token = token.text();
        let stands_in = self.stand_ins.iter().any(|it| it == token);
        let assumed = self.assume && matches!(self.state(provider), Some(State::Unknown));
        if !stands_in && !assumed {
            return None;
        }
        let expect = &self
            .providers
            .get(usize::try_from(provider.0).ok()?)?
            .expect;
        let token = Token::parse(token).ok()?;
        let checked = token.check(expect, self.now).ok()?;
        Some(Verified::dangerous_unverified(
            checked.token().unverified().clone(),
        ))
    }
}
