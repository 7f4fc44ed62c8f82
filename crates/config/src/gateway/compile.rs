//! Sockets and listeners, compiled.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::address::TrustedProxies;
use countersign_core::authn::Requirement;
use countersign_core::authz::PolicySet;
use countersign_core::id::RequirementId;
use countersign_core::listener::{self, IdentityHeaders, Mode, Socket};
use countersign_core::path::Normalization;
use countersign_core::route::{RouteEntry, RouteTable};

use super::identity::{Clashes, Written};
use super::sockets::SocketPlan;
use super::streams::Streams;
use super::{Gateway, Gateways, Listener};
use crate::compiled::{Certificate, SocketSettings};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::policy::{Mesh, Policies};

/// What the Gateways become.
pub(crate) struct Bound {
    pub(crate) sockets: Box<[Socket]>,
    pub(crate) settings: Box<[SocketSettings]>,
    pub(crate) listeners: Box<[listener::Listener]>,
    /// Policies of connections; their numbers go on where those of requests end.
    pub(crate) sets: Vec<PolicySet>,
}

impl Gateways {
    /// Compiles all; `entries` holds the routes of each listener by its number.
    pub(crate) fn compile(
        mut self,
        policies: &Policies,
        entries: Vec<Vec<RouteEntry>>,
        written: &[Written],
        diags: &mut Diagnostics,
    ) -> Bound {
        let mut entries = entries.into_iter();
        let mut listeners = Vec::new();
        let mut clashes = Clashes::new(policies, written);
        let mut streams = Streams::new(policies);
        for gateway in &self.list {
            gateway.check_proxies(&policies.mesh, diags);
            gateway.check_debug_header(diags);
            for listener in &gateway.listeners {
                let routes = entries.next().unwrap_or_default();
                listeners.push(match listener.spec.mode {
                    Mode::Http => gateway.listener(listener, policies, routes, &mut clashes),
                    Mode::Stream | Mode::Passthrough => {
                        streams.listener(gateway, listener, routes, diags)
                    }
                });
            }
        }
        clashes.report(diags);
        let mut certificates = std::mem::take(&mut self.certificates);
        let (mut sockets, mut settings) = (Vec::new(), Vec::new());
        for plan in &self.sockets {
            let Some(gateway) = self.list.get(plan.gateway) else {
                continue;
            };
            let socket = gateway.socket(plan);
            let own = certificates.extract_if(.., |it| socket.listeners.contains(&it.listener));
            settings.push(gateway.settings(plan, own.collect()));
            sockets.push(socket);
        }
        Bound {
            sockets: sockets.into(),
            settings: settings.into(),
            listeners: listeners.into(),
            sets: streams.into_sets(),
        }
    }
}

impl Gateway {
    fn socket(&self, plan: &SocketPlan) -> Socket {
        let listeners = plan
            .listeners
            .iter()
            .filter_map(|it| self.listeners.get(*it));
        Socket {
            port: plan.port,
            tls: plan.tls,
            listeners: listeners.map(|it| it.id).collect(),
        }
    }

    fn settings(&self, plan: &SocketPlan, certificates: Vec<Certificate>) -> SocketSettings {
        let set = &self.parameters;
        SocketSettings {
            origin: Arc::clone(&self.origin),
            addresses: plan.addresses.clone().into(),
            port: plan.bind,
            certificates: certificates.into(),
            clients: self
                .terminates(plan)
                .then(|| self.clients.on(plan.port))
                .flatten(),
            limits: set.limits(),
            timeouts: set.timeouts(),
            proxy_protocol: set.proxy_protocol.clone().unwrap_or_default().into(),
            streams_outlive_token: set.streams_outlive_token.unwrap_or(false),
            access_log: set.access_log.unwrap_or_default(),
            debug_header: self.debug_header(plan),
        }
    }

    /// Whether the TLS of any listener of a socket ends here.
    fn terminates(&self, plan: &SocketPlan) -> bool {
        let listeners = plan.listeners.iter();
        let mut listeners = listeners.filter_map(|it| self.listeners.get(*it));
        listeners.any(|it| it.spec.tls.is_some())
    }

    fn listener(
        &self,
        listener: &Listener,
        policies: &Policies,
        routes: Vec<RouteEntry>,
        clashes: &mut Clashes<'_>,
    ) -> listener::Listener {
        let istio = policies.istio(&self.key);
        let effect = policies.listener(&self.key, &listener.spec.name);
        for remark in effect.remarks {
            clashes.keep(remark);
        }
        let in_force = [istio, effect.jwt]
            .into_iter()
            .chain(routes.iter().map(|it| it.jwt));
        let distinct: BTreeSet<RequirementId> = in_force.flatten().collect();
        let in_force: Vec<&Requirement> = distinct
            .iter()
            .filter_map(|id| policies.requirements.get(id.0 as usize))
            .collect();
        clashes.find(&in_force, &routes);
        let outputs = in_force.iter().flat_map(|it| it.output_headers());
        let identity = IdentityHeaders::new(outputs);
        let on_identity = |it: &RouteEntry| {
            let mut names = it.matches.headers.iter().map(|(name, _)| name.as_str());
            names.any(|name| identity.contains(name))
        };
        listener::Listener {
            origin: Arc::clone(&listener.origin),
            name: Arc::clone(&listener.title),
            host: listener.spec.host.clone(),
            mode: listener.spec.mode,
            routes_on_identity: routes.iter().any(on_identity),
            routes: RouteTable::new(routes),
            istio,
            jwt: effect.jwt,
            policies: policies.authorization(&self.key),
            rbac: effect.rbac,
            identity,
            normalization: self.normalization(&policies.mesh),
            proxies: self.proxies(&policies.mesh),
            closed: effect.closed,
        }
    }

    /// How paths are made normal on its listeners.
    pub(crate) fn normalization(&self, mesh: &Mesh) -> Normalization {
        self.parameters.normalization.unwrap_or(mesh.normalization)
    }

    /// Says where the client's address can be forged, and where a setting does nothing (decision P11).
    fn check_proxies(&self, mesh: &Mesh, diags: &mut Diagnostics) {
        let proxies = self.proxies(mesh);
        let (message, help) = match (proxies.hops, proxies.addresses.is_empty()) {
            (0, false) => (
                "`trustedAddresses` does nothing here: no proxies are trusted",
                "set `forwarded.trustedProxies` of the GatewayParameters to how many there are",
            ),
            (1.., true) => (
                "`X-Forwarded-For` is believed from anybody who connects",
                "list the proxies under `forwarded.trustedAddresses` of GatewayParameters",
            ),
            _ => return,
        };
        let warning = Diagnostic::warning("forwarded-for", message).at(self.span);
        diags.push(warning.help(help).about(self.reference.clone()));
    }

    pub(super) fn proxies(&self, mesh: &Mesh) -> TrustedProxies {
        let set = &self.parameters;
        TrustedProxies {
            hops: set.trusted_proxies.unwrap_or(mesh.trusted_proxies),
            addresses: set.trusted_addresses.clone().unwrap_or_default().into(),
        }
    }
}
