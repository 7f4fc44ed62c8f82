//! The fields of a Gateway's listener.

use std::sync::Arc;

use countersign_core::host::HostPattern;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::read::{
    Fields, any_string, choice, dns_subdomain, hostname, invalid, list_in, port, string,
};
use crate::refs::{DataRefSpec, LabelSelector, described};
use crate::source::Span;
use crate::yaml::Node;

/// A listener as written.
#[derive(Clone, Debug)]
pub(crate) struct ListenerSpec {
    pub(crate) name: Arc<str>,
    pub(crate) host: HostPattern,
    pub(crate) port: u16,
    pub(crate) allowed: Allowed,
    /// Certificates of an HTTPS listener.
    pub(super) tls: Option<Vec<DataRefSpec>>,
    /// The entry, at its first key.
    pub(crate) span: Span,
}

/// `allowedRoutes`.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    pub(crate) http: bool,
    pub(crate) grpc: bool,
    pub(crate) namespaces: From,
}

/// Namespaces whose routes may attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Same,
    All,
    Selected(LabelSelector),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Https,
}

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<ListenerSpec> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners", diags)?;
    let span = fields.key("name").unwrap_or(node.span);
    let name = fields.required("name", dns_subdomain);
    let hosted = fields.has("hostname");
    let host = fields.optional("hostname", hostname);
    let port = fields.required("port", port);
    let protocol = fields.required("protocol", protocol);
    let allowed = fields.optional("allowedRoutes", allowed_routes);
    let restricted = fields.has("allowedRoutes");
    let tls = match protocol {
        Some(Protocol::Http) => {
            fields.unsupported("tls", "remove it, or write `protocol: HTTPS`");
            Some(None)
        }
        Some(Protocol::Https) => fields.required("tls", tls).map(Some),
        None => {
            fields.ignored("tls");
            None
        }
    };
    if (hosted && host.is_none()) || (restricted && allowed.is_none()) {
        return None;
    }
    Some(ListenerSpec {
        name: name?,
        host: host.map_or(HostPattern::Any, |host| HostPattern::new(&host)),
        port: port?,
        allowed: allowed.unwrap_or(Allowed {
            http: true,
            grpc: true,
            namespaces: From::Same,
        }),
        tls: tls?,
        span,
    })
}

fn protocol(node: &Node, diags: &mut Diagnostics) -> Option<Protocol> {
    let text = string(node, diags)?;
    match &*text {
        "HTTP" => return Some(Protocol::Http),
        "HTTPS" => return Some(Protocol::Https),
        "TLS" | "TCP" | "UDP" => {}
        _ => return choice(&[("HTTP", Protocol::Http), ("HTTPS", Protocol::Https)])(node, diags),
    }
    let help = "use `HTTP` or `HTTPS`, or remove the listener";
    invalid(
        node,
        "is a protocol that listeners do not speak here",
        help,
        diags,
    );
    None
}

fn tls(node: &Node, diags: &mut Diagnostics) -> Option<Vec<DataRefSpec>> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners.tls", diags)?;
    fields.unsupported("options", "remove it: no option is known here");
    fields.unsupported(
        "frontendValidation",
        "client certificates are not checked yet: remove it",
    );
    let moded = fields.has("mode");
    let mode = fields.optional("mode", |node, diags| {
        if node.text() == Some("Passthrough") {
            let help = "write `Terminate`: an HTTPS listener has to read the requests";
            invalid(node, "is not possible with `protocol: HTTPS`", help, diags);
            return None;
        }
        choice(&[("Terminate", ())])(node, diags)
    });
    let certificates = fields.required("certificateRefs", list_in(1..=64, DataRefSpec::secret));
    if moded && mode.is_none() {
        return None;
    }
    certificates
}

fn allowed_routes(node: &Node, diags: &mut Diagnostics) -> Option<Allowed> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners.allowedRoutes", diags)?;
    let kinds = fields.optional("kinds", list_in(0..=8, route_kind));
    let limited = fields.has("namespaces");
    let namespaces = fields.optional("namespaces", namespaces);
    if limited && namespaces.is_none() {
        return None;
    }
    // No kinds means all that the protocol carries.
    let kinds = kinds.filter(|it| !it.is_empty());
    let carries = |kind| kinds.as_ref().is_none_or(|it| it.contains(&kind));
    Some(Allowed {
        http: carries(Carried::Http),
        grpc: carries(Carried::Grpc),
        namespaces: namespaces.unwrap_or(From::Same),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carried {
    Http,
    Grpc,
}

fn route_kind(node: &Node, diags: &mut Diagnostics) -> Option<Carried> {
    const GROUP: &str = "gateway.networking.k8s.io";
    let mut fields = Fields::of(node, "Gateway.spec.listeners.allowedRoutes.kinds", diags)?;
    let group = fields.optional("group", any_string);
    let group = group.unwrap_or_else(|| GROUP.into());
    let kind = fields.required("kind", string)?;
    match (&*group, &*kind) {
        (GROUP, "HTTPRoute") => return Some(Carried::Http),
        (GROUP, "GRPCRoute") => return Some(Carried::Grpc),
        _ => {}
    }
    let message = format!("listeners here do not carry a {}", described(&group, &kind));
    let error = Diagnostic::error("invalid-route-kind", message).at(node.span);
    let error = error.help("the kinds are `HTTPRoute` and `GRPCRoute`");
    fields.diags().push(error);
    None
}

fn namespaces(node: &Node, diags: &mut Diagnostics) -> Option<From> {
    let words = [("Same", 0), ("All", 1), ("Selector", 2)];
    let mut fields = Fields::of(
        node,
        "Gateway.spec.listeners.allowedRoutes.namespaces",
        diags,
    )?;
    let stated = fields.has("from");
    let from = fields.optional("from", choice(&words));
    if stated && from.is_none() {
        fields.ignored("selector");
        return None;
    }
    match from {
        Some(2) => {
            let selector = fields.required("selector", LabelSelector::of)?;
            Some(From::Selected(selector))
        }
        other => {
            fields.ignored("selector");
            if let Some(key) = fields.key("selector").filter(|_| fields.has("selector")) {
                let message = "`selector` means nothing without `from: Selector`";
                let error = Diagnostic::error("idle-selector", message).at(key);
                let error = error.help("write `from: Selector`, or remove the selector");
                fields.diags().push(error);
            }
            Some(if other == Some(1) {
                From::All
            } else {
                From::Same
            })
        }
    }
}
