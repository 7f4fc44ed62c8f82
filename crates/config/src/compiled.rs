//! The compiled configuration: plain values that the edges run from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::Snapshot;
use countersign_core::backend::Ca;
use countersign_core::id::ListenerId;
use countersign_core::origin::Origin;
use countersign_jose::KeySet;
use http::HeaderName;
use ipnet::IpNet;

/// Everything that a load without errors yields.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// What decides.
    pub snapshot: Snapshot,
    /// How each socket of the snapshot is bound; same order as `snapshot.sockets`.
    pub sockets: Box<[SocketSettings]>,
    /// Where the keys of each provider come from; same order as `snapshot.providers`.
    pub keys: Box<[KeySource]>,
    /// One line for each route: what it asks of callers. Compared across
    /// reloads to find routes that ask for less than before (decision P5a).
    pub protection: Box<[Protection]>,
    /// One line for each Gateway: what its AuthorizationPolicies ask of
    /// callers, and the settings that decide what policies compare. Compared
    /// likewise.
    pub gateways: Box<[Protection]>,
    /// What may be kept of verified tokens.
    pub token_cache: TokenCache,
}

/// What a route on a listener, or a Gateway, demands, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// `gateway-namespace/gateway/listener` and `route-namespace/route/rule`; or `Gateway namespace/name`.
    pub route: Arc<str>,
    /// What a request must bring, in words: `token-present`, `valid-tokens`, `issuer:a|b`, `audience:x of a`, `keys:… of a`,
    /// `clock-skew:60s of a`. A route that asks for less than before no longer has one of the words that it had; one that
    /// asks for something else has others. Each once, in this order.
    ///
    /// Of AuthorizationPolicies a route has `allow-only` where nobody gets in unless one lets him, `deny` and `custom` where
    /// some refuse. A Gateway has them with the policies, and a digest of what they say; and, where anything is demanded on it,
    /// a word for each of [`SETTINGS`](Self::SETTINGS).
    pub demands: Box<[Arc<str>]>,
}

impl Protection {
    /// How words begin that tell a setting on which the meaning of policies depends: how paths are made normal, whose word
    /// for the client's address counts, whose PROXY protocol is read, when streams end. A Gateway on which nothing is
    /// demanded has none of them, which takes nothing away.
    pub const SETTINGS: [&str; 4] = [
        "paths:",
        "client-address:",
        "proxy-protocol:",
        "streams-end:",
    ];
}

/// How one socket is bound and what holds for its connections.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// The Gateway that asked for it.
    pub origin: Arc<Origin>,
    /// Addresses to bind; unspecified addresses where the Gateway names none.
    pub addresses: Box<[IpAddr]>,
    /// Port to bind: the Gateway's, or what its port map says (decision P10).
    pub port: u16,
    /// Certificates by SNI; empty on cleartext sockets.
    pub certificates: Box<[Certificate]>,
    /// How the certificates of clients are checked, on sockets that terminate
    /// TLS. `None`: they are not asked for one.
    pub clients: Option<Arc<ClientValidation>>,
    /// Bounds on what clients may send.
    pub limits: Limits,
    /// Bounds on how long things may take.
    pub timeouts: Timeouts,
    /// Peers whose PROXY protocol header is read; from others it is an error
    /// in the request like any garbage. Empty: nobody's.
    pub proxy_protocol: Box<[IpNet]>,
    /// Streams may outlive the token that opened them (relaxes decision P12).
    pub streams_outlive_token: bool,
    /// What is written for each request.
    pub access_log: AccessLog,
    /// Answers carry the id of their decision. `None`: none do.
    pub debug_header: Option<Arc<DebugHeader>>,
}

/// A header in which a client is told which decision fell. `GatewayParameters.spec.debugHeader`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugHeader {
    /// Its name.
    pub name: HeaderName,
    /// How much it tells.
    pub detail: DebugDetail,
    /// The listeners of the socket whose answers carry it.
    pub listeners: Box<[ListenerId]>,
}

/// How much a client is told of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DebugDetail {
    /// An id that the access log repeats.
    #[default]
    Id,
    /// Reason and rule as well. For test environments.
    Full,
}

/// A listener's certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The listener it serves; SNI picks the narrowest listener hostname.
    pub listener: ListenerId,
    /// The Secret.
    pub origin: Arc<Origin>,
    /// Certificates in PEM, leaf first.
    pub chain: Arc<str>,
    /// Private key in PEM.
    pub key: Secret,
}

/// How a socket checks the certificates of its clients (Gateway API
/// `Gateway.spec.tls.frontend`, decision P13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientValidation {
    /// What becomes of clients that no authority vouches for.
    pub mode: ClientMode,
    /// Who vouches for clients. Empty where no reference resolved: the socket
    /// refuses every handshake, whatever the mode.
    pub authorities: Box<[Authority]>,
}

/// Gateway API `validation.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientMode {
    /// Their handshake fails.
    #[default]
    ValidOnly,
    /// They are let in, without an identity.
    InsecureFallback,
}

/// Certificates of one `caCertificateRefs` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The ConfigMap or Secret.
    pub origin: Arc<Origin>,
    /// Trust anchors in PEM.
    pub pem: Arc<str>,
    /// The SPIFFE trust domains that it may vouch for; it then vouches for
    /// nothing else. `None`: for any name.
    pub trust_domains: Option<Box<[Box<str>]>>,
}

/// Text that must never be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<Arc<str>>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one who uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Bounds on requests. `GatewayParameters.spec.limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of request line and headers together; more is 431.
    pub header_bytes: u32,
    /// Number of header lines; more is 431.
    pub headers: u32,
    /// Bytes of a request body; more is 413. `None`: no limit.
    pub body_bytes: Option<u64>,
    /// Open connections of a socket; more wait in the kernel's queue.
    pub connections: u32,
    /// Streams that one HTTP/2 connection may have open.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            header_bytes: 60 * 1024,
            headers: 100,
            body_bytes: None,
            connections: 50_000,
            streams: 100,
        }
    }
}

/// Bound on the verified tokens that the process keeps.
/// `GatewayParameters.spec.tokenCacheBytes`; the largest that a Gateway asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenCache {
    /// Most memory for them; 0: none are kept.
    pub bytes: u64,
}

impl Default for TokenCache {
    fn default() -> Self {
        TokenCache {
            bytes: 64 * 1024 * 1024,
        }
    }
}

/// Bounds on time. `GatewayParameters.spec.timeouts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its headers; also a TLS handshake, and until
    /// the first request of a connection begins.
    pub request_headers: Duration,
    /// A client connection without a request on it.
    pub idle: Duration,
    /// Until a backend has accepted a connection.
    pub connect: Duration,
    /// From request to answer where a route says nothing. Zero: no limit.
    pub request: Duration,
    /// How long running requests may take to end at shutdown and, for streams
    /// and connections, after a reload.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            request_headers: Duration::from_secs(10),
            idle: Duration::from_secs(60 * 60),
            connect: Duration::from_secs(5),
            request: Duration::from_secs(15),
            drain: Duration::from_secs(30),
        }
    }
}

/// Form of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// Nothing.
    Off,
    /// `key=value` lines.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where a provider's keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// In the configuration.
    Inline(Arc<KeySet>),
    /// Over the network.
    Remote(RemoteKeys),
}

/// A key set that is fetched. Two equal values share one fetch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteKeys {
    /// Where the set is.
    pub location: KeyLocation,
    /// Connect here instead of the URL's host and port (kgateway `backendRef`).
    /// TLS is still decided by the URL and verified against its host (decision T16).
    pub connect: Option<countersign_core::backend::Endpoint>,
    /// Trust anchors for `https`.
    pub ca: Ca,
    /// Age after which a set is fetched anew, unless the answer's
    /// `Cache-Control` says otherwise within bounds.
    pub refresh: Duration,
    /// One fetch may take this long.
    pub timeout: Duration,
    /// Further attempts of one fetch (kgateway `retryPolicy.numRetries`).
    pub retries: u32,
    /// Wait before the first further attempt; doubles up to `backoff_max`.
    pub backoff: Duration,
    /// Longest wait between attempts.
    pub backoff_max: Duration,
    /// Wait after a fetch that failed with all its attempts.
    pub after_failure: Duration,
    /// Addresses that are never connected to.
    pub guard: AddressGuard,
}

/// The document with the keys, or the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyLocation {
    /// `http` or `https` URL of a JWK set.
    Jwks(Arc<str>),
    /// An issuer whose OpenID configuration names the set
    /// (`/.well-known/openid-configuration`, OpenID Connect Discovery 1.0 section 4).
    Discovery(Arc<str>),
}

/// Which addresses key sets may not come from. Link-local and cloud metadata
/// addresses are always refused (decision T15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AddressGuard {
    /// Also refuse loopback and private ranges.
    pub refuse_private: bool,
}
