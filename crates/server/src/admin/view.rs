//! The running configuration as JSON, for people.
//!
//! Every field is named here: what is added to the configuration shows only
//! once somebody has thought about whether it may. Values of headers and of
//! query parameters are left out, for they may be secrets; names stay.

mod policy;
mod routes;

#[cfg(test)]
mod tests;

use countersign_config::compiled::{
    AccessLog, Compiled, Limits, Protection, SocketSettings, Timeouts,
};
use countersign_core::Snapshot;
use countersign_core::backend::{AppProtocol, Backend, Ca, Endpoint, SubjectName};
use countersign_core::host::HostPattern;
use countersign_core::id::ListenerId;
use countersign_core::listener::{Listener, Socket};
use countersign_core::origin::Origin;
use countersign_core::path::Normalization;
use countersign_runtime::Running;
use serde_json::{Value, json};

/// All of it.
pub(super) fn config(running: &Running) -> Value {
    let Compiled {
        snapshot,
        sockets,
        protection,
        gateways,
        token_cache,
        keys: _,
    } = &*running.compiled;
    let sockets = snapshot.sockets.iter().zip(sockets);
    json!({
        "version": running.version,
        "load": running.load,
        "sockets": sockets.map(|(it, settings)| socket(snapshot, it, settings)).collect::<Value>(),
        "listeners": snapshot.listeners.iter().map(|it| listener(snapshot, it)).collect::<Value>(),
        "rules": snapshot.rules.iter().map(|it| routes::rule(snapshot, it)).collect::<Value>(),
        "requirements": policy::requirements(snapshot),
        "policies": policy::policies(snapshot),
        "expressions": policy::expressions(snapshot),
        "providers": policy::providers(running),
        "tokenCacheBytes": token_cache.bytes,
        "backends": snapshot.backends.iter().map(backend).collect::<Value>(),
        "protection": protection.iter().chain(gateways).map(protects).collect::<Value>(),
    })
}

/// Where something was compiled from.
fn origin(origin: &Origin) -> Value {
    Value::String(origin.to_string())
}

fn socket(snapshot: &Snapshot, socket: &Socket, settings: &SocketSettings) -> Value {
    let certificate = |it: &countersign_config::compiled::Certificate| json!({ "listener": name(snapshot, it.listener), "origin": origin(&it.origin) });
    let names = socket.listeners.iter().map(|id| name(snapshot, *id));
    json!({
        "origin": origin(&settings.origin),
        "port": socket.port,
        "bound": { "addresses": texts(&settings.addresses), "port": settings.port },
        "tls": socket.tls,
        "listeners": names.collect::<Value>(),
        "certificates": settings.certificates.iter().map(certificate).collect::<Value>(),
        "limits": limits(&settings.limits),
        "timeouts": timeouts(&settings.timeouts),
        "proxyProtocol": texts(&settings.proxy_protocol),
        "streamsOutliveToken": settings.streams_outlive_token,
        "accessLog": match settings.access_log {
            AccessLog::Off => "off",
            AccessLog::Text => "text",
            AccessLog::Json => "json",
        },
    })
}

fn limits(limits: &Limits) -> Value {
    let Limits {
        header_bytes,
        headers,
        body_bytes,
        connections,
        streams,
    } = limits;
    json!({
        "headerBytes": header_bytes,
        "headers": headers,
        "bodyBytes": body_bytes,
        "connections": connections,
        "streams": streams,
    })
}

/// In seconds.
fn timeouts(timeouts: &Timeouts) -> Value {
    let Timeouts {
        request_headers,
        idle,
        connect,
        request,
        drain,
    } = timeouts;
    json!({
        "requestHeaders": request_headers.as_secs_f64(),
        "idle": idle.as_secs_f64(),
        "connect": connect.as_secs_f64(),
        "request": request.as_secs_f64(),
        "drain": drain.as_secs_f64(),
    })
}

fn listener(snapshot: &Snapshot, listener: &Listener) -> Value {
    let entries = listener
        .routes
        .entries()
        .map(|it| routes::entry(snapshot, it));
    json!({
        "name": *listener.name,
        "origin": origin(&listener.origin),
        "hostname": hostname(&listener.host),
        "closed": listener.closed.as_deref(),
        "identityHeaders": listener.identity.names().collect::<Value>(),
        "pathNormalization": match listener.normalization {
            Normalization::None => "NONE",
            Normalization::Base => "BASE",
            Normalization::MergeSlashes => "MERGE_SLASHES",
            Normalization::DecodeAndMergeSlashes => "DECODE_AND_MERGE_SLASHES",
        },
        "trustedProxies": {
            "hops": listener.proxies.hops,
            "addresses": texts(&listener.proxies.addresses),
        },
        "requirements": {
            "istio": listener.istio.map(|id| id.0),
            "withoutRoute": listener.jwt.map(|id| id.0),
        },
        "policies": listener.policies.map(|id| id.0),
        "expressions": { "withoutRoute": listener.rbac.map(|id| id.0) },
        "routes": entries.collect::<Value>(),
    })
}

fn backend(backend: &Backend) -> Value {
    let endpoint = |Endpoint { host, port }: &Endpoint| format!("{host}:{port}");
    json!({
        "name": *backend.name,
        "origin": origin(&backend.origin),
        "protocol": match backend.protocol {
            AppProtocol::Http => "http",
            AppProtocol::Http2 => "http2",
            AppProtocol::WebSocket => "websocket",
        },
        "endpoints": backend.endpoints.iter().map(endpoint).collect::<Value>(),
        "tls": backend.tls.as_ref().map(|tls| json!({
            "serverName": *tls.server_name,
            "subjectAltNames": tls.names.iter().map(|name| match name {
                SubjectName::Dns(name) | SubjectName::Uri(name) => name.to_string(),
            }).collect::<Value>(),
            "ca": ca(&tls.ca),
        })),
    })
}

fn ca(ca: &Ca) -> &'static str {
    match ca {
        Ca::System => "system",
        Ca::Pem(_) => "configured",
        Ca::Broken => "broken",
    }
}

fn protects(protection: &Protection) -> Value {
    let demands = protection.demands.iter().map(ToString::to_string);
    json!({ "route": *protection.route, "demands": demands.collect::<Value>() })
}

/// `None` stands for every host.
fn hostname(host: &HostPattern) -> Option<String> {
    (*host != HostPattern::Any).then(|| host.to_string())
}

fn name(snapshot: &Snapshot, id: ListenerId) -> Option<&str> {
    snapshot.listener(id).map(|listener| &*listener.name)
}

fn texts<T: ToString>(items: &[T]) -> Value {
    items.iter().map(ToString::to_string).collect()
}
