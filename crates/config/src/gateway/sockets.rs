//! Which listeners share a socket, and which cannot be bound together.

use std::net::{IpAddr, Ipv6Addr};

use super::{Gateway, Listener};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::source::Span;

/// One socket: a port of a Gateway with its listeners.
#[derive(Debug)]
pub(super) struct SocketPlan {
    /// Index of the Gateway.
    pub(super) gateway: usize,
    pub(super) port: u16,
    /// Connections begin with a handshake.
    pub(super) tls: bool,
    /// What is bound.
    pub(super) bind: u16,
    pub(super) addresses: Vec<IpAddr>,
    /// Indexes of listeners of the Gateway, narrowest hostname first.
    pub(super) listeners: Vec<usize>,
    span: Span,
}

/// Groups the listeners of all Gateways by port and reports what clashes.
pub(super) fn plan(gateways: &[Gateway], diags: &mut Diagnostics) -> Vec<SocketPlan> {
    let mut sockets: Vec<SocketPlan> = Vec::new();
    for (index, gateway) in gateways.iter().enumerate() {
        let outer = diags.enter(Some(gateway.reference.clone()));
        for socket in of_gateway(index, gateway, diags) {
            if let Some(other) = sockets.iter().find(|other| overlap(other, &socket)) {
                diags.push(taken(&socket, other, gateways));
            }
            sockets.push(socket);
        }
        diags.enter(outer);
    }
    sockets
}

fn of_gateway(index: usize, gateway: &Gateway, diags: &mut Diagnostics) -> Vec<SocketPlan> {
    let mut sockets: Vec<SocketPlan> = Vec::new();
    for (number, listener) in gateway.listeners.iter().enumerate() {
        let port = listener.spec.port;
        let Some(socket) = sockets.iter_mut().find(|it| it.port == port) else {
            sockets.push(SocketPlan {
                gateway: index,
                port,
                tls: listener.spec.protocol.has_handshake(),
                bind: gateway.parameters.bind(port),
                addresses: match gateway.addresses.as_slice() {
                    [] => vec![EVERYWHERE],
                    some => some.into(),
                },
                listeners: vec![number],
                span: listener.spec.span,
            });
            continue;
        };
        let others = socket
            .listeners
            .iter()
            .filter_map(|it| gateway.listeners.get(*it));
        if let Some(problem) = clash(listener, others) {
            diags.push(problem);
        }
        socket.listeners.push(number);
    }
    for socket in &mut sockets {
        let narrowness = |it: &usize| {
            gateway
                .listeners
                .get(*it)
                .map(|it| it.spec.host.specificity())
        };
        socket
            .listeners
            .sort_by_key(|it| std::cmp::Reverse(narrowness(it)));
    }
    sockets
}

/// Why a listener cannot share its port with the others.
fn clash<'l>(
    listener: &Listener,
    mut others: impl Iterator<Item = &'l Listener> + Clone,
) -> Option<Diagnostic> {
    let spec = &listener.spec;
    // A handshake says who is meant whatever comes after it; without one all must speak the same.
    let apart = |it: &&Listener| {
        let (one, other) = (spec.protocol, it.spec.protocol);
        one != other && !(one.has_handshake() && other.has_handshake())
    };
    if let Some(first) = others.clone().find(apart) {
        let message = format!(
            "port {} cannot speak both {} and {}",
            spec.port,
            first.spec.protocol.name(),
            spec.protocol.name()
        );
        let error = Diagnostic::error("protocol-conflict", message).at(spec.span);
        let error = error.related(first.spec.span, "the other protocol");
        return Some(error.help("give one of the two listeners another port"));
    }
    let twin = others.find(|it| it.spec.host == spec.host)?;
    let message = format!(
        "two listeners answer for host `{}` on port {}",
        spec.host, spec.port
    );
    let error = Diagnostic::error("hostname-conflict", message).at(spec.span);
    let error = error.related(twin.spec.span, "the first one");
    Some(error.help("give each listener of a port its own `hostname`"))
}

/// What a Gateway that names no address is bound to: all addresses of both families.
const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Whether two sockets cannot be bound together.
fn overlap(one: &SocketPlan, other: &SocketPlan) -> bool {
    let meets = |a: &IpAddr| other.addresses.iter().any(|b| overlapping(*a, *b));
    one.bind == other.bind && one.addresses.iter().any(meets)
}

/// Whether two addresses cannot both be bound on one port. `::` takes IPv4 as well.
pub(super) fn overlapping(a: IpAddr, b: IpAddr) -> bool {
    let all = |it: IpAddr| it == EVERYWHERE;
    let any = |it: IpAddr| it.is_unspecified();
    a == b || all(a) || all(b) || (a.is_ipv4() == b.is_ipv4() && (any(a) || any(b)))
}

fn taken(socket: &SocketPlan, other: &SocketPlan, gateways: &[Gateway]) -> Diagnostic {
    let owner = gateways
        .get(other.gateway)
        .map(|it| it.reference.to_string());
    let mapped = if socket.bind == socket.port {
        String::new()
    } else {
        format!(" (mapped from port {})", socket.port)
    };
    let message = format!(
        "port {}{mapped} is bound by {} already",
        socket.bind,
        owner.unwrap_or_default()
    );
    let error = Diagnostic::error("port-conflict", message).at(socket.span);
    let help = "give the Gateways different `spec.addresses`, or map the port with `spec.ports` of GatewayParameters";
    error
        .related(other.span, "the first listener on it")
        .help(help)
}
