//! Issuers of tokens and what is expected of them.

use std::sync::Arc;

use countersign_jose::Expect;

use crate::origin::Origin;

/// One issuer of tokens with what is expected of them. Its keys are looked up
/// by its index through [`crate::Facts::keys`].
#[derive(Debug, Clone)]
pub struct Provider {
    /// `RequestAuthentication` and `jwtRules[i]`, or `GatewayExtension` and `providers[name]`.
    pub origin: Arc<Origin>,
    /// Short name for logs and metrics.
    pub name: Arc<str>,
    /// Issuer, audiences and clock skew.
    pub expect: Expect,
    /// Keys come over the network, so an unknown `kid` may be worth a refetch.
    pub remote: bool,
    /// The body of a refusal while the key set was never fetched (decision T10).
    pub unavailable: &'static str,
}
