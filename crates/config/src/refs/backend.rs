//! kgateway's Backend and agentgateway's AgentgatewayBackend: hosts outside the cluster.

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

/// All of them in a load.
#[derive(Debug, Default)]
pub(crate) struct StaticBackends {
    by_name: HashMap<(Kind, Arc<str>, Arc<str>), StaticBackend>,
}

/// One with static hosts.
#[derive(Debug)]
pub(crate) struct StaticBackend {
    pub(crate) origin: Origin,
    pub(crate) hosts: Vec<Endpoint>,
    pub(crate) protocol: AppProtocol,
}

impl StaticBackends {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> StaticBackends {
        let mut by_name = HashMap::new();
        for object in objects.iter() {
            let read = match object.kind {
                Kind::Backend => backend(object, diags),
                Kind::AgentgatewayBackend => agentgateway_backend(object, diags),
                _ => continue,
            };
            let name = (Arc::clone(&object.namespace), Arc::clone(&object.name));
            by_name.extend(read.map(|it| ((object.kind, name.0, name.1), it)));
        }
        StaticBackends { by_name }
    }

    pub(super) fn find(
        &self,
        kind: Kind,
        namespace: &Arc<str>,
        name: &Arc<str>,
    ) -> Option<&StaticBackend> {
        let key = (kind, Arc::clone(namespace), Arc::clone(name));
        self.by_name.get(&key)
    }

    pub(super) fn names<'s>(
        &'s self,
        kind: Kind,
        namespace: &'s str,
    ) -> impl Iterator<Item = &'s str> {
        let here = self.by_name.keys();
        let here = here.filter(move |(its, at, _)| *its == kind && **at == *namespace);
        here.map(|(_, _, name)| &**name)
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
            let at = "Backend.spec.static.hosts";
            let each = |node: &Node, diags: &mut Diagnostics| host(node, at, diags);
            let hosts = fields.required("hosts", list_in(1..=usize::MAX, each));
            let protocol = fields.optional("appProtocol", choice(OF_BACKEND));
            Some(StaticBackend {
                origin: object.origin.clone(),
                hosts: hosts?,
                protocol: protocol.unwrap_or_default(),
            })
        })
    })
}

/// One host; what is spoken to it is HTTP/1.1.
fn agentgateway_backend(object: &Object, diags: &mut Diagnostics) -> Option<StaticBackend> {
    object.fields(diags).required("spec", |node, diags| {
        let mut fields = Fields::of(node, "AgentgatewayBackend.spec", diags)?;
        let help = "only `static` backends are reached from here: write `static:` with `host:` and `port:`";
        for name in ["ai", "mcp", "dynamicForwardProxy", "aws"] {
            fields.unsupported(name, help);
        }
        let help = "leave it out; a BackendTLSPolicy says how a certificate is checked";
        fields.unsupported("policies", help);
        let elsewhere = ["ai", "mcp", "dynamicForwardProxy", "aws"];
        if !fields.has("static") && elsewhere.iter().any(|it| fields.has(it)) {
            return None;
        }
        let at = "AgentgatewayBackend.spec.static";
        let host = fields.required("static", |node, diags| host(node, at, diags));
        Some(StaticBackend {
            origin: object.origin.clone(),
            hosts: vec![host?],
            protocol: AppProtocol::Http,
        })
    })
}

fn host(node: &Node, at: &'static str, diags: &mut Diagnostics) -> Option<Endpoint> {
    let mut fields = Fields::of(node, at, diags)?;
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
