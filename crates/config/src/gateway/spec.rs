//! The fields of a Gateway.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::clients::{self, FrontendSpec};
use super::listener::{self, ListenerSpec};
use super::parameters::ParametersRef;
use super::sockets::overlapping;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::object::Object;
use crate::read::{
    Fields, Spanned, any_string, choice, dns_subdomain, invalid, list_in, map, spanned, string,
};
use crate::yaml::Node;

/// A Gateway as written.
pub(super) struct GatewaySpec {
    pub(super) class: Arc<str>,
    /// `None` in place of a listener that was refused.
    pub(super) listeners: Vec<Option<ListenerSpec>>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) labels: BTreeMap<Arc<str>, Arc<str>>,
    pub(super) parameters: Option<ParametersRef>,
    pub(super) frontend: FrontendSpec,
}

#[derive(Default)]
struct Infrastructure {
    labels: BTreeMap<Arc<str>, Arc<str>>,
    parameters: Option<ParametersRef>,
}

pub(super) fn read(object: &Object, diags: &mut Diagnostics) -> Option<GatewaySpec> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "Gateway.spec", diags)?;
        let class = fields.required("gatewayClassName", string);
        let listeners = |node: &Node, diags: &mut Diagnostics| Some(listener::read(node, diags));
        let listeners = fields.required("listeners", list_in(1..=64, listeners));
        let addresses = fields.optional("addresses", list_in(0..=16, address));
        let addresses = distinct(addresses.unwrap_or_default(), fields.diags());
        let infrastructure =
            |node: &Node, diags: &mut Diagnostics| infrastructure(node, &object.namespace, diags);
        let infrastructure = fields.optional("infrastructure", infrastructure);
        let infrastructure = infrastructure.unwrap_or_default();
        fields.optional("allowedListeners", allowed_listeners);
        let frontend = fields.optional("tls", tls).flatten();
        fields.optional("defaultScope", default_scope);
        Some(GatewaySpec {
            class: class?,
            listeners: listeners?,
            addresses,
            labels: infrastructure.labels,
            parameters: infrastructure.parameters,
            frontend: frontend.unwrap_or_default(),
        })
    })
}

/// An address to bind; `None` for an entry that leaves the choice to us.
fn address(node: &Node, diags: &mut Diagnostics) -> Option<Option<Spanned<IpAddr>>> {
    let mut fields = Fields::of(node, "Gateway.spec.addresses", diags)?;
    let typed = fields.has("type");
    let known = fields.optional("type", choice(&[("IPAddress", ())]));
    let value = fields.node("value").filter(|it| it.text() != Some(""));
    match value {
        Some(value) if known.is_some() || !typed => {
            Some(Some(spanned(ip_address)(value, fields.diags())?))
        }
        _ => Some(None),
    }
}

fn ip_address(node: &Node, diags: &mut Diagnostics) -> Option<IpAddr> {
    let address = string(node, diags)?.parse().ok();
    if address.is_none() {
        let help =
            "write an address of this machine, such as `127.0.0.1`, or leave it out to bind all";
        invalid(node, "is not an IP address", help, diags);
    }
    address
}

fn distinct(addresses: Vec<Option<Spanned<IpAddr>>>, diags: &mut Diagnostics) -> Vec<IpAddr> {
    let mut kept: Vec<Spanned<IpAddr>> = Vec::new();
    for address in addresses.into_iter().flatten() {
        let known = kept.iter().find(|it| overlapping(it.value, address.value));
        if let Some(first) = known {
            let message = format!("`{}` and `{}` overlap", first.value, address.value);
            let error = Diagnostic::error("duplicate-entry", message).at(address.span);
            let error = error.related(first.span, "the other one");
            diags.push(error.help("remove one of the two"));
            continue;
        }
        kept.push(address);
    }
    kept.into_iter().map(|it| it.value).collect()
}

fn infrastructure(
    node: &Node,
    namespace: &Arc<str>,
    diags: &mut Diagnostics,
) -> Option<Infrastructure> {
    let mut fields = Fields::of(node, "Gateway.spec.infrastructure", diags)?;
    let labels = fields.optional("labels", map(any_string));
    // Annotations are for what a controller creates, and nothing is created here.
    fields.optional("annotations", map(any_string));
    let parameters = fields.optional("parametersRef", |node, diags| {
        parameters_ref(node, namespace, diags)
    });
    let labels = labels.unwrap_or_default().into_iter();
    Some(Infrastructure {
        labels: labels.map(|(key, value)| (key.text, value)).collect(),
        parameters,
    })
}

/// A reference within the Gateway's own namespace.
fn parameters_ref(
    node: &Node,
    namespace: &Arc<str>,
    diags: &mut Diagnostics,
) -> Option<ParametersRef> {
    let mut fields = Fields::of(node, "Gateway.spec.infrastructure.parametersRef", diags)?;
    let group = fields.required("group", any_string);
    let kind = fields.required("kind", string);
    let name = fields.required("name", spanned(dns_subdomain))?;
    Some(ParametersRef {
        group: group?,
        kind: kind?,
        namespace: Arc::clone(namespace),
        span: name.span,
        name: name.value,
    })
}

/// No ListenerSets is the default; anything else would promise listeners that nobody binds.
fn allowed_listeners(node: &Node, diags: &mut Diagnostics) -> Option<()> {
    let mut fields = Fields::of(node, "Gateway.spec.allowedListeners", diags)?;
    fields.optional("namespaces", |node, diags| {
        let mut fields = Fields::of(node, "Gateway.spec.allowedListeners.namespaces", diags)?;
        fields.unsupported("selector", NO_LISTENER_SETS);
        fields.optional("from", |node, diags| {
            if node.text() != Some("None") {
                invalid(
                    node,
                    "is not supported: ListenerSets are not read",
                    NO_LISTENER_SETS,
                    diags,
                );
            }
            Some(())
        })
    })
}

const NO_LISTENER_SETS: &str = "remove it, and write all listeners in the Gateway itself";

/// Towards clients and towards backends.
fn tls(node: &Node, diags: &mut Diagnostics) -> Option<Option<FrontendSpec>> {
    let mut fields = Fields::of(node, "Gateway.spec.tls", diags)?;
    fields.unsupported(
        "backend",
        "no client certificate is shown to backends yet: remove it",
    );
    Some(fields.optional("frontend", clients::read))
}

fn default_scope(node: &Node, diags: &mut Diagnostics) -> Option<()> {
    if node.text() != Some("None") {
        let help = "remove it, and name this Gateway in the `parentRefs` of its routes";
        invalid(
            node,
            "is not supported: routes attach only where they say",
            help,
            diags,
        );
    }
    Some(())
}
