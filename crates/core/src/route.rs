//! Routes: what a rule matches, and the table that finds the rule of a request.

mod matcher;
mod table;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use regex::Regex;

use crate::filter::Filters;
use crate::host::HostPattern;
use crate::id::{BackendId, RbacId, RequirementId, RuleId};
use crate::origin::Origin;

pub use matcher::whole;
pub use table::{Hit, RouteQuery, RouteTable};

/// One rule of an HTTPRoute or GRPCRoute: what happens to requests it gets.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// The route object and `rules[i]`.
    pub origin: Arc<Origin>,
    /// `namespace/name/rule` for logs and metrics.
    pub name: Arc<str>,
    /// What is done to request and answer.
    pub filters: Filters,
    /// Where requests go. Empty without a redirect: 500.
    pub backends: Box<[WeightedBackend]>,
    /// `timeouts` of the rule.
    pub timeouts: Timeouts,
    /// Set when a policy, key set or backend that the rule depends on is
    /// missing: the rule answers 500 and this says why (decision P4).
    pub closed: Option<Arc<str>>,
}

impl RouteRule {
    /// The backend reference that gets this request, by weight; `random` is
    /// uniform. `None` when there are no references or all weigh nothing.
    pub fn pick(&self, random: u32) -> Option<&WeightedBackend> {
        let total: u64 = self.backends.iter().map(|it| u64::from(it.weight)).sum();
        let mut left = (u128::from(random) * u128::from(total)) >> 32;
        self.backends.iter().find(|it| {
            let weight = u128::from(it.weight);
            let taken = left < weight;
            left = left.saturating_sub(weight);
            taken
        })
    }
}

/// A `backendRefs` entry.
#[derive(Debug, Clone)]
pub struct WeightedBackend {
    /// `None` where the reference did not resolve: its share of requests gets 500.
    pub backend: Option<BackendId>,
    /// Share of the requests; 0 gets none.
    pub weight: u32,
    /// Filters of this reference alone.
    pub filters: Filters,
}

/// Limits on how long an exchange may take; `None` means the listener's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// From the whole request read to the answer sent: `timeouts.request`. Zero is no limit.
    pub request: Option<Duration>,
    /// One attempt at a backend: `timeouts.backendRequest`. Zero is no limit.
    pub backend: Option<Duration>,
}

/// A rule as attached to one listener, before the table is built.
#[derive(Debug, Clone)]
pub struct RouteEntry {
    /// Where listener and route hostnames meet.
    pub host: HostPattern,
    /// One `matches` entry; the rule's other entries are entries of their own.
    pub matches: Match,
    /// The rule that answers.
    pub rule: RuleId,
    /// The token requirement in force on this listener for this rule, after
    /// gateway < listener < route < rule. `None`: no tokens are looked at.
    pub jwt: Option<RequirementId>,
    /// The expressions in force, after the same precedence. `None`: none are evaluated.
    pub rbac: Option<RbacId>,
    /// Ties go to the lower: oldest route, then namespace/name, then order.
    pub age: u64,
}

/// `HTTPRouteMatch`; the default matches everything.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// Path condition.
    pub path: PathMatch,
    /// Headers, all of which must match.
    pub headers: Box<[(HeaderName, TextMatch)]>,
    /// Query parameters, all of which must match, by their first occurrence.
    pub query: Box<[(Box<str>, TextMatch)]>,
    /// Method, if only one is wanted.
    pub method: Option<Method>,
}

/// `path` of a match, compared with the normalised path.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The whole path.
    Exact(Box<str>),
    /// Whole segments: `/a` matches `/a` and `/a/b`, not `/ab`. Kept without a trailing slash; `/` is empty.
    Prefix(Box<str>),
    /// The whole path must match.
    Regex(Regex),
    /// gRPC `/service/<any method>`.
    GrpcService(Box<str>),
    /// gRPC `/<any service>/method`.
    GrpcMethod(Box<str>),
}

impl Default for PathMatch {
    fn default() -> Self {
        PathMatch::Prefix("".into())
    }
}

/// A value condition of headers and query parameters.
#[derive(Debug, Clone)]
pub enum TextMatch {
    /// Byte for byte.
    Exact(Box<str>),
    /// The whole value must match.
    Regex(Regex),
}
