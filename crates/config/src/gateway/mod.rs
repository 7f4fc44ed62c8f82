//! Gateways, their classes and parameters: what is bound, and what holds on it.
//!
//! [`Gateways::read`] reads and checks them all. Routes then attach to their listeners, and [`Gateways::compile`] makes
//! sockets and listeners of it.

mod certificate;
mod class;
mod clients;
mod compile;
mod debug;
mod identity;
mod listener;
mod parameters;
mod protection;
mod sockets;
mod spec;
mod streams;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::id::ListenerId;
use countersign_core::origin::Origin;

use crate::compiled::{AddressGuard, Certificate, TokenCache};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::object::{Kind, Object, Objects};
use crate::policy::{GatewayInfo, GatewayKey};
use crate::refs::Refs;
use crate::source::Span;

pub(crate) use identity::Written;
pub(crate) use listener::{Carried, From, ListenerSpec};

use class::Classes;
use clients::Clients;
use parameters::{Parameters, ParametersRef, Stores};
use sockets::SocketPlan;

/// All Gateways of a load.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    list: Vec<Gateway>,
    by_name: HashMap<GatewayKey, usize>,
    /// In the order in which sockets are numbered.
    sockets: Vec<SocketPlan>,
    certificates: Vec<Certificate>,
    guard: AddressGuard,
}

/// One Gateway.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) key: GatewayKey,
    pub(crate) listeners: Vec<Listener>,
    /// Parts of it were refused: what does not attach may not be to blame.
    pub(crate) broken: bool,
    origin: Arc<Origin>,
    reference: ObjectRef,
    span: Span,
    addresses: Vec<IpAddr>,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    parameters: Parameters,
    clients: Clients,
    /// Where its own parameters come from.
    named: Option<ParametersRef>,
}

/// One listener of a Gateway.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) spec: ListenerSpec,
    /// `namespace/gateway/listener`.
    pub(crate) title: Arc<str>,
    origin: Arc<Origin>,
}

/// The label that Gateway API puts on whatever runs a Gateway.
const NAME_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

impl Gateways {
    /// Reads all Gateways with the certificates and parameters that they refer to, and sees that their ports do not clash.
    pub(crate) fn read(objects: &Objects, refs: &Refs<'_>, diags: &mut Diagnostics) -> Gateways {
        let stores = Stores::read(objects, diags);
        let classes = Classes::read(objects, &stores, diags);
        let mut gateways = Gateways::default();
        for object in objects.of(Kind::Gateway) {
            let first = gateways.listener_count();
            let gateway = gateway(object, &classes, &stores, refs, first, diags);
            let outer = diags.enter(Some(object.reference()));
            for listener in &gateway.listeners {
                let found = certificate::resolve(listener, &gateway.key.namespace, refs, diags);
                gateways.certificates.extend(found);
            }
            diags.enter(outer);
            gateways.guard.refuse_private |= gateway.parameters.refuse_private_keys == Some(true);
            gateways
                .by_name
                .insert(gateway.key.clone(), gateways.list.len());
            gateways.list.push(gateway);
        }
        let own = gateways.list.iter().filter_map(|it| it.named.as_ref());
        stores.check_idle(own.chain(classes.all()), diags);
        if gateways.list.is_empty() {
            let message = "there is no Gateway: nothing is served";
            let warning = Diagnostic::warning("no-gateway", message);
            diags.push(warning.help("load a Gateway with at least one listener"));
        }
        gateways.sockets = sockets::plan(&gateways.list, diags);
        gateways
    }

    /// A Gateway by name.
    pub(crate) fn find(&self, key: &GatewayKey) -> Option<&Gateway> {
        self.list.get(*self.by_name.get(key)?)
    }

    /// Names of the Gateways in a namespace.
    pub(crate) fn names<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'s str> {
        let here = self
            .list
            .iter()
            .filter(move |it| *it.key.namespace == *namespace);
        here.map(|it| &*it.key.name)
    }

    /// How many listeners there are; they are numbered from 0.
    pub(crate) fn listener_count(&self) -> usize {
        self.list.iter().map(|it| it.listeners.len()).sum()
    }

    /// The one cache of verified tokens is as large as the largest that a Gateway asks for. One that says nothing asks
    /// for the usual one.
    pub(crate) fn token_cache(&self) -> TokenCache {
        let asked = |gateway: &Gateway| {
            let bytes = gateway.parameters.token_cache_bytes;
            bytes.map_or_else(TokenCache::default, |bytes| TokenCache { bytes })
        };
        self.list.iter().map(asked).max().unwrap_or_default()
    }

    /// The Gateways as policies see them.
    pub(crate) fn infos(&self) -> Vec<GatewayInfo> {
        let info = |gateway: &Gateway| GatewayInfo {
            key: gateway.key.clone(),
            labels: gateway.labels.clone(),
            listeners: gateway
                .listeners
                .iter()
                .map(|it| Arc::clone(&it.spec.name))
                .collect(),
            client_certificates: gateway
                .listeners
                .iter()
                .any(|it| it.spec.tls.is_some() && gateway.clients.on(it.spec.port).is_some()),
        };
        self.list.iter().map(info).collect()
    }

    /// Addresses that key sets may not come from. Key sets are shared, so the strictest Gateway decides.
    pub(crate) fn guard(&self) -> AddressGuard {
        self.guard
    }
}

impl Gateway {
    /// What clients of a listener must show of themselves, for comparison across reloads.
    pub(crate) fn client_demands(&self, listener: &Listener) -> Vec<Arc<str>> {
        match &listener.spec.tls {
            Some(_) => self.clients.demands(listener.spec.port),
            None => Vec::new(),
        }
    }
}

/// A Gateway whose fields were refused is there all the same, without listeners.
fn gateway(
    object: &Object,
    classes: &Classes,
    stores: &Stores,
    refs: &Refs<'_>,
    first: usize,
    diags: &mut Diagnostics,
) -> Gateway {
    let spec = spec::read(object, diags);
    let broken = spec
        .as_ref()
        .is_none_or(|it| it.listeners.iter().any(Option::is_none));
    let outer = diags.enter(Some(object.reference()));
    let (listeners, addresses, mut labels, parameters, clients, named) = match spec {
        Some(spec) => {
            let parameters = effective(&spec, classes, stores, diags);
            let listeners = listeners(object, spec.listeners, first, diags);
            let scene = clients::Scene {
                namespace: &object.namespace,
                listeners: &listeners,
                bindings: parameters
                    .client_certificates
                    .as_deref()
                    .unwrap_or_default(),
                refs,
            };
            let clients = scene.resolve(&spec.frontend, diags);
            (
                listeners,
                spec.addresses,
                spec.labels,
                parameters,
                clients,
                spec.parameters,
            )
        }
        None => Default::default(),
    };
    diags.enter(outer);
    labels.insert(NAME_LABEL.into(), Arc::clone(&object.name));
    Gateway {
        key: GatewayKey {
            namespace: Arc::clone(&object.namespace),
            name: Arc::clone(&object.name),
        },
        listeners,
        broken,
        origin: Arc::new(object.origin.clone()),
        reference: object.reference(),
        span: object.name_span,
        addresses,
        labels,
        parameters,
        clients,
        named,
    }
}

/// The Gateway's own parameters over those of its class.
fn effective(
    spec: &spec::GatewaySpec,
    classes: &Classes,
    stores: &Stores,
    diags: &mut Diagnostics,
) -> Parameters {
    let own = spec
        .parameters
        .as_ref()
        .and_then(|it| stores.find(it, diags));
    let own = own.cloned().unwrap_or_default();
    for map in own.ports.iter().flatten() {
        let used = |it: &Option<ListenerSpec>| it.as_ref().is_none_or(|it| it.port == map.port);
        if !spec.listeners.iter().any(used) {
            let message = format!("the Gateway has no listener on port {}", map.port);
            let warning = Diagnostic::warning("idle-port-map", message).at(map.span);
            diags.push(warning.help("map the port of a listener"));
        }
    }
    // The class's reference was checked where it stands.
    let class = classes.parameters(&spec.class);
    match class.and_then(|it| stores.find(it, &mut Diagnostics::new())) {
        Some(base) => own.over(base),
        None => own,
    }
}

fn listeners(
    object: &Object,
    specs: Vec<Option<ListenerSpec>>,
    first: usize,
    diags: &mut Diagnostics,
) -> Vec<Listener> {
    let mut list: Vec<Listener> = Vec::new();
    for (index, spec) in specs.into_iter().enumerate() {
        let Some(spec) = spec else { continue };
        if let Some(twin) = list.iter().find(|it| it.spec.name == spec.name) {
            let message = format!("there are two listeners {}", quoted(&spec.name));
            let error = Diagnostic::error("duplicate-listener", message).at(spec.span);
            let error = error.related(twin.spec.span, "the first one");
            diags.push(error.help("give each its own name"));
            continue;
        }
        let line = spec.span.start.line;
        list.push(Listener {
            id: ListenerId(u32::try_from(first + list.len()).unwrap_or(u32::MAX)),
            title: format!("{}/{}/{}", object.namespace, object.name, spec.name).into(),
            origin: Arc::new(object.origin.part(format!("listeners[{index}]"), line)),
            spec,
        });
    }
    list
}
