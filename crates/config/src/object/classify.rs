//! Which kinds are read, which are refused, and which are passed over.

use crate::read::distance;

/// A kind that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names of the kinds say it all")]
pub enum Kind {
    GatewayClass,
    Gateway,
    HttpRoute,
    GrpcRoute,
    TcpRoute,
    TlsRoute,
    ReferenceGrant,
    BackendTlsPolicy,
    Service,
    Secret,
    ConfigMap,
    Namespace,
    EndpointSlice,
    GatewayExtension,
    TrafficPolicy,
    Backend,
    RequestAuthentication,
    AuthorizationPolicy,
    GatewayParameters,
    AgentgatewayPolicy,
    EnterpriseAgentgatewayPolicy,
    AgentgatewayBackend,
}

/// What becomes of an object of some group and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It is read.
    Known(Kind),
    /// It exists, we do not read it, and leaving it out could let in what it refuses: an error.
    Unsupported,
    /// No kind of a group that is read; a misspelling, most likely.
    Unknown,
    /// The group is misspelt, missing or another one; this is the one that must be meant. An error: passed over as foreign,
    /// the object would protect nothing.
    WrongGroup(&'static str),
    /// Of a group that has nothing to do with us: passed over.
    Foreign,
}

struct Entry {
    kind: Kind,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
}

/// What becomes of an object of this group and kind. Letter case counts, as in Kubernetes.
pub fn classify(group: &str, kind: &str) -> Class {
    if let Some(entry) = KINDS
        .iter()
        .find(|entry| entry.group == group && entry.name == kind)
    {
        return Class::Known(entry.kind);
    }
    if UNSUPPORTED
        .iter()
        .any(|(known, kinds)| *known == group && (kinds.is_empty() || kinds.contains(&kind)))
    {
        return Class::Unsupported;
    }
    if !group.is_empty() && kinds_of(group).next().is_some() {
        return Class::Unknown;
    }
    // The core group is everybody's: Pods and ServiceAccounts lie beside what is ours.
    meant(group, kind).map_or(Class::Foreign, Class::WrongGroup)
}

/// The group that must be meant by one that is not known.
fn meant(group: &str, kind: &str) -> Option<&'static str> {
    const TYPOS: usize = 2;
    if NAMESAKES.contains(&(group, kind)) {
        return None;
    }
    if let Some((_, group, _)) = RESTRICTING.iter().find(|(it, ..)| *it == kind) {
        return Some(group);
    }
    if group.is_empty() {
        let known = groups().find(|(_, kinds)| kinds.contains(&kind));
        return known.map(|(group, _)| group);
    }
    groups()
        .map(|(known, _)| known)
        .filter(|known| !known.is_empty() && distance(group, known) <= TYPOS)
        .min_by_key(|known| distance(group, known))
}

/// Whether objects of this name refuse requests: of whatever group, one that is passed over could let somebody in.
pub(super) fn restricts(kind: &str) -> bool {
    RESTRICTING.iter().any(|(it, ..)| *it == kind)
}

/// What to write for `apiVersion`, if the version is known.
pub(super) fn api_version(group: &str, kind: &str) -> Option<String> {
    let known = KINDS.iter().find(|it| it.group == group && it.name == kind);
    let version = known.and_then(|it| it.versions.first()).copied();
    let restricting = RESTRICTING.iter().find(|(it, ..)| *it == kind);
    let version = version.or(restricting.map(|(_, _, version)| *version))?;
    Some(match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    })
}

/// Every group, with some of its kinds.
fn groups() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let known = KINDS
        .iter()
        .map(|entry| (entry.group, std::slice::from_ref(&entry.name)));
    known.chain(UNSUPPORTED.iter().copied())
}

/// The names of the kinds of one group that are read.
pub(super) fn kinds_of(group: &str) -> impl Iterator<Item = &'static str> {
    KINDS
        .iter()
        .filter(move |entry| entry.group == group)
        .map(|entry| entry.name)
}

impl Kind {
    /// As it stands in `kind:`.
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    /// The API group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.entry().map_or("", |entry| entry.group)
    }

    /// The versions that are read, the current one first.
    pub fn versions(self) -> &'static [&'static str] {
        self.entry().map_or(&[], |entry| entry.versions)
    }

    /// Whether objects of this kind lie in a namespace.
    pub fn namespaced(self) -> bool {
        !matches!(self, Self::GatewayClass | Self::Namespace)
    }

    fn entry(self) -> Option<&'static Entry> {
        KINDS.iter().find(|entry| entry.kind == self)
    }
}

const GATEWAY_API: &str = "gateway.networking.k8s.io";
const KGATEWAY: &str = "gateway.kgateway.dev";

const fn entry(
    kind: Kind,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
) -> Entry {
    Entry {
        kind,
        name,
        group,
        versions,
    }
}

const ISTIO: &str = "security.istio.io";
const GLOO: &str = "security.policy.gloo.solo.io";
const AGENTGATEWAY: &str = "agentgateway.dev";
const ENTERPRISE_AGENTGATEWAY: &str = "enterpriseagentgateway.solo.io";

/// Kinds of other projects that share a name with one of [`RESTRICTING`] and are passed over like all that is theirs.
const NAMESAKES: &[(&str, &str)] = &[
    ("authorino.kuadrant.io", "AuthConfig"),
    ("policy.linkerd.io", "AuthorizationPolicy"),
];

/// Kinds that refuse requests, each with its group and the current version.
const RESTRICTING: &[(&str, &str, &str)] = &[
    ("TrafficPolicy", KGATEWAY, "v1alpha1"),
    ("GatewayExtension", KGATEWAY, "v1alpha1"),
    ("RequestAuthentication", ISTIO, "v1"),
    ("AuthorizationPolicy", ISTIO, "v1"),
    ("PeerAuthentication", ISTIO, "v1"),
    ("AuthConfig", "extauth.solo.io", "v1"),
    ("ExtAuthPolicy", GLOO, "v2"),
    ("JWTPolicy", GLOO, "v2"),
    // As it is often written.
    ("JwtPolicy", GLOO, "v2"),
    ("AgentgatewayPolicy", AGENTGATEWAY, "v1alpha1"),
    (
        "EnterpriseAgentgatewayPolicy",
        ENTERPRISE_AGENTGATEWAY,
        "v1alpha1",
    ),
];

const KINDS: &[Entry] = &[
    entry(
        Kind::GatewayClass,
        "GatewayClass",
        GATEWAY_API,
        &["v1", "v1beta1"],
    ),
    entry(Kind::Gateway, "Gateway", GATEWAY_API, &["v1", "v1beta1"]),
    entry(
        Kind::HttpRoute,
        "HTTPRoute",
        GATEWAY_API,
        &["v1", "v1beta1"],
    ),
    entry(
        Kind::GrpcRoute,
        "GRPCRoute",
        GATEWAY_API,
        &["v1", "v1alpha2"],
    ),
    entry(Kind::TcpRoute, "TCPRoute", GATEWAY_API, &["v1", "v1alpha2"]),
    entry(
        Kind::TlsRoute,
        "TLSRoute",
        GATEWAY_API,
        &["v1", "v1alpha3", "v1alpha2"],
    ),
    entry(
        Kind::ReferenceGrant,
        "ReferenceGrant",
        GATEWAY_API,
        &["v1", "v1beta1", "v1alpha2"],
    ),
    entry(
        Kind::BackendTlsPolicy,
        "BackendTLSPolicy",
        GATEWAY_API,
        &["v1", "v1alpha3"],
    ),
    entry(Kind::Service, "Service", "", &["v1"]),
    entry(Kind::Secret, "Secret", "", &["v1"]),
    entry(Kind::ConfigMap, "ConfigMap", "", &["v1"]),
    entry(Kind::Namespace, "Namespace", "", &["v1"]),
    entry(
        Kind::EndpointSlice,
        "EndpointSlice",
        "discovery.k8s.io",
        &["v1"],
    ),
    entry(
        Kind::GatewayExtension,
        "GatewayExtension",
        KGATEWAY,
        &["v1alpha1"],
    ),
    entry(
        Kind::TrafficPolicy,
        "TrafficPolicy",
        KGATEWAY,
        &["v1alpha1"],
    ),
    entry(Kind::Backend, "Backend", KGATEWAY, &["v1alpha1"]),
    entry(
        Kind::RequestAuthentication,
        "RequestAuthentication",
        ISTIO,
        &["v1", "v1beta1"],
    ),
    entry(
        Kind::AuthorizationPolicy,
        "AuthorizationPolicy",
        ISTIO,
        &["v1", "v1beta1"],
    ),
    entry(
        Kind::GatewayParameters,
        "GatewayParameters",
        "countersign.dev",
        &["v1alpha1"],
    ),
    entry(
        Kind::AgentgatewayPolicy,
        "AgentgatewayPolicy",
        AGENTGATEWAY,
        &["v1alpha1"],
    ),
    entry(
        Kind::AgentgatewayBackend,
        "AgentgatewayBackend",
        AGENTGATEWAY,
        &["v1alpha1"],
    ),
    entry(
        Kind::EnterpriseAgentgatewayPolicy,
        "EnterpriseAgentgatewayPolicy",
        ENTERPRISE_AGENTGATEWAY,
        &["v1alpha1"],
    ),
];

/// Kinds that exist and are not read; an empty list stands for all of the group.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    (GATEWAY_API, &["UDPRoute", "ListenerSet", "BackendLBPolicy"]),
    ("gateway.networking.x-k8s.io", &[]),
    (
        KGATEWAY,
        &[
            "DirectResponse",
            "ListenerPolicy",
            "HTTPListenerPolicy",
            "BackendConfigPolicy",
            "GatewayParameters",
            "RoutePolicy",
        ],
    ),
    (ISTIO, &["PeerAuthentication"]),
    (GLOO, &[]),
    (AGENTGATEWAY, &["AgentgatewayParameters"]),
    (ENTERPRISE_AGENTGATEWAY, &[]),
    ("enterprisekgateway.solo.io", &[]),
    ("enterprise.gloo.solo.io", &[]),
    ("extauth.solo.io", &[]),
    ("ratelimit.solo.io", &[]),
];
