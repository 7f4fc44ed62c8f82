//! GatewayParameters: our own settings of a Gateway, for which no existing kind has a field.

mod spec;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::path::Normalization;
use http::HeaderName;
use ipnet::IpNet;

use crate::compiled::{AccessLog, DebugDetail, Limits, Timeouts};
use crate::diagnostic::{Diagnostic, Diagnostics, ObjectRef, quoted};
use crate::object::{Kind, Objects};
use crate::read::Spanned;
use crate::refs::{DataRefSpec, described, near};
use crate::source::Span;

/// What one GatewayParameters says. Fields that it leaves out are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// Ports to bind in place of a Gateway's own (decision P10).
    pub(crate) ports: Option<Vec<PortMap>>,
    pub(crate) proxy_protocol: Option<Vec<IpNet>>,
    pub(crate) trusted_proxies: Option<u32>,
    pub(crate) trusted_addresses: Option<Vec<IpNet>>,
    pub(crate) refuse_private_keys: Option<bool>,
    pub(crate) streams_outlive_token: Option<bool>,
    pub(crate) token_cache_bytes: Option<u64>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) normalization: Option<Normalization>,
    pub(crate) debug_header: Option<DebugSpec>,
    /// Which trust domains CAs may vouch for (decision P13).
    pub(crate) client_certificates: Option<Vec<Binding>>,
    limits: LimitFields,
    timeouts: TimeoutFields,
}

/// An entry of `ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PortMap {
    /// The Gateway's.
    pub(crate) port: u16,
    /// What is bound.
    pub(crate) bind: u16,
    pub(crate) span: Span,
}

/// An entry of `clientCertificates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The CA, as a Gateway refers to it.
    pub(crate) authority: DataRefSpec,
    /// What it may vouch for.
    pub(crate) trust_domains: Vec<Arc<str>>,
}

/// `debugHeader`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DebugSpec {
    pub(crate) name: HeaderName,
    pub(crate) detail: DebugDetail,
    /// Names of listeners; `None`: all.
    pub(crate) listeners: Option<Vec<Spanned<Arc<str>>>>,
    pub(crate) span: Span,
}

impl DebugSpec {
    /// Whether the answers of a listener carry it.
    pub(crate) fn holds_for(&self, listener: &str) -> bool {
        let mut names = self.listeners.iter().flatten();
        self.listeners.is_none() || names.any(|it| *it.value == *listener)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LimitFields {
    header_bytes: Option<u32>,
    headers: Option<u32>,
    body_bytes: Option<u64>,
    connections: Option<u32>,
    streams: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TimeoutFields {
    request_headers: Option<Duration>,
    idle: Option<Duration>,
    connect: Option<Duration>,
    request: Option<Duration>,
    drain: Option<Duration>,
}

/// A reference to parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParametersRef {
    pub(super) group: Arc<str>,
    pub(super) kind: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    /// Where the name stands.
    pub(super) span: Span,
}

/// All GatewayParameters of a load.
#[derive(Debug, Default)]
pub(super) struct Stores {
    by_name: HashMap<(Arc<str>, Arc<str>), Store>,
}

/// One of them.
#[derive(Debug)]
struct Store {
    /// `None`: there, but refused.
    parameters: Option<Parameters>,
    reference: ObjectRef,
    span: Span,
}

impl Stores {
    pub(super) fn read(objects: &Objects, diags: &mut Diagnostics) -> Stores {
        let of_kind = objects.of(Kind::GatewayParameters);
        let by_name = of_kind.map(|object| {
            let key = (Arc::clone(&object.namespace), Arc::clone(&object.name));
            let store = Store {
                parameters: spec::read(object, diags),
                reference: object.reference(),
                span: object.name_span,
            };
            (key, store)
        });
        Stores {
            by_name: by_name.collect(),
        }
    }

    /// The parameters that a reference means; reports a reference that means none.
    pub(super) fn find(
        &self,
        reference: &ParametersRef,
        diags: &mut Diagnostics,
    ) -> Option<&Parameters> {
        let (group, kind) = (&*reference.group, &*reference.kind);
        let ours = Kind::GatewayParameters;
        if (group, kind) != (ours.group(), ours.name()) {
            let message = format!(
                "parameters of kind {} are not supported",
                described(group, kind)
            );
            let error = Diagnostic::error("unsupported-parameters", message).at(reference.span);
            let help =
                "refer to a `GatewayParameters` of `countersign.dev`, or remove the reference";
            diags.push(error.help(help));
            return None;
        }
        let key = (
            Arc::clone(&reference.namespace),
            Arc::clone(&reference.name),
        );
        let found = self.by_name.get(&key);
        if found.is_none() {
            diags.push(self.missing(reference));
        }
        found?.parameters.as_ref()
    }

    /// Says which parameters nothing refers to: whoever wrote them believes that they hold.
    pub(super) fn check_idle<'p>(
        &self,
        used: impl Iterator<Item = &'p ParametersRef>,
        diags: &mut Diagnostics,
    ) {
        let used: HashSet<(&str, &str)> = used.map(|it| (&*it.namespace, &*it.name)).collect();
        for ((namespace, name), store) in &self.by_name {
            if used.contains(&(&**namespace, &**name)) {
                continue;
            }
            let message =
                "these parameters hold nowhere: no Gateway and no GatewayClass refers to them";
            let warning = Diagnostic::warning("idle-parameters", message).at(store.span);
            let help = "name them under `spec.infrastructure.parametersRef` of a Gateway";
            diags.push(warning.help(help).about(store.reference.clone()));
        }
    }

    fn missing(&self, reference: &ParametersRef) -> Diagnostic {
        let here = self
            .by_name
            .keys()
            .filter(|(it, _)| *it == reference.namespace);
        let help = match near(&reference.name, here.map(|(_, name)| &**name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "correct the name, or load the GatewayParameters that is meant".into(),
        };
        let message = format!(
            "there is no `GatewayParameters` {} in namespace {}",
            quoted(&reference.name),
            quoted(&reference.namespace)
        );
        let error = Diagnostic::error("parameters-not-found", message).at(reference.span);
        error.help(help)
    }
}

impl Parameters {
    /// These, and where they say nothing those of `base`.
    pub(super) fn over(self, base: &Parameters) -> Parameters {
        let (limits, timeouts) = (self.limits, self.timeouts);
        Parameters {
            ports: self.ports.or_else(|| base.ports.clone()),
            proxy_protocol: self.proxy_protocol.or_else(|| base.proxy_protocol.clone()),
            trusted_proxies: self.trusted_proxies.or(base.trusted_proxies),
            trusted_addresses: self
                .trusted_addresses
                .or_else(|| base.trusted_addresses.clone()),
            refuse_private_keys: self.refuse_private_keys.or(base.refuse_private_keys),
            streams_outlive_token: self.streams_outlive_token.or(base.streams_outlive_token),
            token_cache_bytes: self.token_cache_bytes.or(base.token_cache_bytes),
            access_log: self.access_log.or(base.access_log),
            normalization: self.normalization.or(base.normalization),
            debug_header: self.debug_header.or_else(|| base.debug_header.clone()),
            client_certificates: self
                .client_certificates
                .or_else(|| base.client_certificates.clone()),
            limits: LimitFields {
                header_bytes: limits.header_bytes.or(base.limits.header_bytes),
                headers: limits.headers.or(base.limits.headers),
                body_bytes: limits.body_bytes.or(base.limits.body_bytes),
                connections: limits.connections.or(base.limits.connections),
                streams: limits.streams.or(base.limits.streams),
            },
            timeouts: TimeoutFields {
                request_headers: timeouts.request_headers.or(base.timeouts.request_headers),
                idle: timeouts.idle.or(base.timeouts.idle),
                connect: timeouts.connect.or(base.timeouts.connect),
                request: timeouts.request.or(base.timeouts.request),
                drain: timeouts.drain.or(base.timeouts.drain),
            },
        }
    }

    /// The port to bind for one of the Gateway's.
    pub(super) fn bind(&self, port: u16) -> u16 {
        let map = self.ports.iter().flatten().find(|it| it.port == port);
        map.map_or(port, |it| it.bind)
    }

    pub(super) fn limits(&self) -> Limits {
        let (set, default) = (self.limits, Limits::default());
        Limits {
            header_bytes: set.header_bytes.unwrap_or(default.header_bytes),
            headers: set.headers.unwrap_or(default.headers),
            body_bytes: set.body_bytes.or(default.body_bytes),
            connections: set.connections.unwrap_or(default.connections),
            streams: set.streams.unwrap_or(default.streams),
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        let (set, default) = (self.timeouts, Timeouts::default());
        Timeouts {
            request_headers: set.request_headers.unwrap_or(default.request_headers),
            idle: set.idle.unwrap_or(default.idle),
            connect: set.connect.unwrap_or(default.connect),
            request: set.request.unwrap_or(default.request),
            drain: set.drain.unwrap_or(default.drain),
        }
    }
}
