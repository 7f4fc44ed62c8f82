//! The compiled configuration that decisions read, swapped whole.
//!
//! A [`Snapshot`] never changes and is swapped whole. Keys are not part of it:
//! they rotate on their own and reach a decision through [`crate::Facts`].

use crate::authn::Requirement;
use crate::authz::{PolicySet, Rbac};
use crate::backend::Backend;
use crate::id::{
    BackendId, ListenerId, PolicySetId, ProviderId, RbacId, RequirementId, RuleId, SocketId,
};
use crate::listener::{Listener, Socket};
use crate::provider::Provider;
use crate::route::RouteRule;

/// Everything that decides, compiled.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Bound ports.
    pub sockets: Box<[Socket]>,
    /// Listeners of all gateways.
    pub listeners: Box<[Listener]>,
    /// Rules of all routes.
    pub rules: Box<[RouteRule]>,
    /// Backends that rules refer to.
    pub backends: Box<[Backend]>,
    /// Issuers of tokens.
    pub providers: Box<[Provider]>,
    /// Token requirements that listeners and routes refer to.
    pub requirements: Box<[Requirement]>,
    /// AuthorizationPolicies, one set for each gateway that has any.
    pub policies: Box<[PolicySet]>,
    /// CEL rules, one entry for each combination that holds somewhere.
    pub rbacs: Box<[Rbac]>,
}

impl Snapshot {
    /// A bound port.
    pub fn socket(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(id.0 as usize)
    }

    /// A listener.
    pub fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(id.0 as usize)
    }

    /// A route rule.
    pub fn rule(&self, id: RuleId) -> Option<&RouteRule> {
        self.rules.get(id.0 as usize)
    }

    /// A backend.
    pub fn backend(&self, id: BackendId) -> Option<&Backend> {
        self.backends.get(id.0 as usize)
    }

    /// A provider.
    pub fn provider(&self, id: ProviderId) -> Option<&Provider> {
        self.providers.get(id.0 as usize)
    }

    /// A token requirement.
    pub fn requirement(&self, id: RequirementId) -> Option<&Requirement> {
        self.requirements.get(id.0 as usize)
    }

    /// The AuthorizationPolicies of a gateway.
    pub fn policies(&self, id: PolicySetId) -> Option<&PolicySet> {
        self.policies.get(id.0 as usize)
    }

    /// The CEL rules of a place.
    pub fn rbac(&self, id: RbacId) -> Option<&Rbac> {
        self.rbacs.get(id.0 as usize)
    }
}
