//! What a value is compared with, and how values of each attribute are read (the reference's section 3.2).

use std::sync::Arc;

use countersign_core::authz::{Action, HeaderField, NamespacePattern, Test};

use super::lint;
use super::values::{self, network, port, request_principal, service_account, trust_domain};
use crate::diagnostic::Diagnostics;
use crate::policy::trust::TrustDomains;
use crate::read::{list_in, string};
use crate::yaml::Node;

/// What the values of a rule depend on beside themselves.
pub(super) struct Scope<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) action: Action,
    pub(super) trust: &'a TrustDomains,
}

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

    /// Reads a list of its values. `None` where the list was refused.
    pub(super) fn test(
        &self,
        node: &Node,
        scope: &Scope<'_>,
        diags: &mut Diagnostics,
    ) -> Option<Test> {
        let texts = |node: &Node, diags: &mut Diagnostics| values::texts(self, node, diags);
        Some(match self {
            Attribute::Principal => Test::Principals(values::principals(node, scope.trust, diags)?),
            Attribute::Namespace => {
                let pattern = |node: &Node, diags: &mut Diagnostics| {
                    string(node, diags).map(|it| NamespacePattern((&*it).into()))
                };
                Test::Namespaces(all(pattern)(node, diags)?)
            }
            Attribute::ServiceAccount => {
                let one = service_account(scope.namespace);
                Test::ServiceAccounts(list_in(1..=16, one)(node, diags)?)
            }
            Attribute::TrustDomain => {
                let found = all(trust_domain)(node, diags)?;
                Test::TrustDomains(values::under_aliases(&found, scope.trust))
            }
            Attribute::RequestPrincipal => {
                Test::RequestPrincipals(all(request_principal)(node, diags)?)
            }
            Attribute::PeerAddress => Test::PeerAddresses(all(network)(node, diags)?),
            Attribute::ClientAddress => Test::ClientAddresses(all(network)(node, diags)?),
            Attribute::LocalAddress => Test::LocalAddresses(all(network)(node, diags)?),
            Attribute::Port => Test::Ports(all(port)(node, diags)?),
            Attribute::Sni => Test::Sni(texts(node, diags)?),
            Attribute::Host => Test::Hosts(texts(node, diags)?),
            Attribute::Method => Test::Methods(texts(node, diags)?),
            Attribute::Path => {
                let (texts, templates) = values::paths(node, diags)?;
                Test::Paths(texts, templates)
            }
            Attribute::Header(header) => Test::Header(header.clone(), texts(node, diags)?),
            Attribute::Claim(path) => Test::Claim(path.clone(), texts(node, diags)?),
            Attribute::Metadata => {
                all(string)(node, diags)?;
                lint::metadata(node, diags);
                Test::Absent
            }
        })
    }
}

/// A list of any number of values.
fn all<T>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<T>> {
    list_in(1..=usize::MAX, read)
}
