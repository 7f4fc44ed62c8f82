//! A connection as policies see it: both ends, the name asked for, and who the
//! other end proved to be.

use std::net::SocketAddr;

use crate::identity::Identity;

/// The connection that a request, or a stream of bytes, came in on.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// The other end, or what a trusted PROXY header said (decision P11);
    /// never an IPv4-mapped address. Istio `source.ip`.
    pub peer: SocketAddr,
    /// Our end: the address that was connected to, and the Gateway's port,
    /// whichever is bound (decision P10). Istio `destination.ip`, `destination.port`.
    pub local: SocketAddr,
    /// Server name of the TLS handshake, canonical, where the client sent one.
    pub sni: Option<&'a str>,
    /// What the handshake agreed on; `None` on cleartext connections.
    pub tls: Option<TlsVersion>,
    /// Who the other end is, where it showed a certificate that verified (decision P13).
    pub identity: Option<&'a Identity>,
}

/// Version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// As Envoy writes it: `TLSv1.3`.
    pub fn name(self) -> &'static str {
        match self {
            TlsVersion::Tls12 => "TLSv1.2",
            TlsVersion::Tls13 => "TLSv1.3",
        }
    }
}
