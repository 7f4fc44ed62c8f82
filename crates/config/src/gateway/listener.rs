//! The fields of a Gateway's listener.

use std::sync::Arc;

use countersign_core::host::HostPattern;
use countersign_core::listener::Mode;

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
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) allowed: Allowed,
    /// Certificates, where TLS ends here.
    pub(super) tls: Option<Vec<DataRefSpec>>,
    /// The entry, at its first key.
    pub(crate) span: Span,
}

/// `allowedRoutes`.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    pub(crate) kinds: Vec<Carried>,
    pub(crate) namespaces: From,
}

/// Namespaces whose routes may attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Same,
    All,
    Selected(LabelSelector),
}

/// `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
    Tls,
    Tcp,
}

/// A kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    Http,
    Grpc,
    Tls,
    Tcp,
}

impl Protocol {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Https => "HTTPS",
            Protocol::Tls => "TLS",
            Protocol::Tcp => "TCP",
        }
    }

    /// Whether connections begin with a TLS handshake, whose server name tells listeners of one port apart.
    pub(crate) fn has_handshake(self) -> bool {
        matches!(self, Protocol::Https | Protocol::Tls)
    }
}

pub(super) fn read(node: &Node, diags: &mut Diagnostics) -> Option<ListenerSpec> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners", diags)?;
    let span = fields.key("name").unwrap_or(node.span);
    let name = fields.required("name", dns_subdomain);
    let hosted = fields.has("hostname");
    let host = fields.optional("hostname", hostname);
    let port = fields.required("port", port);
    let protocol = fields.required("protocol", protocol);
    let tls = match protocol {
        Some(Protocol::Http) => {
            fields.unsupported("tls", "remove it, or write `protocol: HTTPS`");
            Some(Tls::Absent)
        }
        Some(Protocol::Tcp) => {
            fields.unsupported("tls", "remove it, or write `protocol: TLS`");
            fields.unsupported(
                "hostname",
                "remove it: nothing says for which host bytes are",
            );
            Some(Tls::Absent)
        }
        Some(Protocol::Https) => fields.required("tls", https),
        Some(Protocol::Tls) => fields.required("tls", tls),
        None => {
            fields.ignored("tls");
            None
        }
    };
    let carried = protocol.zip(tls.as_ref());
    let carried = carried.map_or_else(Vec::new, |(protocol, tls)| carried_by(protocol, tls));
    let routes = |node: &Node, diags: &mut Diagnostics| allowed_routes(node, &carried, diags);
    let allowed = fields.optional("allowedRoutes", routes);
    let restricted = fields.has("allowedRoutes");
    if (hosted && host.is_none()) || (restricted && allowed.is_none()) {
        return None;
    }
    let (protocol, tls) = (protocol?, tls?);
    Some(ListenerSpec {
        name: name?,
        host: host.map_or(HostPattern::Any, |host| HostPattern::new(&host)),
        port: port?,
        protocol,
        mode: match (protocol, &tls) {
            (_, Tls::Passthrough) => Mode::Passthrough,
            (Protocol::Http | Protocol::Https, _) => Mode::Http,
            (Protocol::Tls | Protocol::Tcp, _) => Mode::Stream,
        },
        allowed: allowed.unwrap_or(Allowed {
            kinds: carried,
            namespaces: From::Same,
        }),
        tls: match tls {
            Tls::Ends(certificates) => Some(certificates),
            Tls::Absent | Tls::Passthrough => None,
        },
        span,
    })
}

/// What `tls` says.
enum Tls {
    Absent,
    /// With these certificates.
    Ends(Vec<DataRefSpec>),
    Passthrough,
}

/// The kinds of routes that a listener carries unless it says otherwise.
fn carried_by(protocol: Protocol, tls: &Tls) -> Vec<Carried> {
    match (protocol, tls) {
        (Protocol::Http | Protocol::Https, _) => vec![Carried::Http, Carried::Grpc],
        (Protocol::Tls, Tls::Ends(_)) => vec![Carried::Tls, Carried::Tcp],
        (Protocol::Tls, _) => vec![Carried::Tls],
        (Protocol::Tcp, _) => vec![Carried::Tcp],
    }
}

fn protocol(node: &Node, diags: &mut Diagnostics) -> Option<Protocol> {
    let text = string(node, diags)?;
    if &*text != "UDP" {
        let all = [
            Protocol::Http,
            Protocol::Https,
            Protocol::Tls,
            Protocol::Tcp,
        ];
        return choice(&all.map(|it| (it.name(), it)))(node, diags);
    }
    let help = "use `HTTP`, `HTTPS`, `TLS` or `TCP`, or remove the listener";
    invalid(
        node,
        "is a protocol that listeners do not speak here",
        help,
        diags,
    );
    None
}

/// `tls` of an HTTPS listener.
fn https(node: &Node, diags: &mut Diagnostics) -> Option<Tls> {
    read_tls(node, false, diags)
}

/// `tls` of a TLS listener.
fn tls(node: &Node, diags: &mut Diagnostics) -> Option<Tls> {
    read_tls(node, true, diags)
}

fn read_tls(node: &Node, passes: bool, diags: &mut Diagnostics) -> Option<Tls> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners.tls", diags)?;
    fields.unsupported("options", "remove it: no option is known here");
    fields.unsupported(
        "frontendValidation",
        "write it as `spec.tls.frontend` of the Gateway",
    );
    let moded = fields.has("mode");
    let mode = fields.optional("mode", |node, diags| {
        if !passes && node.text() == Some("Passthrough") {
            let help = "write `Terminate`: an HTTPS listener has to read the requests";
            invalid(node, "is not possible with `protocol: HTTPS`", help, diags);
            return None;
        }
        choice(&[("Terminate", false), ("Passthrough", true)])(node, diags)
    });
    if moded && mode.is_none() {
        fields.ignored("certificateRefs");
        return None;
    }
    if mode == Some(true) {
        // Nobody is shown one.
        fields.ignored("certificateRefs");
        return Some(Tls::Passthrough);
    }
    let certificates = fields.required("certificateRefs", list_in(1..=64, DataRefSpec::secret));
    certificates.map(Tls::Ends)
}

/// `carried` is what the listener could carry at all.
fn allowed_routes(node: &Node, carried: &[Carried], diags: &mut Diagnostics) -> Option<Allowed> {
    let mut fields = Fields::of(node, "Gateway.spec.listeners.allowedRoutes", diags)?;
    let kind = |node: &Node, diags: &mut Diagnostics| route_kind(node, carried, diags);
    let kinds = fields.optional("kinds", list_in(0..=8, kind));
    let limited = fields.has("namespaces");
    let namespaces = fields.optional("namespaces", namespaces);
    if limited && namespaces.is_none() {
        return None;
    }
    // No kinds means all that the protocol carries.
    let kinds = kinds.filter(|it| !it.is_empty());
    Some(Allowed {
        kinds: kinds.unwrap_or_else(|| carried.to_vec()),
        namespaces: namespaces.unwrap_or(From::Same),
    })
}

fn route_kind(node: &Node, carried: &[Carried], diags: &mut Diagnostics) -> Option<Carried> {
    const GROUP: &str = "gateway.networking.k8s.io";
    const KINDS: [(&str, Carried); 4] = [
        ("HTTPRoute", Carried::Http),
        ("GRPCRoute", Carried::Grpc),
        ("TLSRoute", Carried::Tls),
        ("TCPRoute", Carried::Tcp),
    ];
    let mut fields = Fields::of(node, "Gateway.spec.listeners.allowedRoutes.kinds", diags)?;
    let group = fields.optional("group", any_string);
    let group = group.unwrap_or_else(|| GROUP.into());
    let kind = fields.required("kind", string)?;
    let mut fitting = KINDS.iter().filter(|(_, it)| carried.contains(it));
    let found = fitting.clone().find(|(name, _)| *name == &*kind);
    if let Some((_, found)) = found.filter(|_| &*group == GROUP) {
        return Some(*found);
    }
    let message = format!(
        "this listener does not carry a {}",
        described(&group, &kind)
    );
    let error = Diagnostic::error("invalid-route-kind", message).at(node.span);
    let names: Vec<String> = fitting
        .by_ref()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let error = error.help(format!("its protocol carries {}", names.join(" and ")));
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
