//! What values are compared with (the reference's section 3.2).

use countersign_core::authz::HeaderField;

/// Something about a request that policies compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attribute {
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    RequestPrincipal,
    PeerAddress,
    ClientAddress,
    LocalAddress,
    Port,
    Sni,
    Host,
    Method,
    Path,
    Header(HeaderField),
    Claim(Box<[Box<str>]>),
    /// Dynamic metadata of Envoy's filters, which nothing here sets.
    Metadata,
}

impl Attribute {
    /// Whether it is known only once tokens and certificates have been looked at, which is after CUSTOM.
    pub(super) fn needs_identity(&self) -> bool {
        matches!(
            self,
            Attribute::Principal
                | Attribute::Namespace
                | Attribute::ServiceAccount
                | Attribute::TrustDomain
                | Attribute::RequestPrincipal
                | Attribute::Claim(_)
        )
    }
}
