//! Upstreams: where a route's requests go, as plain values.

use std::sync::Arc;

use crate::origin::Origin;

/// A Service port or a static Backend, resolved to its endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The Service or Backend object.
    pub origin: Arc<Origin>,
    /// `namespace/name:port` for logs and metrics.
    pub name: Arc<str>,
    /// What is spoken to it.
    pub protocol: AppProtocol,
    /// Where it listens. Empty: every request gets 503.
    pub endpoints: Box<[Endpoint]>,
    /// TLS towards it; `None` is cleartext.
    pub tls: Option<BackendTls>,
}

/// One address of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// An IP address or a DNS name.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
}

/// Gateway API `appProtocol` of a Service port, or kgateway's of a Backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AppProtocol {
    /// HTTP/1.1, and HTTP/2 where TLS ALPN agrees on it.
    #[default]
    Http,
    /// HTTP/2, cleartext with prior knowledge or by TLS ALPN.
    Http2,
    /// HTTP/1.1 with WebSocket upgrades expected.
    WebSocket,
}

/// How a backend's certificate is checked (Gateway API `BackendTLSPolicy`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendTls {
    /// SNI, and the name the certificate must carry unless `names` is set.
    pub server_name: Box<str>,
    /// `subjectAltNames`: any one of them must be in the certificate.
    pub names: Box<[SubjectName]>,
    /// What the chain must lead to.
    pub ca: Ca,
}

/// A name wanted in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubjectName {
    /// DNS SAN.
    Dns(Box<str>),
    /// URI SAN, as SPIFFE uses.
    Uri(Box<str>),
}

/// Trust anchors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ca {
    /// The system's roots.
    System,
    /// Certificates in PEM.
    Pem(Arc<str>),
    /// The reference did not resolve: every connection is refused.
    Broken,
}
