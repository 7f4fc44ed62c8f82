//! kgateway's Backend: hosts outside the cluster.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::backend::{AppProtocol, Endpoint};
use countersign_core::origin::Origin;

use super::protocol::OF_BACKEND;
use crate::diagnostic::Diagnostics;
use crate::object::{Kind, Object, Objects};
use crate::read::{Fields, choice, list_in, parsed, port};
use crate::yaml::Node;

/// All Backends of a load.
#[derive(Debug, Default)]
pub(crate) struct StaticBackends {
    by_name: HashMap<(Arc<str>, Arc<str>), StaticBackend>,
}

/// A Backend of type Static.
#[derive(Debug)]
pub(crate) struct StaticBackend {
    pub(crate) origin: Origin,
    pub(crate) hosts: Vec<Endpoint>,
    pub(crate) protocol: AppProtocol,
}

impl StaticBackends {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> StaticBackends {
        let of_kind = objects.of(Kind::Backend);
        let by_name = of_kind.filter_map(|object| {
            let key = (Arc::clone(&object.namespace), Arc::clone(&object.name));
            Some((key, backend(object, diags)?))
        });
        StaticBackends {
            by_name: by_name.collect(),
        }
    }

    pub(super) fn find(&self, namespace: &Arc<str>, name: &Arc<str>) -> Option<&StaticBackend> {
        self.by_name.get(&(Arc::clone(namespace), Arc::clone(name)))
    }

    pub(super) fn names<'s>(&'s self, namespace: &'s str) -> impl Iterator<Item = &'s str> {
        let here = self
            .by_name
            .keys()
            .filter(move |(it, _)| **it == *namespace);
        here.map(|(_, name)| &**name)
    }
}

/// Blocks for backends of other types.
const OTHER_TYPES: [&str; 5] = [
    "aws",
    "gcp",
    "priorityGroups",
    "dynamicForwardProxy",
    "azure",
];

fn backend(object: &Object, diags: &mut Diagnostics) -> Option<StaticBackend> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "Backend.spec", diags)?;
        let help = "only `static` backends are reached from here: write `static:` with `hosts:`";
        for name in OTHER_TYPES {
            fields.unsupported(name, help);
        }
        fields.optional("type", choice(&[("Static", ())]));
        fields.required("static", |node, diags| {
            let mut fields = Fields::of(node, "Backend.spec.static", diags)?;
            let hosts = fields.required("hosts", list_in(1..=usize::MAX, host));
            let protocol = fields.optional("appProtocol", choice(OF_BACKEND));
            Some(StaticBackend {
                origin: object.origin.clone(),
                hosts: hosts?,
                protocol: protocol.unwrap_or_default(),
            })
        })
    })
}

fn host(node: &Node, diags: &mut Diagnostics) -> Option<Endpoint> {
    let mut fields = Fields::of(node, "Backend.spec.static.hosts", diags)?;
    let help = "write a DNS name or an IP address, without scheme and port";
    let host = fields.required("host", parsed(host_name, "is not a host", help));
    let port = fields.required("port", port);
    Some(Endpoint {
        host: host?,
        port: port?,
    })
}

/// An IP address, or whatever a resolver may know: container networks have names with underscores.
fn host_name(text: &str) -> Option<Box<str>> {
    let address = text.parse::<IpAddr>().is_ok();
    let label = |it: &str| {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=63).contains(&it.len()) && it.bytes().all(legal)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let named = name.len() <= 253 && name.split('.').all(label);
    (address || named).then(|| text.into())
}
