//! One list of values: read as the attribute wants it.

use std::sync::Arc;

use countersign_core::authz::{Action, Clause, NamespacePattern, Test};

use countersign_core::path::Normalization;

use super::attribute::Attribute;
use super::lint;
use super::values::{self, network, port, request_principal, service_account, trust_domain};
use crate::diagnostic::{Diagnostic, Diagnostics, quoted};
use crate::policy::tokens::is_empty_list;
use crate::policy::trust::TrustDomains;
use crate::read::{Fields, list_in, string};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// What the values of a rule depend on beside themselves.
pub(super) struct Scope<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) action: Action,
    pub(super) trust: &'a TrustDomains,
    /// How paths are made normal before they are compared, unless a Gateway says otherwise.
    pub(super) normalization: Normalization,
}

/// One list of values.
pub(super) fn clause(
    field: String,
    negated: bool,
    attribute: &Attribute,
    list: &Node,
    scope: &Scope<'_>,
    diags: &mut Diagnostics,
) -> Option<Clause> {
    let test = test(attribute, list, scope, diags)?;
    Some(Clause {
        field: field.into(),
        negated,
        test,
        expanded: list.is_expanded(),
    })
}

/// The list of a field, if anything is in it. A list that was written and left blank restricts nothing, which is seldom meant.
pub(super) fn filled<'n>(fields: &mut Fields<'n, '_>, name: &'static str) -> Option<&'n Node> {
    let node = fields.node(name).filter(|it| !is_empty_list(it));
    let blank = fields.key(name).filter(|_| node.is_none());
    if let Some(key) = blank {
        let message = format!("{} is empty and restricts nothing", quoted(name));
        let warning = Diagnostic::warning("empty-list", message).at(key);
        let help = "list values, or leave the field out";
        fields.diags().push(warning.help(help));
    }
    node
}

/// Whether all keys of a mapping are of some kind.
pub(super) fn all_keys(node: &Node, known: impl Fn(&str) -> bool) -> bool {
    match &node.value {
        Value::Mapping(entries) => entries.iter().all(|(key, _)| known(&key.text)),
        _ => false,
    }
}

/// CUSTOM comes first of all, before anybody knows who asks.
pub(super) fn refuse_before_identity(name: &str, at: Span, diags: &mut Diagnostics) {
    let message = format!(
        "{} cannot be used with `action: CUSTOM`, which comes before tokens and certificates are looked at",
        quoted(name)
    );
    let error = Diagnostic::error("one-of", message).at(at);
    diags.push(error.help("write a DENY or ALLOW policy for that, and leave it out here"));
}

/// Reads a list of values of an attribute. `None` where the list was refused.
fn test(
    attribute: &Attribute,
    node: &Node,
    scope: &Scope<'_>,
    diags: &mut Diagnostics,
) -> Option<Test> {
    let texts = |node: &Node, diags: &mut Diagnostics| values::texts(attribute, node, diags);
    Some(match attribute {
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
            let (texts, templates) = values::paths(node, scope.normalization, diags)?;
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

/// A list of any number of values.
fn all<T>(
    read: impl Fn(&Node, &mut Diagnostics) -> Option<T>,
) -> impl Fn(&Node, &mut Diagnostics) -> Option<Vec<T>> {
    list_in(1..=usize::MAX, read)
}
