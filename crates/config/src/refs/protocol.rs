//! `appProtocol` of a Service port and of a Backend.

use countersign_core::backend::AppProtocol;

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) app: AppProtocol,
    /// It says that it wants TLS; how the certificate is checked, a BackendTLSPolicy must say.
    pub(crate) tls: bool,
}

impl Protocol {
    pub(crate) fn plain(app: AppProtocol) -> Protocol {
        Protocol { app, tls: false }
    }
}

/// Of a Service port: the names that Kubernetes, IANA and Istio use. `None` for what is not HTTP.
pub(super) fn of_port(text: &str) -> Option<Protocol> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("kubernetes.io/").unwrap_or(&lower);
    let (app, tls) = match name {
        "http" | "grpc-web" => (AppProtocol::Http, false),
        "h2c" | "http2" | "grpc" => (AppProtocol::Http2, false),
        "ws" => (AppProtocol::WebSocket, false),
        "https" => (AppProtocol::Http, true),
        "wss" => (AppProtocol::WebSocket, true),
        _ => return None,
    };
    Some(Protocol { app, tls })
}

/// Of a kgateway Backend, whose field takes these words only.
pub(super) const OF_BACKEND: &[(&str, AppProtocol)] = &[
    ("http2", AppProtocol::Http2),
    ("grpc", AppProtocol::Http2),
    ("grpc-web", AppProtocol::Http),
    ("kubernetes.io/h2c", AppProtocol::Http2),
    ("kubernetes.io/ws", AppProtocol::WebSocket),
];
