//! From a reference to the backend that it means, or to the reason why there is none.

use std::collections::HashMap;
use std::sync::Arc;

use countersign_core::backend::{AppProtocol, Backend};
use countersign_core::id::BackendId;

use super::Refs;
use super::protocol::Protocol;
use super::reference::{BackendRef, Referrer, described};
use super::tls::Target;
use crate::diagnostic::quoted;
use crate::object::Kind;
use crate::read::nearest;

/// Why a reference leads nowhere: a stable code, what to say, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dangling {
    pub(crate) code: &'static str,
    pub(crate) why: String,
    pub(crate) help: String,
}

impl Dangling {
    fn new(code: &'static str, why: String, help: impl Into<String>) -> Dangling {
        Dangling {
            code,
            why,
            help: help.into(),
        }
    }
}

/// What a route speaks with its backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Speaks {
    Http,
    /// HTTP/2, stated or not.
    Grpc,
    /// Whatever client and backend agree on.
    Bytes,
}

/// The groups of Backend and AgentgatewayBackend.
const KGATEWAY: &str = "gateway.kgateway.dev";
const AGENTGATEWAY: &str = "agentgateway.dev";

impl Refs<'_> {
    /// The backend that a reference means.
    ///
    /// # Errors
    /// Why requests cannot go there.
    pub(crate) fn backend(
        &self,
        spec: &BackendRef,
        from: Referrer<'_>,
        speaks: Speaks,
    ) -> Result<Backend, Dangling> {
        let own = || Arc::from(from.namespace);
        let namespace: Arc<str> = spec.namespace.clone().unwrap_or_else(own);
        self.granted(spec, &namespace, from)?;
        match (&*spec.group, &*spec.kind) {
            ("", "Service") => self.service(spec, &namespace, speaks),
            (KGATEWAY, "Backend") => self.static_backend(Kind::Backend, spec, &namespace, speaks),
            (AGENTGATEWAY, "AgentgatewayBackend") => {
                self.static_backend(Kind::AgentgatewayBackend, spec, &namespace, speaks)
            }
            _ => Err(Dangling::new(
                "backend-kind-unknown",
                format!(
                    "requests cannot go to a {}",
                    described(&spec.group, &spec.kind)
                ),
                format!(
                    "refer to a `Service`, to a `Backend` of `{KGATEWAY}`, or to an `AgentgatewayBackend` of `{AGENTGATEWAY}`"
                ),
            )),
        }
    }

    fn granted(
        &self,
        spec: &BackendRef,
        namespace: &str,
        from: Referrer<'_>,
    ) -> Result<(), Dangling> {
        let (group, kind) = (&*spec.group, &*spec.kind);
        if self.grants.allows(from, group, kind, namespace, &spec.name) {
            return Ok(());
        }
        Err(Dangling::new(
            "reference-not-granted",
            format!(
                "no ReferenceGrant lets {}s of namespace {} refer to {} {} of namespace {}",
                from.kind,
                quoted(from.namespace),
                described(group, kind),
                quoted(&spec.name),
                quoted(namespace),
            ),
            format!("add a ReferenceGrant to namespace {}", quoted(namespace)),
        ))
    }

    fn service(
        &self,
        spec: &BackendRef,
        namespace: &Arc<str>,
        speaks: Speaks,
    ) -> Result<Backend, Dangling> {
        let port = spec.port.ok_or_else(|| {
            let why = format!(
                "the reference to Service {} names no port",
                quoted(&spec.name)
            );
            Dangling::new(
                "backend-port-not-usable",
                why,
                "add `port:` with one of its ports",
            )
        })?;
        let found = self
            .services
            .find(namespace, &spec.name, port, speaks == Speaks::Bytes);
        let unusable = |why| {
            let why = format!("Service {} cannot be used: {why}", quoted(&spec.name));
            Dangling::new(
                "backend-port-not-usable",
                why,
                "correct the port or the Service",
            )
        };
        let Some(found) = found.map_err(unusable)? else {
            return Err(missing(spec, namespace, self.services.names(namespace)));
        };
        let target = Target {
            kind: Kind::Service,
            namespace: Arc::clone(namespace),
            name: Arc::clone(&spec.name),
            port: found.port_name,
        };
        let backend = Backend {
            origin: Arc::new(found.origin.clone()),
            name: format!("{namespace}/{}:{port}", spec.name).into(),
            protocol: found.protocol.app,
            endpoints: found.endpoints.into(),
            tls: None,
        };
        self.with_tls(backend, &target, found.protocol, speaks)
    }

    fn static_backend(
        &self,
        kind: Kind,
        spec: &BackendRef,
        namespace: &Arc<str>,
        speaks: Speaks,
    ) -> Result<Backend, Dangling> {
        let Some(found) = self.backends.find(kind, namespace, &spec.name) else {
            let names = self.backends.names(kind, namespace);
            return Err(missing(spec, namespace, names));
        };
        let ports = found.hosts.iter().map(|host| host.port);
        if let Some(port) = spec.port
            && ports.clone().all(|it| it != port)
        {
            let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
            return Err(Dangling::new(
                "backend-port-not-usable",
                format!(
                    "{} {} has no host with port {port}",
                    kind.name(),
                    quoted(&spec.name)
                ),
                format!("leave `port` out; its hosts have {}", ports.join(", ")),
            ));
        }
        let mut endpoints = found.hosts.clone();
        endpoints.retain(|host| spec.port.is_none_or(|port| port == host.port));
        let target = Target {
            kind,
            namespace: Arc::clone(namespace),
            name: Arc::clone(&spec.name),
            port: None,
        };
        let backend = Backend {
            origin: Arc::new(found.origin.clone()),
            name: backend_name(namespace, spec),
            protocol: found.protocol,
            endpoints: endpoints.into(),
            tls: None,
        };
        self.with_tls(backend, &target, Protocol::plain(found.protocol), speaks)
    }

    fn with_tls(
        &self,
        backend: Backend,
        target: &Target,
        protocol: Protocol,
        speaks: Speaks,
    ) -> Result<Backend, Dangling> {
        let tls = self.tls.of(target).cloned();
        // Whose bytes are passed on may speak TLS with it themselves.
        if protocol.tls && tls.is_none() && speaks != Speaks::Bytes {
            // In clear text the tokens of callers would be there for all to read.
            return Err(Dangling::new(
                "backend-tls-not-configured",
                format!(
                    "the `appProtocol` of {} asks for TLS, and no BackendTLSPolicy says how to check its certificate",
                    backend.name
                ),
                "add a BackendTLSPolicy for it, or change its `appProtocol`",
            ));
        }
        Ok(Backend { tls, ..backend })
    }
}

fn backend_name(namespace: &str, spec: &BackendRef) -> Arc<str> {
    match spec.port {
        Some(port) => format!("{namespace}/{}:{port}", spec.name).into(),
        None => format!("{namespace}/{}", spec.name).into(),
    }
}

fn missing<'n>(
    spec: &BackendRef,
    namespace: &str,
    names: impl Iterator<Item = &'n str>,
) -> Dangling {
    let help = match near(&spec.name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "correct the name, or load the object that is meant".into(),
    };
    let why = format!(
        "there is no {} {} in namespace {}",
        described(&spec.group, &spec.kind),
        quoted(&spec.name),
        quoted(namespace),
    );
    Dangling::new("backend-not-found", why, help)
}

/// A name that resembles the one written, looked for among a few: comparing is slow.
pub(crate) fn near<'n>(written: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const MOST: usize = 100;
    let mut names: Vec<&str> = names.take(MOST).collect();
    names.sort_unstable();
    nearest(written, &names)
}

/// The backends that something refers to, each once.
pub(crate) struct Backends<'r, 'a> {
    refs: &'r Refs<'a>,
    list: Vec<Backend>,
    /// Kind, name with port, and protocol.
    numbers: HashMap<(&'static str, Arc<str>, AppProtocol), BackendId>,
    verdicts: HashMap<Reference, Result<BackendId, Dangling>>,
}

/// A reference, and who refers: grants differ.
#[derive(PartialEq, Eq, Hash)]
struct Reference {
    kind: &'static str,
    namespace: Box<str>,
    target: BackendRef,
    speaks: Speaks,
}

impl<'r, 'a> Backends<'r, 'a> {
    pub(crate) fn new(refs: &'r Refs<'a>) -> Backends<'r, 'a> {
        Backends {
            refs,
            list: Vec::new(),
            numbers: HashMap::new(),
            verdicts: HashMap::new(),
        }
    }

    /// The number of the backend that a reference means.
    ///
    /// # Errors
    /// Why requests cannot go there.
    pub(crate) fn id(
        &mut self,
        spec: &BackendRef,
        from: Referrer<'_>,
        speaks: Speaks,
    ) -> Result<BackendId, Dangling> {
        let reference = Reference {
            kind: from.kind,
            namespace: from.namespace.into(),
            target: spec.clone(),
            speaks,
        };
        if let Some(known) = self.verdicts.get(&reference) {
            return known.clone();
        }
        let found = self.refs.backend(spec, from, speaks).map(|mut backend| {
            if speaks == Speaks::Grpc && backend.protocol == AppProtocol::Http {
                backend.protocol = AppProtocol::Http2;
            }
            self.number(backend)
        });
        self.verdicts.insert(reference, found.clone());
        found
    }

    /// Whether a backend has no endpoints, so that requests to it get 503.
    pub(crate) fn is_empty(&self, id: BackendId) -> bool {
        let backend = self.list.get(id.0 as usize);
        backend.is_some_and(|it| it.endpoints.is_empty())
    }

    /// All of them, by number.
    pub(crate) fn into_list(self) -> Box<[Backend]> {
        self.list.into()
    }

    fn number(&mut self, backend: Backend) -> BackendId {
        let key = (
            backend.origin.kind,
            Arc::clone(&backend.name),
            backend.protocol,
        );
        let next = BackendId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        *self.numbers.entry(key).or_insert_with(|| {
            self.list.push(backend);
            next
        })
    }
}
