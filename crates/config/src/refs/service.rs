//! Services, and the EndpointSlices that say where they really are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::backend::{AppProtocol, Endpoint};
use countersign_core::origin::Origin;

use super::protocol::{self, Protocol};
use super::slice::{self, Slice};
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, any_string, choice, int_in, parsed, port, string};
use crate::yaml::{Node, Typed, Value};

/// All Services of a load.
#[derive(Debug, Default)]
pub(crate) struct Services {
    by_name: HashMap<(Arc<str>, Arc<str>), Service>,
    slices: HashMap<(Arc<str>, Arc<str>), Vec<Slice>>,
}

/// One Service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) origin: Origin,
    shape: Shape,
    ports: Vec<ServicePort>,
}

/// How its name resolves.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// To one address, which translates ports.
    Cluster,
    /// To the endpoints themselves.
    Headless,
    /// It stands for this name.
    External(Arc<str>),
}

/// One of its ports.
#[derive(Clone, Debug)]
pub(crate) struct ServicePort {
    pub(crate) name: Option<Arc<str>>,
    number: u16,
    target: Target,
    transport: Transport,
    app_protocol: Option<Arc<str>>,
}

/// `targetPort`.
#[derive(Clone, Debug)]
enum Target {
    Number(u16),
    /// A name that only the pods know.
    Name(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
    Sctp,
}

/// A Service port as a backend.
#[derive(Debug)]
pub(crate) struct Found<'s> {
    pub(crate) origin: &'s Origin,
    pub(crate) port_name: Option<Arc<str>>,
    pub(crate) protocol: Protocol,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Services {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> Services {
        let mut services = Services::default();
        for object in objects.of(Kind::Service) {
            if let Some(service) = service(object, diags) {
                let key = (Arc::clone(&object.namespace), Arc::clone(&object.name));
                services.by_name.insert(key, service);
            }
        }
        for object in objects.of(Kind::EndpointSlice) {
            if let Some((service, slice)) = slice::read(object, diags) {
                let key = (Arc::clone(&object.namespace), service);
                services.slices.entry(key).or_default().push(slice);
            }
        }
        services
    }

    pub(super) fn has(&self, namespace: &Arc<str>, name: &Arc<str>) -> bool {
        let key = (Arc::clone(namespace), Arc::clone(name));
        self.by_name.contains_key(&key)
    }

    pub(super) fn names<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'s str> {
        let here = self
            .by_name
            .keys()
            .filter(move |(it, _)| **it == *namespace);
        here.map(|(_, name)| &**name)
    }

    /// Whether a Service has a port of that name.
    pub(super) fn has_port(&self, namespace: &Arc<str>, name: &Arc<str>, port: &str) -> bool {
        let service = self.by_name.get(&(Arc::clone(namespace), Arc::clone(name)));
        service.is_some_and(|it| it.ports.iter().any(|it| it.name.as_deref() == Some(port)))
    }

    /// A port of a Service. `Ok(None)` where there is no such Service. With `bytes` it may speak what it will.
    ///
    /// # Errors
    /// Why requests cannot go to that port.
    pub(super) fn find(
        &self,
        namespace: &Arc<str>,
        name: &Arc<str>,
        number: u16,
        bytes: bool,
    ) -> Result<Option<Found<'_>>, String> {
        let key = (Arc::clone(namespace), Arc::clone(name));
        let Some(service) = self.by_name.get(&key) else {
            return Ok(None);
        };
        let slices = self.slices.get(&key).map_or(&[][..], Vec::as_slice);
        let port = service.port(number)?;
        if port.transport != Transport::Tcp {
            return Err(format!("its port {number} is not TCP"));
        }
        let protocol = match &port.app_protocol {
            None => Protocol::plain(AppProtocol::Http),
            Some(text) => match protocol::of_port(text) {
                Some(known) => known,
                None if bytes => Protocol::plain(AppProtocol::Http),
                None => return Err(format!("nothing here speaks its `appProtocol: {text}`")),
            },
        };
        let endpoints = match (&service.shape, slices) {
            (Shape::External(host), _) => vec![endpoint(host, number)],
            (_, []) => vec![service.by_dns(namespace, name, &port)?],
            (_, slices) => endpoints(slices, &port),
        };
        Ok(Some(Found {
            origin: &service.origin,
            port_name: port.name.clone(),
            protocol,
            endpoints,
        }))
    }
}

impl Service {
    /// The port with this number. A Service that stands for a name may list none, and has then any.
    fn port(&self, number: u16) -> Result<ServicePort, String> {
        if let Some(port) = self.ports.iter().find(|port| port.number == number) {
            return Ok(port.clone());
        }
        if self.ports.is_empty() && matches!(self.shape, Shape::External(_)) {
            return Ok(ServicePort {
                name: None,
                number,
                target: Target::Number(number),
                transport: Transport::Tcp,
                app_protocol: None,
            });
        }
        let ports: Vec<String> = self.ports.iter().map(|it| it.number.to_string()).collect();
        let has = match ports.as_slice() {
            [] => "it has no ports".to_owned(),
            ports => format!("its ports are {}", ports.join(", ")),
        };
        Err(format!("it has no port {number}: {has}"))
    }

    /// Without EndpointSlices the cluster's DNS knows where it is.
    fn by_dns(&self, namespace: &str, name: &str, port: &ServicePort) -> Result<Endpoint, String> {
        let host = format!("{name}.{namespace}.svc.cluster.local");
        match (&self.shape, &port.target) {
            (Shape::Headless, Target::Number(target)) => Ok(endpoint(&host, *target)),
            (Shape::Headless, Target::Name(target)) => Err(format!(
                "it is headless and its `targetPort: {target}` is a name, \
                 which only EndpointSlices could tell"
            )),
            _ => Ok(endpoint(&host, port.number)),
        }
    }
}

/// The ready addresses behind a port. Slices name their ports as the Service does.
fn endpoints(slices: &[Slice], port: &ServicePort) -> Vec<Endpoint> {
    let mut all: Vec<Endpoint> = Vec::new();
    for slice in slices {
        let fallback = match port.target {
            Target::Number(number) => number,
            Target::Name(_) => port.number,
        };
        let Some(number) = slice.port(port.name.as_deref(), fallback) else {
            continue;
        };
        for host in slice.ready() {
            // While a slice is being split, an address may stand in both halves.
            let found = endpoint(host, number);
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        host: host.into(),
        port,
    }
}

/// Settings of a Service that concern the cluster's own load balancing.
const OF_THE_CLUSTER: [&str; 18] = [
    "allocateLoadBalancerNodePorts",
    "clusterIPs",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "selector",
    "sessionAffinity",
    "sessionAffinityConfig",
    "topologyKeys",
    "trafficDistribution",
    "ipFamily",
];

fn service(object: &Object, diags: &mut Diagnostics) -> Option<Service> {
    let types = [
        ("ClusterIP", false),
        ("NodePort", false),
        ("LoadBalancer", false),
        ("ExternalName", true),
    ];
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "Service.spec", diags)?;
        for name in OF_THE_CLUSTER {
            fields.ignored(name);
        }
        let external = fields.optional("type", choice(&types)).unwrap_or(false);
        let ports = fields.list("ports", service_port);
        let address = fields.optional("clusterIP", any_string);
        let shape = if external {
            Shape::External(fields.required("externalName", external_name)?)
        } else {
            fields.ignored("externalName");
            match address.as_deref() {
                Some("None") => Shape::Headless,
                _ => Shape::Cluster,
            }
        };
        Some(Service {
            origin: object.origin.clone(),
            shape,
            ports,
        })
    })
}

/// An ExternalName is a DNS name; Kubernetes lets it end with a dot.
fn external_name(node: &Node, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let parse = |text: &str| {
        let name = text.trim_end_matches('.');
        let valid = !name.is_empty()
            && name.parse::<IpAddr>().is_err()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        valid.then(|| Arc::from(name))
    };
    let help = "write a DNS name such as `api.example.com`";
    parsed(parse, "is not a DNS name", help)(node, diags)
}

fn service_port(node: &Node, diags: &mut Diagnostics) -> Option<ServicePort> {
    let transports = [
        ("TCP", Transport::Tcp),
        ("UDP", Transport::Udp),
        ("SCTP", Transport::Sctp),
    ];
    let mut fields = Fields::of(node, "Service.spec.ports", diags)?;
    fields.ignored("nodePort");
    let name = fields.optional("name", string);
    let transport = fields.optional("protocol", choice(&transports));
    let app_protocol = fields.optional("appProtocol", string);
    let target = fields.optional("targetPort", target);
    let number = fields.required("port", port)?;
    Some(ServicePort {
        name,
        number,
        target: target.unwrap_or(Target::Number(number)),
        transport: transport.unwrap_or(Transport::Tcp),
        app_protocol,
    })
}

fn target(node: &Node, diags: &mut Diagnostics) -> Option<Target> {
    let named = matches!(&node.value, Value::Scalar(it) if it.typed() == Typed::String);
    if named {
        let help = "write the name that the pods give the port, or its number";
        return parsed(port_name, "is not the name of a port", help)(node, diags).map(Target::Name);
    }
    // Kubernetes takes 0 for "as `port`", which nobody writes.
    int_in(1..=u16::MAX)(node, diags).map(Target::Number)
}

/// As Kubernetes has it: up to 15 of `a` to `z`, `0` to `9` and `-`, among them a letter.
fn port_name(text: &str) -> Option<Arc<str>> {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let valid =
        text.len() <= 15 && text.bytes().all(legal) && text.bytes().any(|b| b.is_ascii_lowercase());
    valid.then(|| text.into())
}
