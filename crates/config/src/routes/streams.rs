//! The rules of a TCPRoute and of a TLSRoute, which route whole connections.

use countersign_core::route::Timeouts;

use super::backends::{self, BackendSpec};
use super::filters::FilterSpecs;
use super::spec::{RouteKind, Rule, everything};
use crate::diagnostic::Diagnostics;
use crate::gateway::Carried;
use crate::read::{Fields, dns_subdomain, list_in};
use crate::yaml::Node;

pub(super) const TCP: RouteKind = RouteKind {
    name: "TCPRoute",
    carried: Carried::Tcp,
    at: "TCPRoute.spec",
    rule: |node, diags| rule(node, "TCPRoute.spec.rules", diags),
};

pub(super) const TLS: RouteKind = RouteKind {
    name: "TLSRoute",
    carried: Carried::Tls,
    at: "TLSRoute.spec",
    rule: |node, diags| rule(node, "TLSRoute.spec.rules", diags),
};

fn rule(node: &Node, at: &'static str, diags: &mut Diagnostics) -> Option<Rule> {
    let mut fields = Fields::of(node, at, diags)?;
    let name = fields.optional("name", dns_subdomain);
    let backends = fields.required("backendRefs", list_in(1..=16, backend));
    Some(Rule {
        name,
        span: node.span,
        matches: vec![everything(node.span)],
        filters: FilterSpecs::default(),
        backends: backends?,
        timeouts: Timeouts::default(),
    })
}

fn backend(node: &Node, diags: &mut Diagnostics) -> Option<BackendSpec> {
    let mut fields = Fields::of(node, "backendRefs", diags)?;
    backends::fields(&mut fields, FilterSpecs::default())
}
