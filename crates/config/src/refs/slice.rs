//! EndpointSlices: the addresses behind a Service.

use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::object::Object;
use crate::read::{
    Fields, any_string, boolean, choice, invalid, list_in, port, precise_hostname, string,
};
use crate::yaml::Node;

/// One slice.
#[derive(Debug)]
pub(crate) struct Slice {
    addresses: Vec<Arc<str>>,
    ports: Vec<Port>,
}

#[derive(Debug)]
struct Port {
    /// Empty where the port of the Service has no name.
    name: Arc<str>,
    /// `None`: whatever port the Service says.
    number: Option<u16>,
}

/// `addressType`.
#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Name,
}

/// The label that says whose slice it is.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl Slice {
    /// Addresses that may get requests.
    pub(super) fn ready(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().map(|it| &**it)
    }

    /// The number of the port of that name; `None` where this slice has none.
    pub(super) fn port(&self, name: Option<&str>, fallback: u16) -> Option<u16> {
        let wanted = name.unwrap_or("");
        let port = self.ports.iter().find(|port| *port.name == *wanted)?;
        Some(port.number.unwrap_or(fallback))
    }
}

/// The name of the Service, and its slice. A slice of no Service is nobody's.
pub(super) fn read(object: &Object, diags: &mut Diagnostics) -> Option<(Arc<str>, Slice)> {
    let types = [
        ("IPv4", Family::V4),
        ("IPv6", Family::V6),
        ("FQDN", Family::Name),
    ];
    let mut fields = object.fields(diags);
    let family = fields.required("addressType", choice(&types));
    let family = family.unwrap_or(Family::Name);
    let endpoints = fields.list("endpoints", |node, diags| endpoint(node, family, diags));
    let ports = fields.list("ports", slice_port);
    let service = object.label(SERVICE_LABEL)?;
    let slice = Slice {
        addresses: endpoints.into_iter().flatten().collect(),
        ports,
    };
    Some((service.into(), slice))
}

/// The address of an endpoint, unless it is not ready. Of several addresses Kubernetes itself uses the first only.
fn endpoint(node: &Node, family: Family, diags: &mut Diagnostics) -> Option<Option<Arc<str>>> {
    let mut fields = Fields::of(node, "EndpointSlice.endpoints", diags)?;
    for name in [
        "hostname",
        "nodeName",
        "zone",
        "targetRef",
        "hints",
        "deprecatedTopology",
    ] {
        fields.ignored(name);
    }
    let ready = fields.optional("conditions", |node, diags| {
        let mut fields = Fields::of(node, "EndpointSlice.endpoints.conditions", diags)?;
        fields.ignored("serving");
        fields.ignored("terminating");
        // Absent means unknown, which Kubernetes takes for ready.
        Some(fields.optional("ready", boolean).unwrap_or(true))
    });
    let address = |node: &Node, diags: &mut Diagnostics| address(node, family, diags);
    let addresses = fields.required("addresses", list_in(1..=100, address))?;
    let ready = ready.unwrap_or(true);
    Some(addresses.into_iter().next().filter(|_| ready))
}

fn address(node: &Node, family: Family, diags: &mut Diagnostics) -> Option<Arc<str>> {
    let text = string(node, diags)?;
    let ip = text.parse::<IpAddr>().ok();
    let (fits, problem) = match family {
        Family::V4 => (ip.is_some_and(|it| it.is_ipv4()), "is not an IPv4 address"),
        Family::V6 => (ip.is_some_and(|it| it.is_ipv6()), "is not an IPv6 address"),
        Family::Name => return precise_hostname(node, diags),
    };
    if fits {
        return Some(text);
    }
    invalid(node, problem, "correct it, or change `addressType`", diags);
    None
}

fn slice_port(node: &Node, diags: &mut Diagnostics) -> Option<Port> {
    let mut fields = Fields::of(node, "EndpointSlice.ports", diags)?;
    // Both are the Service's to say.
    fields.ignored("protocol");
    fields.ignored("appProtocol");
    let name = fields.optional("name", any_string).unwrap_or_default();
    let number = fields.optional("port", port);
    Some(Port { name, number })
}
