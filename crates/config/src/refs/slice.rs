//! EndpointSlices: the addresses behind a Service.

use std::sync::Arc;

use crate::diagnostic::Diagnostics;
use crate::object::Object;
use crate::read::{Fields, any_string, boolean, choice, list_in, port, string};
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
    let types = [("IPv4", ()), ("IPv6", ()), ("FQDN", ())];
    let mut fields = object.fields(diags);
    fields.required("addressType", choice(&types));
    let endpoints = fields.list("endpoints", endpoint);
    let ports = fields.list("ports", slice_port);
    let service = object.label(SERVICE_LABEL)?;
    let slice = Slice {
        addresses: endpoints.into_iter().flatten().collect(),
        ports,
    };
    Some((service.into(), slice))
}

/// The address of an endpoint, unless it is not ready. Of several addresses Kubernetes itself uses the first only.
fn endpoint(node: &Node, diags: &mut Diagnostics) -> Option<Option<Arc<str>>> {
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
    let addresses = fields.required("addresses", list_in(1..=100, string))?;
    let ready = ready.unwrap_or(true);
    Some(addresses.into_iter().next().filter(|_| ready))
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
