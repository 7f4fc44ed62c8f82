//! Collects providers and requirements under their numbers.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::authn::Requirement;
use countersign_core::id::{ProviderId, RequirementId};
use countersign_core::origin::Origin;
use countersign_core::provider::Provider;
use countersign_jose::{Audiences, Expect, ZeroExp};

use super::demands::demands;
use super::key_names::NamedKeys;
use super::rules::Rules;
use crate::compiled::KeySource;
use crate::source::Span;

/// Providers, their keys and requirements, as they are found.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) providers: Vec<Provider>,
    pub(super) keys: Vec<KeySource>,
    /// In the same order.
    key_names: Vec<Arc<str>>,
    pub(super) requirements: Vec<Requirement>,
    /// Where each rule stands.
    pub(super) places: HashMap<Arc<Origin>, Span>,
    /// Expressions and address lists.
    pub(super) rules: Rules,
}

/// What makes a provider.
pub(super) struct NewProvider {
    pub(super) origin: Arc<Origin>,
    pub(super) span: Span,
    pub(super) name: Arc<str>,
    pub(super) issuer: Option<Arc<str>>,
    pub(super) audiences: Audiences,
    pub(super) zero_exp: ZeroExp,
    /// Seconds.
    pub(super) skew: u64,
    pub(super) keys: NamedKeys,
    /// Body of refusals while the keys cannot be had (decision T10).
    pub(super) unavailable: &'static str,
}

impl Builder {
    pub(super) fn provider(&mut self, new: NewProvider) -> ProviderId {
        let id = ProviderId(number(self.providers.len()));
        self.places.insert(Arc::clone(&new.origin), new.span);
        self.providers.push(Provider {
            origin: new.origin,
            name: new.name,
            expect: Expect {
                issuer: new.issuer.as_deref().map(Into::into),
                audiences: new.audiences,
                skew: new.skew,
                zero_exp: new.zero_exp,
                ..Expect::default()
            },
            remote: matches!(new.keys.source, KeySource::Remote(_)),
            unavailable: new.unavailable,
        });
        self.keys.push(new.keys.source);
        self.key_names.push(new.keys.name);
        id
    }

    pub(super) fn requirement(&mut self, requirement: Requirement) -> RequirementId {
        let id = RequirementId(number(self.requirements.len()));
        self.requirements.push(requirement);
        id
    }

    /// What a requirement demands, for comparison across reloads.
    pub(super) fn demands(&self, id: RequirementId) -> Vec<Arc<str>> {
        let requirement = self.requirements.get(id.0 as usize);
        requirement.map_or_else(Vec::new, |it| demands(it, &self.providers, &self.key_names))
    }
}

/// Counts of one load fit: its texts are bounded.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
